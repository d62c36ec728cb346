//! The ledger is put back, or lost, under an operator that is installed anew and finds no status: all is known again.

use serde_json::Value;

use super::bed::{Bed, FILES, SECOND, TENANTS};

/// What Wavepin knows of version 2, taken away as a restore from before the cut would.
const VERSION_TWO: &str = "
DELETE FROM wavepin.dashboard WHERE version = 2;
DELETE FROM wavepin.intent WHERE version = 2;
DELETE FROM wavepin.model_version WHERE version = 2;
";

fn wipe_statuses(bed: &Bed) {
    for object in bed.cluster.objects() {
        let [kind, name] = [&object["kind"], &object["metadata"]["name"]].map(|it| it.as_str().expect("it is named"));
        let object = format!("{}/{name}", kind.to_lowercase());
        let wipe = ["patch", &object, "--subresource=status", "--type=merge"];
        bed.cluster
            .kubectl(&[&wipe[..], &["-p", r#"{"status": null}"#]].concat());
    }
}

pub(crate) async fn a_new_installation_on_a_restored_database_makes_nothing_twice() {
    let bed = Bed::new("restored").await;
    let mut running = ("controller", bed.controller("controller"));
    for file in FILES {
        bed.cluster.apply(&bed.manifest(file));
    }
    bed.all_ready("60s");
    let (state, requests) = (bed.simulator.state(), bed.simulator.requests().len());
    let rows = bed.row_writes();
    for (name, loss) in [
        ("without-statuses", ""),
        ("without-version-two", VERSION_TWO),
        ("without-a-ledger", "DROP SCHEMA wavepin CASCADE"),
    ] {
        bed.cluster.end(running.0, running.1);
        bed.database.psql(loss);
        wipe_statuses(&bed);
        running = (name, bed.controller(name));
        bed.all_ready("60s");
        for tenant in TENANTS {
            bed.is_on(&state, tenant, "staging", SECOND);
        }
        assert_eq!(bed.simulator.state(), state, "{name}");
        assert_eq!(bed.row_writes(), rows, "{name}: no row of the application is written");
    }
    let since = bed.simulator.requests();
    let writes: Vec<_> = since.iter().skip(requests).filter(|it| it.method != "GET").collect();
    assert!(writes.is_empty(), "{writes:?}");
    let version: Value = bed.cluster.object("mv/clinical-v2");
    assert_eq!(version["status"]["sealed"], true);
    bed.cluster.end(running.0, running.1);
    bed.simulator.shutdown().await;
}
