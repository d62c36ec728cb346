//! Every knob and every fault of the simulator, one by one and in random pairs: a version is cut, or stops with a reason
//! of the list. Never a third thing, and nothing of what was there before is touched.

mod elsewhere;
mod generated_table;
mod ways;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use regex::Regex;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use wavepin::clients::{ClientOptions, ClientRegistry};
use wavepin::model_version::reconcile;
use wavepin::omni_instance;
use wavepin::ports::{Clock as _, Files, Next, World};
use wavepin::resources::conditions::{READY, STALLED, Verdict};
use wavepin::resources::reasons::Reason;
use wavepin::simulator::{FaultKind, Knobs};

use super::bench::{Bench, Quiet, verdict};
use super::git::{Making, history, kept_in_git};
use super::matrix::outcome::{difference, outcome};
use super::matrix::{open, shrink, two_dashboards};
use crate::parts::dice::{Dice, number, say, seed};
use crate::parts::git::GitServer;
use crate::repository::options;
use ways::{Kind, Otherwise, Place, faults, kind, knobs};

/// Real time that a request may take: hanging answers are part of it.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(1500);

/// How many random pairs are tried; `WAVEPIN_PAIRS` changes it.
const PAIRS: usize = 40;

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
        git: options(),
        ..ClientOptions::default()
    };
    World {
        objects: Arc::clone(&bench.declared) as _,
        config_maps: Arc::clone(&bench.declared) as _,
        secrets: Arc::clone(&bench.declared) as _,
        approvers: Arc::new(Files),
        clients: Arc::new(ClientRegistry::new(Arc::clone(&bench.declared) as _, clients)),
        clock: Arc::clone(&bench.clock) as _,
        slice: Duration::from_secs(3600),
        request_timeout: REQUEST_TIMEOUT,
    }
}

/// Passes over one version until it is ready, or stalled three times in a row with time for a mending in between and no
/// fault that befell any of them.
async fn settle(bench: &Bench, world: &World, name: &str, met: &mut BTreeSet<&'static str>) -> Option<Reason> {
    let mut stalls = 0;
    let mut last = Vec::new();
    for _ in 0..60 {
        let before = befallen(bench);
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
                stalls = if befallen(bench) > before { 0 } else { stalls + 1 };
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

/// How many calls to Omni and to its repository were befallen.
fn befallen(bench: &Bench) -> usize {
    let requests = bench.simulator.requests();
    let of_omni = requests.iter().filter(|it| it.fault.is_some()).count();
    let of_git = bench.repository.get();
    of_omni + of_git.map_or(0, |it| GitServer::shared().https().befallen(&it.name))
}

/// Version 1, adopted from an Omni as it should be, a while ago; its model is in a repository where version 2's comes
/// from there.
async fn adopted(making: Making) -> (Bench, World) {
    let declared = |file: &str, text: String| making.declared(file, opened(making, file, two_dashboards(file, text)));
    adopted_on(Bench::new(declared).await, making).await
}

/// The instance with what opens the repositories of its models.
fn opened(making: Making, file: &str, text: String) -> String {
    if making == Making::Sent || file != "instance.yaml" {
        return text;
    }
    let server = GitServer::shared();
    let values = json!({"token": server.token(), "ca.crt": server.authority()});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "models"}, "stringData": values});
    let below = format!("https://localhost:{}/", server.https().port);
    let git = format!("spec:\n  git: {{urlPrefix: {below:?}, secretRef: {{name: models}}}}\n");
    format!("{}---\n{secret}\n", text.replacen("spec:\n", &git, 1))
}

async fn adopted_as(declared: fn(&str, String) -> String) -> (Bench, World) {
    adopted_on(Bench::new(declared).await, Making::Sent).await
}

async fn adopted_on(bench: Bench, making: Making) -> (Bench, World) {
    shrink(&bench);
    open(&bench).await;
    if making != Making::Sent {
        kept_in_git(&bench, making).await;
    }
    // Real time, which no clock here can jump over.
    bench.simulator.turn(|knobs| knobs.budget_window_millis = 200);
    let world = world(&bench);
    let mut met = BTreeSet::new();
    let stopped = settle(&bench, &world, "clinical-v1", &mut met).await;
    assert_eq!(stopped, None, "an Omni as it should be");
    // Nothing that was there is new to any list.
    bench.clock_passes(Duration::from_secs(60));
    (bench, world)
}

/// What an undisturbed cut ends with, and the kinds of call that it makes.
struct Undisturbed {
    outcome: Vec<String>,
    calls: Vec<Kind>,
}

async fn undisturbed(making: Making) -> &'static Undisturbed {
    static UNDISTURBED: [OnceCell<Undisturbed>; 5] = [const { OnceCell::const_new() }; 5];
    let cut = async || {
        let (bench, world) = adopted(making).await;
        let before = bench.simulator.requests().len();
        let stopped = settle(&bench, &world, "clinical-v2", &mut BTreeSet::new()).await;
        assert_eq!(stopped, None, "{making:?}: an Omni as it should be");
        let requests = bench.simulator.requests();
        let calls: BTreeSet<Kind> = requests.iter().skip(before).filter_map(kind).collect();
        let (outcome, calls) = (outcome(&bench).await, calls.into_iter().collect());
        Undisturbed { outcome, calls }
    };
    UNDISTURBED[making as usize].get_or_init(cut).await
}

/// Version 1 is adopted from an Omni as it should be; then it is otherwise, and version 2 is cut, its model made this way.
async fn cut_in(making: Making, ways: &[Otherwise]) -> Outcome {
    let Undisturbed {
        outcome: expected,
        calls,
    } = undisturbed(making).await;
    let (bench, world) = adopted(making).await;
    let before = of_others(&bench.simulator.state());
    for way in ways {
        way.befall(&bench.simulator, calls);
    }
    let mut met = BTreeSet::new();
    let stopped = settle(&bench, &world, "clinical-v2", &mut met).await;
    let state = bench.simulator.state();
    assert_eq!(of_others(&state), before, "{ways:?}: what was there is touched");
    match stopped {
        None => {
            let found = outcome(&bench).await;
            let [expected, found] = [expected, &found].map(|all| but_excepted(all, ways));
            assert_eq!(difference(&expected, &found), None, "{making:?} {ways:?}");
        }
        Some(_) if ways.iter().any(makes_twins) => {}
        Some(_) => nothing_is_there_twice(&bench, ways),
    }
    if let [Otherwise::Fault(_, place)] = ways {
        assert!(befallen(&bench) > 0, "{ways:?} did not strike");
        let everywhere = place.struck(calls, &bench.simulator.requests());
        assert!(stopped.is_some() || everywhere, "{ways:?} did not strike everywhere");
    }
    Outcome { stopped, met }
}

/// Where Omni itself may make a second thing of one request.
fn makes_twins(way: &Otherwise) -> bool {
    match way {
        Otherwise::Knob(name, _) => *name == "model_twin",
        Otherwise::Fault(fault, place) => fault["kind"] == "doubled" && *place != Place::OfModel,
    }
}

/// Where it shows that a setting of a document was not set.
const NOT_SET: &str = r#"setting canDownload, which the key may not set\\n|"settings":\{[^}]*\}"#;

/// What a way changes by itself, so that a cut that converges ends otherwise: the way, where it shows, and why.
const EXCEPTIONS: [(&str, &str, &str); 13] = [
    (
        "`import_answer` = `\"unknown\"`",
        r#""result":"[^"]*","step":"import""#,
        "an answer that names no document leaves a mark that names none",
    ),
    ("`wrong_json`", r#""result":"[^"]*","step":"import""#, "likewise"),
    (
        "`doubled`",
        r#"^wavepin_intent .*"step":"import".*$"#,
        "its second import was refused, and the first one's copy is known again without a mark",
    ),
    (
        "`doubled`",
        r#"^wavepin_intent .*"step":"branch".*$"#,
        "the second branch was refused, and the first one is known again without a mark",
    ),
    (
        "\"renamed_field\"",
        r#"(content|basis)\\":\\"[0-9a-f]*"#,
        "what is inside a tile is Omni's alone: the dashboard is copied as the export told it",
    ),
    ("\"changed_field\"", r#"(content|basis)\\":\\"[0-9a-f]*"#, "likewise"),
    (
        "`import_fills_query_models`",
        r#""tabs":\[.*\]"#,
        "Omni wrote the tabs' files itself, in its own form, and they are right",
    ),
    (
        "`forbidden`",
        r"schedules and alerts, which could not be listed\\n",
        "schedules that the key may not list are told and stop nothing",
    ),
    (
        "`missing`",
        r"schedules and alerts, which could not be listed\\n",
        "likewise",
    ),
    (
        "\"gone\"",
        r"schedules and alerts, which could not be listed\\n",
        "likewise",
    ),
    (
        "`forbidden` of Writes",
        NOT_SET,
        "a setting of a document that Omni does not let be set is told and stops nothing",
    ),
    ("`failure_inside` of Writes", NOT_SET, "likewise"),
    ("example/\"}` of Writes", NOT_SET, "likewise"),
];

fn but_excepted(all: &[String], ways: &[Otherwise]) -> Vec<String> {
    let names: Vec<String> = ways.iter().map(Otherwise::name).collect();
    let excepted = EXCEPTIONS
        .iter()
        .filter(|(way, ..)| names.iter().any(|name| name.contains(way)))
        .map(|(_, part, _)| Regex::new(part).expect("a pattern"));
    let excepted: Vec<Regex> = excepted.collect();
    let without = |line: &String| {
        let parts = excepted.iter();
        parts.fold(line.clone(), |line, part| part.replace_all(&line, "").into_owned())
    };
    all.iter().map(without).filter(|line| !line.is_empty()).collect()
}

/// However far the cut came: one model of the name with one branch, one folder, no document twice in it, and no commit.
fn nothing_is_there_twice(bench: &Bench, ways: &[Otherwise]) {
    let state = &bench.simulator.state();
    let list = |name: &str| state[name].as_array().unwrap().iter();
    let models = list("models").filter(|it| it["kind"] == "SHARED" && it["name"] == "clinical v2");
    let branches: Vec<usize> = models.map(|it| it["branches"].as_array().map_or(0, Vec::len)).collect();
    assert!(
        branches.len() <= 1 && branches.iter().all(|it| *it <= 1),
        "{ways:?}: {branches:?}"
    );
    let path = |it: &Value| it["path"].as_str().unwrap_or_default().to_owned();
    let folders = list("folders").filter(|it| path(it).starts_with("clinical/v2"));
    assert!(folders.count() <= 1, "{ways:?}: two folders");
    let copies = list("documents").filter(|it| it["identifier"].as_str().unwrap_or_default().contains("-v2-"));
    let names: Vec<String> = copies.map(|it| it["name"].to_string()).collect();
    let each: BTreeSet<&String> = names.iter().collect();
    assert_eq!(each.len(), names.len(), "{ways:?}: {names:?}");
    let (commits, _) = bench.repository.get().map(history).unwrap_or_default();
    let each: BTreeSet<&String> = commits.iter().collect();
    assert_eq!(each.len(), commits.len(), "{ways:?}: {commits:?}");
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
            Otherwise::Fault(..) => unreachable!("these are knobs"),
        })
        .collect();
    let all: BTreeSet<&str> = all.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(turned, all);
}

#[test]
fn every_fault_befalls() {
    let all: BTreeSet<String> = FaultKind::names().map(str::to_owned).collect();
    let befalling = faults().into_iter().map(|it| it["kind"].as_str().unwrap().to_owned());
    assert_eq!(befalling.collect::<BTreeSet<String>>(), all);
}

/// What comes of each of these ways alone.
async fn outcomes(runs: Vec<(Making, Otherwise)>) -> Vec<Outcome> {
    let runs = runs.into_iter().enumerate().map(|(at, (making, way))| {
        let (name, waits) = (format!("{making:?}, {}", way.name()), way.waits());
        let run = async move {
            let run = tokio::spawn(async move { cut_in(making, &[way]).await });
            (at, run.await.map_err(|panic| format!("{name}: {panic}")))
        };
        (waits, run)
    });
    // Some wait for answers that never come: the others need not wait for them.
    let (waiting, working): (Vec<_>, Vec<_>) = runs.partition(|(waits, _)| *waits);
    let at_once = |runs: Vec<(bool, _)>, many: usize| {
        let runs = runs.into_iter().map(|(_, run)| run);
        futures::stream::iter(runs).buffer_unordered(many).collect::<Vec<_>>()
    };
    let (waited, worked) = tokio::join!(at_once(waiting, 8), at_once(working, 4));
    let mut outcomes: Vec<_> = waited.into_iter().chain(worked).collect();
    outcomes.sort_by_key(|(at, _)| *at);
    let third: Vec<&String> = outcomes.iter().filter_map(|(_, it)| it.as_ref().err()).collect();
    assert!(third.is_empty(), "a third thing came of {third:#?}");
    outcomes.into_iter().filter_map(|(_, it)| it.ok()).collect()
}

/// Any way, anywhere.
fn drawn(dice: &mut Dice) -> Otherwise {
    let (knobs, faults) = (knobs(), faults());
    match dice.roll(knobs.len() + faults.len()) {
        at if at < knobs.len() => knobs[at].clone(),
        at => {
            let call = u32::try_from(dice.roll(60)).expect("less than 60");
            let places = [&Place::TOLD[..], &[Place::OfModel, Place::From(call)]].concat();
            Otherwise::Fault(faults[at - knobs.len()].clone(), places[dice.roll(places.len())])
        }
    }
}

pub(crate) async fn random_pairs_converge_or_stop_with_a_reason() {
    let seed = seed();
    let pairs = number("WAVEPIN_PAIRS").map_or(PAIRS, |it| usize::try_from(it).expect("a pair takes a second"));
    say(&format!(
        "{pairs} pairs of knobs and faults; again with WAVEPIN_SEED={seed}"
    ));
    let mut dice = Dice::new(seed);
    let drawn: Vec<_> = (0..pairs).map(|_| [drawn(&mut dice), drawn(&mut dice)]).collect();
    let runs = drawn.into_iter().map(|pair| async move {
        let names = format!("{} and {}", pair[0].name(), pair[1].name());
        let run = tokio::spawn(async move { cut_in(Making::Sent, &pair).await });
        let outcome = run.await.map_err(|panic| format!("{names}: {panic}"))?;
        println!("{names}: {}", outcome.words());
        Ok(())
    });
    let runs: Vec<Result<(), String>> = futures::stream::iter(runs).buffer_unordered(4).collect().await;
    let third: Vec<String> = runs.into_iter().filter_map(Result::err).collect();
    assert!(third.is_empty(), "a third thing came of {third:#?}");
}
