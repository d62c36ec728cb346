//! Parts that are gone for a while, cut off or silent: work waits without a hot loop, says so, and goes on by itself.

use std::time::Duration;

use super::bed::{Bed, FILES, FIRST, SECOND, documents};
use crate::cluster::{condition, eventually};
use crate::parts::{Line, Proxy};

/// How often a part that is gone may be asked for in the seconds of a test: passes of three kinds pause ever longer.
const TRIES: usize = 60;

fn ready(bed: &Bed, name: &str) -> (String, String) {
    let object = bed.cluster.object(name);
    let ready = condition(&object, "Ready").expect("it has one").clone();
    let text = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

#[track_caller]
fn is_unknown(bed: &Bed, name: &str, reason: &str) {
    // A silent database is given the time of a connection and two statements: 70 seconds.
    eventually(&format!("{name} is unknown"), Duration::from_secs(100), || {
        ready(bed, name) == ("Unknown".to_owned(), reason.to_owned())
    });
}

/// The line carries again after few tries, and everything is ready again though nobody asks for a look.
#[track_caller]
fn goes_on_by_itself(bed: &Bed, proxy: &Proxy, line: Line) {
    let tries = proxy.turn(Line::Carries);
    // In silence the connections that are there seem to be good.
    let least = usize::from(line == Line::Cut);
    assert!((least..=TRIES).contains(&tries), "{tries} tries while it was {line:?}");
    eventually("all are ready again", Duration::from_secs(90), || {
        let objects = bed.cluster.objects();
        let mut readies = objects.iter().map(|object| condition(object, "Ready").cloned());
        readies.all(|ready| ready.is_some_and(|ready| ready["status"] == "True"))
    });
}

fn promote(bed: &Bed, version: i32) {
    let patch = format!("{{\"spec\": {{\"version\": {version}}}}}");
    let pin = "acme-corp-production";
    bed.cluster
        .kubectl(&["patch", "tpin", pin, "--type=merge", "--patch", &patch]);
    bed.cluster.kubectl(&[
        "wait",
        "--for=condition=Pinned",
        &format!("tpin/{pin}"),
        "--timeout=30s",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn omni_gone() {
    let bed = Bed::new("omni-gone").await;
    let proxy = Proxy::to(bed.simulator.addr().port()).await;
    let by_proxy = |text: String| text.replace(bed.simulator.base_url(), &format!("http://127.0.0.1:{}", proxy.port()));
    let controller = bed.impatient("controller", "15s");
    for file in FILES {
        bed.cluster.apply(&by_proxy(bed.manifest(file)));
    }
    bed.all_ready("90s");
    for (line, version, folder) in [(Line::Cut, 2, SECOND), (Line::Silent, 1, FIRST)] {
        proxy.turn(line);
        bed.look_again(&format!("{line:?}"));
        is_unknown(&bed, "omni/clinical", "OmniUnreachable");
        is_unknown(&bed, "mv/clinical-v2", "OmniUnreachable");
        // A promotion, and the way back, need no Omni.
        let state = bed.simulator.state();
        promote(&bed, version);
        bed.is_on(&state, "acme-corp", "production", folder);
        goes_on_by_itself(&bed, &proxy, line);
    }
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_gone() {
    let bed = Bed::new("database-gone").await;
    let mut url = url::Url::parse(&bed.database.url).expect("a URL");
    let proxy = Proxy::to(url.port().expect("it names its port")).await;
    url.set_port(Some(proxy.port())).expect("it has a host");
    bed.cluster.keeps(url.as_str());
    let by_proxy = |text: String| text.replace(&bed.database.url, url.as_str());
    let controller = bed.impatient("controller", "15s");
    for file in FILES {
        bed.cluster.apply(&by_proxy(bed.manifest(file)));
    }
    bed.all_ready("90s");
    for line in [Line::Cut, Line::Silent] {
        proxy.turn(line);
        let requests = bed.simulator.requests().len();
        bed.look_again(&format!("{line:?}"));
        is_unknown(&bed, "omni/clinical", "MappingUnreachable");
        is_unknown(&bed, "mv/clinical-v2", "MappingUnreachable");
        is_unknown(&bed, "tpin/acme-corp-production", "MappingUnreachable");
        assert_eq!(bed.simulator.requests().len(), requests, "no database, no call");
        goes_on_by_itself(&bed, &proxy, line);
    }
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_gone() {
    let bed = Bed::new("api-gone").await;
    let proxy = Proxy::to(bed.cluster.api_server.port()).await;
    let start = |name: &str| {
        let mut controller = bed.cluster.controller_by(proxy.port());
        controller.args(["--lease", "3s"]);
        bed.cluster.start(name, &mut controller)
    };
    let names = ["controller", "after-the-cut", "after-the-silence"];
    let mut controller = start(names[0]);
    for file in FILES {
        bed.cluster.apply(&bed.manifest(file));
    }
    bed.all_ready("90s");
    for (line, next) in [Line::Cut, Line::Silent].into_iter().zip(&names[1..]) {
        let written = bed.row_writes();
        proxy.turn(line);
        // Who cannot keep its Lease gives the lead up and ends; whatever runs it starts it again.
        eventually("it gave the lead up", Duration::from_secs(30), || {
            controller.ended().is_some()
        });
        let tries = proxy.turn(Line::Carries);
        assert!(tries <= TRIES, "{tries} tries while it was {line:?}");
        controller = start(next);
        bed.ask_for_passes(&format!("{line:?}"));
        bed.all_ready("60s");
        assert_eq!(bed.row_writes(), written, "the row is the truth, and nobody wrote it");
    }
    let requests = bed.simulator.requests();
    let imports = requests.iter().filter(|it| it.path.ends_with("/documents/import"));
    assert_eq!(imports.count(), 5, "each dashboard once");
    bed.cluster.end(names[2], controller);
    bed.simulator.shutdown().await;
}

/// A call to Omni hangs when the process is told to end: it is abandoned, and found again by the next.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_does_not_wait_for_a_call_that_hangs() {
    use wavepin::simulator::{Fault, FaultKind};

    let bed = Bed::new("hanging").await;
    let fault = Fault::once("POST", "/documents/import$", FaultKind::Hang).expect("a pattern");
    bed.simulator.arm(fault);
    let controller = bed.controller("hanging");
    for file in FILES {
        bed.cluster.apply(&bed.manifest_with(file, "  listLag: 1s\n"));
    }
    eventually("the call hangs", Duration::from_secs(60), || {
        bed.simulator.requests().iter().any(|it| it.fault.is_some())
    });
    let told = std::time::Instant::now();
    bed.cluster.end("hanging", controller);
    let took = told.elapsed();
    assert!(took < Duration::from_secs(20), "it took {took:?}");
    let state = bed.simulator.state();
    assert_eq!(documents(&state, SECOND).len(), 0);
    // How the call ended is not known: the next process finds out, and then makes the copy.
    let next = bed.impatient("controller", "15s");
    bed.all_ready("90s");
    bed.each_thing_once();
    bed.cluster.end("controller", next);
    bed.simulator.shutdown().await;
}
