//! `wavepin apply --watch`: it stays, and follows the files.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use wavepin::simulator::Fault;

use super::bench::Bench;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `wavepin apply --watch`; killed when dropped.
pub(super) struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    pub(super) fn start(bench: &Bench, more: &[&str]) -> Self {
        let mut child = bench
            .command(&["--watch"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be run");
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("it is a pipe"));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// Waits until it says this.
    pub(super) fn says(&self, wanted: &str) {
        let mut said = Vec::new();
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("no {wanted:?} in {said:#?}"));
            if line.contains(wanted) {
                return;
            }
            said.push(line);
        }
    }

    fn ask_to_end(&self) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(kill.expect("kill can be run").success());
    }

    /// Asks it to end, and gives its exit code and what it printed.
    pub(super) fn end(mut self) -> (Option<i32>, String) {
        self.ask_to_end();
        let mut printed = String::new();
        self.child
            .stdout
            .take()
            .expect("it is a pipe and tells text")
            .read_to_string(&mut printed)
            .expect("it is a pipe and tells text");
        (self.child.wait().expect("it ends").code(), printed)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // Fails only when it ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_the_files_until_it_is_asked_to_end() {
    let bench = Bench::clinical().await;
    let (code, printed) = tokio::task::block_in_place(|| {
        let watching = Watching::start(&bench, &[]);
        watching.says("tenant initech in staging is on version 2");
        bench.edit_pin("acme-corp-production", "  version: 1", "  version: 2");
        watching.says("tenant acme-corp in production is on version 2");
        let requests = bench.simulator.requests().len();
        bench.write("broken.yaml", "a: [b");
        watching.says("broken.yaml, document 1: is no YAML");
        std::fs::remove_file(bench.file("broken.yaml")).unwrap();
        bench.edit_pin("acme-corp-production", "  version: 2", "  version: 1");
        watching.says("tenant acme-corp in production is on version 1");
        // The last tenant of a version goes, and its first one comes back.
        for version in ["1", "2"] {
            for tenant in ["acme-corp", "globex", "initech"] {
                let (from, to) = if version == "1" { ("2", "1") } else { ("1", "2") };
                let [from, to] = [from, to].map(|number| format!("  version: {number}"));
                bench.edit_pin(&format!("{tenant}-staging"), &from, &to);
            }
            watching.says(&format!("in staging is on version {version}"));
        }
        assert_eq!(
            bench.simulator.requests().len(),
            requests,
            "rows move without a word to Omni"
        );
        watching.end()
    });
    assert_eq!(code, Some(0));
    assert!(
        printed.contains("acme-corp-production   acme-corp   production    1        1         True"),
        "{printed}"
    );
    assert_eq!(bench.look_up("acme-corp", "production").await, "12db1a0a");
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_move_and_it_ends_while_omni_answers_nothing() {
    let bench = Bench::clinical().await;
    let code = tokio::task::block_in_place(|| {
        let mut watching = Watching::start(&bench, &["--request-timeout", "10m"]);
        watching.says("tenant initech in staging is on version 2");
        let hang = serde_json::from_value(serde_json::json!({"kind": "hang"})).expect("there is such a fault");
        let hang = Fault::once("GET", "", hang).expect("a pattern");
        bench.simulator.arm(Fault {
            method: None,
            times: u32::MAX,
            ..hang
        });
        let requests = bench.simulator.requests().len();
        let third = std::fs::read_to_string(bench.file("clinical-v2.yaml")).expect("the file was written before");
        bench.write(
            "clinical-v3.yaml",
            &third.replace("version: 2", "version: 3").replace("v2", "v3"),
        );
        while bench.simulator.requests().len() == requests {
            std::thread::yield_now();
        }
        bench.edit_pin("acme-corp-production", "  version: 1", "  version: 2");
        watching.says("tenant acme-corp in production is on version 2");
        watching.ask_to_end();
        watching.says("stopping after the present step");
        watching.ask_to_end();
        watching.says("leaving the present step where it stands");
        watching.child.wait().expect("it ends").code()
    });
    assert_eq!(code, Some(0));
    let shown = bench.look_up("acme-corp", "production").await;
    assert!(shown.contains("-v2-"), "{shown}");
}
