//! Two namespaces with one mapping: the second is told whose it is, and touches nothing until a person hands it over.

use std::time::Duration;

use super::bed::{Bed, FILES};
use crate::cluster::{Installation, condition, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_owner_of_one_mapping_is_told_and_touches_nothing() {
    let bed = Bed::new("owner").await;
    let first = bed.controller("controller");
    for file in FILES {
        bed.cluster.apply(&bed.manifest(file));
    }
    bed.all_ready("60s");
    let rival = Installation::new("rival");
    let controller = rival.start("rival", &mut rival.controller());
    let (rows, requests) = (bed.row_writes(), bed.simulator.requests().len());
    for file in FILES {
        rival.apply(&bed.manifest(file));
    }
    let owner = format!("{}/clinical", bed.cluster.namespace);
    let told = |cluster: &Installation, object: &str| {
        let object = cluster.object(object);
        let stalled = condition(&object, "Stalled")?.clone();
        let is_it = stalled["reason"] == "MappingOwned";
        is_it.then(|| stalled["message"].as_str().unwrap_or_default().to_owned())
    };
    for object in ["omni/clinical", "mv/clinical-v2", "tpin/acme-corp-production"] {
        eventually("the rival is told", Duration::from_secs(30), || {
            told(&rival, object).is_some_and(|message| message.contains(&owner))
        });
    }
    assert_eq!(bed.row_writes(), rows);
    assert_eq!(bed.simulator.requests().len(), requests, "no mapping, no call");

    // The first is gone for good: a person hands its mapping over, by its name.
    bed.cluster.end("controller", first);
    let handed = format!("wavepin.dev/take-mapping-from={owner}");
    rival.kubectl(&["annotate", "omni/clinical", &handed]);
    rival.kubectl(&[
        "wait",
        "--for=condition=Ready",
        "omni,mv,tpin,vro",
        "--all",
        "--timeout=60s",
    ]);
    let requests = bed.simulator.requests().split_off(requests);
    assert!(
        requests.iter().all(|request| request.method == "GET"),
        "all is known again: {requests:?}"
    );
    let again = bed.controller("again");
    eventually("the first is told", Duration::from_secs(30), || {
        told(&bed.cluster, "omni/clinical").is_some_and(|message| message.contains(&rival.namespace))
    });
    rival.end("rival", controller);
    bed.cluster.end("again", again);
    bed.simulator.shutdown().await;
}
