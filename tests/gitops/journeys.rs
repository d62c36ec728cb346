//! What a team with a repository lives through, one commit after the other.

use serde_json::{Value, json};

use super::bed::{GitOps, health_of};
use super::record::Moment;
use crate::cluster::condition;
use crate::journey::bed::{FIRST, SECOND, TENANTS, documents};

/// Version 2, with a topic over a view that is not there.
fn broken(manifest: &str) -> String {
    let broken = manifest.replace("base_view: wards", "base_view: wardz");
    assert_ne!(broken, manifest, "the example has this edit");
    broken
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_synced_wave_by_wave_and_nothing_is_healthy_too_early_or_out_of_sync_because_of_us() {
    let it = GitOps::new("gitops-journey").await;
    let controller = it.bed.controller("controller");
    let first = it.commit_the_first();
    it.hand_over();
    it.settles(&first, "Healthy");
    // A cut then takes seconds.
    let slow = it
        .manifest("instance.yaml")
        .replace("requestsPerMinute: 600", "requestsPerMinute: 10");
    let slow = it.commit("Leave the key to others", &[("instance.yaml", Some(&slow))]);
    it.settles(&slow, "Healthy");

    let files = ["clinical-v2.yaml", "pins.yaml"].map(|file| (file, it.manifest(file)));
    let files = files.each_ref().map(|(file, text)| (*file, Some(text.as_str())));
    let before = it.record.len();
    let second = it.commit("Offer version 2 in staging", &files);
    it.settles(&second, "Healthy");
    let state = it.bed.simulator.state();
    for tenant in TENANTS {
        it.bed.is_on(&state, tenant, "staging", SECOND);
        it.bed.is_on(&state, tenant, "production", FIRST);
    }
    the_version_was_progressing_until_it_was_ready_and_the_pins_came_after(&it, before);

    // What Wavepin does by itself, and what others do in Omni, is no difference to git.
    let before = it.record.len();
    it.stays_in_sync(before);
    let beside = json!({"action": "create_document", "model": "clinical v2", "name": "Scratch", "folder_path": SECOND});
    it.bed.simulator.play(&beside).expect("a person may");
    it.bed.look_again("beside");
    it.bed.told("mv/clinical-v2", "Drifted", "UnknownInOmni");
    it.stays_in_sync(before);
    a_version_that_someone_broke_in_omni_keeps_no_pin_from_moving(&it);
    it.was_right_at_every_moment();
    it.bed.cluster.end("controller", controller);
    it.bed.simulator.shutdown().await;
}

#[track_caller]
fn a_version_that_someone_broke_in_omni_keeps_no_pin_from_moving(it: &GitOps) {
    let state = it.bed.simulator.state();
    let copy = &documents(&state, SECOND)[0]["identifier"];
    let edit = json!({"action": "edit_document", "identifier": copy, "tile_name": "Mine"});
    it.bed.simulator.play(&edit).expect("a person may");
    it.bed.look_again("broken");
    let told = it.is_taken_for("ModelVersion", "clinical-v2", "Degraded");
    assert!(told.contains("EditedInOmni"), "{told}");
    let pins = it.pins_on_the_first();
    let back = it.commit("Take staging back", &[("pins.yaml", Some(&pins))]);
    it.settles(&back, "Degraded");
    for tenant in TENANTS {
        it.row_holds(tenant, "staging", "1");
    }
}

/// Whether an object is ready, for the spec that it has.
fn is_ready(object: &Value) -> bool {
    let is_observed = object["status"]["observedGeneration"] == object["metadata"]["generation"];
    is_observed && condition(object, "Ready").is_some_and(|ready| ready["status"] == "True")
}

#[track_caller]
fn the_version_was_progressing_until_it_was_ready_and_the_pins_came_after(it: &GitOps, before: usize) {
    let moments = it.record.all();
    let first = |what: &str, is: &dyn Fn(&Moment) -> bool| {
        let found = moments.iter().skip(before).position(is);
        found.unwrap_or_else(|| panic!("never: {what}"))
    };
    let version = "clinical-v2";
    let taken_for = |health: &'static str| {
        first(health, &move |moment| {
            moment.is_of("Application", it.name())
                && health_of(&moment.object, "ModelVersion", version).is_some_and(|it| it["status"] == health)
        })
    };
    let ready = first("ready", &|moment| {
        moment.is_of("ModelVersion", version) && is_ready(&moment.object)
    });
    assert!(taken_for("Progressing") < ready, "it was progressing first");
    assert!(taken_for("Healthy") > ready, "Argo CD took it for healthy too early");
    let moved = first("a pin is moved", &|moment| {
        moment.is_of("TenantPin", "acme-corp-staging") && moment.object["spec"]["version"] == 2
    });
    assert!(moved > ready, "the wave of the pins came before the version was there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_edit_is_degraded_with_its_reason_and_a_suspended_version_is_suspended() {
    let it = GitOps::new("gitops-broken").await;
    let controller = it.bed.controller("controller");
    let first = it.commit_the_first();
    it.hand_over();
    it.settles(&first, "Healthy");
    let version = it.manifest("clinical-v2.yaml");
    let pins = it.manifest("pins.yaml");
    let before = it.record.len();
    it.commit(
        "Break version 2",
        &[
            ("clinical-v2.yaml", Some(&broken(&version))),
            ("pins.yaml", Some(&pins)),
        ],
    );
    let told = it.is_taken_for("ModelVersion", "clinical-v2", "Degraded");
    for word in ["ModelInvalid", "wardz", "Correct model.edits"] {
        assert!(told.contains(word), "no {word} in {told}");
    }
    // The sync fails there. What is left of it is tried again: it brings the pins, and they wait for their version.
    it.is_taken_for("TenantPin", "acme-corp-staging", "Progressing");
    let since = it.application_since(before);
    let operation = |moment: &Moment| moment.object["status"]["operationState"].clone();
    let failed = since
        .iter()
        .map(operation)
        .any(|operation| operation["retryCount"] == 1);
    assert!(
        failed,
        "the wave of the pins was reached at once: {:#?}",
        since.iter().map(operation).collect::<Vec<_>>()
    );
    let state = it.bed.simulator.state();
    for tenant in TENANTS {
        it.bed.is_on(&state, tenant, "staging", FIRST);
    }

    let mended = it.commit("Mend version 2", &[("clinical-v2.yaml", Some(&version))]);
    it.settles(&mended, "Healthy");
    it.row_holds("acme-corp", "staging", "2");

    let suspended = version.replacen("spec:\n", "spec:\n  suspend: true\n", 1);
    let suspended = it.commit("Let version 2 rest", &[("clinical-v2.yaml", Some(&suspended))]);
    it.settles(&suspended, "Suspended");
    let told = it.is_taken_for("ModelVersion", "clinical-v2", "Suspended");
    assert!(told.contains("spec.suspend is true"), "{told}");
    let resumed = it.commit("Go on", &[("clinical-v2.yaml", Some(&version))]);
    it.settles(&resumed, "Healthy");
    it.was_right_at_every_moment();
    it.bed.cluster.end("controller", controller);
    it.bed.simulator.shutdown().await;
}
