//! The ledger is put back, or lost, under an operator that is installed anew and finds no status: all is known again.

use serde_json::Value;

use super::bed::{Bed, FILES, SECOND, TENANTS};

/// What Wavepin knows of version 2, taken away as a restore from before the cut would.
const VERSION_TWO: &str = "
DELETE FROM wavepin.dashboard WHERE version = 2;
DELETE FROM wavepin.intent WHERE version = 2;
DELETE FROM wavepin.model_version WHERE version = 2;
";

/// The application's own rows of version 2.
const ROWS: &str = "DELETE FROM dashboard_model WHERE model_version_id = 2";

/// No object has any other status than one that was never looked at: readiness is told anew, or not at all.
fn wipe_statuses(bed: &Bed) {
    for object in bed.cluster.objects() {
        let [kind, name] = [&object["kind"], &object["metadata"]["name"]].map(|it| it.as_str().expect("it is named"));
        let object = format!("{}/{name}", kind.to_lowercase());
        let wipe = ["patch", &object, "--subresource=status", "--type=merge"];
        bed.cluster
            .kubectl(&[&wipe[..], &["-p", r#"{"status": null}"#]].concat());
    }
    for object in bed.cluster.objects() {
        let status = object["status"].as_object().into_iter().flatten();
        // What the definition has where nothing is: `Pending`, and a generation that no object has.
        let told = status.filter(|(field, value)| match field.as_str() {
            "conditions" => value[0]["reason"] != "Pending" || value.as_array().is_none_or(|all| all.len() != 1),
            "observedGeneration" => **value != -1,
            _ => true,
        });
        let told: Vec<_> = told.collect();
        assert!(told.is_empty(), "{} still says {told:?}", object["metadata"]["name"]);
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
    for (name, loss, written_again) in [
        ("without-statuses", "", 0),
        ("without-version-two", VERSION_TWO, 0),
        ("without-a-ledger", "DROP SCHEMA wavepin CASCADE", 0),
        ("without-rows", ROWS, 5),
    ] {
        bed.cluster.end(running.0, running.1);
        bed.database.psql(loss);
        let rows = bed.row_writes();
        wipe_statuses(&bed);
        running = (name, bed.controller(name));
        bed.all_ready("60s");
        for tenant in TENANTS {
            bed.is_on(&state, tenant, "staging", SECOND);
        }
        assert_eq!(bed.simulator.state(), state, "{name}");
        let written = bed.row_writes().split_off(rows.len());
        let inserts = written
            .iter()
            .filter(|it| it.starts_with("public.dashboard_model|INSERT|"));
        assert_eq!(inserts.count(), written_again, "{name}: {written:#?}");
        assert_eq!(written.len(), written_again, "{name}: {written:#?}");
    }
    let since = bed.simulator.requests();
    let writes: Vec<_> = since.iter().skip(requests).filter(|it| it.method != "GET").collect();
    assert!(writes.is_empty(), "{writes:?}");
    let version: Value = bed.cluster.object("mv/clinical-v2");
    assert_eq!(version["status"]["sealed"], true);
    bed.cluster.end(running.0, running.1);
    bed.simulator.shutdown().await;
}
