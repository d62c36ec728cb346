//! An unknown API answer stops the work; it is never guessed.

use futures::StreamExt as _;
use wavepin::resources::conditions::{READY, STALLED, Verdict};
use wavepin::resources::reasons::Reason;
use wavepin::simulator::{Fault, FaultKind, LoggedRequest};

use crate::cut::bench::{Bench, ready, two_dashboards, verdict};
use crate::cut::breaking::Fuse;

fn writes(requests: &[LoggedRequest]) -> usize {
    requests.iter().filter(|request| request.method != "GET").count()
}

/// A cut whose n-th answer is of a shape that nobody knows. Returns the call and whether the work stopped there.
async fn cut_with_an_unknown_answer(after: u32, expected: &serde_json::Value) -> (String, bool) {
    let bench = Bench::new(two_dashboards).await;
    let world = bench.world(&Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v1").await);
    let before = bench.simulator.requests().len();
    let mut fault = Fault::once("GET", "", FaultKind::WrongJson).unwrap();
    (fault.method, fault.after) = (None, after);
    bench.simulator.arm(fault);
    let first = bench.drive(&world, "clinical-v2").await;
    let requests = bench.simulator.requests().split_off(before);
    let befallen = requests.iter().position(|request| request.fault.is_some()).unwrap();
    let call = format!("{} {}", requests[befallen].method, requests[befallen].path);
    let stopped = verdict(&first.findings, STALLED) == Some(Verdict::True);
    if stopped {
        let why = first.findings.iter().find(|it| it.condition == STALLED).unwrap();
        if why.reason == Reason::ContractDrift {
            let method = &requests[befallen].method;
            assert!(why.message.contains(method.as_str()), "the call is named: {why:?}");
            assert!(why.message.contains("unexpected"), "an excerpt is shown: {why:?}");
        } else {
            // It said in an unknown way that it had refused; what it should have done is not there when read back.
            assert_ne!(requests[befallen].method, "GET", "{call}: {why:?}");
            assert_eq!(why.reason, Reason::OmniRefused, "{call}: {why:?}");
        }
        assert_eq!(writes(&requests[befallen + 1..]), 0, "{call}: nothing is guessed");
        assert!(!first.sealed);
    } else {
        // Of some calls nothing is needed but that they were taken: what they did is read back.
        assert_eq!(
            verdict(&first.findings, READY),
            Some(Verdict::True),
            "{call}: {first:#?}"
        );
    }
    // The answers are known again: the work goes on where it stopped, and nothing is there twice.
    bench.simulator.disarm();
    bench.clock_passes(std::time::Duration::from_secs(600));
    ready(&bench.drive(&world, "clinical-v2").await);
    assert_eq!(bench.outcome(), *expected, "{call}");
    (call, stopped)
}

pub(crate) async fn an_unknown_answer_stops_the_work_and_is_never_guessed() {
    let bench = Bench::new(two_dashboards).await;
    let world = bench.world(&Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v1").await);
    let before = bench.simulator.requests().len();
    ready(&bench.drive(&world, "clinical-v2").await);
    let calls = u32::try_from(bench.simulator.requests().len() - before).unwrap();
    let expected = &bench.outcome();
    let runs = (0..calls).map(|after| cut_with_an_unknown_answer(after, expected));
    let ends: Vec<(String, bool)> = futures::stream::iter(runs).buffer_unordered(4).collect().await;
    let stopped = ends.iter().filter(|(_, stopped)| *stopped).count();
    eprintln!(
        "{calls} calls, each answered once in an unknown way: {stopped} stopped the work, the others need no answer"
    );
    for (call, stopped) in &ends {
        assert!(
            *stopped || !call.starts_with("GET"),
            "{call}: every answer that is read is needed"
        );
    }
}
