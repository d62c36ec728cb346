//! `wavepin plan`, call for call: what it lists is what the organisation is asked when the folder is applied.

use std::collections::BTreeMap;
use std::path::Path;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use wavepin::simulator::{DEFAULT_API_KEY, Fault, FaultKind, LoggedRequest};

use super::bench::Bench;

/// Method, path and query of every call that is planned, in order.
fn planned(plan: &Value) -> Vec<String> {
    let of = |list: &str| plan[list].as_array().expect("a list").clone();
    let owners = of("instances").into_iter().chain(of("versions"));
    let calls = owners.flat_map(|owner| owner["calls"].as_array().expect("it was rehearsed").clone());
    let text = |call: &Value, name: &str| call[name].as_str().expect("a text").to_owned();
    calls
        .map(|call| {
            format!(
                "{} {}?{}",
                text(&call, "method"),
                text(&call, "path"),
                text(&call, "query")
            )
        })
        .collect()
}

/// The same of a call that was made.
fn made(request: &LoggedRequest) -> String {
    let path = percent_decode_str(&request.path).decode_utf8().expect("paths are text");
    let query = url::form_urlencoded::parse(request.query.as_bytes());
    let query: Vec<String> = query.map(|(name, value)| format!("{name}={value}")).collect();
    format!("{} {path}?{}", request.method, query.join("&"))
}

/// Ids that Omni gave, by the words that stood for them.
#[derive(Default)]
struct Given(BTreeMap<String, String>);

impl Given {
    /// A planned call with every word in braces replaced by the id that stands in its place in the call that was made.
    fn filled(&mut self, planned: &str, made: &str) -> String {
        let mut filled = planned.to_owned();
        while let Some((before, rest)) = filled.split_once('{') {
            let (word, after) = rest.split_once('}').expect("a brace is closed");
            let Some(id) = self.0.get(word).cloned().or_else(|| {
                let rest = made.strip_prefix(before)?;
                Some(rest.split(['/', '&', '?']).next()?.to_owned())
            }) else {
                return filled;
            };
            let others = self.0.iter().filter(|(other, _)| *other != word);
            for (other, given) in others {
                assert_ne!(*given, id, "{word} and {other} are one");
            }
            self.0.insert(word.to_owned(), id.clone());
            filled = format!("{before}{id}{after}");
        }
        filled
    }
}

/// Plans, applies, and holds one against the other. Gives the plan.
#[track_caller]
pub(super) fn held(bench: &Bench) -> Value {
    let writes = bench.writes();
    let told = bench
        .look("plan", &["-o", "json", "--budget-window", "1s"])
        .ended_with(0)
        .stdout;
    assert_eq!(bench.writes(), writes, "a plan writes nothing to Omni");
    let plan: Value = serde_json::from_str(&told).expect("it is JSON");
    let before = bench.simulator.requests().len();
    bench.apply(&[]).ended_with(0);
    let requests = bench.simulator.requests();
    let made: Vec<String> = requests[before..].iter().map(made).collect();
    let mut given = Given::default();
    let planned = planned(&plan);
    let filled: Vec<String> = planned
        .iter()
        .enumerate()
        .map(|(at, call)| given.filled(call, made.get(at).map_or("", String::as_str)))
        .collect();
    if let Some(at) = (0..filled.len().max(made.len())).find(|at| filled.get(*at) != made.get(*at)) {
        let near = |list: &[String]| list[at.saturating_sub(3).min(list.len())..(at + 4).min(list.len())].join("\n  ");
        panic!(
            "from call {at} on:\nplanned ({} in all)\n  {}\nmade ({} in all)\n  {}",
            filled.len(),
            near(&filled),
            made.len(),
            near(&made)
        );
    }
    assert!(made.len() > 20, "the comparison was about something: {made:?}");
    plan
}

async fn call(bench: &Bench, method: &str, path: &str, body: Option<Value>) {
    let url = format!("{}{path}", bench.simulator.base_url());
    let sent = reqwest::Client::new().request(method.parse().unwrap(), url);
    let sent = sent.bearer_auth(DEFAULT_API_KEY);
    let sent = match body {
        Some(body) => sent.json(&body),
        None => sent,
    };
    let answer = sent.send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planned_for_the_example_is_what_is_done_call_for_call() {
    let bench = Bench::clinical().await;
    let plan = bench.look("plan", &["-o", "json"]).ended_with(0);
    assert!(!bench.has_database(), "a plan makes no ledger");
    assert!(plan.stderr.contains("rehearsing version 2"), "{}", plan.stderr);
    let plan = held(&bench);
    let version = |plan: &Value, at: usize| plan["versions"][at].clone();
    assert_eq!(version(&plan, 1)["stops"], Value::Null);
    assert_eq!(
        version(&plan, 1)["callsLeft"],
        version(&plan, 1)["calls"].as_array().unwrap().len()
    );
    // The pins' moves are those that follow once the versions are there.
    let moves = plan["environments"].to_string();
    assert!(moves.contains("\"to\":2") && moves.contains("\"to\":1"), "{moves}");

    // Where everything is as declared there is nothing to rehearse.
    let asked = bench.simulator.requests().len();
    let text = bench.look("plan", &[]).ended_with(0).stdout;
    assert!(text.contains("ModelVersion/clinical-v2: nothing to do\n"), "{text}");
    assert_eq!(bench.simulator.requests().len(), asked);
}

const HOTFIX: &str = "apiVersion: wavepin.dev/v1alpha1
kind: ModelVersion
metadata: {name: clinical-v3}
spec:
  instanceRef: {name: clinical}
  version: 3
  source: {fromVersion: 2}
  model:
    name: clinical v3
    rolesFrom: Source
    edits:
      - name: beds
        fileName: wards.view
        yaml: |
          label: Wards
          dimensions:
            id: {primary_key: true, hidden: true}
            title: {label: Ward}
          measures:
            beds:
              sql: ${wards.bed_count}
              aggregate_type: sum
      - {name: doctors, fileName: physicians.view, patch: 'label: Doctors'}
  content:
    folder: {name: v3, parentPath: clinical/more}
    permissionsFrom: Source
    dashboards: {exclude: [billing-overview]}
    renames: [{kind: Field, find: wards.beds_total, replace: wards.beds}]
  validation:
    queries: {mode: PlanOnly}
";

#[tokio::test(flavor = "multi_thread")]
async fn edits_renames_queries_and_what_is_carried_are_planned_call_for_call_too() {
    let bench = Bench::clinical().await;
    bench.apply(&[]).ended_with(0);
    call(&bench, "POST", "/api/v1/labels", Some(json!({"name": "Clinical"}))).await;
    let copies = bench
        .ask("SELECT dashboard_id FROM dashboard_model WHERE model_version_id = 2 ORDER BY dashboard_slug")
        .await;
    for copy in &copies[..2] {
        let path = format!("/api/v1/documents/{copy}/labels");
        call(&bench, "PATCH", &path, Some(json!({"add": ["Clinical"]}))).await;
    }
    let path = format!("/api/v1/documents/{}/favorite", copies[1]);
    call(&bench, "PUT", &path, None).await;
    let permissions = format!("/api/v1/documents/{}/permissions", copies[1]);
    let shut = json!({"role": "NO_ACCESS", "userGroupIds": ["aN3pT9sL"]});
    call(&bench, "POST", &permissions, Some(shut)).await;
    call(&bench, "PUT", &permissions, Some(json!({"canDownload": false}))).await;
    bench.write("clinical-v3.yaml", HOTFIX);

    let text = bench.look("plan", &["--budget-window", "1s"]).ended_with(0).stdout;
    for part in [
        "ModelVersion/clinical-v3: ",
        "     4  POST /unstable/documents/import  (document ",
        " 1 more)",
        "     2  POST /v1/folders  (folder more, folder v3)",
        "not carried: ",
        "1 favourite",
        "Rehearsed: ",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    let every = bench
        .look("plan", &["--calls", "--budget-window", "1s"])
        .ended_with(0)
        .stdout;
    for part in [
        "        POST /api/v1/models/{model clinical v3}/branch/",
        "        GET /api/v1/documents?",
        "        POST /api/v1/query/run",
    ] {
        assert!(every.contains(part), "{part:?} in\n{every}");
    }
    let (contents, writes) = (bench.contents().await, bench.writes());
    held(&bench);
    assert_ne!(bench.contents().await, contents);
    assert!(bench.writes() > writes);
}

/// The planned calls to a path of a version, by method.
fn to(plan: &Value, version: usize, method: &str, end: &str) -> usize {
    let calls = plan["versions"][version]["calls"].as_array().unwrap().iter();
    let is_it = |call: &&Value| call["method"] == method && call["path"].as_str().unwrap().ends_with(end);
    calls.filter(is_it).count()
}

/// Two of the five dashboards are created, one with fields of its workbook; the others are imported, one for its layout.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_documents_api_creates_is_planned_call_for_call() {
    let bench = Bench::clinical().await;
    let classic = json!({"action": "make_classic", "identifier": "f16b28a5"});
    bench.simulator.play(&classic).unwrap();
    bench.edit("clinical-v2.yaml", "  content:\n", "  content:\n    method: Auto\n");
    let plan = held(&bench);
    let made = [to(&plan, 1, "POST", "/v2/documents"), to(&plan, 1, "POST", "/import")];
    assert_eq!(made, [2, 3]);
    assert_eq!(plan["versions"][1]["stops"], Value::Null);
    let of_workbook = |call: &&Value| {
        call["path"]
            .as_str()
            .unwrap()
            .contains("{workbook model of patient-summary-v2-")
    };
    let calls = plan["versions"][1]["calls"].as_array().unwrap();
    let of_workbook: Vec<&Value> = calls.iter().filter(of_workbook).collect();
    assert_eq!(of_workbook.len(), 2, "its files are read and written: {of_workbook:?}");
}

const THIRD: &str = "apiVersion: wavepin.dev/v1alpha1
kind: ModelVersion
metadata: {name: clinical-v3}
spec:
  instanceRef: {name: clinical}
  version: 3
  source: {fromVersion: 2}
  model:
    name: clinical v3
    rolesFrom: Source
    edits:
      - {name: people, fileName: patients.view, patch: 'measures: {people: {aggregate_type: count}}'}
  content:
    method: DocumentsV2
    folder: {name: v3, parentPath: clinical}
    permissionsFrom: Source
    dashboards: {exclude: [readmission-risk, ward-capacity]}
    renames: [{kind: Field, find: patients.count, replace: patients.people}]
";

/// With a name changed in them, and with what they have of their own.
#[tokio::test(flavor = "multi_thread")]
async fn created_copies_of_created_dashboards_are_planned_call_for_call() {
    let bench = Bench::clinical().await;
    bench.edit("clinical-v2.yaml", "  content:\n", "  content:\n    method: Auto\n");
    bench.apply(&[]).ended_with(0);
    let copies = bench
        .ask("SELECT dashboard_id FROM dashboard_model WHERE model_version_id = 2 AND dashboard_slug = 'patient-summary'")
        .await;
    let permissions = format!("/api/v1/documents/{}/permissions", copies[0]);
    let shut = json!({"role": "NO_ACCESS", "userGroupIds": ["aN3pT9sL"]});
    call(&bench, "POST", &permissions, Some(shut)).await;
    bench.write("clinical-v3.yaml", THIRD);
    let plan = held(&bench);
    assert_eq!(plan["versions"][2]["stops"], Value::Null);
    assert_eq!(to(&plan, 2, "POST", "/v2/documents"), 3);
}

/// Its source was only tried, by either way, and so was its source's.
#[tokio::test(flavor = "multi_thread")]
async fn versions_that_are_cut_from_one_that_is_not_there_yet_are_planned_too() {
    let bench = Bench::clinical().await;
    bench.write("clinical-v3.yaml", THIRD);
    let fourth = "apiVersion: wavepin.dev/v1alpha1\nkind: ModelVersion\nmetadata: {name: clinical-v4}\nspec:\n  \
                  instanceRef: {name: clinical}\n  version: 4\n  source: {fromVersion: 3}\n  \
                  model: {name: clinical v4, rolesFrom: Source}\n  \
                  content: {method: Auto, folder: {name: v4, parentPath: clinical}}\n";
    bench.write("clinical-v4.yaml", fourth);
    let told = bench
        .look("plan", &["-o", "json", "--budget-window", "1s"])
        .ended_with(0)
        .stdout;
    let plan: Value = serde_json::from_str(&told).expect("it is JSON");
    for (at, created) in [(1, 0), (2, 3), (3, 3)] {
        assert_eq!(plan["versions"][at]["stops"], Value::Null, "{at}");
        assert_eq!(to(&plan, at, "POST", "/v2/documents"), created, "{at}");
    }
    let before = bench.simulator.requests().len();
    bench.apply(&[]).ended_with(0);
    // Reads mix, since who waits for a source looks again.
    let mut made = BTreeMap::new();
    for request in &bench.simulator.requests()[before..] {
        *made.entry(kind(&request.method, &request.path)).or_insert(0) += 1;
    }
    let mut planned = BTreeMap::new();
    let calls = (0..4).flat_map(|at| plan["versions"][at]["calls"].as_array().unwrap());
    for call in calls {
        let text = |name: &str| call[name].as_str().unwrap();
        *planned.entry(kind(text("method"), text("path"))).or_insert(0) += 1;
    }
    for calls in [&mut made, &mut planned] {
        calls.retain(|kind, _| !kind.starts_with("GET "));
    }
    assert_eq!(planned, made);
}

/// A call without the ids in its path.
fn kind(method: &str, path: &str) -> String {
    let words = [
        "api",
        "v1",
        "v2",
        "unstable",
        "models",
        "documents",
        "folders",
        "branch",
    ];
    let last = path.rsplit('/').next().unwrap();
    let kept = path.split('/').filter(|part| words.contains(part) || *part == last);
    format!("{method} {}", kept.collect::<Vec<_>>().join("/"))
}

/// What would stop the cut stops the rehearsal, before anything was written.
#[tokio::test(flavor = "multi_thread")]
async fn what_would_stop_a_cut_stops_its_rehearsal() {
    let bench = Bench::clinical().await;
    bench.apply(&[]).ended_with(0);
    let contents = bench.contents().await;
    bench.write("clinical-v3.yaml", &HOTFIX.replace("clinical v3", "clinical v2"));
    let text = bench.look("plan", &[]).ended_with(1).stdout;
    assert!(text.contains("        NameTaken: "), "{text}");
    assert!(text.contains("calls to Omni, stops in"), "{text}");
    assert_eq!(bench.contents().await, contents);
}

/// What is there of it already is read and not made again: the rest is planned upon it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_cut_that_stopped_is_planned_call_for_call() {
    let bench = Bench::clinical().await;
    let refused = Fault::once("POST", "/documents/import$", FaultKind::Forbidden).unwrap();
    bench.simulator.arm(refused);
    bench.apply(&[]).ended_with(1);
    let plan = held(&bench);
    let calls = plan["versions"][1]["calls"].as_array().unwrap();
    let of = |method: &str, end: &str| {
        let is_it = |call: &&Value| call["method"] == method && call["path"].as_str().unwrap().ends_with(end);
        calls.iter().filter(is_it).count()
    };
    assert_eq!(
        (of("POST", "/import"), of("POST", "/models"), of("POST", "/folders")),
        (1, 0, 0)
    );
}

/// A call that a rehearsal cannot answer stops it, so that it would say less than is done.
#[test]
fn every_call_that_changes_something_is_known_to_a_rehearsal() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let known = std::fs::read_to_string(root.join("src/standalone/rehearsal/organization.rs")).unwrap();
    // Sent only after the method that stands for it was refused.
    let instead = ["POST /v1/documents/{identifier}/move"];
    let mut calls = 0;
    for file in std::fs::read_dir(root.join("src/omni")).unwrap() {
        let path = file.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        for method in ["\"POST /", "\"PUT /", "\"PATCH /", "\"DELETE /"] {
            for (at, _) in text.match_indices(method) {
                let call = text[at + 1..].split('"').next().unwrap();
                calls += 1;
                let is_known = known.contains(&format!("{call:?} =>")) || instead.contains(&call);
                assert!(
                    is_known,
                    "src/standalone/rehearsal/organization.rs has no answer to {call}"
                );
            }
        }
    }
    assert!(calls >= 12, "the calls were found: {calls}");
}

/// A pass works for 10 seconds and the next one reads anew: at a small budget a cut takes several.
#[tokio::test(flavor = "multi_thread")]
async fn what_later_passes_read_again_is_planned_too_and_read_once() {
    let bench = Bench::clinical().await;
    bench.edit("instance.yaml", "requestsPerMinute: 600", "requestsPerMinute: 20");
    let told = bench
        .look("plan", &["-o", "json", "--budget-window", "6s"])
        .ended_with(0)
        .stdout;
    let plan: Value = serde_json::from_str(&told).unwrap();
    let of_version = plan["versions"][1]["calls"].as_array().unwrap();
    let passes = of_version.iter().filter(|it| it["path"] == "/api/v1/whoami").count();
    assert!(passes > 1, "{passes} passes");
    let asked = bench.simulator.requests();
    let mut lines: Vec<String> = asked.iter().map(made).collect();
    let all = lines.len();
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), all, "nothing is read twice: {asked:?}");
}
