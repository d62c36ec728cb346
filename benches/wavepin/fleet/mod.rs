//! Ten thousand pins that follow a rollout: from cold, after flips, through restarts, with newcomers, and at rest.

mod bed;
mod books;
mod newcomers;
mod restart;
mod statuses;

use std::time::Duration;

use bed::{Bed, Operator};
use newcomers::{MAY_TAKE, Newcomer, Newcomers};
use restart::Restart;
use statuses::{AT_ONCE, Looped, hold_right};

use crate::idle::cpu_seconds;
use crate::pins::memory_kib;
use crate::table::{Goal, Table};

/// How often all are flipped and the operator is started anew; the slower flip counts.
const ROUNDS: usize = 2;

/// The most memory that the operator may have had at once, in bytes.
const MEMORY: f64 = 60e6;

/// What a restart may take until the operator is idle.
const RESTART: Duration = Duration::from_millis(1400);

/// For how long nothing may be written after all is.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// How often the operator looks again at what is as declared, where it is watched at rest, and for how many times.
const INTERVAL: Duration = Duration::from_secs(3);
const INTERVALS: u32 = 10;

/// How many pins: 10,000, or what `WAVEPIN_PINS` says.
pub(crate) fn how_many() -> usize {
    let asked = std::env::var("WAVEPIN_PINS").ok();
    asked.map_or(10_000, |asked| asked.parse().expect("WAVEPIN_PINS is a number"))
}

/// What the operator took to write all statuses, and the loop.
#[derive(Debug)]
struct Written {
    took: Duration,
    patches: usize,
    /// Of processors, the operator's own.
    cpu_seconds: f64,
}

/// At rest, over some intervals.
#[derive(Debug)]
struct Rest {
    pins: usize,
    mib: f64,
    /// Thousandths of a core with the usual interval, and processor seconds that a look at all takes.
    milli: f64,
    look: f64,
    writes: usize,
    rows: usize,
}

/// All that was measured.
#[derive(Debug)]
pub(crate) struct Fleet {
    pins: usize,
    cold: Written,
    cold_loop: Looped,
    rounds: Counted,
    newcomers: Newcomers,
    rest: Rest,
}

/// From the first start to the last look.
pub(crate) async fn measure() -> Fleet {
    let pins = how_many();
    let bed = Bed::new(pins).await;
    let nothing = statuses::read(&bed.pins).await;

    let mut books = bed.books();
    let mut operator = bed.start("cold");
    let written = books.until_written(pins).await;
    let cold = Written::since(operator.started, &written, &operator, 0.0);
    let mut now = statuses::read(&bed.pins).await;
    hold_right(&now, pins, 1);
    assert_eq!(bed.tenants_on(1), pins);
    bed.cut();
    let mut rounds = Rounds::new(&bed, pins);
    for round in 0..ROUNDS {
        let before = std::mem::take(&mut now);
        now = rounds.flip(&operator, [2, 1][round % 2]).await;
        rounds.counted.peak_kib = rounds.counted.peak_kib.max(memory_kib(operator.process.id(), "VmHWM:"));
        bed.end(operator);
        for statuses in [&before, &now] {
            rounds.counted.loops.push(statuses::write(&bed.pins, statuses).await);
        }
        operator = rounds.restart(&format!("restart-{round}")).await;
    }
    bed.end(operator);
    // The cold loop last: what is there has to be taken back first.
    statuses::write(&bed.pins, &nothing).await;
    let cold_loop = statuses::write(&bed.pins, &now).await;
    let operator = rounds.restart("restart-last").await;
    let rounds = rounds.counted;
    let newcomers = newcomers::measure(&bed, pins).await;
    let rest = rest(&bed, pins, &operator).await;
    bed.end(operator);
    bed.shut_down().await;
    Fleet {
        pins,
        cold,
        cold_loop,
        rounds,
        newcomers,
        rest,
    }
}

impl Written {
    fn since(start: jiff::Timestamp, written: &books::Written, operator: &Operator, cpu_before: f64) -> Self {
        Self {
            took: written.last.duration_since(start).unsigned_abs(),
            patches: written.patches,
            cpu_seconds: cpu_seconds(operator.process.id()) - cpu_before,
        }
    }
}

/// Flips, loops and restarts, as far as they have been.
#[derive(Debug, Default)]
struct Counted {
    flips: Vec<Written>,
    loops: Vec<Looped>,
    peak_kib: u64,
    writes_afterwards: usize,
    restarts: Vec<Restart>,
    writes_of_restarts: usize,
    rows_of_restarts: usize,
}

/// An environment that is flipped and restarted over and over.
struct Rounds<'a> {
    bed: &'a Bed,
    pins: usize,
    counted: Counted,
}

impl<'a> Rounds<'a> {
    fn new(bed: &'a Bed, pins: usize) -> Self {
        Self {
            bed,
            pins,
            counted: Counted::default(),
        }
    }

    /// All to a version; then nothing more is to be written.
    async fn flip(&mut self, operator: &Operator, version: i32) -> statuses::Statuses {
        let mut books = self.bed.books();
        books.until_quiet().await;
        let cpu_before = cpu_seconds(operator.process.id());
        let sent = self.bed.roll_out(version).await;
        let written = books.until_written(self.pins).await;
        self.counted
            .flips
            .push(Written::since(sent, &written, operator, cpu_before));
        books.until_quiet().await;
        tokio::time::sleep(AFTERWARDS).await;
        self.counted.writes_afterwards += books.read().len();
        let statuses = statuses::read(&self.bed.pins).await;
        hold_right(&statuses, self.pins, version);
        assert_eq!(self.bed.tenants_on(version), self.pins);
        statuses
    }

    /// The operator on what has converged; nothing is to be written.
    async fn restart(&mut self, name: &str) -> Operator {
        let mut books = self.bed.books();
        let rows = self.bed.rows_written().await;
        let (operator, restart) = restart::measure(self.bed, name).await;
        self.counted.restarts.push(restart);
        self.counted.writes_of_restarts += books.read().len();
        self.counted.rows_of_restarts += self.bed.rows_written().await.abs_diff(rows);
        operator
    }
}

/// A fifth more pins, and nothing to do.
async fn rest(bed: &Bed, pins: usize, operator: &Operator) -> Rest {
    let all = pins + pins / 5;
    let mut books = bed.books();
    bed.declare(pins..all).await;
    books.until_written(all - pins).await;
    books.until_quiet().await;
    let process = operator.process.id();
    let over = async |time: Duration| {
        let before = cpu_seconds(process);
        tokio::time::sleep(time).await;
        cpu_seconds(process) - before
    };
    let watched = Duration::from_secs(15);
    let usual = over(watched).await / watched.as_secs_f64();
    bed.look_every(&format!("{}s", INTERVAL.as_secs())).await;
    books.until_quiet().await;
    books.read();
    let (rows, looks) = (bed.rows_written().await, bed.looks());
    let time = INTERVAL * INTERVALS;
    let busy = over(time).await;
    let looked = bed.looks() - looks;
    assert!(looked >= u64::from(INTERVALS), "only {looked} looks came by time");
    Rest {
        pins: all,
        mib: memory_kib(process, "VmRSS:") as f64 / 1024.0,
        milli: usual * 1000.0,
        look: (busy - usual * time.as_secs_f64()) / f64::from(INTERVALS),
        writes: books.read().len(),
        rows: bed.rows_written().await.abs_diff(rows),
    }
}

fn median<T: Copy>(all: impl IntoIterator<Item = T>, by: impl Fn(&T) -> f64) -> T {
    let mut all: Vec<T> = all.into_iter().collect();
    all.sort_by(|one, other| by(one).total_cmp(&by(other)));
    all[all.len() / 2]
}

fn seconds(of: f64) -> String {
    format!("{of:.2} s")
}

impl Fleet {
    /// Adds its rows.
    pub(crate) fn tell(&self, table: &mut Table) {
        self.tell_statuses(table);
        let zero = "  its writes to the API server afterwards";
        table.none(zero, self.rounds.writes_afterwards);
        self.tell_restarts(table);
        self.tell_newcomers(table);
        self.tell_rest(table);
    }

    fn tell_statuses(&self, table: &mut Table) {
        let pins = self.pins;
        let mut against = |what: &str, took: f64, looped: f64| {
            let plain = format!("plain loop, {AT_ONCE} at once: {}", seconds(looped));
            table.ratio(what, seconds(took), plain, took / looped, Goal::AtMost(1.15));
        };
        let cold = format!("{pins} pins from cold: from the start of the process to the last status");
        let looped = self.cold_loop.list + self.cold_loop.patches;
        against(&cold, self.cold.took.as_secs_f64(), looped.as_secs_f64());
        let flip = median(self.rounds.flips.iter(), |it| it.took.as_secs_f64());
        let looped = median(self.rounds.loops.iter(), |it| it.patches.as_secs_f64());
        let after = format!("{pins} pins after a flip: from the edit of the rollout to the last status");
        against(&after, flip.took.as_secs_f64(), looped.patches.as_secs_f64());
        for (what, written) in [
            ("  status patches of pins, from cold", &self.cold),
            ("  status patches of pins, after a flip", flip),
        ] {
            let ratio = written.patches as f64 / pins as f64;
            let plain = format!("plain loop: {pins}");
            table.ratio(what, written.patches.to_string(), plain, ratio, Goal::None);
        }
        let own = [self.cold.cpu_seconds, flip.cpu_seconds].map(seconds).join(", ");
        table.value("  its processor time, from cold and after a flip", own);
        let peak = self.rounds.peak_kib as f64 * 1024.0;
        table.ratio(
            "  its peak memory",
            format!("{:.1} MB", peak / 1e6),
            format!("may take: {:.0} MB", MEMORY / 1e6),
            peak / MEMORY,
            Goal::AtMost(1.0),
        );
    }

    fn tell_restarts(&self, table: &mut Table) {
        let restart = median(self.rounds.restarts.iter(), |it| it.idle_after.as_secs_f64());
        let (took, may) = (restart.idle_after.as_secs_f64(), RESTART.as_secs_f64());
        table.ratio(
            &format!(
                "a restart with {} converged pins: from the start of the process to idle",
                self.pins
            ),
            seconds(took),
            format!("may take: {}", seconds(may)),
            took / may,
            Goal::AtMost(1.0),
        );
        table.value("  its processor time", seconds(restart.cpu_seconds));
        let restarts = self.rounds.restarts.len();
        let writes = format!("  writes to the API server, {restarts} restarts");
        table.none(&writes, self.rounds.writes_of_restarts);
        table.none(
            "  writes to the application's tables and the ledger",
            self.rounds.rows_of_restarts,
        );
    }

    fn tell_newcomers(&self, table: &mut Table) {
        let Newcomers {
            alone,
            resynced,
            written,
            elsewhere,
        } = &self.newcomers;
        let pins = self.pins;
        tell_newcomer(
            table,
            &format!("a new pin to Ready beside {pins} at rest"),
            alone,
            Goal::None,
        );
        let goal = Goal::AtMost(1.0);
        tell_newcomer(
            table,
            &format!("a new pin to Ready while {pins} are looked at every second"),
            resynced,
            goal,
        );
        tell_newcomer(
            table,
            &format!("a new pin to Ready while {pins} statuses are written"),
            written,
            goal,
        );
        tell_newcomer(table, "  the same, in an environment of its own", elsewhere, goal);
    }

    fn tell_rest(&self, table: &mut Table) {
        let rest = &self.rest;
        let what = format!("{} pins at rest, their rollout complete: memory", rest.pins);
        table.value(&what, format!("{:.1} MiB", rest.mib));
        table.value(
            "  processor between two looks, in thousandths of a core",
            format!("{:.1}", rest.milli),
        );
        table.value(
            "  processor time of a look at all of them",
            format!("{:.0} ms", rest.look * 1000.0),
        );
        let intervals = format!("in {INTERVALS} intervals of {} s", INTERVAL.as_secs());
        table.none(&format!("  writes to the API server {intervals}"), rest.writes);
        table.none(
            &format!("  writes to the application's tables and the ledger {intervals}"),
            rest.rows,
        );
    }
}

/// Median and p99, which of less than a hundred is the slowest, each against what it may take.
fn tell_newcomer(table: &mut Table, what: &str, newcomers: &[Newcomer], goal: Goal) {
    let mut all = newcomers.to_vec();
    all.sort_by_key(|it| it.ready);
    let at = |part: usize| (all.len() * part / 100).min(all.len().saturating_sub(1));
    let milliseconds = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1000.0);
    let last = if all.len() < 100 { "  the slowest" } else { "  p99" };
    for (what, part) in [(format!("{what}, median of {}", all.len()), 50), (last.to_owned(), 99)] {
        let Some(newcomer) = all.get(at(part)) else { return };
        table.ratio(
            &what,
            format!(
                "{} (created after {})",
                milliseconds(newcomer.ready),
                milliseconds(newcomer.created)
            ),
            format!("may take: {}", milliseconds(MAY_TAKE)),
            newcomer.ready.as_secs_f64() / MAY_TAKE.as_secs_f64(),
            goal,
        );
    }
}
