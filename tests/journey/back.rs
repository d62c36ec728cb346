//! Promotion and rollback while Omni is down from the first to the last minute, and with nobody that leads.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use wavepin::simulator::{Fault, FaultKind};

use super::bed::{Bed, FILES};
use crate::cluster::eventually;
use crate::parts::Output;

const PATIENCE: Duration = Duration::from_secs(60);

/// Twelve tenants: two canaries, ten others.
fn pins() -> String {
    let pin = |number: usize| {
        let tier = if number < 2 { "canary" } else { "late" };
        json!({
            "apiVersion": "wavepin.dev/v1alpha1", "kind": "TenantPin",
            "metadata": {"name": format!("live-{number}"), "labels": {"tier": tier}},
            "spec": {"instanceRef": {"name": "clinical"}, "tenant": format!("live-{number}"), "environment": "live"},
        })
    };
    let pins: Vec<Value> = (0..12).map(pin).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": pins}).to_string()
}

fn rollout(version: i32, retry: Option<&str>) -> String {
    let annotations = retry.map(|word| json!({"wavepin.dev/retry-rollout": word}));
    let canary = json!({"name": "canary", "selector": {"matchLabels": {"tier": "canary"}}, "soak": "1s"});
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "VersionRollout",
        "metadata": {"name": "live", "annotations": annotations},
        "spec": {"instanceRef": {"name": "clinical"}, "environment": "live", "version": version,
            "waves": [canary, {"name": "rest"}]},
    })
    .to_string()
}

/// How many tenants are on each version.
fn on(bed: &Bed) -> Vec<String> {
    let sql = "SELECT model_version_id || ':' || count(*) FROM tenant_version WHERE tenant_environment = 'live' \
               GROUP BY model_version_id ORDER BY model_version_id";
    bed.database.psql(sql).lines().map(str::to_owned).collect()
}

/// `wavepin rollback`, as a person at a terminal with the database's URL.
fn rollback(bed: &Bed, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavepin"));
    command.args(["rollback", "-e", "live", "--management", "external", "--yes"]);
    command.args(["--by", "anna", "--reason", "numbers are off"]).args(args);
    command.env("WAVEPIN_DATABASE_URL", &bed.database.url);
    Output::of(&mut command, "").expect("the program can be run")
}

/// Omni answers nothing any more.
fn omni_goes(bed: &Bed) {
    let gone = Fault::once("GET", "", FaultKind::DropBefore).expect("a pattern");
    bed.simulator.arm(Fault {
        method: None,
        times: u32::MAX,
        ..gone
    });
}

fn goes_on_to(bed: &Bed, version: i32, retry: Option<&str>) {
    bed.cluster.apply(&rollout(version, retry));
    let all = [format!("{version}:12")];
    eventually("all tenants are there", PATIENCE, || on(bed) == all);
    bed.told("vro/live", "Complete", "RolledOut");
}

pub(crate) async fn promotion_and_rollback_work_while_omni_is_down() {
    let bed = Bed::new("omni-is-down").await;
    let controller = bed.controller("controller");
    for file in FILES {
        bed.cluster.apply(&bed.manifest(file));
    }
    bed.all_ready("60s");
    omni_goes(&bed);
    bed.cluster.end("controller", controller);
    let writes = || {
        let requests = bed.simulator.requests();
        requests.iter().filter(|request| request.method != "GET").count()
    };
    let written = writes();

    // A process that never saw Omni answer.
    let controller = bed.controller("controller");
    bed.cluster.apply(&pins());
    goes_on_to(&bed, 1, None);
    goes_on_to(&bed, 2, None);

    let done = rollback(&bed, &[]).success();
    assert!(done.contains("2 -> 1  12 tenants"), "{done}");
    assert_eq!(on(&bed), ["1:12"]);
    let told = bed.told("vro/live", "Waiting", "RolledBack");
    assert!(
        told.contains("taken back by anna") && told.contains("numbers are off"),
        "{told}"
    );
    bed.told("tpin/live-7", "Waiting", "Queued");
    let moved = bed
        .database
        .psql("SELECT reason || ' ' || cardinality(tenants) FROM wavepin.pin_event ORDER BY id DESC LIMIT 1");
    assert_eq!(moved.trim(), "rolled-back 12", "in one transaction");

    // Git brings the same again, and another: the order outranks both.
    let plan = bed.cluster.object("vro/live")["status"]["plan"]
        .as_str()
        .unwrap()
        .to_owned();
    bed.cluster.apply(&rollout(2, Some(&plan)));
    bed.ask_for_passes("git");
    bed.told("vro/live", "Waiting", "RolledBack");
    assert_eq!(on(&bed), ["1:12"]);

    // One tenant by itself stays back when the others may go on.
    rollback(&bed, &["--tenant", "live-3", "--wait", "1s"]).success();
    rollback(&bed, &["--lift", "1"]).success();
    eventually("what Git asked for counts again", PATIENCE, || {
        on(&bed) == ["1:1", "2:11"]
    });
    let told = bed.told("tpin/live-3", "Waiting", "RolledBack");
    assert!(told.contains("`wavepin rollback --lift 2`"), "{told}");
    rollback(&bed, &["--lift", "2"]).success();
    goes_on_to(&bed, 2, Some(&plan));

    // Nobody leads: a person does it with the database alone, and whoever leads next keeps to it.
    drop(controller);
    rollback(&bed, &["--take-over", "--wait", "1s"]).success();
    assert_eq!(on(&bed), ["1:12"]);
    let controller = bed.controller("controller");
    bed.told("vro/live", "Waiting", "RolledBack");
    eventually("the pins say what their rows hold", PATIENCE, || {
        let versions = bed
            .cluster
            .kubectl(&["get", "tpin", "-l", "tier", "-o", "jsonpath={.items[*].status.version}"]);
        versions.split_whitespace().all(|version| version == "1")
    });
    assert_eq!(on(&bed), ["1:12"]);

    // The rollout is gone, and with it whoever would lead: an order is carried out all the same.
    rollback(&bed, &["--lift", "5"]).success();
    let plan = bed.cluster.object("vro/live")["status"]["plan"]
        .as_str()
        .unwrap()
        .to_owned();
    goes_on_to(&bed, 2, Some(&plan));
    bed.cluster.kubectl(&["delete", "vro", "live"]);
    bed.told("tpin/live-3", "Reconciling", "NoRollout");
    let done = rollback(&bed, &[]).success();
    assert!(!done.contains("in place of"), "{done}");
    assert_eq!(on(&bed), ["1:12"]);
    assert_eq!(writes(), written, "Omni has no part in any of it");
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}
