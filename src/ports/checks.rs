//! What a rollout asks of the outside about its tenants, what it is answered, and what of that is on record.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::resources::RolloutCheck;

/// A check of a wave, as it is asked once.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The rollout, as `<namespace>/<name>`.
    pub rollout: String,
    /// The namespace of its Secrets.
    pub namespace: String,
    /// The environment.
    pub environment: String,
    /// What the rollout is, as one word: the hash of what was declared and the attempt's number.
    pub plan: String,
    /// The number of the attempt.
    pub attempt: i32,
    /// The wave.
    pub wave: String,
    /// The version that its tenants have moved to.
    pub version: i32,
    /// What is asked.
    pub check: RolloutCheck,
    /// The tenants of the wave that are on the version, sorted.
    pub tenants: Vec<String>,
    /// The tenants of other waves that are.
    pub others: BTreeSet<String>,
    /// When it is asked, by the database's clock: what moves later is not in the answer.
    pub asked_at: Timestamp,
    /// When tenants of the wave last moved, by the same clock.
    pub moved_at: Timestamp,
    /// How often in a row it had failed before.
    pub failures: u32,
}

impl Question {
    /// What is put on record of an answer.
    #[must_use]
    pub fn answered(&self, answer: Answer) -> CheckResult {
        let failures = match answer.outcome {
            CheckOutcome::Passed => 0,
            // More than the limit is no news.
            CheckOutcome::Failed => (self.failures + 1).min(self.check.failure_limit),
            CheckOutcome::Unknown => self.failures,
        };
        CheckResult {
            attempt: self.attempt,
            wave: self.wave.clone(),
            check: self.check.name.clone(),
            asked_at: self.asked_at,
            moved_at: self.moved_at,
            failures,
            answer,
        }
    }
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// In one word.
    pub outcome: CheckOutcome,
    /// Which tenants fail; of a check that failed and names none, all of the wave.
    pub failing: BTreeSet<String>,
    /// What was said, or what was wrong with it: for people, at most [`Answer::LONGEST`] bytes and without secrets.
    pub message: String,
}

impl Answer {
    /// The longest message, in bytes.
    pub const LONGEST: usize = 256;

    /// All is well.
    #[must_use]
    pub fn passed(message: String) -> Self {
        Self::of(CheckOutcome::Passed, BTreeSet::new(), message)
    }

    /// These tenants fail; all of the wave, where none is named.
    #[must_use]
    pub fn failed(failing: BTreeSet<String>, message: String) -> Self {
        Self::of(CheckOutcome::Failed, failing, message)
    }

    /// There was no answer, or none that can be used.
    #[must_use]
    pub fn unknown(why: String) -> Self {
        Self::of(CheckOutcome::Unknown, BTreeSet::new(), why)
    }

    fn of(outcome: CheckOutcome, failing: BTreeSet<String>, message: String) -> Self {
        let mut message: String = message
            .chars()
            .map(|it| if it.is_control() { ' ' } else { it })
            .collect();
        if message.len() > Self::LONGEST {
            message.truncate(message.floor_char_boundary(Self::LONGEST - 3));
            message.push_str("...");
        }
        Self {
            outcome,
            failing,
            message,
        }
    }
}

/// How a check was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckOutcome {
    /// Nobody fails.
    Passed,
    /// Somebody fails.
    Failed,
    /// Nobody knows, which is not passed.
    Unknown,
}

impl CheckOutcome {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Passed, Self::Failed, Self::Unknown];

    /// As the ledger has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "Passed",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }
}

/// An answer to be put on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// The number of the attempt.
    pub attempt: i32,
    /// The wave.
    pub wave: String,
    /// The check's name.
    pub check: String,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When tenants of the wave had last moved then.
    pub moved_at: Timestamp,
    /// How often in a row it has failed, to its limit.
    pub failures: u32,
    /// What came of it.
    pub answer: Answer,
}

/// The newest answer on record to a check of a wave. Times are the database's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRecord {
    /// Since when it is answered so.
    pub since: Timestamp,
    /// When it was last asked.
    pub asked_at: Timestamp,
    /// How often in a row it has failed, to its limit.
    pub failures: u32,
    /// What came of it.
    pub answer: Answer,
}

/// The newest answers of an attempt, by wave and check.
pub type CheckRecords = BTreeMap<(String, String), CheckRecord>;

/// What putting an answer on record comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckNote {
    /// It is an answer of its own.
    New(CheckRecord),
    /// It is answered as before, at a later time: only that time is noted.
    Again(Timestamp),
    /// It is on record, or something newer is.
    Nothing,
}

impl CheckResult {
    /// What is to be noted beside the newest record of the same attempt, wave and check. The same answer is one record, but
    /// for the first after a move, so that the ledger shows on what each step went.
    #[must_use]
    pub fn beside(&self, newest: Option<&CheckRecord>) -> CheckNote {
        match newest {
            Some(newest) if newest.asked_at >= self.asked_at => CheckNote::Nothing,
            Some(newest)
                if newest.answer == self.answer
                    && newest.failures == self.failures
                    && newest.since >= self.moved_at =>
            {
                CheckNote::Again(self.asked_at)
            }
            _ => CheckNote::New(CheckRecord {
                since: self.asked_at,
                asked_at: self.asked_at,
                failures: self.failures,
                answer: self.answer.clone(),
            }),
        }
    }

    /// Takes it in as the ledger would.
    pub fn take_into(&self, records: &mut CheckRecords) {
        let key = (self.wave.clone(), self.check.clone());
        match self.beside(records.get(&key)) {
            CheckNote::New(record) => drop(records.insert(key, record)),
            CheckNote::Again(at) => {
                if let Some(record) = records.get_mut(&key) {
                    record.asked_at = at;
                }
            }
            CheckNote::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn result(seconds: i64, moved: i64, answer: Answer) -> CheckResult {
        CheckResult {
            attempt: 1,
            wave: "canary".to_owned(),
            check: "errors".to_owned(),
            asked_at: at(seconds),
            moved_at: at(moved),
            failures: 0,
            answer,
        }
    }

    #[test]
    fn the_same_answer_is_one_record_but_for_the_first_after_a_move_and_an_old_one_is_nothing() {
        let mut records = CheckRecords::new();
        let passed = || Answer::passed(String::new());
        let mut take = |result: CheckResult| {
            result.take_into(&mut records);
            let record = records.values().next().unwrap();
            (record.since, record.asked_at, record.answer.outcome)
        };
        assert_eq!(take(result(10, 5, passed())), (at(10), at(10), CheckOutcome::Passed));
        assert_eq!(take(result(20, 5, passed())), (at(10), at(20), CheckOutcome::Passed));
        let unknown = Answer::unknown("gone".to_owned());
        assert_eq!(
            take(result(20, 5, unknown.clone())),
            (at(10), at(20), CheckOutcome::Passed)
        );
        assert_eq!(take(result(15, 5, unknown)), (at(10), at(20), CheckOutcome::Passed));
        assert_eq!(take(result(30, 25, passed())), (at(30), at(30), CheckOutcome::Passed));
    }

    #[test]
    fn a_message_is_short_and_one_line() {
        let answer = Answer::unknown(format!("a\nb{}", "ü".repeat(300)));
        assert!(answer.message.starts_with("a bü") && answer.message.ends_with("..."));
        assert!(answer.message.len() <= Answer::LONGEST);
    }
}
