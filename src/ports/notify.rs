//! What is told of a rollout to the outside, and what is on record of who was told what.
//!
//! A channel is told at least once of what went on record after it began. What tells how far each is stands in the mapping,
//! and is written after it was told: a process that ends in between tells it again, with the same id.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::RolloutEvent;
use crate::resources::{NotifyChannel, NotifyOn, spec_hash};

/// A step on record that may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedStep {
    /// Its number in the ledger: later ones have greater numbers.
    pub number: i64,
    /// When it went on record, by the database's clock.
    pub at: Timestamp,
    /// What happened.
    pub event: RolloutEvent,
    /// How many tenants were in its wave when that opened, where it is of a wave.
    pub members: Option<u32>,
}

/// What is on record of an environment's channels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelRecords {
    /// How far each channel is, by its name.
    pub channels: BTreeMap<String, ChannelRecord>,
    /// The steps that some channel was not told yet, in their order: for each channel [`Self::MOST`] at most.
    pub steps: Vec<NumberedStep>,
}

impl ChannelRecords {
    /// How many steps are read at once for a channel: more than a rollout of 32 waves has.
    pub const MOST: u32 = 200;
}

/// How far one channel is. Times are the database's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelRecord {
    /// The number of the last step that it was told, or that is not for it.
    pub told_through: i64,
    /// The id of the awaited person that it was told of last.
    pub waiting: Option<String>,
    /// How often in a row it could not be told.
    pub tries: u32,
    /// Since when.
    pub failing_since: Option<Timestamp>,
    /// When it is tried again.
    pub retry_at: Option<Timestamp>,
    /// What was wrong with the last try, for people; empty where nothing was.
    pub why: String,
    /// A hash of how it was declared then: declared otherwise it is tried at once.
    pub declared: String,
    /// How many notifications were given up.
    pub given_up: u32,
    /// When the last of them was, where it was told nothing since.
    pub gave_up_at: Option<Timestamp>,
}

/// What is put on record of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelNote {
    /// It begins: it is told what goes on record from now on. One that is on record stays as it is.
    Begin,
    /// It is this far.
    Set(ChannelRecord),
    /// It is declared no longer.
    End,
}

/// One thing to tell one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// To whom.
    pub channel: NotifyChannel,
    /// The namespace of the rollout and its Secrets.
    pub namespace: String,
    /// The rollout's name.
    pub rollout: String,
    /// The instance.
    pub instance: String,
    /// The environment.
    pub environment: String,
    /// What.
    pub news: News,
    /// The number of the last step that it has been told once it is told this.
    pub through: i64,
}

/// What happened to a rollout, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The same whenever and to whomever it is told: who takes it can drop a second delivery. Letters, digits, `-` and `_`.
    pub id: String,
    /// When it went on record; of an awaited person, when the step before it did.
    pub at: Timestamp,
    /// In one word.
    pub of: NotifyOn,
    /// The number of the attempt.
    pub attempt: i32,
    /// What the rollout is, as one word.
    pub plan: String,
    /// The version that tenants move to.
    pub version: i32,
    /// The wave that it is of, where it is of one.
    pub wave: Option<String>,
    /// How many tenants were in the wave when it opened.
    pub tenants: Option<u32>,
    /// How many moved forward in the wave.
    pub moved: Option<u32>,
    /// Why, or what is awaited, for people; empty where there is nothing to add. At most [`Self::LONGEST`] bytes.
    pub message: String,
}

impl News {
    /// The longest message, in bytes.
    pub const LONGEST: usize = 512;
}

/// What came of telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It was taken.
    Told,
    /// It was not, and is tried again.
    Failed {
        /// What was wrong, for people, without secrets.
        why: String,
        /// How long the other side asks to wait.
        wait: Option<SignedDuration>,
    },
    /// The other side is gone for good, it says: it is not tried again.
    Gone {
        /// Its words.
        why: String,
    },
}

impl ChannelRecord {
    /// Tries after which something may be given up, so that a process that was down for a day still tries.
    const LEAST_TRIES: u32 = 8;
    /// For how long something is news.
    const NEWS_FOR: SignedDuration = SignedDuration::from_hours(24);
    /// The pause after the first failure; each further one is twice as long.
    const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(30);
    /// The longest pause, whatever the other side asks for.
    const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(1);

    /// When it is tried again, declared so; `None` where it may be tried now.
    #[must_use]
    pub fn waits_until(&self, channel: &NotifyChannel) -> Option<Timestamp> {
        self.retry_at.filter(|_| self.declared == spec_hash(channel))
    }

    /// Whether it could not be told what it was to be told last.
    #[must_use]
    pub const fn is_failing(&self) -> bool {
        self.tries > 0 || self.gave_up_at.is_some()
    }

    /// Takes in what came of telling the first of what is due.
    pub fn take_in(&mut self, delivery: &Delivery, due: &[Notice], now: Timestamp) {
        let Some(first) = due.first() else { return };
        match delivery {
            Delivery::Told => {
                self.pass_over(first);
                self.gave_up_at = None;
                self.rest();
            }
            Delivery::Failed { why, wait } => {
                self.tries = self.tries.saturating_add(1);
                self.failing_since.get_or_insert(now);
                self.why.clone_from(why);
                self.declared = spec_hash(&first.channel);
                self.retry_at = Some(later(now, self.pause(*wait)));
                if self.tries >= Self::LEAST_TRIES {
                    // What is awaited stays news, however long ago it began; that it is not told is what grows old.
                    let failing_since = self.failing_since.unwrap_or(now);
                    let since = |it: &Notice| match it.news.of {
                        NotifyOn::Waiting => failing_since,
                        _ => it.news.at,
                    };
                    let old = due
                        .iter()
                        .take_while(|it| now.duration_since(since(it)) > Self::NEWS_FOR);
                    self.give_up(old, now);
                }
            }
            Delivery::Gone { why } => {
                self.give_up(due.iter(), now);
                self.rest();
                self.why.clone_from(why);
            }
        }
    }

    /// Nothing is left that is tried again. Of what was given up it stays on record why, until something is told.
    pub fn rest(&mut self) {
        self.tries = 0;
        self.failing_since = None;
        self.retry_at = None;
        self.declared.clear();
        if self.gave_up_at.is_none() {
            self.why.clear();
        }
    }

    fn pause(&self, wait: Option<SignedDuration>) -> SignedDuration {
        let doublings = (self.tries - 1).min(7);
        let own = Self::FIRST_PAUSE * 2_i32.pow(doublings);
        wait.map_or(own, |wait| own.max(wait)).min(Self::LONGEST_PAUSE)
    }

    fn give_up<'n>(&mut self, notices: impl Iterator<Item = &'n Notice>, now: Timestamp) {
        for notice in notices {
            self.pass_over(notice);
            self.given_up = self.given_up.saturating_add(1);
            self.gave_up_at = Some(now);
        }
    }

    fn pass_over(&mut self, notice: &Notice) {
        self.told_through = self.told_through.max(notice.through);
        if notice.news.of == NotifyOn::Waiting {
            self.waiting = Some(notice.news.id.clone());
        }
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn notice(through: i64, at: Timestamp) -> Notice {
        let channel = json!({"name": "ops", "cloudEvents": {"url": "https://hooks.example"}});
        Notice {
            channel: serde_json::from_value(channel).unwrap(),
            namespace: "apps".to_owned(),
            rollout: "main".to_owned(),
            instance: "omni".to_owned(),
            environment: "production".to_owned(),
            news: News {
                id: format!("1-abc-1_{through}"),
                at,
                of: NotifyOn::Started,
                attempt: 1,
                plan: "1-abc-1".to_owned(),
                version: 2,
                wave: None,
                tenants: None,
                moved: None,
                message: String::new(),
            },
            through,
        }
    }

    fn failed(wait: Option<i64>) -> Delivery {
        Delivery::Failed {
            why: "down".to_owned(),
            wait: wait.map(SignedDuration::from_secs),
        }
    }

    #[test]
    fn pauses_grow_to_an_hour_and_heed_what_the_other_side_asks_for_to_an_hour() {
        let due = [notice(1, at(0))];
        let mut record = ChannelRecord::default();
        let mut pause = |wait| {
            record.take_in(&failed(wait), &due, at(0));
            record.retry_at.unwrap().duration_since(at(0)).as_secs()
        };
        let grown: Vec<i64> = (0..9).map(|_| pause(None)).collect();
        assert_eq!(grown, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(pause(Some(7 * 24 * 3600)), 3600);
        let mut fresh = ChannelRecord::default();
        fresh.take_in(&failed(Some(90)), &due, at(0));
        assert_eq!(fresh.retry_at, Some(at(90)));
        for _ in 0..1000 {
            fresh.take_in(&failed(None), &due, at(0));
        }
        assert_eq!(fresh.told_through, 0, "what is news is never given up");
    }

    #[test]
    fn what_is_awaited_since_long_ago_is_given_up_after_a_day_of_tries() {
        let day = 24 * 3600;
        let mut awaited = notice(1, at(0));
        awaited.news.of = NotifyOn::Waiting;
        let due = [awaited];
        let mut record = ChannelRecord::default();
        for tries in 1..20 {
            record.take_in(&failed(None), &due, at(4 * day + tries));
        }
        assert_eq!((record.given_up, &record.waiting), (0, &None));
        record.take_in(&failed(None), &due, at(5 * day + 2));
        assert_eq!(record.given_up, 1);
    }

    #[test]
    fn only_what_is_old_is_given_up_and_only_after_so_many_tries() {
        let day = 24 * 3600;
        let due = [notice(1, at(0)), notice(2, at(10)), notice(3, at(day))];
        let mut record = ChannelRecord::default();
        for tries in 1..8 {
            record.take_in(&failed(None), &due, at(day + 60));
            assert_eq!((record.tries, record.told_through), (tries, 0));
        }
        record.take_in(&failed(None), &due, at(day + 60));
        assert_eq!((record.told_through, record.given_up), (2, 2));
        assert!(record.is_failing() && record.gave_up_at == Some(at(day + 60)));
        record.take_in(&Delivery::Told, &due[2..], at(day + 61));
        assert_eq!((record.told_through, record.given_up), (3, 2));
        assert!(!record.is_failing() && record.why.is_empty() && record.retry_at.is_none());
    }

    #[test]
    fn a_channel_that_is_declared_otherwise_does_not_wait() {
        let due = [notice(1, at(0))];
        let mut record = ChannelRecord::default();
        record.take_in(&failed(None), &due, at(0));
        let mut channel = due[0].channel.clone();
        assert_eq!(record.waits_until(&channel), Some(at(30)));
        channel.events = vec![NotifyOn::Started];
        assert_eq!(record.waits_until(&channel), None);
    }
}
