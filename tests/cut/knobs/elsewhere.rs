//! What befalls the calls of ways that few take: the newer documents API, and a repository's server.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use serde_json::Value;
use wavepin::resources::reasons::Reason;
use wavepin::simulator::{Fault, FaultKind};

use super::ways::faults;
use super::{adopted, adopted_as, befallen, nothing_is_there_twice, settle, undisturbed};
use crate::cut::git::Making;
use crate::cut::matrix::by_either_method;
use crate::cut::matrix::outcome::{difference, outcome};
use crate::parts::git::GitServer;
use crate::parts::git_https::{EXCHANGES, Trouble};

/// What befalls a call of the newer documents API: the cut ends as an undisturbed one, whichever way it took, or stops.
async fn befallen_documents(fault: Value, method: &str, path: &str, expected: &Value) {
    let (bench, world) = adopted_as(by_either_method).await;
    let kind: FaultKind = serde_json::from_value(fault.clone()).expect("there is such a fault");
    bench.simulator.arm(Fault::once(method, path, kind).expect("a pattern"));
    let stopped = settle(&bench, &world, "clinical-v2", &mut BTreeSet::new()).await;
    assert!(befallen(&bench) > 0, "{fault} did not strike {method} {path}");
    // What is inside of a document is Omni's alone: a copy of what it told wrongly is made, found, and seen by nobody.
    let told_wrongly = method == "GET" && ["renamed_field", "changed_field"].contains(&fault["kind"].as_str().unwrap());
    let reason = told_wrongly.then_some(Reason::CopyDiffers);
    assert_eq!(stopped, reason, "{fault} on {method} {path}: it befell one call alone");
    if stopped.is_none() {
        assert_eq!(bench.outcome(), *expected, "{fault} on {method} {path}");
    }
    nothing_is_there_twice(&bench, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_a_call_of_the_documents_api_nothing_is_made_twice() {
    let (bench, world) = adopted_as(by_either_method).await;
    let stopped = settle(&bench, &world, "clinical-v2", &mut BTreeSet::new()).await;
    assert_eq!(stopped, None, "an Omni as it should be");
    let expected = bench.outcome();
    let calls = [("GET", "^/api/v2/documents/"), ("POST", "^/api/v2/documents$")];
    let runs = faults()
        .into_iter()
        .flat_map(|fault| calls.map(|(method, path)| (fault.clone(), method, path)));
    let runs = runs.map(|(fault, method, path)| {
        let expected = expected.clone();
        tokio::spawn(async move { befallen_documents(fault, method, path, &expected).await })
    });
    let runs: Vec<_> = futures::stream::iter(runs).buffer_unordered(4).collect().await;
    let failed: Vec<String> = runs
        .into_iter()
        .filter_map(|it| it.err().map(|it| it.to_string()))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Whatever befalls each exchange with the server of the repository: one commit of ours, and the rest as ever.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_the_server_of_the_repository_nothing_is_pushed_twice() {
    let making = Making::GitHttps;
    let expected = &undisturbed(making).await.outcome;
    let runs = Trouble::ALL.map(|trouble| async move {
        let (bench, world) = adopted(making).await;
        let https = GitServer::shared().https();
        let repository = bench.repository.get().expect("it has one").name.clone();
        for exchange in EXCHANGES {
            https.befall(&repository, exchange, trouble);
        }
        let stopped = settle(&bench, &world, "clinical-v2", &mut BTreeSet::new()).await;
        assert_eq!(stopped, None, "{trouble:?}: it befell each exchange once");
        assert_eq!(
            https.befallen(&repository),
            EXCHANGES.len(),
            "{trouble:?} befell not all"
        );
        assert_eq!(difference(expected, &outcome(&bench).await), None, "{trouble:?}");
    });
    futures::future::join_all(runs).await;
}
