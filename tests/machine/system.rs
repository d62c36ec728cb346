//! The system of a life: a small organisation, a mapping in SQLite, processes, and hands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sqlx::sqlite::SqlitePool;
use tokio::runtime::Runtime;
use wavepin::environment::{self, EnvironmentKey};
use wavepin::model_version::{self, VersionPass};
use wavepin::omni_instance;
use wavepin::ports::World;
use wavepin::resources::reasons::Reason;
use wavepin::simulator::{Fault, FaultKind};

use super::{Life, Model, Step, Subject};
use crate::cut::bench::{Bench, Quiet, ready};
use crate::cut::breaking::{Fuse, Point};
use crate::cut::matrix::{life::live, small, two_dashboards};

/// What may go wrong with an answer. Not among them: a call that Omni itself carries out twice.
pub const FAULTS: [fn() -> FaultKind; 8] = [
    || FaultKind::LostAnswer,
    || FaultKind::DropBefore,
    || FaultKind::Status500Before,
    || FaultKind::Status500After,
    || FaultKind::Truncated,
    || FaultKind::WrongJson,
    || FaultKind::Status429 { retry_after: Some(0) },
    || FaultKind::NotJson,
];

/// How many calls the instance's pass and the whole cut make together.
pub const CALLS: usize = 150;

/// How many kinds of hands there are.
pub const HANDS: usize = 10;

/// The hand that makes a model of the version's name and works on it.
pub const FILLED: usize = 9;

const TENANT: &str = "acme-corp";

/// A life's surroundings.
pub struct System {
    runtime: Runtime,
    bench: Arc<Bench>,
    rows: SqlitePool,
    process: Arc<World>,
    overtaken: Option<Arc<World>>,
    /// Documents, models and folders that are not Wavepin's, by id, as they must stay.
    others: BTreeMap<String, Value>,
    declared: Declared,
    complete: BTreeSet<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Declared {
    pin: i32,
    suspended: bool,
}

impl Declared {
    fn write(self, file: &str, text: String) -> String {
        let text = two_dashboards(file, text);
        match file {
            "clinical-v2.yaml" if self.suspended => format!("{text}  suspend: true\n"),
            "pins.yaml" => text
                .split("\n---\n")
                .filter(|pin| pin.contains("acme-corp-production"))
                .map(|pin| pin.replace("version: 1", &format!("version: {}", self.pin)))
                .collect(),
            _ => text,
        }
    }
}

fn production() -> EnvironmentKey {
    EnvironmentKey {
        namespace: "default".to_owned(),
        instance: "clinical".to_owned(),
        environment: "production".to_owned(),
    }
}

async fn pass(world: &World, subject: Subject) {
    let version = |pass: Option<VersionPass>| assert!(pass.is_some(), "it is declared");
    match subject {
        Subject::Instance => {
            omni_instance::reconcile(world, "default", "clinical").await;
        }
        Subject::First => version(model_version::reconcile(world, "default", "clinical-v1", &Quiet).await),
        Subject::Second => version(model_version::reconcile(world, "default", "clinical-v2", &Quiet).await),
        Subject::Production => {
            environment::reconcile(world, &production()).await;
        }
    }
}

impl System {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let declared = Declared {
            pin: 1,
            suspended: false,
        };
        let (bench, process, rows) = runtime.block_on(async {
            let bench = Arc::new(small().await);
            bench.declare(|file, text| declared.write(file, text));
            let process = Arc::new(bench.leader(&Fuse::never()).await);
            pass(&process, Subject::Instance).await;
            // A life is about the cut and what follows: without its source it would wait from step to step.
            ready(&bench.drive(&process, "clinical-v1").await);
            let url = bench.database();
            let rows = SqlitePool::connect(url.expose_secret()).await.unwrap();
            (bench, process, rows)
        });
        let others = things(&bench.simulator.state());
        Self {
            runtime,
            bench,
            rows,
            process,
            overtaken: None,
            others,
            declared,
            complete: BTreeSet::new(),
        }
    }

    fn declare(&self) {
        let declared = self.declared;
        self.bench.declare(move |file, text| declared.write(file, text));
    }

    fn take_over(&mut self) {
        let process = self.runtime.block_on(async {
            let process = self.bench.leader(&Fuse::never()).await;
            // It takes the fence with its first look.
            pass(&process, Subject::Instance).await;
            process
        });
        self.overtaken = Some(std::mem::replace(&mut self.process, Arc::new(process)));
    }

    /// A process that is stopped at a call, and gone. A request that is under way then arrives at once: the next process
    /// finds it done.
    fn crash(&mut self, subject: Subject, call: usize, point: usize) {
        let bench = Arc::clone(&self.bench);
        self.runtime.block_on(async move {
            let fuse = Fuse::at(call, Point::ALL[point]);
            let world = bench.leader(&fuse).await;
            let mut life = tokio::spawn(async move {
                pass(&world, Subject::Instance).await;
                pass(&world, subject).await;
            });
            tokio::select! {
                () = fuse.reached() => {
                    if Point::ALL[point] == Point::UnderWay {
                        fuse.arrive().await;
                    }
                    life.abort();
                    let _ = life.await;
                }
                ended = &mut life => ended.unwrap(),
            }
        });
        self.take_over();
    }

    fn hand(&mut self, kind: usize) {
        let state = self.bench.simulator.state();
        let documents = state["documents"].as_array().unwrap();
        let is_ours = |it: &&Value| !self.others.contains_key(it["documentId"].as_str().unwrap());
        let ours = documents.iter().find(|it| is_ours(it) && it["deleted"] == false);
        let ours = ours.map(|it| it["identifier"].clone());
        let first = json!("12db1a0a");
        let hand = match (kind, ours) {
            (0 | FILLED, _) => json!({"action": "create_model", "name": "clinical v2"}),
            (1, _) => json!({"action": "create_folder", "name": "v2", "parent_path": "clinical"}),
            (2, _) => json!({"action": "create_document", "name": "Patient Summary", "model": "clinical",
                "folder_path": "clinical/v2"}),
            (3, _) => json!({"action": "edit_document", "identifier": first, "tile_name": "Edited"}),
            (4, Some(copy)) => json!({"action": "rename_document", "identifier": copy, "name": "Renamed"}),
            (5, Some(copy)) => json!({"action": "move_document", "identifier": copy, "folder_path": "clinical/v1"}),
            (6, Some(copy)) => json!({"action": "delete_document", "identifier": copy}),
            (7, Some(copy)) => json!({"action": "edit_document", "identifier": copy, "tile_name": "Edited"}),
            (8, _) => json!({"action": "edit_model_file", "model": "clinical", "file_name": "wards.view",
                "yaml": "label: Edited\n"}),
            _ => return,
        };
        let known: BTreeSet<String> = things(&state).into_keys().collect();
        // What is not there cannot be worked on, and what cannot be done is not done.
        let _ = self.bench.simulator.play(&hand);
        if kind == FILLED && !is_there(&state, "models", ("name", "clinical v2")) {
            let work = json!({"action": "edit_model_file", "model": "clinical v2", "file_name": "wards.view",
                "yaml": "label: Theirs\n"});
            self.bench.simulator.play(&work).unwrap();
        }
        let after = things(&self.bench.simulator.state());
        let is_left = self.is_left_to_us(kind, &state);
        self.others = after
            .into_iter()
            .filter(|(id, _)| self.others.contains_key(id) || !is_left && !known.contains(id))
            .collect();
    }

    /// A model or folder that a person makes, empty, while it is on record that just this was to be made, and before any
    /// is there: nothing tells it from what the call would have made, and no work of theirs is in it (decision 0019).
    fn is_left_to_us(&self, kind: usize, before: &Value) -> bool {
        let (step, list, named) = match kind {
            0 => ("model", "models", ("name", "clinical v2")),
            1 => ("folder", "folders", ("path", "clinical/v2")),
            _ => return false,
        };
        if is_there(before, list, named) {
            return false;
        }
        let open = "SELECT step FROM wavepin_intent WHERE version = 2 AND result IS NULL";
        let open = sqlx::query_scalar::<_, String>(open).fetch_all(&self.rows);
        self.runtime
            .block_on(open)
            .unwrap_or_default()
            .contains(&step.to_owned())
    }

    fn by_hand(&self, sql: &str) {
        // Before there are tables there are no rows.
        let _ = self
            .runtime
            .block_on(sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&self.rows));
    }

    fn numbers(&self, sql: &'static str) -> Vec<i64> {
        let numbers = sqlx::query_scalar(sql).fetch_all(&self.rows);
        self.runtime.block_on(numbers).unwrap_or_default()
    }

    fn hold(&self, model: &Model) {
        let state = self.bench.simulator.state();
        let now = things(&state);
        for (id, was) in &self.others {
            assert_eq!(now.get(id), Some(was), "it wrote to what is not its own");
        }
        let ours = |list: &str, id: &str, counts: &dyn Fn(&Value) -> bool| {
            let all = state[list].as_array().unwrap().iter();
            let ours = all.filter(|it| !self.others.contains_key(it[id].as_str().unwrap_or_default()));
            ours.filter(|it| it["deleted"] != true && counts(it)).count()
        };
        assert!(ours("models", "id", &|it| it["kind"] == "SHARED") <= 1, "two models");
        assert!(ours("folders", "id", &|_| true) <= 1, "two folders");
        assert!(ours("documents", "documentId", &|_| true) <= 2, "a dashboard twice");

        let complete = self.numbers("SELECT version FROM wavepin_model_version WHERE complete_at IS NOT NULL");
        let complete: BTreeSet<i64> = complete.into_iter().collect();
        assert!(
            complete.is_superset(&self.complete),
            "a complete version is so no longer"
        );
        let rows = self.numbers("SELECT model_version_id FROM tenant_version");
        assert!(
            model.row_by_hand || rows.iter().all(|row| complete.contains(row)),
            "{rows:?} are pinned, {complete:?} complete"
        );
    }

    pub fn is_complete(&self, version: i64) -> bool {
        self.complete.contains(&version)
    }

    /// Nothing goes wrong any more: everything converges or says why not, and then rests.
    fn come_to_rest(mut self) {
        self.bench.simulator.disarm();
        self.bench.simulator.turn(|knobs| knobs.list_lag_millis = 0);
        self.declared.suspended = false;
        self.declare();
        self.bench.clock_passes(Duration::from_secs(1800));
        self.take_over();
        let rest = || self.runtime.block_on(live(&self.bench, &self.process, &Fuse::never()));
        let told = rest();
        let known: BTreeSet<&str> = Reason::ALL.iter().map(|it| it.as_str()).collect();
        for (name, why) in &told {
            let Some(why) = why else { continue };
            let (words, message) = why.split_once(": ").unwrap_or((why, ""));
            let reason = words.split(' ').next_back().unwrap_or_default();
            assert!(known.contains(reason) && !message.is_empty(), "{name}: {why:?}");
        }
        self.hold(&Model { row_by_hand: true });
        let (requests, rows) = (self.bench.simulator.requests().len(), self.written());
        assert_eq!(rest(), told, "it says something else though nothing changed");
        let more = self.bench.simulator.requests().split_off(requests);
        let writes: Vec<_> = more.iter().filter(|it| it.method != "GET").collect();
        assert!(writes.is_empty(), "at rest it writes: {writes:?}\n{told:#?}");
        assert_eq!(self.written(), rows, "at rest it writes rows");
    }

    /// Every row that means something.
    fn written(&self) -> Vec<String> {
        let mut all = Vec::new();
        for sql in [
            "SELECT model_version_id || ' ' || dashboard_slug || ' ' || dashboard_id FROM dashboard_model ORDER BY 1",
            "SELECT tenant_id || ' ' || model_version_id FROM tenant_version ORDER BY 1",
            "SELECT version || ' ' || coalesce(complete_at, '') FROM wavepin_model_version ORDER BY 1",
            "SELECT version || ' ' || step || ' ' || subject FROM wavepin_intent ORDER BY 1",
            "SELECT id || '' FROM wavepin_pin_event ORDER BY 1",
        ] {
            let lines: Vec<String> = self
                .runtime
                .block_on(sqlx::query_scalar(sql).fetch_all(&self.rows))
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
            all.extend(lines);
        }
        all
    }
}

/// Documents, shared models and folders by their ids, as they are.
fn is_there(state: &Value, list: &str, (key, name): (&str, &str)) -> bool {
    let mut all = state[list].as_array().unwrap().iter();
    all.any(|it| it[key] == name && it["deleted"] != true)
}

fn things(state: &Value) -> BTreeMap<String, Value> {
    let mut things = BTreeMap::new();
    for (list, id) in [("documents", "documentId"), ("models", "id"), ("folders", "id")] {
        for it in state[list].as_array().unwrap() {
            if list == "models" && it["kind"] != "SHARED" {
                continue;
            }
            things.insert(it[id].as_str().unwrap_or_default().to_owned(), it.clone());
        }
    }
    things
}

impl StateMachineTest for System {
    type SystemUnderTest = Self;
    type Reference = Life;

    fn init_test(_: &<Life as ReferenceStateMachine>::State) -> Self {
        Self::new()
    }

    fn apply(mut state: Self, _: &Model, step: Step) -> Self {
        match step {
            Step::Pass(subject) => {
                let process = Arc::clone(&state.process);
                state.runtime.block_on(pass(&process, subject));
            }
            Step::Crash { subject, call, point } => state.crash(subject, call, point),
            Step::TakeOver => state.take_over(),
            Step::Overtaken(subject) => {
                if let Some(process) = state.overtaken.clone() {
                    state.runtime.block_on(pass(&process, subject));
                }
            }
            Step::Fault { kind, after, times } => {
                let once = Fault::once("GET", "", FAULTS[kind]()).expect("a pattern");
                state.bench.simulator.arm(Fault {
                    method: None,
                    times,
                    after,
                    ..once
                });
            }
            Step::Hand(kind) => state.hand(kind),
            Step::Row(version) => state.by_hand(&format!(
                "UPDATE tenant_version SET model_version_id = {version} WHERE tenant_id = '{TENANT}'"
            )),
            Step::Pin(version) => {
                state.declared.pin = version;
                state.declare();
            }
            Step::Suspend(suspended) => {
                state.declared.suspended = suspended;
                state.declare();
            }
            Step::Clock(seconds) => state.bench.clock_moves(seconds),
            Step::Lag(lags) => {
                let lag = if lags { 55_000 } else { 0 };
                state.bench.simulator.turn(|knobs| knobs.list_lag_millis = lag);
            }
        }
        let complete = state.numbers("SELECT version FROM wavepin_model_version WHERE complete_at IS NOT NULL");
        state.complete.extend(complete);
        state
    }

    fn check_invariants(state: &Self, model: &Model) {
        state.hold(model);
    }

    fn teardown(state: Self, _: Model) {
        state.come_to_rest();
    }
}
