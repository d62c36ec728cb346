//! From an organisation with hand-made dashboards to one tenant on a new version of them, the others where they were.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::bed::{Bed, FILES, FIRST, SECOND, TENANTS, documents, list, shared_model};
use super::copies::{Names, definition, essence, own_definitions};

#[tokio::test(flavor = "multi_thread")]
async fn the_journey() {
    let bed = Bed::new("journey").await;
    let before = bed.simulator.state();
    let controller = bed.controller("controller");
    let is_over = AtomicBool::new(false);
    let hidden = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch_the_viewer(&bed, &is_over));
        // Also when a wait fails: the watcher would look for ever.
        let _over = Over(&is_over);
        for file in FILES {
            bed.cluster.apply(&bed.manifest(file));
        }
        bed.cluster.kubectl(&[
            "wait",
            "--for=condition=Ready",
            "modelversion/clinical-v2",
            "--timeout=60s",
        ]);
        bed.all_ready("30s");
        is_over.store(true, Ordering::Relaxed);
        watcher.join().expect("no viewer saw half a version")
    });
    assert!(hidden > 0, "nobody looked while copies were there and closed");

    let after = bed.simulator.state();
    nothing_of_before_moved(&before, &after);
    the_copies_are_the_same_dashboards(&bed, &after);
    the_model_is_the_same_but_for_the_edits(&after);
    for tenant in TENANTS {
        bed.is_on(&after, tenant, "staging", SECOND);
        bed.is_on(&after, tenant, "production", FIRST);
    }
    bed.told("mv/clinical-v2", "InUse", "TenantsPinned");
    one_row_promotes(&bed);
    assert_eq!(after, bed.simulator.state(), "a promotion changes nothing in Omni");
    bed.is_on(&after, "acme-corp", "production", SECOND);
    for tenant in ["globex", "initech"] {
        bed.is_on(&after, tenant, "production", FIRST);
    }
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}

/// Ends the watcher.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a viewer sees in a folder.
fn seen(bed: &Bed, folder: &str) -> Vec<Value> {
    let seen = bed.simulator.see("acme-corp", "staging");
    let all = list(&seen, "documents").iter();
    all.filter(|document| document["folderPath"] == folder)
        .cloned()
        .collect()
}

#[track_caller]
fn every_tile_compiles(documents: &[Value]) {
    for document in documents {
        let tiles = list(document, "tiles");
        assert!(!tiles.is_empty(), "{document}");
        for tile in tiles {
            assert_eq!(tile["compiles"], true, "{}: {tile}", document["identifier"]);
        }
    }
}

/// Looks until it is over: a viewer sees all of the version or nothing, and all once a row leads there. Gives how often
/// copies were there and not seen.
fn watch_the_viewer(bed: &Bed, is_over: &AtomicBool) -> usize {
    let mut hidden = 0;
    while !is_over.load(Ordering::Relaxed) {
        let rows = "SELECT count(*) FROM dashboard_model WHERE model_version_id = 2";
        let rows = bed.database.psql(rows);
        let requests = bed.simulator.requests();
        let copies = seen(bed, SECOND);
        match copies.len() {
            0 => {
                assert_eq!(rows.trim(), "0", "rows lead to what a viewer may not see");
                let is_import = |path: &str| path.ends_with("/documents/import");
                hidden += usize::from(requests.iter().any(|it| is_import(&it.path) && it.status.is_some()));
            }
            5 => every_tile_compiles(&copies),
            some => panic!("a viewer sees {some} of 5 dashboards"),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    hidden
}

/// Everything that was there is there as it was, to the byte.
fn nothing_of_before_moved(before: &Value, after: &Value) {
    for (kind, id) in [
        ("models", "id"),
        ("documents", "documentId"),
        ("folders", "id"),
        ("connections", "id"),
    ] {
        for was in list(before, kind) {
            let is = list(after, kind).iter().find(|is| is[id] == was[id]);
            assert_eq!(Some(was), is, "of the {kind}");
        }
    }
    for role in list(before, "roles") {
        assert!(list(after, "roles").contains(role), "{role}");
    }
}

fn the_copies_are_the_same_dashboards(bed: &Bed, state: &Value) {
    let (sources, copies) = (documents(state, FIRST), documents(state, SECOND));
    assert_eq!((sources.len(), copies.len()), (5, 5));
    let names = [Names::of(&sources), Names::of(&copies)];
    let model = &shared_model(state, "clinical v2")["id"];
    for source in sources {
        let copy = copies.iter().find(|copy| copy["name"] == source["name"]);
        let copy = copy.unwrap_or_else(|| panic!("{} has no copy", source["name"]));
        assert_eq!(copy["modelId"], *model, "{}", copy["name"]);
        assert_eq!(essence(copy, &names[1]), essence(source, &names[0]), "{}", copy["name"]);
        assert_eq!(
            own_definitions(state, copy, &names[1]),
            own_definitions(state, source, &names[0]),
            "{}",
            copy["name"]
        );
    }
    let copies = seen(bed, SECOND);
    assert_eq!(copies.len(), 5);
    every_tile_compiles(&copies);
}

fn the_model_is_the_same_but_for_the_edits(state: &Value) {
    let [first, second] = [FIRST, SECOND].map(|folder| Names::of(&documents(state, folder)));
    let mut old = definition(shared_model(state, "clinical"), &first);
    let mut new = definition(shared_model(state, "clinical v2"), &second);
    let [old, new] = [&mut old, &mut new].map(|files| files.as_object_mut().expect("files by name"));
    let topic = new.remove("wards.topic").expect("the new topic");
    assert_eq!(topic["base_view"], "wards");
    let (patients, edited) = (old.remove("patients.view"), new.remove("patients.view"));
    let (patients, edited) = (patients.expect("it was there"), edited.expect("it is there"));
    assert_eq!(patients["dimensions"].get("age_group"), None);
    assert_eq!(edited["dimensions"]["age_group"]["label"], "Age group");
    // From the second version to the second: the name stands for an identifier of that version.
    let link = edited["dimensions"]["mrn"]["link"].to_string();
    assert!(link.contains("/dashboards/<Patient Summary>"), "{link}");
    assert_eq!(old, new);
}

/// A patch of one pin moves one row, which the ledger puts on record, and Omni does not hear of it.
fn one_row_promotes(bed: &Bed) {
    bed.witness_ledger();
    let (writes, requests) = (bed.row_writes().len(), bed.simulator.requests().len());
    let promotion = r#"{"spec": {"version": 2, "requires": {"environment": "staging", "soak": "0s"}}}"#;
    bed.cluster
        .kubectl(&["patch", "tpin", "acme-corp-production", "--type=merge", "-p", promotion]);
    let wait = [
        "wait",
        "--for=jsonpath={.status.version}=2",
        "tpin/acme-corp-production",
        "--timeout=20s",
    ];
    bed.cluster.kubectl(&wait);
    let row_writes = bed.row_writes();
    let [row, event] = &row_writes[writes..] else {
        panic!("{:?}", &row_writes[writes..]);
    };
    assert!(
        row.starts_with("public.tenant_version|UPDATE|(acme-corp,production,2,"),
        "{row}"
    );
    assert!(event.starts_with("wavepin.pin_event|INSERT|"), "{event}");
    // The last tenants of version 1 go, and come back.
    for (version, in_use) in [(2, "False"), (1, "True")] {
        for tenant in TENANTS {
            let move_to = format!(r#"{{"spec": {{"version": {version}, "requires": null}}}}"#);
            let pin = format!("{tenant}-production");
            bed.cluster
                .kubectl(&["patch", "tpin", &pin, "--type=merge", "-p", &move_to]);
        }
        let wait = format!("--for=condition=InUse={in_use}");
        bed.cluster.kubectl(&["wait", &wait, "mv/clinical-v1", "--timeout=20s"]);
    }
    bed.cluster
        .kubectl(&["patch", "tpin", "acme-corp-production", "--type=merge", "-p", promotion]);
    bed.cluster.kubectl(&wait);
    assert_eq!(
        bed.simulator.requests().len(),
        requests,
        "promotion and rollback ask Omni nothing"
    );
}
