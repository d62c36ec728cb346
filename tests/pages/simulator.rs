//! The page about the simulator.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use super::{Shell, commands};
use crate::cluster::eventually;

#[test]
fn the_commands_of_the_simulators_page_do_what_it_says() {
    let shell = Shell::new(
        "simulator-page",
        &[("wavepin", Path::new(env!("CARGO_BIN_EXE_wavepin")))],
    );
    let [start, look, lose, slow] = commands("simulator.md", "simulator").try_into().unwrap();
    // The page's port may be taken.
    let free = || {
        TcpListener::bind(("127.0.0.1", 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .to_string()
    };
    let address = free();
    let on = |commands: &str| commands.replace("127.0.0.1:4000", &address);
    let ready = |name: &str| {
        eventually(name, Duration::from_secs(20), || {
            shell.log(name).contains("simulator ready: http://")
        });
    };
    let simulator = shell.start("first", &format!("exec {}", on(&start)));
    ready("first");
    let seen = shell.run(&on(&look), &[]);
    assert!(
        seen.contains("\"userType\"") || seen.contains("keyKind") || seen.contains("clinical"),
        "{seen}"
    );
    let armed = shell.run(&on(&lose), &[]);
    assert!(armed.contains("true"), "{armed}");
    let faults = shell.run(&on("curl -s http://127.0.0.1:4000/_simulator/faults"), &[]);
    assert!(faults.contains("lost_answer"), "{faults}");
    drop(simulator);

    let other = free();
    let slow = slow.replace("wavepin simulator", &format!("exec wavepin simulator --listen {other}"));
    let started = shell.start("second", &slow);
    ready("second");
    let faults = shell.run(&format!("curl -s http://{other}/_simulator/faults"), &[]);
    assert!(faults.contains("slow"), "{faults}");
    drop(started);
}
