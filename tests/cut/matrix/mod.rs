//! Every boundary, crashed: each external call of an undisturbed adoption, cut and pinning, as a recorded run tells them,
//! is the last one of a process, before it is sent, while it is under way, and with its answer unread. The next process
//! ends with what the undisturbed run ended with: one model, one folder, every dashboard once, the same rows.

pub(crate) mod life;
pub(crate) mod outcome;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqlitePool;
use tokio::task::JoinHandle;
use wavepin::simulator::IdentifierClash;

use super::bench::{Bench, ready};
use super::breaking::{Beyond, Boundary, Fuse, Point};
use super::git::{Making, kept_in_git};
use crate::parts::dice::{Dice, say, seed};
use life::{Told, live};
use outcome::{difference, outcome, strangers};

/// A run takes a second; one that takes so long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// How the world is when the next process comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Nothing is kept but the database: statuses are wiped, and objects are seen for the first time.
    Wiped,
    /// Likewise, and Omni's lists lag behind its writes.
    Lagging,
    /// The process before was only frozen. It wakes when the next one is in the middle of its work, or at rest, and
    /// goes on with what it had in hand.
    Replica,
    /// The database is put back to where it was before the cut.
    Restored,
    /// The process goes on to its end, and the database is put back to where it was at the call.
    Midway,
    /// Nothing is kept but the database, and a dashboard is copied by the newer documents API where that carries it.
    Documents,
}

impl Mode {
    /// What is declared.
    fn declared(self) -> fn(&str, String) -> String {
        match self {
            Self::Documents => by_either_method,
            _ => two_dashboards,
        }
    }
}

/// Of the two dashboards the documents API carries the one with fields of its workbook, and not the one with a tab.
pub(crate) fn by_either_method(file: &str, text: String) -> String {
    let text = two_dashboards(file, text);
    match file {
        "clinical-v2.yaml" => text.replacen("  content:\n", "  content:\n    method: Auto\n", 1),
        _ => text,
    }
}

/// The calls that one way alone makes: they are met in every run.
fn is_rare(boundary: &Boundary) -> bool {
    ["published", "create_document", "migrate_model"].contains(&boundary.what.as_str())
}

/// Two dashboards are enough to meet every kind of call: one has fields of its workbook, one a tab of its own.
/// What their sources have of their own is carried.
pub(crate) fn two_dashboards(file: &str, text: String) -> String {
    if file == "clinical-v2.yaml" {
        let text = text.replacen("    roles:\n", "    rolesFrom: Source\n    roles:\n", 1);
        return text.replacen("  content:\n", "  content:\n    permissionsFrom: Source\n", 1);
    }
    if file != "clinical-v1.yaml" {
        return text;
    }
    let left_out = ["ward-capacity", "medication-review", "billing-overview"];
    let kept = text.lines().filter(|line| !left_out.iter().any(|it| line.contains(it)));
    kept.map(|line| format!("{line}\n")).collect()
}

/// The simulator's group that is not the viewers'.
const ANALYSTS: &str = "aN3pT9sL";

/// Files that no dashboard of the two needs: fewer files are fewer calls of one kind.
const WITHOUT: [&str; 11] = [
    "physicians.view",
    "diagnoses.view",
    "medications.view",
    "lab_results.view",
    "vitals.view",
    "payers.view",
    "claims.view",
    "readmissions.query.view",
    "lab_results.topic",
    "medications.topic",
    "billing.topic",
];

/// And what is left of those that name them.
const INSTEAD: [(&str, &str); 2] = [
    (
        "encounters.topic",
        "base_view: encounters\njoins:\n  patients: {}\n  wards: {}\n",
    ),
    (
        "relationships",
        "- join_from_view: encounters\n  join_to_view: patients\n  join_type: always_left\n  relationship_type: many_to_one\n  \
         on_sql: ${encounters.patient_id} = ${patients.id}\n\
         - join_from_view: encounters\n  join_to_view: wards\n  join_type: always_left\n  relationship_type: many_to_one\n  \
         on_sql: ${encounters.ward_id} = ${wards.id}\n\
         - join_from_view: wards\n  join_to_view: beds\n  join_type: always_left\n  relationship_type: one_to_many\n  \
         on_sql: ${wards.id} = ${beds.ward_id}\n",
    ),
];

/// Leaves the model of version 1 few files.
pub(crate) fn shrink(bench: &Bench) {
    let edit = |file: &str, yaml: Option<&str>| {
        let mut edit = json!({"action": "edit_model_file", "model": "clinical", "file_name": file});
        if let Some(yaml) = yaml {
            edit["yaml"] = json!(yaml);
        }
        bench.simulator.play(&edit).unwrap();
    };
    WITHOUT.iter().for_each(|file| edit(file, None));
    INSTEAD.iter().for_each(|(file, yaml)| edit(file, Some(yaml)));
}

/// What a mode declares, on a model that comes about this way.
fn declared(mode: Mode, making: Making) -> impl Fn(&str, String) -> String {
    let of_the_mode = mode.declared();
    move |file, text| making.declared(file, of_the_mode(file, text))
}

/// Gives one of the two dashboards permits and settings of its own, and a group a role on the model.
pub(crate) async fn open(bench: &Bench) {
    let roles = format!("/api/v1/user-groups/{ANALYSTS}/model-roles");
    let role = json!({"roleName": "MODELER", "modelId": "3fb59130-54fc-4848-832f-d22f61933485"});
    bench.call("POST", &roles, Some(role)).await;
    let permissions = "/api/v1/documents/12db1a0a/permissions";
    let shut = json!({"role": "NO_ACCESS", "userGroupIds": [ANALYSTS]});
    bench.call("POST", permissions, Some(shut)).await;
    let state = bench.simulator.state();
    let user = json!({"role": "EDITOR", "userIds": [state["embedUsers"][0]["id"]]});
    bench.call("POST", permissions, Some(user)).await;
    bench
        .call("PUT", permissions, Some(json!({"canDownload": false})))
        .await;
}

/// The organisation before anything; in the last mode with version 1 adopted, and the database as it is then kept aside.
async fn bed(mode: Mode, making: Making) -> Bench {
    let bench = Bench::new(declared(mode, making)).await;
    shrink(&bench);
    open(&bench).await;
    if making != Making::Sent {
        kept_in_git(&bench, making).await;
    }
    // What was there before shows in every list, however much lists lag.
    bench.clock_passes(Duration::from_secs(600));
    match mode {
        // Just below the instance's listLag of a minute.
        Mode::Lagging => bench.simulator.turn(|knobs| knobs.list_lag_millis = 55_000),
        Mode::Restored => {
            let world = bench.world(&Fuse::never()).await;
            ready(&bench.drive(&world, "clinical-v1").await);
            keep_database(&bench).await;
        }
        // The likeliest to write over what is there.
        Mode::Midway => bench
            .simulator
            .turn(|knobs| knobs.identifier_clash = IdentifierClash::Overwrite),
        Mode::Wiped | Mode::Replica | Mode::Documents => {}
    }
    bench
}

const KEPT: &str = "kept.sqlite";

/// The same organisation for others: two dashboards, few files.
pub(crate) async fn small() -> Bench {
    bed(Mode::Wiped, Making::Sent).await
}

async fn keep_database(bench: &Bench) {
    let pool = SqlitePool::connect(bench.database().expose_secret()).await.unwrap();
    let keep = format!("VACUUM INTO '{}'", bench.folder.path().join(KEPT).display());
    sqlx::query(AssertSqlSafe(keep)).execute(&pool).await.unwrap();
    pool.close().await;
}

/// An undisturbed run: its calls, and what it ends with.
async fn undisturbed(mode: Mode, making: Making) -> Undisturbed {
    let bench = bed(mode, making).await;
    let fuse = Fuse::never();
    let world = bench.world(&fuse).await;
    let told = live(&bench, &world, &fuse).await;
    assert!(told.values().all(Option::is_none), "{mode:?}, {making:?}: {told:#?}");
    let (calls, outcome) = (fuse.calls(), outcome(&bench).await);
    Undisturbed { calls, outcome }
}

struct Undisturbed {
    calls: Vec<Boundary>,
    outcome: Vec<String>,
}

/// One cell of the matrix.
#[derive(Debug, Clone, Copy)]
struct Cell {
    mode: Mode,
    making: Making,
    call: usize,
    point: Point,
    /// At which call of the next process a request that was under way takes effect, or a frozen process wakes.
    meanwhile: usize,
}

/// A process, living.
async fn start(bench: &Arc<Bench>, fuse: &Arc<Fuse>, mode: Mode) -> JoinHandle<Told> {
    let world = match mode {
        Mode::Replica => bench.leader(fuse).await,
        _ => bench.world(fuse).await,
    };
    let (bench, fuse) = (Arc::clone(bench), Arc::clone(fuse));
    tokio::spawn(async move { live(&bench, &world, &fuse).await })
}

/// Lives a cell; an error says how its end differs.
async fn disturbed(cell: Cell, expected: &Undisturbed) -> Result<(), String> {
    let bench = Arc::new(bed(cell.mode, cell.making).await);
    let others = strangers(&bench);
    let stopped = Fuse::at(cell.call, cell.point);
    let mut first = start(&bench, &stopped, cell.mode).await;
    tokio::select! {
        biased;
        () = stopped.reached() => {}
        told = &mut first => return Err(format!("it never made the call: {told:?}")),
    }
    let told = match cell.mode {
        Mode::Midway => {
            keep_database(&bench).await;
            stopped.wake();
            settled(&first.await.expect("it goes on to its end"))?;
            return restored(&bench, cell, expected).await;
        }
        Mode::Replica => {
            let waking = Arc::clone(&stopped);
            let event = async move {
                waking.wake();
                first.await.expect("the frozen process goes on to its end");
            };
            next_process(&bench, cell.mode, cell.meanwhile, event).await?;
            // Whoever of the two was left without the mapping, a third one finds all in order.
            next_process(&bench, cell.mode, usize::MAX, async {}).await?
        }
        _ => {
            if cell.point != Point::UnderWay || cell.mode == Mode::Restored {
                first.abort();
                let _ = (&mut first).await;
            }
            if cell.mode == Mode::Restored {
                return restored(&bench, cell, expected).await;
            }
            bench.forget(declared(cell.mode, cell.making));
            let under_way = cell.point == Point::UnderWay;
            let event = async move {
                if under_way {
                    stopped.arrive().await;
                    first.abort();
                }
            };
            let told = next_process(&bench, cell.mode, cell.meanwhile, event).await?;
            if fenced_out(&told) && expected.calls[cell.call].what == "prepare" {
                // The one that ended took the fence as its last deed: "then restart this one".
                next_process(&bench, cell.mode, usize::MAX, async {}).await?
            } else {
                told
            }
        }
    };
    settled(&told)?;
    if strangers(&bench) != others {
        return Err("it wrote to what is not its own".to_owned());
    }
    difference(&expected.outcome, &outcome(&bench).await).map_or(Ok(()), Err)
}

async fn next_process(
    bench: &Arc<Bench>,
    mode: Mode,
    at_call: usize,
    event: impl Future<Output = ()> + Send + 'static,
) -> Result<Told, String> {
    let fuse = Fuse::with(at_call, event);
    start(bench, &fuse, mode).await.await.map_err(|error| error.to_string())
}

fn fenced_out(told: &Told) -> bool {
    told.values()
        .flatten()
        .any(|why| why.starts_with("Stalled MappingContended: "))
}

fn settled(told: &Told) -> Result<(), String> {
    match told.iter().find(|(_, why)| why.is_some()) {
        None => Ok(()),
        Some((name, why)) => Err(format!("{name} is not ready: {why:?}")),
    }
}

/// With the database of before the cut, what the cut made is a stranger's or known again: it is never made twice, and
/// never written to without being known.
async fn restored(bench: &Arc<Bench>, cell: Cell, expected: &Undisturbed) -> Result<(), String> {
    let mode = cell.mode;
    // Under another name: whoever still closes the old file must not write into the new one.
    bench.use_database(KEPT);
    bench.forget(declared(mode, cell.making));
    let (before, copies) = (bench.outcome(), copies(bench));
    let told = next_process(bench, mode, usize::MAX, async {}).await?;
    let now = self::copies(bench);
    // A copy that was not whole yet is gone on with.
    let rewritten = copies.iter().find(|it| !now.contains(it));
    if let (Mode::Midway, Some(copy)) = (mode, rewritten) {
        return Err(format!("it made again, or wrote to, {copy}"));
    }
    let Some(why) = &told["clinical-v2"] else {
        settled(&told)?;
        // What is known again was not sent again, so that there are no marks of it.
        let but_marks = |all: &[String]| -> Vec<String> {
            let kept = all.iter().filter(|it| !it.starts_with("wavepin_intent "));
            kept.cloned().collect()
        };
        let (expected, found) = (but_marks(&expected.outcome), but_marks(&outcome(bench).await));
        return difference(&expected, &found).map_or(Ok(()), Err);
    };
    let named = ["NameTaken", "FolderTaken", "IdentifierTaken"];
    if !named
        .iter()
        .any(|reason| why.starts_with(&format!("Stalled {reason}: ")))
    {
        return Err(format!("it stops for another reason: {why}"));
    }
    if bench.outcome() != before {
        return Err(format!("it wrote to Omni, and stopped: {why}"));
    }
    Ok(())
}

/// The dashboards of version 2, to the last byte.
fn copies(bench: &Bench) -> Vec<Value> {
    let state = bench.simulator.state();
    let documents = state["documents"].as_array().into_iter().flatten();
    documents
        .filter(|it| it["folderPath"] == "clinical/v2")
        .cloned()
        .collect()
}

/// The cells of one mode: every boundary; at every point where `whole`, else at one.
fn cells((mode, making): (Mode, Making), calls: &[Boundary], whole: bool, dice: &mut Dice) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (call, boundary) in calls.iter().enumerate() {
        let points = match boundary.beyond {
            Beyond::Status => vec![Point::BeforeSend],
            _ if whole || is_rare(boundary) => Point::ALL.to_vec(),
            _ => vec![Point::ALL[dice.roll(3)]],
        };
        // A creating call that got no answer is waited for, however late it takes effect; so is one that writes over whatever
        // came after it.
        let what = boundary.what.as_str();
        let creates = what.starts_with("create_") || ["import", "migrate_model"].contains(&what);
        for point in points {
            let cell = |meanwhile| Cell {
                mode,
                making,
                call,
                point,
                meanwhile,
            };
            let any = match dice.roll(3) {
                0 if creates || mode == Mode::Replica => usize::MAX,
                _ => dice.roll(calls.len()),
            };
            cells.push(cell(any));
            if creates && point == Point::UnderWay {
                // The likeliest twin: it takes effect when the next process has come as far.
                cells.push(cell(call + dice.roll(calls.len() - call)));
            }
        }
    }
    cells
}

/// Every mode with a model that is sent, and with each that comes by its repository.
fn ways() -> impl Iterator<Item = (Mode, Making)> {
    let modes = [Mode::Wiped, Mode::Lagging, Mode::Replica, Mode::Restored, Mode::Midway];
    let makings = [Making::Sent, Making::GitHttps, Making::Migrated, Making::SentAndKept];
    let all = makings
        .into_iter()
        .flat_map(move |making| modes.map(|mode| (mode, making)));
    all.chain([(Mode::Documents, Making::Sent)])
}

/// The calls that differ by how the model comes about: from the first look at Git to where its definition is recorded.
fn of_the_model(calls: &[Boundary]) -> std::ops::RangeInclusive<usize> {
    let is_git = |it: &Boundary| it.beyond == Beyond::Git || ["git_settings", "sync_git"].contains(&it.what.as_str());
    let first = calls.iter().position(is_git).expect("it comes by Git");
    let last = calls.iter().rposition(is_git).expect("it comes by Git");
    let merged = calls
        .iter()
        .position(|it| it.what == "merge_branch")
        .expect("it has edits");
    first..=last.max(merged + 3)
}

pub(crate) async fn whatever_crashes_and_whenever_the_end_is_the_same() {
    // All cells, every so many-th cell, or what a test run has time for.
    let asked = std::env::var("WAVEPIN_MATRIX").ok();
    let whole = asked.as_deref() == Some("whole");
    let thinned: usize = asked.and_then(|it| it.parse().ok()).unwrap_or(1);
    let seed = seed();
    let started = Instant::now();
    let mut dice = Dice::new(seed);
    let mut runs = Vec::new();
    let mut counted = Vec::new();
    for (mode, making) in ways() {
        let expected = Arc::new(undisturbed(mode, making).await);
        let mut cells = cells((mode, making), &expected.calls, whole || mode == Mode::Wiped, &mut dice);
        // The likeliest mode is run most, all by chance: a seed says which, and `WAVEPIN_MATRIX=whole` runs every one.
        let of = match mode {
            _ if whole => 1,
            Mode::Wiped | Mode::Lagging | Mode::Replica => 4 * thinned,
            Mode::Restored | Mode::Midway | Mode::Documents => 8 * thinned,
        };
        // Servers of repositories are slow.
        let rarer = match making {
            Making::Sent => 1,
            _ if whole => 1,
            Making::GitHttps | Making::GitSsh => 3,
            Making::Migrated | Making::SentAndKept => 6,
        };
        if making != Making::Sent {
            let of_the_model = of_the_model(&expected.calls);
            cells.retain(|cell| of_the_model.contains(&cell.call));
        }
        cells.retain(|cell| is_rare(&expected.calls[cell.call]) || dice.roll(of * rarer) == 0);
        counted.push(format!(
            "{mode:?}, {making:?}: {} boundaries, {} runs",
            expected.calls.len(),
            cells.len()
        ));
        runs.extend(cells.into_iter().map(|cell| (cell, Arc::clone(&expected))));
    }
    let total = runs.len();
    let runs = runs.into_iter().map(|(cell, expected)| {
        tokio::spawn(async move {
            let came = tokio::time::timeout(PATIENCE, disturbed(cell, &expected)).await;
            let came = came.unwrap_or_else(|_| Err("it hangs".to_owned()));
            came.map_err(|why| format!("{cell:?} ({:?}):\n{why}", expected.calls[cell.call]))
        })
    });
    let runs = futures::stream::iter(runs).buffer_unordered(4);
    let failed: Vec<String> = runs
        .filter_map(async |it| it.map_err(|error| error.to_string()).flatten().err())
        .collect()
        .await;
    let elapsed = started.elapsed();
    say(&format!(
        "crash matrix: {} = {total} runs in {elapsed:.0?}, {:.1} a second, {} failed; WAVEPIN_SEED={seed}",
        counted.join("; "),
        f64::from(u32::try_from(total).expect("fewer runs")) / elapsed.as_secs_f64(),
        failed.len(),
    ));
    let shown: Vec<&str> = failed.iter().take(40).map(String::as_str).collect();
    assert!(failed.is_empty(), "{}", shown.join("\n\n"));
}
