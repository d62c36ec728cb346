//! What to do next for one version: a pure and infallible function of what is desired, what was seen, and now.
//!
//! | file | decides |
//! |---|---|
//! | `origin` | whose the number is, and whether the source can be cut from |
//! | `adopt` | a hand-made model and its dashboards |
//! | `model` | the new model, its roles, its definition |
//! | `folder` | the folder, and who may see it when |
//! | `content` | one dashboard after the other |
//! | `finish` | the last look, the rows, the mark; and what a complete version needs |

mod adopt;
mod content;
mod finish;
mod folder;
mod model;
mod origin;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::act::Effect;
use super::content::identifier::Tag;
use super::content::links::LinkMap;
use super::desired::{Cut, Desired, Origin};
use super::observe::{Look, Observed};
use crate::ports::{Failure, IntentStep, VersionRecord};
use crate::resources::conditions::Reason;

/// The next step of a pass.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Look at one thing.
    Look(Look),
    /// Do one thing.
    Do(Effect),
    /// This dashboard cannot be copied as it is; go on with the others.
    SetAside {
        /// Its slug.
        slug: String,
        /// Why, as one word.
        reason: Reason,
        /// Why, and what a person can do.
        message: String,
    },
    /// This dashboard's import may still take effect; go on with the others.
    Await {
        /// Its slug.
        slug: String,
        /// Until then.
        until: Timestamp,
    },
    /// Nothing more can be done in this pass.
    End(Ending),
}

/// How a pass ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// The version is complete and all that can be seen of it is there.
    Complete,
    /// Something may still take effect; look again then.
    Wait {
        /// When.
        until: Timestamp,
        /// What is waited for.
        message: String,
    },
    /// Something is in the way.
    Halt(Failure),
}

/// What every part of the decision needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub desired: &'a Desired,
    pub seen: &'a Observed,
    pub now: Timestamp,
    /// How long a request that was sent may still take effect.
    pub request_timeout: Duration,
}

/// The next step.
#[must_use]
pub fn decide(desired: &Desired, seen: &Observed, now: Timestamp, request_timeout: Duration) -> Step {
    let view = View {
        desired,
        seen,
        now,
        request_timeout,
    };
    let step = origin::number(view).or_else(|| match &desired.origin {
        _ if view.record().is_some_and(|record| record.complete_at.is_some()) => finish::complete(view),
        Origin::Adopt(adopt) => adopt::adopt(view, adopt),
        Origin::Cut(cut) => origin::preflight(view, cut)
            .or_else(|| model::model(view, cut))
            .or_else(|| folder::folder(view, cut))
            .or_else(|| content::content(view, cut))
            .or_else(|| finish::last_look(view, cut))
            .or_else(|| folder::open(view, cut))
            .or_else(|| finish::map(view)),
    });
    step.unwrap_or(Step::End(Ending::Complete))
}

impl<'a> View<'a> {
    pub(super) fn record(self) -> Option<&'a VersionRecord> {
        self.seen.versions.get(&self.desired.version)
    }

    /// The source of a cut; present from [`origin::preflight`] on.
    pub(super) fn source(self, cut: &Cut) -> Option<&'a VersionRecord> {
        self.seen.versions.get(&cut.from)
    }

    /// The dashboards that the version shall have, each with the identifier to copy from.
    pub(super) fn wanted(self, cut: &Cut) -> BTreeMap<String, String> {
        let dashboards = &cut.content.dashboards;
        let kept = self
            .seen
            .source_dashboards
            .values()
            .filter(|it| !dashboards.exclude.contains(&it.slug));
        let kept = kept.map(|it| (it.slug.clone(), it.ids.identifier.clone()));
        kept.chain(dashboards.add.iter().map(|it| (it.slug.clone(), it.identifier.clone())))
            .collect()
    }

    pub(super) fn tag(self, connection: &str) -> Tag {
        self.desired.tag(connection)
    }

    /// Where links that name a document of the source lead.
    pub(super) fn links(self, cut: &Cut) -> LinkMap {
        let connection = self
            .source(cut)
            .and_then(|source| source.connection_id.as_deref())
            .unwrap_or_default();
        let tag = self.tag(connection);
        let to = |(slug, from): (String, String)| (from, tag.identifier(&slug, self.desired.version));
        LinkMap(self.wanted(cut).into_iter().map(to).collect())
    }

    /// Where the creating call of an intent stands.
    pub(super) fn intent(self, step: IntentStep, subject: &str) -> IntentState<'a> {
        let key = (step, subject.to_owned());
        match self.seen.intents.get(&key) {
            None => IntentState::Missing,
            Some(_) if self.seen.unsent.contains(&key) => IntentState::Unsent,
            Some(intent) => match &intent.result {
                Some(result) => IntentState::Settled(result),
                None => IntentState::Open(intent.opened_at),
            },
        }
    }

    /// When a call that was sent then can no longer take effect without showing in a list.
    pub(super) fn settled_by(self, sent_at: Timestamp) -> Timestamp {
        let lag = self.request_timeout.max(self.desired.list_lag.into());
        sent_at.checked_add(lag).unwrap_or(Timestamp::MAX)
    }

    /// The one way to a creating call: write down that it will be sent, send it; and after a lost answer look for so
    /// long as it may still appear before it is sent again.
    pub(super) fn create(self, step: IntentStep, subject: &str, what: &str, call: Effect) -> Step {
        match self.intent(step, subject) {
            IntentState::Unsent => Step::Do(call),
            IntentState::Open(at) if self.now < self.settled_by(at) => Step::End(Ending::Wait {
                until: self.settled_by(at),
                message: format!(
                    "the call that creates {what} got no answer; it is looked for before it is sent again"
                ),
            }),
            _ => Step::Do(Effect::OpenIntent {
                step,
                subject: subject.to_owned(),
            }),
        }
    }
}

/// Where the creating call of an intent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IntentState<'a> {
    /// It was never opened, or its call was refused.
    Missing,
    /// Opened in this pass; its call was not sent yet.
    Unsent,
    /// Its call was sent then, and no answer is recorded.
    Open(Timestamp),
    /// This came of it.
    Settled(&'a str),
}

pub(super) fn halt(reason: Reason, message: impl Into<String>) -> Step {
    Step::End(Ending::Halt(Failure::stalled(reason, message)))
}

/// Something that another object or a person brings by and by.
pub(super) fn not_yet(reason: Reason, message: impl Into<String>) -> Step {
    Step::End(Ending::Halt(Failure::passing(reason, message)))
}
