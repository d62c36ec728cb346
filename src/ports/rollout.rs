//! What the ledger knows of an environment's rollouts: what happened, in order, and what that adds up to.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::CheckRecords;

/// What is known of an environment's rollouts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rollouts {
    /// The newest attempt; `None` before the first.
    pub attempt: Option<Attempt>,
    /// Every attempt that was completed and not rolled back since, as its number and its target, oldest first.
    pub completed: Vec<(i32, i32)>,
    /// When tenants last moved forward, by the version that they moved to and the wave's name, in whatever attempt: batches
    /// keep their distance also where the waves were edited in between.
    pub last_batches: BTreeMap<(i32, String), Timestamp>,
    /// How many tenants moved forward, by the attempt's number and the wave's name.
    pub moved_in: BTreeMap<(i32, String), u32>,
    /// The last attempts, oldest first: [`Self::REMEMBERED`] at most.
    pub past: Vec<PastAttempt>,
}

/// An attempt, from its begin to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastAttempt {
    /// Its number in the environment.
    pub number: i32,
    /// The version that tenants moved to.
    pub target: i32,
    /// When it began.
    pub started_at: Timestamp,
    /// How it ended and when; `None` while it goes on.
    pub ended: Option<(AttemptEnd, Timestamp)>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// Every wave has ended.
    Completed,
    /// Another one began before.
    Superseded,
    /// It was stopped, and who had moved stayed.
    Paused,
    /// Who had moved went back.
    RolledBack,
}

/// One rollout of one target by one plan. Another target or plan is another attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its number in the environment, from 1.
    pub number: i32,
    /// The number of the first attempt that it goes on from: other waves were declared for the same target, or a person
    /// retried, and nothing was completed or rolled back in between. What they all moved is what a rollback takes back.
    pub first: i32,
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
    /// What ended it early, oldest first.
    pub stops: Vec<Stop>,
    /// Who approved its waves, by the wave's name.
    pub approvals: BTreeMap<String, ApprovalRecord>,
    /// What its checks were last answered.
    pub checks: CheckRecords,
}

/// That somebody approved a wave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Approval {
    /// Who, as the approval says.
    pub approver: String,
    /// Whether it was proved that they made it.
    pub verified: bool,
    /// The object, as `<namespace>/<name>`.
    pub object: String,
}

/// That a wave was approved, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRecord {
    /// When it was put on record, by the database's clock.
    pub at: Timestamp,
    /// By whom.
    pub approval: Approval,
}

/// What ended an attempt before all had moved, or took it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// When, by the database's clock.
    pub at: Timestamp,
    /// What becomes of those that have moved.
    pub kind: StopKind,
    /// The wave that is taken back; `None`: all of them.
    pub wave: Option<String>,
    /// Why, for people.
    pub why: String,
}

/// What becomes of those that an attempt has moved, when it is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopKind {
    /// They stay, and nobody moves forward.
    Paused,
    /// Each goes back to what it had.
    RolledBack,
    /// Likewise, since a person ordered it.
    Ordered,
}

impl StopKind {
    /// Whether those that have moved go back.
    #[must_use]
    pub const fn takes_back(self) -> bool {
        matches!(self, Self::RolledBack | Self::Ordered)
    }

    /// As ids of what is told have it.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::RolledBack => "rolled-back",
            Self::Ordered => "ordered-back",
        }
    }
}

impl Attempt {
    /// What it is, as one word: the hash of what was declared, and its number. What status tells, and what a person
    /// names to mean just this attempt.
    #[must_use]
    pub fn word(&self) -> String {
        format!("{}-{}", self.plan, self.number)
    }

    /// Whether a flip of this wave belongs to what a rollback of this attempt takes back.
    #[must_use]
    pub fn takes_back(&self, flip: &WaveOfFlip) -> bool {
        (self.first..=self.number).contains(&flip.attempt)
            && self
                .stops
                .iter()
                .any(|stop| stop.kind.takes_back() && stop.wave.as_ref().is_none_or(|wave| *wave == flip.wave))
    }

    /// That this happens to it.
    #[must_use]
    pub fn event(&self, step: RolloutStep) -> RolloutEvent {
        RolloutEvent {
            attempt: self.number,
            holder: self.holder.clone(),
            target: self.target,
            plan: self.plan.clone(),
            step,
        }
    }

    /// Whether any of its tenants is to go back.
    #[must_use]
    pub fn is_rolled_back(&self) -> bool {
        self.stops.iter().any(|stop| stop.kind.takes_back())
    }
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
    /// A wave is approved: as it opens, or before the first of its tenants moves, where it had none when it opened.
    Approved {
        /// Its name.
        wave: String,
        /// By whom.
        approval: Approval,
    },
    /// A wave ends.
    Ended {
        /// Its name.
        wave: String,
    },
    /// Every wave has ended.
    Completed,
    /// It is stopped.
    Stopped {
        /// What becomes of those that have moved.
        kind: StopKind,
        /// The wave that is taken back; `None`: all of them.
        wave: Option<String>,
        /// Why, for people.
        why: String,
    },
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
    /// How many attempts are remembered with their ends.
    pub const REMEMBERED: usize = 5;

    /// How many tenants moved forward in an attempt.
    #[must_use]
    pub fn moved_by(&self, attempt: i32) -> u32 {
        let waves = self.moved_in.iter().filter(|((of, _), _)| *of == attempt);
        waves.fold(0, |sum, (_, moved)| sum.saturating_add(*moved))
    }

    /// Takes in what an event makes of the attempts that are remembered.
    fn remember(&mut self, event: &RolloutEvent, at: Timestamp) {
        let end = match &event.step {
            RolloutStep::Started => {
                if let Some(before) = self.past.last_mut() {
                    before.ended.get_or_insert((AttemptEnd::Superseded, at));
                }
                self.past.push(PastAttempt {
                    number: event.attempt,
                    target: event.target,
                    started_at: at,
                    ended: None,
                });
                let forgotten = self.past.len().saturating_sub(Self::REMEMBERED);
                self.past.drain(..forgotten);
                return;
            }
            RolloutStep::Completed => AttemptEnd::Completed,
            RolloutStep::Stopped { kind, .. } if kind.takes_back() => AttemptEnd::RolledBack,
            RolloutStep::Stopped { .. } => AttemptEnd::Paused,
            RolloutStep::Opened { .. } | RolloutStep::Approved { .. } | RolloutStep::Ended { .. } => return,
        };
        if let Some(of) = self.past.iter_mut().find(|of| of.number == event.attempt) {
            of.ended = Some((end, at));
        }
    }

    /// The target that was last rolled out to the end: what a tenant without a row gets while it waits for its wave.
    #[must_use]
    pub fn baseline(&self) -> Option<i32> {
        self.completed.last().map(|(_, target)| *target)
    }

    /// Whether a target was rolled out to the end before: to start it again is to go back.
    #[must_use]
    pub fn was_completed(&self, target: i32) -> bool {
        self.completed.iter().any(|(_, completed)| *completed == target)
    }

    /// Takes in that so many tenants moved forward to a version, in a wave of an attempt.
    pub fn moved(&mut self, (attempt, wave): (i32, &str), to: i32, tenants: usize, at: Timestamp) {
        let moved = self.moved_in.entry((attempt, wave.to_owned())).or_default();
        *moved = moved.saturating_add(u32::try_from(tenants).unwrap_or(u32::MAX));
        let last = self.last_batches.entry((to, wave.to_owned())).or_insert(at);
        *last = at.max(*last);
        let newest = self.attempt.as_mut().filter(|it| it.number == attempt);
        if let Some(record) = newest.and_then(|it| it.waves.get_mut(wave)) {
            record.last_flip_at = Some(record.last_flip_at.map_or(at, |last| last.max(at)));
        }
    }

    /// Takes in what the newest attempt's checks were last answered.
    pub fn were_asked(&mut self, checks: CheckRecords) {
        if let Some(attempt) = &mut self.attempt {
            attempt.checks = checks;
        }
    }

    fn begin(&mut self, event: &RolloutEvent) {
        let goes_on = self.attempt.as_ref().filter(|before| {
            before.target == event.target && before.completed_at.is_none() && !before.is_rolled_back()
        });
        self.attempt = Some(Attempt {
            number: event.attempt,
            first: goes_on.map_or(event.attempt, |before| before.first),
            holder: event.holder.clone(),
            target: event.target,
            plan: event.plan.clone(),
            waves: BTreeMap::new(),
            completed_at: None,
            stops: Vec::new(),
            approvals: BTreeMap::new(),
            checks: CheckRecords::new(),
        });
    }

    /// Takes in one event of the newest attempt, or the first of the next.
    pub fn take_in(&mut self, event: &RolloutEvent, at: Timestamp) {
        self.remember(event, at);
        if event.step == RolloutStep::Started {
            self.begin(event);
            return;
        }
        if event.step == RolloutStep::Completed {
            self.completed.push((event.attempt, event.target));
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
            RolloutStep::Approved { wave, approval } => {
                let approval = approval.clone();
                let record = ApprovalRecord { at, approval };
                attempt.approvals.entry(wave.clone()).or_insert(record);
            }
            RolloutStep::Ended { wave } => {
                if let Some(record) = attempt.waves.get_mut(wave) {
                    record.ended_at.get_or_insert(at);
                }
            }
            RolloutStep::Completed => {
                attempt.completed_at.get_or_insert(at);
            }
            RolloutStep::Stopped { kind, wave, why } => {
                attempt.stops.push(Stop {
                    at,
                    kind: *kind,
                    wave: wave.clone(),
                    why: why.clone(),
                });
                if kind.takes_back() {
                    attempt.completed_at = None;
                    self.completed.retain(|(number, _)| *number < attempt.first);
                }
            }
        }
    }
}
