//! What the ledger knows of an environment's rollouts: what happened, in order, and what that adds up to.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

/// What is known of an environment's rollouts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rollouts {
    /// The newest attempt; `None` before the first.
    pub attempt: Option<Attempt>,
    /// The target of the attempt that was last completed: what a tenant without a row gets while it waits for its wave.
    pub baseline: Option<i32>,
    /// The targets of all attempts that were completed: to start one of them again is to go back.
    pub completed: BTreeSet<i32>,
    /// When tenants last moved forward, by the version that they moved to and the wave's name, in whatever attempt: batches
    /// keep their distance also where the waves were edited in between.
    pub last_batches: BTreeMap<(i32, String), Timestamp>,
}

/// One rollout of one target by one plan. Another target or plan is another attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its number in the environment, from 1.
    pub number: i32,
    /// The object that declared it, as `<namespace>/<name>`.
    pub holder: String,
    /// The version that tenants move to.
    pub target: i32,
    /// A hash of what was declared: target and waves.
    pub plan: String,
    /// Its waves that have opened, by name.
    pub waves: BTreeMap<String, WaveRecord>,
    /// Since when every wave has ended.
    pub completed_at: Option<Timestamp>,
}

/// A wave that has opened. Times are the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaveRecord {
    /// When.
    pub opened_at: Timestamp,
    /// How many tenants were in it then: what parts of it are parts of.
    pub members: u32,
    /// When tenants last moved forward in it, in this attempt.
    pub last_flip_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// What happens to a rollout, to be put on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutEvent {
    /// The number of the attempt.
    pub attempt: i32,
    /// The object that declares it, as `<namespace>/<name>`.
    pub holder: String,
    /// The version that tenants move to.
    pub target: i32,
    /// The hash of what is declared.
    pub plan: String,
    /// What.
    pub step: RolloutStep,
}

/// What happens to a rollout. Each happens once in an attempt, and to a wave of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RolloutStep {
    /// The attempt begins; the one before ends with it.
    Started,
    /// A wave opens.
    Opened {
        /// Its name.
        wave: String,
        /// How many tenants are in it.
        members: u32,
    },
    /// A wave ends.
    Ended {
        /// Its name.
        wave: String,
    },
    /// Every wave has ended.
    Completed,
}

/// The wave that a flip is a batch of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaveOfFlip {
    /// The number of the attempt.
    pub attempt: i32,
    /// The wave's name.
    pub wave: String,
}

impl Rollouts {
    /// Takes in that tenants moved forward in a wave of an attempt.
    pub fn moved(&mut self, attempt: i32, wave: &str, to: i32, at: Timestamp) {
        let last = self.last_batches.entry((to, wave.to_owned())).or_insert(at);
        *last = at.max(*last);
        let newest = self.attempt.as_mut().filter(|it| it.number == attempt);
        if let Some(record) = newest.and_then(|it| it.waves.get_mut(wave)) {
            record.last_flip_at = Some(record.last_flip_at.map_or(at, |last| last.max(at)));
        }
    }

    /// Takes in one event of the newest attempt, or the first of the next.
    pub fn take_in(&mut self, event: &RolloutEvent, at: Timestamp) {
        if event.step == RolloutStep::Started {
            self.attempt = Some(Attempt {
                number: event.attempt,
                holder: event.holder.clone(),
                target: event.target,
                plan: event.plan.clone(),
                waves: BTreeMap::new(),
                completed_at: None,
            });
            return;
        }
        if event.step == RolloutStep::Completed {
            self.baseline = Some(event.target);
            self.completed.insert(event.target);
        }
        let Some(attempt) = self.attempt.as_mut().filter(|it| it.number == event.attempt) else {
            return;
        };
        match &event.step {
            RolloutStep::Started => {}
            RolloutStep::Opened { wave, members } => {
                let record = WaveRecord {
                    opened_at: at,
                    members: *members,
                    last_flip_at: None,
                    ended_at: None,
                };
                attempt.waves.entry(wave.clone()).or_insert(record);
            }
            RolloutStep::Ended { wave } => {
                if let Some(record) = attempt.waves.get_mut(wave) {
                    record.ended_at.get_or_insert(at);
                }
            }
            RolloutStep::Completed => {
                attempt.completed_at.get_or_insert(at);
            }
        }
    }
}
