//! Runs the passes of the reconcilers until nothing more can be done.

mod passes;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::catalog::{Id, id_of};
use super::declared::Declared;
use super::lineage::{depends_on_work, depth, fingerprints};
use super::schedule::{Due, Work};
use super::statuses::{Key, Observer, Statuses, true_condition};
use crate::environment::orders::Newest;
use crate::model_version::VersionReport;
use crate::model_version::last_look::LastLooks;
use crate::ports::World;
use crate::resources::conditions::{Finding, READY};

/// How many instances, versions or environments are worked on at once. The budget of a key bounds it anyway.
const AT_ONCE: usize = 8;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Nothing more can be done now.
    Settled,
    /// The time was over first.
    TimedOut,
    /// It was asked to stop.
    Stopped,
}

/// Runs passes over what a folder declares.
pub struct Engine {
    world: World,
    declared: Arc<Declared>,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
    stay: bool,
    /// Rung when there is more to do than the engine knew when it lay down to rest.
    more: Notify,
    state: Mutex<State>,
    looks: LastLooks,
    commands: Newest,
}

#[derive(Default)]
struct State {
    work: BTreeMap<Key, Work>,
    statuses: Statuses,
    /// What was seen of each object when it was last made due.
    seen: BTreeMap<Key, BTreeMap<String, String>>,
}

impl Engine {
    /// An engine over `declared`, which must be the objects of `world`. `stay`: it also looks again at what is as it
    /// should be, and waits for gates, until `stop`.
    #[must_use]
    pub fn new(
        world: World,
        declared: Arc<Declared>,
        observer: Arc<dyn Observer>,
        stop: CancellationToken,
        stay: bool,
    ) -> Self {
        let engine = Self {
            world,
            declared,
            observer,
            stop,
            stay,
            more: Notify::new(),
            state: Mutex::default(),
            looks: LastLooks::default(),
            commands: Newest::default(),
        };
        engine.sync();
        engine
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known now.
    #[must_use]
    pub fn statuses(&self) -> Statuses {
        self.state().statuses.clone()
    }

    /// Takes notice of a newer catalog: what is new or changed is due, and nothing else.
    pub fn sync(&self) {
        let catalog = self.declared.catalog();
        let seen = fingerprints(&catalog);
        let mut state = self.state();
        let state = &mut *state;
        for (key, prints) in &seen {
            if state.seen.get(key) != Some(prints) {
                state.work.insert(key.clone(), Work::now());
            }
        }
        // An environment without pins is looked at once more: their claims may have to go.
        let gone: Vec<Key> = state
            .seen
            .keys()
            .filter(|key| !seen.contains_key(key))
            .cloned()
            .collect();
        for key in gone {
            if matches!(key, Key::Environment(_)) {
                state.work.insert(key, Work::now());
            } else {
                state.work.remove(&key);
            }
        }
        state.seen = seen;
        state.statuses.retain(&catalog);
        state.statuses.without_rollout(&catalog, &*self.observer);
        self.more.notify_one();
    }

    /// Makes everything due: for when files changed. Where Secrets did, every credential is read again, and Omni is
    /// asked anew; else an instance that is ready is left alone, since a pin that changed must cost no call.
    pub fn look_at_everything(&self, secrets_changed: bool) {
        if secrets_changed {
            for instance in self.declared.catalog().instances() {
                self.world.clients.forget_credentials(instance);
            }
            self.looks.forget_all();
        }
        let is_ready = |key: &Key, statuses: &Statuses| match key {
            Key::Instance(id) => {
                let known = statuses.instances.get(id);
                known.is_some_and(|known| true_condition(&known.conditions, READY).is_some())
            }
            _ => false,
        };
        self.state()
            .wake(|key, statuses| secrets_changed || !is_ready(key, statuses));
        self.more.notify_one();
    }

    /// Makes the environments due of each instance for which there is another command of a person.
    pub async fn look_for_commands(&self) {
        for instance in self.declared.catalog().instances() {
            if instance.spec.suspend || !self.commands.moved(&*self.world.clients, instance).await {
                continue;
            }
            let of_it = |key: &Key| match key {
                Key::Environment(key) => (&key.namespace, &key.instance) == (&instance.namespace, &instance.name),
                Key::Instance(_) | Key::Version(_) => false,
            };
            let abandoned = self.abandoned_environments(&id_of(instance)).await;
            let mut state = self.state();
            for key in abandoned {
                state.work.entry(Key::Environment(key)).or_insert_with(Work::now);
            }
            state.wake(|key, _| of_it(key));
            drop(state);
            self.more.notify_one();
        }
    }

    /// Works until nothing more can be done, or the deadline, or `stop`. With `stay` it never ends by itself, and
    /// calls of [`sync`](Self::sync) meanwhile give it more to do.
    pub async fn run(&self, deadline: Instant) -> Ended {
        loop {
            if self.stop.is_cancelled() {
                return Ended::Stopped;
            }
            if Instant::now() >= deadline {
                return Ended::TimedOut;
            }
            let (due, earliest) = self.due();
            if !due.is_empty() {
                self.round(&due, deadline).await;
                continue;
            }
            if earliest.is_none() && !self.stay {
                return Ended::Settled;
            }
            let pause = earliest.map(|at| self.world.clock.now().duration_until(at).unsigned_abs());
            self.observer.resting(pause);
            let rest_end = pause
                .and_then(|pause| Instant::now().checked_add(pause))
                .unwrap_or(deadline);
            tokio::select! {
                () = tokio::time::sleep_until(rest_end.min(deadline)) => {}
                () = self.more.notified() => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// What is due now, and when the next of the rest is.
    fn due(&self) -> (BTreeSet<Key>, Option<Timestamp>) {
        let now = self.world.clock.now();
        let state = self.state();
        let mut due = BTreeSet::new();
        let mut earliest = None;
        for (key, work) in &state.work {
            match work.due {
                Due::At(at) if at <= now => {
                    due.insert(key.clone());
                }
                Due::At(at) => earliest = Some(earliest.map_or(at, |earlier: Timestamp| earlier.min(at))),
                Due::Settled => {}
            }
        }
        (due, earliest)
    }

    /// Instances first, then versions, sources before what is cut from them, then environments: so that one round is
    /// enough where nothing has to be waited for. With `stay`, pins that come due meanwhile do not wait for Omni.
    async fn round(&self, due: &BTreeSet<Key>, deadline: Instant) {
        let ended = CancellationToken::new();
        let through_omni = async {
            let instances = due.iter().filter_map(|key| match key {
                Key::Instance(id) => Some(self.instance(id.clone())),
                _ => None,
            });
            all(instances).await;
            for generation in self.versions_due() {
                all(generation.into_iter().map(|id| self.version(id, deadline))).await;
            }
            ended.cancel();
        };
        tokio::join!(through_omni, self.environments_meanwhile(&ended));
        // Again: what the versions found may have woken more of them.
        self.environments_due().await;
    }

    /// Environments whenever they come due, until the round has ended. In the first round they wait for their versions, so
    /// that the first that is said of a pin is what came of it.
    async fn environments_meanwhile(&self, ended: &CancellationToken) {
        if !self.stay || self.state().statuses.pins.is_empty() && self.state().statuses.rollouts.is_empty() {
            return;
        }
        while !ended.is_cancelled() {
            if self.environments_due().await {
                continue;
            }
            let (_, earliest) = self.due();
            tokio::select! {
                () = self.time_comes(earliest) => {}
                () = self.more.notified() => {}
                () = ended.cancelled() => {}
            }
        }
    }

    /// Passes over the environments that are due, and whether there were any.
    async fn environments_due(&self) -> bool {
        let (due, _) = self.due();
        let environments: Vec<_> = due
            .into_iter()
            .filter_map(|key| match key {
                Key::Environment(key) => Some(self.environment(key)),
                _ => None,
            })
            .collect();
        let any = !environments.is_empty();
        all(environments.into_iter()).await;
        any
    }

    async fn time_comes(&self, earliest: Option<Timestamp>) {
        match earliest {
            Some(at) => tokio::time::sleep(self.world.clock.now().duration_until(at).unsigned_abs()).await,
            None => std::future::pending().await,
        }
    }

    /// The versions that are due, in groups: those of a group do not depend on each other, only on groups before it.
    fn versions_due(&self) -> Vec<Vec<Id>> {
        let catalog = self.declared.catalog();
        let (due, _) = self.due();
        let mut groups: BTreeMap<usize, Vec<Id>> = BTreeMap::new();
        for version in catalog.versions() {
            let id = id_of(version);
            let dependent = || depends_on_work(&catalog, version, &due);
            if due.contains(&Key::Version(id.clone())) || dependent() {
                groups.entry(depth(&catalog, version)).or_default().push(id);
            }
        }
        groups.into_values().collect()
    }

    fn begin(&self, key: &Key) {
        if let Some(work) = self.state().work.get_mut(key) {
            work.begin();
        }
    }

    /// Forgets what a pass did not find, unless it came during the pass.
    fn nothing_there(&self, key: &Key) {
        let work = &mut self.state().work;
        if work.get(key).is_some_and(|work| work.due == Due::Settled) {
            work.remove(key);
        }
    }

    fn settle(&self, state: &mut State, key: Key, next: crate::ports::Next, findings: &[Finding]) {
        let now = self.world.clock.now();
        if let Some(work) = state.work.get_mut(&key) {
            *work = work.after_pass(next, findings, now, self.stay);
        }
    }
}

impl State {
    /// Takes what is said of a version, and wakes what may have waited for it.
    fn take_version(&mut self, id: &Id, report: &VersionReport, observer: &dyn Observer) {
        if !self.statuses.version(id, report, observer) {
            return;
        }
        self.wake(|other, statuses| match other {
            Key::Instance(_) => false,
            Key::Version(other) => {
                let known = statuses.versions.get(other);
                let ready = known.is_some_and(|status| true_condition(&status.conditions, READY).is_some());
                other.0 == id.0 && other != id && !ready
            }
            Key::Environment(key) => key.namespace == id.0,
        });
    }

    fn wake(&mut self, concerned: impl Fn(&Key, &Statuses) -> bool) {
        for (key, work) in &mut self.work {
            if concerned(key, &self.statuses) {
                work.wake();
            }
        }
    }
}

/// Runs futures, some at once.
async fn all(passes: impl Iterator<Item = impl Future<Output = ()>>) {
    futures::stream::iter(passes)
        .for_each_concurrent(AT_ONCE, |pass| pass)
        .await;
}

#[cfg(test)]
mod tests;
