//! Every knob and every fault of the simulator, one by one and in random pairs: a version is cut, or stops with a reason
//! of the list. Never a third thing, and nothing of what was there before is touched.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};
use wavepin::clients::{ClientOptions, ClientRegistry};
use wavepin::model_version::reconcile;
use wavepin::omni_instance;
use wavepin::ports::{Clock as _, Next, World};
use wavepin::resources::conditions::{READY, STALLED, Verdict};
use wavepin::resources::reasons::Reason;
use wavepin::simulator::{Fault, Knobs, Simulator, SimulatorOptions};

use super::bench::{Bench, Quiet, verdict};
use crate::parts::generated;

/// Real time that a request may take: hanging answers are part of it.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(1500);

/// How many random pairs are tried; `WAVEPIN_PAIRS` changes it.
const PAIRS: usize = 40;

/// A way in which Omni may be otherwise.
#[derive(Debug, Clone)]
enum Otherwise {
    Knob(&'static str, Value),
    /// It befalls some calls of the cut.
    Fault(Value),
}

impl Otherwise {
    fn name(&self) -> String {
        match self {
            Self::Knob(name, setting) => format!("knob `{name}` = `{setting}`"),
            Self::Fault(fault) if fault.as_object().is_some_and(|it| it.len() == 1) => {
                format!("fault `{}`", fault["kind"].as_str().unwrap_or_default())
            }
            Self::Fault(fault) => format!("fault `{fault}`"),
        }
    }

    /// Faults befall calls of the cut, from the one with this number.
    fn befall(&self, simulator: &Simulator, after: u32) {
        match self {
            Self::Knob(name, setting) => {
                let mut knobs = simulator.knobs();
                knobs.turn(name, setting.clone()).expect("the setting makes sense");
                // By itself it changes nothing.
                if *name == "list_lag_changes" {
                    knobs.list_lag_millis = 5000;
                }
                simulator.turn(|present| *present = knobs);
            }
            Self::Fault(fault) => {
                let kind = serde_json::from_value(fault.clone()).expect("there is such a fault");
                let once = Fault::once("GET", "", kind).expect("a pattern");
                simulator.arm(Fault {
                    method: None,
                    times: 2,
                    after,
                    ..once
                });
            }
        }
    }
}

/// Every knob, each away from its default.
fn knobs() -> Vec<Otherwise> {
    [
        ("import_answer", json!("workbook")),
        ("import_answer", json!("unknown")),
        ("import_mini_uuid_map", json!(false)),
        ("import_folder", json!("root")),
        ("import_folder", json!("personal")),
        ("import_ignores_folder_id", json!(true)),
        ("import_fills_query_models", json!(true)),
        ("import_drops_tile", json!(true)),
        ("import_renews_upload_ids", json!(true)),
        ("identifier_clash", json!("overwrite")),
        ("identifier_clash", json!("suffix")),
        ("validate_answer", json!("object")),
        ("checksum_mismatch", json!(409)),
        ("yaml_answers_files", json!(true)),
        ("unstable_yaml_gone", json!(true)),
        ("folder_clash", json!("reject")),
        ("folder_clash", json!("twin")),
        ("permissions_show_inherited", json!(false)),
        ("permissions_answer", json!("principals")),
        ("document_defaults", json!("documentation")),
        ("environments_answer", json!("data")),
        ("move_by_post", json!(true)),
        ("model_name_unique", json!(true)),
        ("model_twin", json!(true)),
        ("schema_model", json!("unrefreshed")),
        ("schema_model", json!("absent")),
        ("create_model_fails_inside", json!(true)),
        ("failed_drafts", json!(2)),
        ("branch_schema_refresh", json!(true)),
        ("caller_attribute", json!(null)),
        ("key_is_personal", json!(true)),
        ("bad_key_status", json!(401)),
        ("connection_admin", json!(false)),
        ("retry_after", json!(1)),
        ("list_lag_millis", json!(5000)),
        ("list_lag_changes", json!(true)),
        ("requests_per_minute", json!(20)),
        ("budget_window_millis", json!(500)),
        ("openapi", json!("absent")),
        ("openapi_patch", json!({"paths": {"/api/v1/models": null}})),
        ("another_organisation", json!(true)),
    ]
    .map(|(name, setting)| Otherwise::Knob(name, setting))
    .into()
}

/// Every fault.
fn faults() -> Vec<Otherwise> {
    [
        json!({"kind": "status_429"}),
        json!({"kind": "status_429", "retry_after": 1}),
        json!({"kind": "status", "code": 503}),
        json!({"kind": "status_500_before"}),
        json!({"kind": "status_500_after"}),
        json!({"kind": "lost_answer"}),
        json!({"kind": "drop_before"}),
        json!({"kind": "doubled"}),
        json!({"kind": "slow", "millis": 50}),
        json!({"kind": "slow_body"}),
        json!({"kind": "truncated"}),
        json!({"kind": "wrong_json"}),
        json!({"kind": "renamed_field", "from": "id", "to": "uuid"}),
        json!({"kind": "changed_field", "name": "id", "to": 7}),
        json!({"kind": "failure_inside"}),
        json!({"kind": "missing"}),
        json!({"kind": "gone", "successor": "/api/v2/models"}),
        json!({"kind": "forbidden"}),
        json!({"kind": "not_json"}),
        json!({"kind": "redirect", "to": "https://elsewhere.example/"}),
        json!({"kind": "huge", "bytes": 100_000_000}),
        json!({"kind": "endless"}),
        json!({"kind": "nested", "depth": 100_000}),
        json!({"kind": "invalid_utf8"}),
        json!({"kind": "hang"}),
    ]
    .map(Otherwise::Fault)
    .into()
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    /// The reason that it stopped with for good; `None` where the version is complete.
    stopped: Option<Reason>,
    /// The reasons that it stopped with on the way.
    met: BTreeSet<&'static str>,
}

impl Outcome {
    fn words(&self) -> String {
        let met: Vec<String> = self.met.iter().map(|it| format!("`{it}`")).collect();
        match self.stopped {
            Some(reason) => format!("stops: `{}`", reason.as_str()),
            None if met.is_empty() => "converges".to_owned(),
            None => format!("converges, after {}", met.join(", ")),
        }
    }
}

fn world(bench: &Bench) -> World {
    let clients = ClientOptions {
        default_database: Some(bench.database()),
        budget_window: Duration::from_millis(50),
        request_timeout: REQUEST_TIMEOUT,
        ..ClientOptions::default()
    };
    World {
        objects: Arc::clone(&bench.declared) as _,
        clients: Arc::new(ClientRegistry::new(Arc::clone(&bench.declared) as _, clients)),
        clock: Arc::clone(&bench.clock) as _,
        slice: Duration::from_secs(3600),
        request_timeout: REQUEST_TIMEOUT,
    }
}

/// Passes over one version until it is ready, or stalled three times in a row with time for a mending in between.
async fn settle(bench: &Bench, world: &World, name: &str, met: &mut BTreeSet<&'static str>) -> Option<Reason> {
    let mut stalls = 0;
    let mut last = Vec::new();
    for _ in 0..60 {
        let instance = omni_instance::reconcile(world, "default", "clinical").await;
        let of_instance = instance.expect("it is declared").findings;
        let pass = reconcile(world, "default", name, &Quiet).await.expect("it is declared");
        if verdict(&pass.report.findings, READY) == Some(Verdict::True) {
            return None;
        }
        // What keeps the instance back keeps its versions waiting.
        let stalled = pass.report.findings.iter().chain(&of_instance);
        let stalled = stalled.into_iter().find(|it| it.condition == STALLED);
        last.clone_from(&pass.report.findings);
        match stalled {
            Some(finding) => {
                assert!(!finding.message.is_empty(), "{finding:?}");
                met.insert(finding.reason.as_str());
                stalls += 1;
                if stalls == 3 {
                    return Some(finding.reason);
                }
                bench.clock_passes(Duration::from_secs(600));
            }
            None => {
                stalls = 0;
                let by = match pass.next {
                    Next::At(at) => at.duration_since(bench.clock.now()).unsigned_abs(),
                    Next::After(pause) => pause,
                    Next::Again | Next::Backoff { .. } => Duration::from_secs(1),
                };
                bench.clock_passes(by);
            }
        }
    }
    panic!("{name} neither converges nor stops: {last:#?}");
}

/// Version 1 is adopted from an Omni as it should be; then it is otherwise, and version 2 is cut.
async fn cut_in(ways: &[Otherwise], after: u32) -> Outcome {
    let options = SimulatorOptions {
        // Real time, which no clock here can jump over.
        budget_window: Duration::from_millis(200),
        ..SimulatorOptions::default()
    };
    let bench = Bench::with(options, |_, text| text).await;
    let world = world(&bench);
    let mut met = BTreeSet::new();
    let adopted = settle(&bench, &world, "clinical-v1", &mut met).await;
    assert_eq!(adopted, None, "an Omni as it should be");
    met.clear();
    // Nothing that was there is new to any list.
    bench.clock_passes(Duration::from_secs(60));
    let before = of_others(&bench.simulator.state());
    for way in ways {
        way.befall(&bench.simulator, after);
    }
    let stopped = settle(&bench, &world, "clinical-v2", &mut met).await;
    let state = bench.simulator.state();
    assert_eq!(of_others(&state), before, "{ways:?}: what was there is touched");
    if stopped.is_none() {
        let documents = state["documents"].as_array().unwrap().iter();
        let copies = documents.filter(|it| it["folderPath"] == "clinical/v2" && it["deleted"] == false);
        assert_eq!(copies.count(), 5, "{ways:?}");
        let models = state["models"].as_array().unwrap().iter();
        let models =
            models.filter(|it| it["kind"] == "SHARED" && it["name"] == "clinical v2" && it["deleted"] == false);
        assert_eq!(models.count(), 1, "{ways:?}");
    }
    Outcome { stopped, met }
}

/// The documents of version 1 and of strangers, and the model that they sit on.
fn of_others(state: &Value) -> Value {
    let documents = state["documents"].as_array().unwrap().iter();
    let documents: Vec<&Value> = documents
        .filter(|it| !it["identifier"].as_str().unwrap_or_default().contains("-v2-"))
        .collect();
    let models = state["models"].as_array().unwrap().iter();
    let models: Vec<&Value> = models.filter(|it| it["name"] == "clinical").collect();
    json!({"documents": documents, "models": models})
}

#[test]
fn every_knob_is_turned() {
    let all = json!(Knobs::default());
    let turned: BTreeSet<&str> = knobs()
        .iter()
        .map(|it| match it {
            Otherwise::Knob(name, setting) => {
                assert_ne!(all[name], *setting, "{name} is turned away from its default");
                *name
            }
            Otherwise::Fault(_) => unreachable!("these are knobs"),
        })
        .collect();
    let all: BTreeSet<&str> = all.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(turned, all);
}

mod generated_table {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn generated_outcomes_of_every_knob_and_fault() {
        let ways = [knobs(), faults()].concat();
        let runs = ways.iter().map(|way| async move {
            let ways = [way.clone()];
            let run = tokio::spawn(async move { cut_in(&ways, 25).await });
            run.await.map_err(|panic| format!("{}: {panic}", way.name()))
        });
        let outcomes: Vec<Result<Outcome, String>> = futures::stream::iter(runs).buffered(4).collect().await;
        let third: Vec<&String> = outcomes.iter().filter_map(|it| it.as_ref().err()).collect();
        assert!(third.is_empty(), "a third thing came of {third:#?}");
        let outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
        let mut table = String::from("| Omni is otherwise by | a cut then |\n|---|---|\n");
        for (way, outcome) in ways.iter().zip(&outcomes) {
            let _ = writeln!(table, "| {} | {} |", way.name(), outcome.words());
        }
        generated::part_holds("docs/simulator.md", "outcomes", &table);
    }
}

/// Numbers that follow from a seed (SplitMix64), so that a run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().expect("it is a number"))
}

pub(crate) async fn random_pairs_converge_or_stop_with_a_reason() {
    let seed = from_environment("WAVEPIN_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let pairs = from_environment("WAVEPIN_PAIRS").map_or(PAIRS, |it| usize::try_from(it).unwrap());
    println!("{pairs} pairs; again with WAVEPIN_SEED={seed}");
    let ways = [knobs(), faults()].concat();
    let mut random = Random(seed);
    let drawn: Vec<_> = (0..pairs)
        .map(|_| {
            let pair = [random.below(ways.len()), random.below(ways.len())].map(|at| ways[at].clone());
            (pair, u32::try_from(random.below(60)).unwrap())
        })
        .collect();
    let runs = drawn.into_iter().map(|(pair, after)| async move {
        let names = format!("{} and {}, from call {after}", pair[0].name(), pair[1].name());
        let run = tokio::spawn(async move { cut_in(&pair, after).await });
        let outcome = run.await.unwrap_or_else(|panic| panic!("{names}: {panic}"));
        println!("{names}: {}", outcome.words());
    });
    futures::stream::iter(runs)
        .buffer_unordered(4)
        .collect::<Vec<_>>()
        .await;
}
