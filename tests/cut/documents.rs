//! Dashboards that are copied by the newer documents API, or by whichever way carries them: the same content at the end.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};
use wavepin::model_version::{VersionReport, plan};
use wavepin::ports::{Lookup, Objects as _};
use wavepin::resources::ContentMethod;
use wavepin::simulator::{Fault, FaultKind, LoggedRequest};

use super::bench::{Bench, as_it_is, ready, says, stalled};
use super::breaking::Fuse;

const FOLDER: &str = "clinical/v2";
/// A tab with fields of its own, and an uploaded file.
const UNFIT: [&str; 2] = ["readmission-risk", "ward-capacity"];

/// Version 2 by this method, and with more of `content`.
fn by(method: &'static str, more: &'static str) -> impl Fn(&str, String) -> String + Copy {
    move |file, text| match file {
        "clinical-v2.yaml" => {
            let content = format!("  content:\n    method: {method}\n{more}");
            text.replacen("  content:\n", &content, 1)
        }
        _ => text,
    }
}

const WITHOUT_UNFIT: &str = "    dashboards: {exclude: [readmission-risk, ward-capacity]}\n";

async fn adopted(change: impl Fn(&str, String) -> String) -> Bench {
    let bench = Bench::new(change).await;
    ready(&bench.again("clinical-v1").await);
    bench
}

static ID: LazyLock<Regex> = LazyLock::new(|| Regex::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").unwrap());

/// The copies as Omni holds them, with their tiles called by their places and no ids, hashes and times.
fn content(bench: &Bench, slugs: &[&str]) -> Vec<String> {
    let state = bench.simulator.state();
    let documents = state["documents"].as_array().unwrap().iter();
    let is_wanted = |it: &&Value| {
        let identifier = it["identifier"].as_str().unwrap();
        it["folderPath"] == FOLDER && slugs.iter().any(|slug| identifier.starts_with(&format!("{slug}-v2-")))
    };
    let mut all: Vec<String> = documents.filter(is_wanted).map(settled).collect();
    all.sort();
    assert_eq!(all.len(), slugs.len(), "{all:?}");
    all
}

fn settled(document: &Value) -> String {
    let mut export = document["export"].clone();
    let memberships = "/dashboard/queryPresentationCollection/queryPresentationCollectionMemberships";
    let tiles = export.pointer(memberships).unwrap().as_array().unwrap();
    let names: Vec<String> = tiles
        .iter()
        .map(|it| it["queryPresentation"]["miniUuid"].as_str().unwrap().to_owned())
        .collect();
    without(
        &mut export,
        &["jsonHash", "createdAt", "updatedAt", "publishedAt", "dashboardMiniUuid"],
    );
    let mut text = json!({"export": export, "labels": document["labels"]}).to_string();
    for (at, name) in names.iter().enumerate() {
        text = text.replace(name, &format!("<tile {at}>"));
    }
    // Read once more, since keys stand in the order of what they were called.
    let settled: Value = serde_json::from_str(&ID.replace_all(&text, "<id>")).unwrap();
    settled.to_string()
}

fn without(value: &mut Value, names: &[&str]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| without(item, names)),
        Value::Object(fields) => {
            fields.retain(|name, _| !names.contains(&name.as_str()));
            fields.values_mut().for_each(|field| without(field, names));
        }
        _ => {}
    }
}

fn made<'a>(requests: &'a [LoggedRequest], path: &str) -> Vec<&'a LoggedRequest> {
    requests
        .iter()
        .filter(|it| it.method == "POST" && it.path == path)
        .collect()
}

/// How many dashboards were created, and how many imported.
fn ways(bench: &Bench) -> (usize, usize) {
    let requests = bench.simulator.requests();
    let count = |path: &str| made(&requests, path).len();
    (count("/api/v2/documents"), count("/api/unstable/documents/import"))
}

/// What the status says of the ways.
fn told(report: &VersionReport) -> Vec<(ContentMethod, u32, String)> {
    let methods = &report.dashboards.as_ref().unwrap().methods;
    methods
        .iter()
        .map(|it| (it.method, it.count, it.slugs.join(" ")))
        .collect()
}

/// Every tile that a viewer sees in the version's folder and that does not compile.
fn broken(bench: &Bench) -> Vec<Value> {
    let seen = bench.simulator.see("acme-corp", "production");
    let documents = seen["documents"].as_array().unwrap().iter();
    let tiles = documents
        .filter(|it| it["folderPath"] == FOLDER)
        .flat_map(|it| it["tiles"].as_array().unwrap());
    tiles.filter(|tile| tile["compiles"] != true).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_way_a_dashboard_is_copied_its_content_is_the_same() {
    let all = [
        "billing-overview",
        "medication-review",
        "patient-summary",
        UNFIT[0],
        UNFIT[1],
    ];
    let imported = Bench::new(as_it_is).await;
    let (_, report) = imported.both().await;
    ready(&report);
    assert_eq!((ways(&imported), told(&report)), ((0, 5), Vec::new()));

    let chosen = Bench::new(by("Auto", "")).await;
    let (_, report) = chosen.both().await;
    ready(&report);
    assert_eq!(ways(&chosen), (3, 2));
    let expected = [
        (
            ContentMethod::DocumentsV2,
            3,
            "billing-overview medication-review patient-summary".to_owned(),
        ),
        (ContentMethod::ExportImport, 2, UNFIT.join(" ")),
    ];
    assert_eq!(told(&report), expected);
    assert_eq!(content(&chosen, &all), content(&imported, &all));
    assert_eq!(broken(&chosen), Vec::<Value>::new());
    // A later pass knows it from the ledger.
    assert_eq!(told(&chosen.again("clinical-v2").await), expected);

    let created = Bench::new(by("DocumentsV2", WITHOUT_UNFIT)).await;
    let (_, report) = created.both().await;
    ready(&report);
    assert_eq!(ways(&created), (3, 0));
    assert_eq!(told(&report), expected[..1]);
    // Links lead to fewer documents, so it is held against an import of the same ones.
    let fewer = Bench::new(by("ExportImport", WITHOUT_UNFIT)).await;
    ready(&fewer.both().await.1);
    assert_eq!(content(&created, &all[..3]), content(&fewer, &all[..3]));
    assert_eq!(broken(&created), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_documents_api_does_not_carry_is_named_before_anything_is_written() {
    let bench = adopted(by("DocumentsV2", "")).await;
    let (before, requests) = (bench.simulator.state(), bench.simulator.requests().len());
    let text = stalled(&bench.again("clinical-v2").await);
    says(
        &text,
        &[
            "MethodUnfit: content.method DocumentsV2 does not carry 2 of 5 dashboards whole, and nothing was written",
            "readmission-risk: the fields that the tab of tile \"",
            "ward-capacity: tile \"",
            "of kind spreadsheet",
            "the uploaded file bed-plan.csv",
            "Set content.method to Auto or ExportImport, or exclude them",
        ],
    );
    assert_eq!(bench.simulator.state(), before);
    let sent = bench.simulator.requests();
    assert!(sent.iter().skip(requests).all(|it| it.method == "GET"), "{sent:?}");
    // Any of the ways out is one.
    bench.declare(by("Auto", ""));
    ready(&bench.again("clinical-v2").await);
}

/// A document on version 1's model, made of Patient Summary with one place of its export changed.
async fn another(bench: &Bench, identifier: &str, change: impl Fn(&mut Value)) {
    let client = reqwest::Client::new();
    let url = |path: &str| format!("{}/api/unstable/documents/{path}", bench.simulator.base_url());
    let key = wavepin::simulator::DEFAULT_API_KEY;
    let export = client
        .get(url("f16b28a5/export"))
        .bearer_auth(key)
        .send()
        .await
        .unwrap();
    let mut body: Value = export.json().await.unwrap();
    body["baseModelId"] = body["document"]["sharedModelId"].clone();
    body["identifier"] = json!(identifier);
    change(&mut body);
    let answer = client
        .post(url("import"))
        .bearer_auth(key)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
}

fn memberships(export: &mut Value) -> &mut Vec<Value> {
    let path = "/dashboard/queryPresentationCollection/queryPresentationCollectionMemberships";
    export.pointer_mut(path).unwrap().as_array_mut().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_that_is_not_carried_is_named_and_goes_the_other_way() {
    const ONE: &str =
        "    dashboards: {exclude: [readmission-risk, ward-capacity], add: [{slug: odd, identifier: odd-one}]}\n";
    type Change = fn(&mut Value);
    let kinds: [(Change, &str); 4] = [
        (
            |export| {
                let first = memberships(export)[0].clone();
                for at in 0..50 {
                    let mut tile = first.clone();
                    tile["queryPresentation"]["miniUuid"] = json!(format!("tile{at:04}"));
                    tile["queryPresentation"]["name"] = json!(format!("Tile {at}"));
                    memberships(export).push(tile);
                }
            },
            "tiles, of which 48 fit",
        ),
        (
            |export| memberships(export)[0]["queryPresentation"]["type"] = json!("linked"),
            "of kind linked",
        ),
        (
            |export| {
                let composite = json!({"type": "composite", "filters": []});
                export["dashboard"]["queryPresentationCollection"]["filterConfig"]["claims.filed_on"] = composite;
            },
            "the composite filter on claims.filed_on",
        ),
        (
            |export| export["dashboard"]["metadataVersion"] = json!(1),
            "the document (This document uses the classic dashboard layout",
        ),
    ];
    for (change, named) in kinds {
        let bench = Bench::new(by("DocumentsV2", ONE)).await;
        another(&bench, "odd-one", change).await;
        ready(&bench.again("clinical-v1").await);
        let text = stalled(&bench.again("clinical-v2").await);
        says(&text, &["MethodUnfit", "1 of 4 dashboards", "odd: ", named]);
        bench.declare(by("Auto", ONE));
        let report = bench.again("clinical-v2").await;
        ready(&report);
        assert_eq!(ways(&bench), (3, 2), "one import by hand: {named}");
        assert_eq!(told(&report)[1], (ContentMethod::ExportImport, 1, "odd".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_creation_makes_no_document_twice() {
    let undisturbed = Bench::new(by("Auto", "")).await;
    ready(&undisturbed.both().await.1);
    for kind in [
        FaultKind::LostAnswer,
        FaultKind::Status500After,
        FaultKind::Truncated,
        FaultKind::WrongJson,
    ] {
        for after in [0, 2] {
            let bench = adopted(by("Auto", "")).await;
            let mut fault = Fault::once("POST", "^/api/v2/documents$", kind.clone()).unwrap();
            fault.after = after;
            bench.simulator.arm(fault);
            ready(&bench.again("clinical-v2").await);
            assert_eq!(ways(&bench), (3, 2), "{kind:?} after {after}");
            assert_eq!(bench.outcome(), undisturbed.outcome(), "{kind:?} after {after}");
        }
    }
    // What had no effect is sent once more.
    for kind in [FaultKind::DropBefore, FaultKind::Status429 { retry_after: Some(0) }] {
        let bench = adopted(by("Auto", "")).await;
        bench
            .simulator
            .arm(Fault::once("POST", "^/api/v2/documents$", kind.clone()).unwrap());
        ready(&bench.again("clinical-v2").await);
        assert_eq!(ways(&bench), (4, 2), "{kind:?}");
        assert_eq!(bench.outcome(), undisturbed.outcome(), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_omni_refuses_is_told_or_goes_the_other_way() {
    // The fields of a workbook can be copied only into a document that is there.
    let bench = adopted(by("DocumentsV2", WITHOUT_UNFIT)).await;
    bench.simulator.turn(|knobs| knobs.documents_need_fields = true);
    let text = stalled(&bench.again("clinical-v2").await);
    says(
        &text,
        &[
            "MethodUnfit: 1 of 3 dashboards cannot be copied as they are",
            "patient-summary: content.method DocumentsV2 does not carry the dashboard, as Omni tells",
            "Field patients.age_band does not exist",
            "set it to Auto or ExportImport",
        ],
    );
    let bench = adopted(by("Auto", "")).await;
    bench.simulator.turn(|knobs| knobs.documents_need_fields = true);
    let report = bench.again("clinical-v2").await;
    ready(&report);
    assert_eq!(ways(&bench), (3, 3), "one of the creations was refused");
    assert_eq!(told(&report)[1].2, "patient-summary readmission-risk ward-capacity");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_that_somebody_takes_is_told_and_their_document_is_not_touched() {
    for method in ["Auto", "DocumentsV2"] {
        let bench = adopted(by(method, WITHOUT_UNFIT)).await;
        let identifier = "billing-overview-v2-02d405";
        let theirs = |bench: &Bench| {
            let state = bench.simulator.state();
            let documents = state["documents"].as_array().unwrap().iter();
            documents
                .filter(|it| it["identifier"] == identifier)
                .cloned()
                .collect::<Vec<_>>()
        };
        // Behind the list that told that it is free: at the first look at a dashboard.
        let at = first_call(by(method, WITHOUT_UNFIT), "published", 0).await;
        let simulator = bench.simulator.base_url().to_owned();
        let fuse = Fuse::with(at, async move {
            let taken =
                json!({"action": "create_document", "model": "clinical", "name": "Theirs", "identifier": identifier});
            play(&simulator, &taken).await;
        });
        let world = bench.world(&fuse).await;
        let text = stalled(&bench.drive(&world, "clinical-v2").await);
        says(&text, &["IdentifierTaken", identifier]);
        let found = theirs(&bench);
        assert_eq!((found.len(), &found[0]["name"]), (1, &json!("Theirs")), "{method}");
        assert_eq!(found[0]["folderPath"], Value::Null);
    }
}

/// A person's edit, from inside of a process.
async fn play(simulator: &str, hand: &Value) {
    let url = format!("{simulator}/_simulator/hands");
    let answer = reqwest::Client::new().post(url).json(hand).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

/// The number of the n-th call of this name from the first write to Omni on, in an undisturbed cut.
async fn first_call(change: impl Fn(&str, String) -> String, name: &str, nth: usize) -> usize {
    let bench = adopted(change).await;
    let fuse = Fuse::never();
    let world = bench.world(&fuse).await;
    ready(&bench.drive(&world, "clinical-v2").await);
    let calls = fuse.calls();
    let begun = calls.iter().position(|it| it.what == "create_model").unwrap();
    let later = calls.iter().enumerate().skip(begun);
    let mut named = later.filter(|(_, it)| it.what == name);
    named.nth(nth).unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_changes_between_its_two_reads_is_read_again_and_told() {
    for method in ["Auto", "DocumentsV2"] {
        let change = by(method, WITHOUT_UNFIT);
        let at = first_call(change, "published", 0).await;
        let bench = adopted(change).await;
        let simulator = bench.simulator.base_url().to_owned();
        let fuse = Fuse::with(at, async move {
            let edit = json!({"action": "edit_document", "identifier": "f16b28a5", "tile_name": "As it is now"});
            play(&simulator, &edit).await;
        });
        let world = bench.world(&fuse).await;
        let text = stalled(&bench.drive(&world, "clinical-v2").await);
        says(&text, &["SourceMoved"]);
        // What was created is of one state: the one that both reads of the second time showed.
        let state = bench.simulator.state();
        let copies = state["documents"].as_array().unwrap().iter();
        let copy = copies
            .filter(|it| it["folderPath"] == FOLDER)
            .find(|it| it["name"] == "Billing Overview");
        assert!(copy.unwrap()["export"].to_string().contains("As it is now"), "{method}");
        let reads = fuse.calls().iter().filter(|it| it.what == "published").count();
        assert_eq!(reads, if method == "Auto" { 4 } else { 7 }, "{method}");
        assert_eq!(ways(&bench).0, 3, "each once: {method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_lost_its_charts_is_found_and_no_tenant_sees_it() {
    let bench = adopted(by("DocumentsV2", WITHOUT_UNFIT)).await;
    bench.simulator.turn(|knobs| knobs.documents_flat_charts = true);
    let report = bench.again("clinical-v2").await;
    says(
        &stalled(&report),
        &[
            "CopyDiffers",
            "the copy differs from its source",
            "chart/spec",
            "It was created by the documents API: set content.method to ExportImport, delete \"billing-overview-v2-",
        ],
    );
    assert!(!report.sealed);
    let (before, made) = (bench.outcome(), ways(&bench));
    stalled(&bench.again("clinical-v2").await);
    assert_eq!((bench.outcome(), ways(&bench)), (before, made), "nothing is made again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_goes_with_a_creation_and_labels_follow() {
    let bench = Bench::new(by("Auto", "")).await;
    for (identifier, description) in [("c3d90e74", "What was given"), ("5e07c1d2", "By ward")] {
        let describe = json!({"action": "describe_document", "identifier": identifier, "description": description});
        bench.simulator.play(&describe).unwrap();
    }
    let (_, report) = bench.both().await;
    ready(&report);
    let state = bench.simulator.state();
    let copies = state["documents"].as_array().unwrap().iter();
    let copies = copies.filter(|it| it["folderPath"] == FOLDER);
    let described: Vec<&Value> = copies.map(|it| &it["description"]).filter(|it| !it.is_null()).collect();
    assert_eq!(described, [&json!("What was given")]);
    assert_eq!(report.not_carried, ["readmission-risk: description"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_is_added_to_a_complete_version_by_the_method_that_it_was_cut_by() {
    let bench = Bench::new(by("DocumentsV2", WITHOUT_UNFIT)).await;
    ready(&bench.both().await.1);
    let add = "    dashboards: {exclude: [readmission-risk, ward-capacity], add: [{slug: data-dictionary, identifier: 9b7e4d20}]}\n";
    bench.declare(by("DocumentsV2", add));
    let grown = bench.again("clinical-v2").await;
    ready(&grown);
    assert_eq!(grown.dashboards.as_ref().unwrap().progress, "4/4");
    assert_eq!(ways(&bench), (4, 0));
    assert_eq!(told(&grown)[0].1, 4);
}

/// The page's example, as it stands there.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_page_is_cut() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/content.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let example = rest.split_once("```").unwrap().0.to_owned();
    let bench = Bench::new(move |file, text| match file {
        "clinical-v2.yaml" => {
            let (before, _) = text.split_once("  content:\n").unwrap();
            let content: String = example.lines().map(|line| format!("  {line}\n")).collect();
            format!("{before}{content}")
        }
        _ => text,
    })
    .await;
    let (_, report) = bench.both().await;
    ready(&report);
    assert_eq!(ways(&bench), (3, 2));
}

/// `Auto` reads each dashboard once more than an import does, and `DocumentsV2` twice more before the first write.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_by_either_method_costs_what_is_told_beforehand() {
    let cost = async |method: &'static str| {
        let bench = adopted(by(method, WITHOUT_UNFIT)).await;
        let before = bench.simulator.requests().len();
        ready(&bench.again("clinical-v2").await);
        bench.simulator.requests().len() - before
    };
    let (imported, chosen, created) = (
        cost("ExportImport").await,
        cost("Auto").await,
        cost("DocumentsV2").await,
    );
    // Read by the documents API too; and the fields of one workbook: both models' files, the one file, an export more.
    assert_eq!(chosen, imported + 3 + 4);
    assert_eq!(created, chosen + 2 * 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_tells_what_each_method_reads_and_makes() {
    let steps = async |method: &'static str| {
        let bench = adopted(by(method, WITHOUT_UNFIT)).await;
        let world = bench.world(&Fuse::never()).await;
        let Lookup::Found(object) = bench.declared.version("default", "clinical-v2") else {
            panic!("it is declared")
        };
        let steps = plan(&world, &object).await.unwrap().steps;
        let about = steps.into_iter().filter(|it| it.what.contains("3 dashboards"));
        about.map(|it| (it.what, it.calls)).collect::<Vec<_>>()
    };
    let three = "3 dashboards: billing-overview, medication-review, patient-summary";
    let copy = |calls: usize| (format!("copy {three}"), calls);
    assert_eq!(steps("ExportImport").await, [copy(12)]);
    assert_eq!(steps("Auto").await, [copy(15)]);
    let judged = (format!("see that the documents API carries {three}"), 6);
    assert_eq!(steps("DocumentsV2").await, [judged, copy(15)]);
}
