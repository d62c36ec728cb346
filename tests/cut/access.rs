//! Who may see a version: roles on its model, permissions and settings of single dashboards, as their sources have them;
//! and what of it no copy has, to the last thing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use wavepin::model_version::{VersionReport, reconcile};
use wavepin::resources::conditions::{READY, Verdict};
use wavepin::simulator::{Fault, FaultKind};

use super::bench::{Bench, Quiet, ready, says, stalled, verdict};
use super::breaking::Fuse;

const VIEWERS: &str = "eV7kQ2mX";
const ANALYSTS: &str = "aN3pT9sL";
const CONNECTION: &str = "c0f12353-4817-4398-bcc0-d501e6dd2f64";
const CLINICAL: &str = "3fb59130-54fc-4848-832f-d22f61933485";
/// What the example declares of roles.
const ROLES: &str = "    roles:\n      - {userGroup: eV7kQ2mX, role: VIEWER}\n";

/// The example, with roles as these lines have them and the permissions of single dashboards.
fn with_roles(lines: &'static str) -> impl Fn(&str, String) -> String {
    move |file, text| match file {
        "clinical-v2.yaml" => {
            assert!(text.contains(ROLES), "the example declares a role");
            let text = text.replacen(ROLES, lines, 1);
            text.replacen("  content:\n", "  content:\n    permissionsFrom: Source\n", 1)
        }
        _ => text,
    }
}

const OF_SOURCE: &str = "    rolesFrom: Source\n";

/// Version 1 with permissions of its dashboards' own, roles, labels, schedules.
async fn opened(roles: &'static str) -> Bench {
    let bench = Bench::new(with_roles(roles)).await;
    let of_analysts = format!("/api/v1/user-groups/{ANALYSTS}/model-roles");
    let role = json!({"roleName": "MODELER", "modelId": CLINICAL});
    bench.call("POST", &of_analysts, Some(role)).await;
    let user = |at: usize| bench.simulator.state()["embedUsers"][at]["id"].clone();
    for (document, permit) in [
        ("12db1a0a", json!({"role": "NO_ACCESS", "userGroupIds": [VIEWERS]})),
        ("12db1a0a", json!({"role": "MANAGER", "userGroupIds": [ANALYSTS]})),
        (
            "12db1a0a",
            json!({"role": "EDITOR", "userIds": [user(0), user(1)], "accessBoost": true}),
        ),
        (
            "8a41f9b3",
            json!({"role": "EXPLORER", "userGroupIds": [VIEWERS], "userIds": [user(2)]}),
        ),
    ] {
        let path = format!("/api/v1/documents/{document}/permissions");
        bench.call("POST", &path, Some(permit)).await;
    }
    for (document, settings) in [
        ("12db1a0a", json!({"canDownload": false, "canUpload": true})),
        ("f16b28a5", json!({"canSchedule": false, "canDrill": true})),
    ] {
        let path = format!("/api/v1/documents/{document}/permissions");
        bench.call("PUT", &path, Some(settings)).await;
    }
    bench
        .call("POST", "/api/v1/labels", Some(json!({"name": "Clinical"})))
        .await;
    let label = json!({"add": ["Clinical"]});
    bench
        .call("PATCH", "/api/v1/documents/c3d90e74/labels", Some(label))
        .await;
    for (identifier, name, alert) in [
        ("5e07c1d2", "Mondays", false),
        ("5e07c1d2", "Fridays", false),
        ("5e07c1d2", "Full wards", true),
        ("9b7e4d20", "Of another folder", false),
    ] {
        let hand = json!({"action": "add_schedule", "identifier": identifier, "name": name, "alert": alert});
        bench.simulator.play(&hand).unwrap();
    }
    bench
}

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/access.md");
    std::fs::read_to_string(path).unwrap()
}

/// What each document of a folder has of its own, by name: permits without their boosts, labels, settings that are set.
fn of_their_own(bench: &Bench, folder: &str) -> BTreeMap<String, Value> {
    let state = bench.simulator.state();
    let documents = state["documents"].as_array().unwrap();
    let own = |document: &Value| {
        let mut permits = document["permits"].as_array().unwrap().clone();
        for permit in &mut permits {
            permit.as_object_mut().unwrap().remove("accessBoost");
        }
        let mut settings = document["settings"].clone();
        // What everybody has who set nothing.
        if settings["canDrill"] == true {
            settings.as_object_mut().unwrap().remove("canDrill");
        }
        json!({"permits": permits, "labels": document["labels"], "settings": settings})
    };
    let here = documents.iter().filter(|it| it["folderPath"] == folder);
    here.map(|it| (it["name"].as_str().unwrap().to_owned(), own(it)))
        .collect()
}

/// The roles of user groups on the model of this id, by group.
fn roles_on(bench: &Bench, model: &str) -> BTreeMap<String, String> {
    let state = bench.simulator.state();
    let roles = state["roles"].as_array().unwrap();
    let on_model = roles.iter().filter(|it| it["modelId"] == model);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    on_model.map(|it| (text(&it["userGroup"]), text(&it["role"]))).collect()
}

fn writes(bench: &Bench) -> usize {
    let requests = bench.simulator.requests();
    requests.iter().filter(|it| it.method != "GET").count()
}

fn boosts(bench: &Bench, folder: &str) -> usize {
    let state = bench.simulator.state();
    let documents = state["documents"].as_array().unwrap();
    let here = documents.iter().filter(|it| it["folderPath"] == folder);
    let permits = here.flat_map(|it| it["permits"].as_array().unwrap().clone());
    permits.filter(|it| it["accessBoost"] == true).count()
}

fn message(report: &VersionReport, condition: &str) -> String {
    let found = report.findings.iter().find(|it| it.condition == condition);
    found.map_or_else(String::new, |it| it.message.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_roles_and_labels_are_those_of_the_source_and_the_rest_is_listed_exactly() {
    let bench = opened(OF_SOURCE).await;
    let (_, report) = bench.both().await;
    ready(&report);
    let (source, copies) = (of_their_own(&bench, "clinical/v1"), of_their_own(&bench, "clinical/v2"));
    assert_eq!(source["Patient Summary"]["permits"].as_array().unwrap().len(), 4);
    assert_eq!(copies, source);
    let (of_source, of_copy) = (
        roles_on(&bench, CLINICAL),
        roles_on(&bench, report.model_id.as_deref().unwrap()),
    );
    assert_eq!(of_source.len(), 2);
    assert_eq!(of_copy, of_source);
    assert_eq!((boosts(&bench, "clinical/v1"), boosts(&bench, "clinical/v2")), (2, 0));
    assert_eq!(
        report.not_carried,
        [
            "patient-summary: 2 AccessBoosts",
            "readmission-risk: 2 schedules",
            "readmission-risk: 1 alert",
        ]
    );
    for told in &report.not_carried {
        let (_, what) = told.split_once(": ").unwrap();
        assert!(
            page().contains(&format!("`patient-summary: {what}`")),
            "docs/access.md lacks {what}"
        );
    }
    says(
        &message(&report, READY),
        &["3 things were not carried, of patient-summary, readmission-risk"],
    );
    // It is on record: nothing is read of the source, and nothing written, for it any more.
    let before = (bench.simulator.state(), writes(&bench));
    let again = bench.again("clinical-v2").await;
    ready(&again);
    assert_eq!(again.not_carried, report.not_carried);
    assert_eq!((bench.simulator.state(), writes(&bench)), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_being_asked_for_permissions_are_not_looked_at_and_schedules_are_told() {
    let bench = opened(OF_SOURCE).await;
    bench.declare(|_, text| text);
    let (_, report) = bench.both().await;
    ready(&report);
    let requests = bench.simulator.requests();
    assert!(
        requests
            .iter()
            .all(|it| !it.path.ends_with("/access-list") && !it.path.contains("/Groups"))
    );
    assert_eq!(
        report.not_carried,
        ["readmission-risk: 2 schedules", "readmission-risk: 1 alert"]
    );
    let copies = of_their_own(&bench, "clinical/v2");
    assert!(copies.values().all(|it| it["permits"] == json!([])), "{copies:?}");
}

/// Broken off ever later, a viewer never sees the dashboard that is not for viewers, and nothing before all is whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_never_seen_by_those_who_may_not_see_its_source() {
    let bench = opened(OF_SOURCE).await;
    ready(&bench.again("clinical-v1").await);
    let seen = |folder: &str| -> Vec<String> {
        let seen = bench.simulator.see("initech", "production");
        let list = seen["documents"].as_array().or(seen.as_array()).unwrap();
        let here = list.iter().filter(|it| it["folderPath"] == folder);
        here.map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    };
    let of_source = seen("clinical/v1");
    assert_eq!(of_source.len(), 4, "{of_source:?}");
    let mut calls = 1;
    loop {
        let world = bench.world(&Fuse::after(calls)).await;
        let pass = reconcile(&world, "default", "clinical-v2", &Quiet).await.unwrap();
        let now = seen("clinical/v2");
        assert!(
            now.iter().all(|it| of_source.contains(it)),
            "{now:?} after {calls} calls"
        );
        let whole = pass.report.dashboards.as_ref().is_some_and(|it| it.ready == it.desired);
        assert!(whole || now.is_empty(), "{now:?} after {calls} calls");
        if pass.report.sealed {
            break;
        }
        calls += 5;
        bench.clock_passes(Duration::from_secs(61));
    }
    assert_eq!(seen("clinical/v2"), of_source);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_key_may_not_give_is_told_but_who_must_not_see_is_no_such_thing() {
    let bench = opened(OF_SOURCE).await;
    ready(&bench.again("clinical-v1").await);
    let refused = |method: &str, after: u32| {
        let once = Fault::once(method, "^/api/v1/documents/[^/]+/permissions$", FaultKind::Forbidden).unwrap();
        bench.simulator.arm(Fault { after, ..once });
    };
    // The first permit of all is the one that shuts viewers out.
    refused("POST", 0);
    let report = bench.again("clinical-v2").await;
    says(&stalled(&report), &["OmniRefused", "NO_ACCESS on document"]);
    let state = bench.simulator.state();
    let folder = state["folders"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["path"] == "clinical/v2")
        .unwrap();
    assert!(
        folder["permits"].to_string().contains("NO_ACCESS"),
        "it stays closed: {folder}"
    );
    refused("POST", 1);
    refused("PUT", 0);
    let report = bench.again("clinical-v2").await;
    ready(&report);
    let told = |parts: &[&str]| {
        let found = report
            .not_carried
            .iter()
            .any(|it| parts.iter().all(|part| it.contains(part)));
        assert!(found, "{parts:?} in {:?}", report.not_carried);
    };
    told(&["patient-summary: ", " of ", ", which the key may not give"]);
    told(&["patient-summary: setting canDownload, which the key may not set"]);
    told(&["patient-summary: setting canUpload"]);
    let before = writes(&bench);
    let again = bench.again("clinical-v2").await;
    assert_eq!((again.not_carried, writes(&bench)), (report.not_carried, before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_role_wins_over_the_sources_and_only_what_differs_is_written() {
    let bench = opened("    rolesFrom: Source\n    roles: [{userGroup: aN3pT9sL, role: QUERIER}]\n").await;
    let (_, report) = bench.both().await;
    ready(&report);
    let model = report.model_id.clone().unwrap();
    let wanted = [("analysts", "QUERIER"), ("embed-viewers", "VIEWER")];
    let wanted: BTreeMap<String, String> = wanted.map(|(group, role)| (group.to_owned(), role.to_owned())).into();
    assert_eq!(roles_on(&bench, &model), wanted);
    let given = |bench: &Bench| {
        let requests = bench.simulator.requests();
        requests
            .iter()
            .filter(|it| it.method == "POST" && it.path.ends_with("/model-roles"))
            .count()
    };
    assert_eq!(given(&bench), 3, "one by the test, and two on the new model");
    // Taken away behind its back: by itself nothing, and given again where that is asked for.
    let of_viewers = format!("/api/v1/user-groups/{VIEWERS}/model-roles");
    let taken = json!({"roleName": "NO_ACCESS", "modelId": model});
    bench.call("POST", &of_viewers, Some(taken.clone())).await;
    bench.clock_passes(Duration::from_secs(301));
    ready(&bench.again("clinical-v2").await);
    assert_eq!(roles_on(&bench, &model)["embed-viewers"], "NO_ACCESS");
    bench.declare(|file, text| {
        let text = with_roles("    rolesFrom: Source\n    roles: [{userGroup: aN3pT9sL, role: QUERIER}]\n")(file, text);
        if file == "clinical-v2.yaml" {
            format!("{text}    drift: Mend\n")
        } else {
            text
        }
    });
    ready(&bench.again("clinical-v2").await);
    assert_eq!(roles_on(&bench, &model), wanted);
    assert_eq!(given(&bench), 5, "what was taken away, and no other");
}

/// Nobody of the organisation has a role on the whole connection.
async fn closed(change: impl Fn(&str, String) -> String) -> Bench {
    let bench = Bench::new(change).await;
    let path = format!("/api/v1/user-groups/{ANALYSTS}/model-roles");
    let shut = json!({"roleName": "NO_ACCESS", "connectionId": CONNECTION});
    bench.call("POST", &path, Some(shut)).await;
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_nobody_could_see_stops_before_anything_is_copied_and_says_the_way_out() {
    let bench = closed(with_roles("")).await;
    let (_, report) = bench.both().await;
    says(
        &stalled(&report),
        &[
            "NobodyCanSee",
            "NO_ACCESS",
            "\"clinical v2\"",
            "model.roles",
            "accessBy: ConnectionRoles",
        ],
    );
    let imports = |bench: &Bench| {
        bench
            .simulator
            .requests()
            .iter()
            .filter(|it| it.path.ends_with("/import"))
            .count()
    };
    assert_eq!(imports(&bench), 0);
    // Either way out leads on.
    bench.declare(with_roles("    accessBy: ConnectionRoles\n"));
    ready(&bench.again("clinical-v2").await);
    let bench = closed(with_roles("    accessBy: Groups\n")).await;
    assert!(stalled(&bench.both().await.1).starts_with("NobodyCanSee"));
    bench.declare(with_roles(OF_SOURCE));
    ready(&bench.again("clinical-v2").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_on_the_whole_connection_lets_in_too() {
    let bench = Bench::new(with_roles("")).await;
    ready(&bench.both().await.1);
    // Shut out again while a version is made, it is found out before the folder is opened.
    let bench = Bench::new(with_roles("")).await;
    ready(&bench.again("clinical-v1").await);
    let world = bench.world(&Fuse::never()).await;
    let copied = || bench.simulator.requests().iter().any(|it| it.path.ends_with("/import"));
    while !copied() {
        let until = super::bench::Until(copied);
        reconcile(&world, "default", "clinical-v2", &until).await.unwrap();
    }
    let path = format!("/api/v1/user-groups/{ANALYSTS}/model-roles");
    let shut = json!({"roleName": "NO_ACCESS", "connectionId": CONNECTION});
    bench.call("POST", &path, Some(shut)).await;
    let report = bench.again("clinical-v2").await;
    assert!(stalled(&report).starts_with("NobodyCanSee"), "{report:#?}");
    assert_eq!(verdict(&report.findings, READY), Some(Verdict::False));
    assert!(!report.sealed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_that_is_added_later_gets_what_its_source_has_too() {
    let bench = opened(OF_SOURCE).await;
    let permit = json!({"role": "NO_ACCESS", "userGroupIds": [VIEWERS]});
    bench
        .call("POST", "/api/v1/documents/9b7e4d20/permissions", Some(permit))
        .await;
    let (_, second) = bench.both().await;
    ready(&second);
    bench.declare(|file, text| {
        let text = with_roles(OF_SOURCE)(file, text);
        match file {
            "clinical-v2.yaml" => {
                format!("{text}    dashboards: {{add: [{{slug: data-dictionary, identifier: 9b7e4d20}}]}}\n")
            }
            _ => text,
        }
    });
    let grown = bench.again("clinical-v2").await;
    ready(&grown);
    assert!(
        grown.not_carried.contains(&"data-dictionary: 1 schedule".to_owned()),
        "{:?}",
        grown.not_carried
    );
    let copies = of_their_own(&bench, "clinical/v2");
    let [permit] = copies["Data Dictionary"]["permits"].as_array().unwrap().as_slice() else {
        panic!("{copies:?}");
    };
    assert_eq!(
        (&permit["role"], &permit["userGroupId"]),
        (&json!("NO_ACCESS"), &json!(VIEWERS))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_stays_asked_for_while_a_version_is_made() {
    let bench = opened(OF_SOURCE).await;
    ready(&bench.again("clinical-v1").await);
    let world = bench.world(&Fuse::never()).await;
    let copied = || bench.simulator.requests().iter().any(|it| it.path.ends_with("/import"));
    while !copied() {
        let until = super::bench::Until(copied);
        reconcile(&world, "default", "clinical-v2", &until).await.unwrap();
    }
    bench.declare(with_roles(ROLES));
    says(
        &stalled(&bench.again("clinical-v2").await),
        &["Invalid", "model.rolesFrom was changed", "put it back"],
    );
    bench.declare(with_roles(OF_SOURCE));
    ready(&bench.again("clinical-v2").await);
}

/// The manifest of docs/access.md, as it stands there.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_declares_does_what_the_page_says() {
    let page = page();
    let block = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let declared: String = block.lines().map(|line| format!("  {line}\n")).collect();
    let bench = opened(OF_SOURCE).await;
    bench.declare(|file, text| match file {
        "clinical-v2.yaml" => format!("{}{declared}", text.split("  model:\n").next().unwrap()),
        _ => text,
    });
    let (_, report) = bench.both().await;
    ready(&report);
    let roles = roles_on(&bench, report.model_id.as_deref().unwrap());
    assert_eq!(
        (roles["analysts"].as_str(), roles["embed-viewers"].as_str()),
        ("QUERIER", "VIEWER")
    );
    assert_eq!(of_their_own(&bench, "clinical/v2"), of_their_own(&bench, "clinical/v1"));
}
