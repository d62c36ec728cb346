//! Edits that ConfigMaps and Secrets hold: the same model as by inline ones; waited for, read again until the version is
//! complete, and not needed after that. What a Secret holds is told nowhere.

use std::sync::Mutex;

use rstest::rstest;
use serde_json::Value;
use wavepin::model_version::last_look::LastLook;
use wavepin::model_version::{Progress, VersionReport, reconcile};
use wavepin::ports::Next;
use wavepin::resources::conditions::{ACCEPTED, Finding, READY, RECONCILING, STALLED, Verdict};
use wavepin::resources::reasons::Reason;
use wavepin::simulator::{Fault, FaultKind};

use super::bench::{Bench, Until, ready, says, stalled, verdict};
use super::breaking::Fuse;
use super::edits::{files, page, with_edits};

/// An object of `default` with one key.
fn object(kind: &str, name: &str, key: &str, text: &str) -> String {
    let data = if kind == "Secret" { "stringData" } else { "data" };
    let text: String = text.lines().map(|line| format!("    {line}\n")).collect();
    format!("\n---\napiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}}}\n{data}:\n  {key}: |\n{text}")
}

fn config_map(text: &str) -> String {
    object("ConfigMap", "more", "edits.yaml", text)
}

/// Version 2 with these objects for its edits, and none of its own; and the objects that are there.
fn with_objects(from: &str, objects: &str) -> impl Fn(&str, String) -> String + use<> {
    let (from, objects) = (from.to_owned(), objects.to_owned());
    move |file, text| {
        if file != "clinical-v2.yaml" {
            return text;
        }
        let text = with_edits(String::new())(file, text).replace("    edits:\n", &format!("    editsFrom: {from}\n"));
        format!("{text}{objects}")
    }
}

const MORE: &str = "[{configMapRef: {name: more}}]";

const WARDS: &str = "- {name: ward-words, fileName: wards.view, patch: 'label: Hospital wards'}";

fn wards(label: &str) -> String {
    config_map(&WARDS.replace("Hospital wards", label))
}

fn finding<'r>(report: &'r VersionReport, condition: &str) -> &'r Finding {
    let found = report.findings.iter().find(|it| it.condition == condition);
    found.unwrap_or_else(|| panic!("nothing is said of {condition}: {report:#?}"))
}

/// The page's list, as the two objects hold it that the page names.
fn in_two_objects() -> String {
    let page: String = page()
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix("  ").unwrap()))
        .collect();
    let (before, last) = page.split_at(page.find("# Some words of a file").unwrap());
    config_map(before) + &object("Secret", "private", "patches", last)
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_objects_make_the_model_that_inline_ones_make() {
    let inline = Bench::new(with_edits(page())).await;
    let (_, one) = inline.both().await;
    ready(&one);
    let both = "[{configMapRef: {name: more}}, {secretRef: {name: private}}]";
    let bench = Bench::new(with_objects(both, &in_two_objects())).await;
    let (_, other) = bench.both().await;
    ready(&other);
    assert_eq!(files(&bench, "clinical v2"), files(&inline, "clinical v2"));
    assert_eq!(bench.outcome(), inline.outcome());
    let plan = other.plan.unwrap();
    assert_eq!(plan.split('-').count(), 3, "a hash of each object: {plan}");
    assert!(!one.plan.unwrap().contains('-'));
}

/// What the page shows: a list of objects, and the objects.
fn example() -> (String, String) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/edits.md");
    let text = std::fs::read_to_string(path).unwrap();
    let block = |begins: &str| {
        let (_, rest) = text.split_once(&format!("```yaml\n{begins}")).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let list: String = block("editsFrom:\n")
        .lines()
        .map(|line| format!("\n    {line}"))
        .collect();
    let first = "apiVersion: v1\nkind: ConfigMap\n";
    (list, format!("\n---\n{first}{}", block(first)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_page_is_cut() {
    let (list, objects) = example();
    let bench = Bench::new(with_objects(&list, &objects)).await;
    ready(&bench.both().await.1);
    let files = files(&bench, "clinical v2");
    assert_eq!(files["wards.view"]["label"], "Hospital wards");
    assert_eq!(files["patients.view"]["dimensions"]["ssn"]["ignored"], true);
    assert_eq!(files["patients.view"]["dimensions"]["risk"]["label"], "Risk");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_object_is_waited_for_and_taken_up_when_it_is_there() {
    let bench = Bench::new(with_objects(MORE, "")).await;
    ready(&bench.again("clinical-v1").await);
    let (before, calls) = (bench.simulator.state(), bench.simulator.requests().len());
    let report = bench.again("clinical-v2").await;
    let waits = finding(&report, RECONCILING);
    assert_eq!((waits.verdict, waits.reason), (Verdict::True, Reason::EditsMissing));
    says(
        &waits.message,
        &["ConfigMap default/more is not there", "model.editsFrom"],
    );
    assert_eq!(verdict(&report.findings, STALLED), None);
    assert_eq!(verdict(&report.findings, ACCEPTED), Some(Verdict::True));
    assert_eq!(bench.simulator.requests().len(), calls, "Omni hears nothing of it");
    bench.declare(with_objects("[{secretRef: {name: more}}]", ""));
    says(
        &finding(&bench.again("clinical-v2").await, READY).message,
        &["Secret default/more is not there"],
    );
    assert_eq!(bench.simulator.state(), before);
    bench.declare(with_objects(MORE, &wards("Hospital wards")));
    ready(&bench.again("clinical-v2").await);
    assert_eq!(files(&bench, "clinical v2")["wards.view"]["label"], "Hospital wards");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_optional_object_that_is_absent_is_no_edit() {
    let bench = Bench::new(with_objects("[{configMapRef: {name: more, optional: true}}]", "")).await;
    let (_, report) = bench.both().await;
    ready(&report);
    assert_eq!(files(&bench, "clinical v2")["wards.view"]["label"], "Wards");
    // What comes later comes too late, which is said.
    bench.declare(with_objects(
        "[{configMapRef: {name: more, optional: true}}]",
        &wards("Hospital wards"),
    ));
    let late = bench.again("clinical-v2").await;
    ready(&late);
    says(
        &finding(&late, READY).message,
        &["ConfigMap default/more was not there when version 2 was cut"],
    );
    assert_eq!(files(&bench, "clinical v2")["wards.view"]["label"], "Wards");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_before_the_version_is_complete_is_applied_and_validated() {
    let bench = Bench::new(with_objects(MORE, &wards("Wards of old"))).await;
    ready(&bench.again("clinical-v1").await);
    let label = || {
        let state = bench.simulator.state();
        let models = state["models"].as_array().unwrap().clone();
        let model = models
            .into_iter()
            .find(|it| it["name"] == "clinical v2" && it["kind"] == "SHARED")?;
        let text = model["files"]["wards.view"].as_str()?.to_owned();
        Some(serde_saphyr::from_str::<Value>(&text).unwrap()["label"].clone())
    };
    let imported = || {
        let state = bench.simulator.state();
        let documents = state["documents"].as_array().unwrap();
        documents.iter().filter(|it| it["folderPath"] == "clinical/v2").count()
    };
    let world = bench.world(&Fuse::never()).await;
    let until = Until(|| imported() > 1);
    while imported() < 2 {
        reconcile(&world, "default", "clinical-v2", &until).await.unwrap();
    }
    assert_eq!(label().unwrap(), "Wards of old");
    let calls = bench.simulator.requests().len();
    bench.declare(with_objects(MORE, &wards("Wards of now")));
    let report = bench.again("clinical-v2").await;
    ready(&report);
    assert_eq!(label().unwrap(), "Wards of now");
    let since = bench.simulator.requests().split_off(calls);
    assert!(since.iter().any(|it| it.path.ends_with("/validate")), "{since:#?}");
    assert_eq!(imported(), 5, "nothing is made twice");
    let undisturbed = Bench::new(with_objects(MORE, &wards("Wards of now"))).await;
    assert_eq!(undisturbed.both().await.1.plan, report.plan);
    assert_eq!(undisturbed.outcome(), bench.outcome());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_version_needs_no_object_and_says_what_became_of_it() {
    let bench = Bench::new(with_objects(MORE, &wards("Hospital wards"))).await;
    let (_, first) = bench.both().await;
    ready(&first);
    let (state, told) = (bench.simulator.state(), finding(&first, READY).message.clone());
    let broken = config_map("- {name: [");
    for (objects, says_so) in [
        (
            wards("Wards"),
            "; ConfigMap default/more has changed since version 2 was cut with it",
        ),
        (
            broken,
            "; ConfigMap default/more has changed since version 2 was cut with it",
        ),
        (
            String::new(),
            "; ConfigMap default/more is not there any more, which changes nothing",
        ),
        // Written down in another way it says the same.
        (
            config_map("- patch: 'label: Hospital wards'\n  name: ward-words\n  fileName: wards.view"),
            "",
        ),
    ] {
        bench.declare(with_objects(MORE, &objects));
        bench.clock_passes(std::time::Duration::from_secs(601));
        let report = bench.again("clinical-v2").await;
        ready(&report);
        let message = &finding(&report, READY).message;
        assert!(message.starts_with(&format!("{told}{says_so}")), "{message}");
        assert_eq!(message == &told, says_so.is_empty(), "{message}");
        assert_eq!(verdict(&report.findings, RECONCILING), None);
        assert_eq!(report.plan, first.plan);
        assert_eq!(bench.simulator.state(), state);
    }
    // The list itself is sealed.
    bench.declare(with_objects("[{configMapRef: {name: other}}]", ""));
    says(&stalled(&bench.again("clinical-v2").await), &["Sealed"]);
    assert_eq!(bench.simulator.state(), state);
}

#[rstest]
#[case::no_yaml(&["- {name: ["], &["ConfigMap default/more, key \"edits.yaml\"", "is no YAML"])]
#[case::no_edit(&["- {name: a, file: b.view}"], &["ConfigMap default/more, key \"edits.yaml\"", "edits[0].file is no field"])]
#[case::two_places(&["- {name: a, fileName: b.view, view: b, yaml: 'a: b'}"], &["edit a of ConfigMap default/more, key \"edits.yaml\"", "give fileName with one of"])]
#[case::a_name_twice(&[WARDS, WARDS], &["edit 1 of Secret default/private", "the same name as edit ward-words of ConfigMap default/more"])]
#[case::a_file_twice(
    &["- {name: a, fileName: wards.view, deleteFile: true}", "- {name: b, fileName: wards.view, yaml: 'a: b'}"],
    &["edit 1 of Secret default/private", "the same whole file as edit a of ConfigMap default/more"]
)]
#[case::nothing_found(&["- {name: a, view: patients, field: snn, ignore: true}"], &["edit a of ConfigMap default/more", "no field \"snn\""])]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_an_object_is_refused_with_its_place_before_anything_is_written(
    #[case] texts: &[&str],
    #[case] parts: &[&str],
) {
    let objects = match texts {
        [one] => config_map(one),
        [one, other] => config_map(one) + &object("Secret", "private", "patches", other),
        _ => unreachable!(),
    };
    let from = match texts.len() {
        1 => MORE,
        _ => "[{configMapRef: {name: more}}, {secretRef: {name: private}}]",
    };
    let bench = Bench::new(with_objects(from, &objects)).await;
    ready(&bench.again("clinical-v1").await);
    let before = bench.simulator.state();
    let report = bench.again("clinical-v2").await;
    says(&stalled(&report), &["EditRefused"]);
    says(&stalled(&report), parts);
    assert_eq!(verdict(&report.findings, ACCEPTED), Some(Verdict::False));
    assert_eq!(bench.simulator.state(), before);
    bench.declare(with_objects(MORE, &wards("Hospital wards")));
    ready(&bench.again("clinical-v2").await);
}

/// What a process keeps of looks.
#[derive(Default)]
struct Keeping(Mutex<Option<LastLook>>);

impl Progress for Keeping {
    fn publish(&self, _: &VersionReport) {}

    fn interrupted(&self) -> bool {
        false
    }

    fn last_look(&self) -> Option<LastLook> {
        self.0.lock().unwrap().clone()
    }

    fn looked(&self, look: LastLook) {
        *self.0.lock().unwrap() = Some(look);
    }
}

/// A topic on a view that is not there: Omni's validation refuses it.
const INVALID: &str = "- {name: nowhere, fileName: nowhere.topic, yaml: 'base_view: hidden_nowhere'}";

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_stands_still_for_its_edits_looks_for_better_ones_often_and_asks_omni_nothing() {
    let bench = Bench::new(with_objects(MORE, &config_map(INVALID))).await;
    ready(&bench.again("clinical-v1").await);
    let world = bench.world(&Fuse::never()).await;
    let kept = Keeping::default();
    let pass = async || reconcile(&world, "default", "clinical-v2", &kept).await.unwrap();
    let first = pass().await;
    says(&stalled(&first.report), &["ModelInvalid", "hidden_nowhere"]);
    let calls = bench.simulator.requests().len();
    for _ in 0..3 {
        let Next::After(pause) = pass().await.next else {
            panic!("{first:#?}")
        };
        assert_eq!(pause.as_secs(), 30);
        bench.clock_passes(pause);
        let again = pass().await;
        assert_eq!(again.report.findings, first.report.findings);
    }
    assert_eq!(
        bench.simulator.requests().len(),
        calls,
        "Omni is not asked again for the same edits"
    );
    // What stands still for another reason may be mended in Omni, and is looked at as ever.
    bench.clock_passes(std::time::Duration::from_secs(601));
    pass().await;
    assert!(bench.simulator.requests().len() > calls);
    bench.declare(with_objects(MORE, &wards("Hospital wards")));
    ready(&bench.drive(&world, "clinical-v2").await);
    let state = bench.simulator.state();
    assert!(!state.to_string().contains("hidden_nowhere"), "the first edit is gone");
}

/// The same fault by a ConfigMap, which may be quoted, and by a Secret, which may not.
async fn told_by(kind: &str, text: &str, disturb: impl Fn(&Bench)) -> String {
    let field = if kind == "Secret" { "secretRef" } else { "configMapRef" };
    let from = format!("[{{{field}: {{name: more}}}}]");
    let queries = "  validation:\n    queries: {mode: PlanOnly}\n";
    let change = with_objects(&from, &object(kind, "more", "hidden", text));
    let change = move |file: &str, text: String| {
        let text = if file == "clinical-v2.yaml" {
            text + queries
        } else {
            text
        };
        change(file, text)
    };
    let bench = Bench::new(change).await;
    ready(&bench.again("clinical-v1").await);
    disturb(&bench);
    let report = bench.again("clinical-v2").await;
    stalled(&report);
    format!("{report:#?}")
}

#[rstest]
#[case::no_yaml("- {name: marked, yaml: [", "EditRefused", false)]
#[case::broken_yaml("- {name: marked, fileName: marked.view, yaml: 'marked: [1'}", "EditRefused", true)]
#[case::an_unknown_field("- {name: marked, marked: true}", "EditRefused", true)]
#[case::nothing_found("- {name: marked, view: patients, field: marked, ignore: true}", "EditRefused", true)]
#[case::no_such_view("- {name: marked, view: marked, ignore: true}", "EditRefused", true)]
#[case::an_invalid_model(
    "- {name: marked, fileName: nowhere.topic, yaml: 'base_view: marked'}",
    "ModelInvalid",
    true
)]
#[case::invalid_content(
    "- {name: a, fileName: wards.view, yaml: '{label: marked, dimensions: {id: {primary_key: true}}}'}",
    "ContentInvalid",
    false
)]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_secret_holds_is_told_nowhere(#[case] text: &str, #[case] reason: &str, #[case] quoted: bool) {
    let by_config_map = told_by("ConfigMap", text, |_| {}).await;
    let by_secret = told_by("Secret", text, |_| {}).await;
    assert!(
        by_config_map.contains(reason) && by_secret.contains(reason),
        "{by_secret}"
    );
    // Where a ConfigMap's edit would be quoted, and where it would not.
    assert_eq!(by_config_map.contains("marked"), quoted, "{by_config_map}");
    assert!(
        by_secret.contains("default/more") || by_secret.contains("stand in a Secret"),
        "{by_secret}"
    );
    assert!(!by_secret.contains("marked"), "{by_secret}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_quotes_what_was_sent_is_not_told_either() {
    let disturb = |bench: &Bench| {
        let (from, to) = ("files".to_owned(), "a".to_owned());
        let renamed = FaultKind::RenamedField { from, to };
        bench.simulator.arm(Fault {
            times: 99,
            // What is read of the source and of the empty branch passes; what was merged comes under another name.
            after: 2,
            ..Fault::once("GET", "/yaml$", renamed).unwrap()
        });
    };
    let text = "- {name: a, fileName: aaa.view, yaml: 'label: marked'}";
    let by_config_map = told_by("ConfigMap", text, disturb).await;
    let by_secret = told_by("Secret", text, disturb).await;
    for told in [&by_config_map, &by_secret] {
        assert!(told.contains("ContractDrift"), "{told}");
    }
    assert!(by_config_map.contains("marked"), "{by_config_map}");
    assert!(!by_secret.contains("marked"), "{by_secret}");
    assert!(by_secret.contains("what Omni says is not shown here"), "{by_secret}");
}
