//! What to do next for one version: a pure and infallible function of what is desired, what was seen, and now.
//!
//! | file | decides |
//! |---|---|
//! | `origin` | whose the number is, and whether the source can be cut from |
//! | `adopt` | a hand-made model and its dashboards |
//! | `known` | what was made before and is not in the ledger any more |
//! | `model` | the new model and its definition |
//! | `git` | the definition by way of a Git repository, or kept in one |
//! | `roles` | who may use it, and whether anybody can see it |
//! | `folder` | the folder, and who may see it when |
//! | `content` | all dashboards, one after the other |
//! | `dashboard` | one dashboard |
//! | `carry` | what of a dashboard no export holds, and lists show |
//! | `access` | permits and settings of single dashboards |
//! | `names` | that every rename found the name that it is about |
//! | `queries` | that tiles' queries can be planned for those who ask them, and read what is theirs |
//! | `sought` | likewise as single tenants, for whom a check of a rollout wants to know it |
//! | `schemas` | the generated models that a refresh moves under it |
//! | `judgement` | what is found in its dashboards, and what of it keeps them from viewers |
//! | `found` | what is kept of that for people |
//! | `evidence` | that they are fit for viewers, and whether that still holds |
//! | `validation` | all that is found in a version as it is, for who asks |
//! | `finish` | the last look, the rows, the mark; and what a complete version needs |
//! | `drift` | what other hands did to a version in Omni |
//! | `mend` | what of it is put back |

pub(super) mod access;
mod adopt;
pub(super) mod carry;
mod content;
pub(super) mod dashboard;
mod drift;
mod evidence;
mod finish;
mod folder;
mod found;
pub(super) mod git;
mod judgement;
mod known;
#[cfg(test)]
mod laws;
mod mend;
mod model;
mod names;
mod origin;
mod queries;
mod roles;
#[cfg(test)]
mod scene;
mod schemas;
mod sought;
#[cfg(test)]
mod tests;
mod validation;

use std::collections::BTreeMap;
use std::time::Duration;

pub use drift::Drift;
pub use evidence::requested_validation_holds;
pub use validation::{Check, Found, Validated, validation};

use jiff::Timestamp;

use super::act::Effect;
use super::content::identifier::Tag;
use super::content::links::LinkMap;
use super::content::renames::Renames;
use super::desired::{Cut, Desired, Origin};
use super::observe::{Look, Observed};
use crate::ports::{Failure, Intent, IntentStep, VersionRecord};
use crate::resources::AddedDashboard;
use crate::resources::conditions::Reason;

/// A call is sent so soon after its intent was opened, or the intent is opened again.
pub(super) const SENT_WITHIN: Duration = Duration::from_secs(2);

/// Omni's word for the role of those who see nothing.
pub(super) const NO_ACCESS: &str = "NO_ACCESS";

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
    /// The version is complete, and other hands did something to it, or beside it.
    Drifted(Drift),
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
            .or_else(|| origin::as_begun(view, cut))
            .or_else(|| model::model(view, cut))
            .or_else(|| folder::folder(view, cut))
            .or_else(|| content::content(view, cut))
            .or_else(|| names::matched(view, cut))
            .or_else(|| carry::labels(view, cut, |_| true))
            .or_else(|| finish::last_look(view, cut))
            .or_else(|| finish::rows_fit(view))
            .or_else(|| evidence::gathered(view, cut))
            .or_else(|| access::carried(view, cut, |_| true))
            .or_else(|| roles::nobody_can_see(view, cut))
            .or_else(|| folder::open(view, cut))
            .or_else(|| finish::map(view)),
    });
    step.unwrap_or(Step::End(Ending::Complete))
}

/// Where links of the version's copies lead, and what has another name there; nothing where it is not cut.
#[must_use]
pub fn rebound(desired: &Desired, seen: &Observed) -> Option<(LinkMap, Renames)> {
    let view = View {
        desired,
        seen,
        now: Timestamp::UNIX_EPOCH,
        request_timeout: Duration::ZERO,
    };
    view.cut().map(|cut| (view.links(cut), view.renames(cut)))
}

impl<'a> View<'a> {
    pub(super) fn record(self) -> Option<&'a VersionRecord> {
        self.seen.versions.get(&self.desired.version)
    }

    /// How the version is cut, where it is.
    pub(super) fn cut(self) -> Option<&'a Cut> {
        match &self.desired.origin {
            Origin::Adopt(_) => None,
            Origin::Cut(cut) => Some(cut),
        }
    }

    /// The source of a cut; present from [`origin::preflight`] on.
    pub(super) fn source(self, cut: &Cut) -> Option<&'a VersionRecord> {
        self.seen.versions.get(&cut.from)
    }

    pub(super) fn is_complete(self) -> bool {
        self.record().is_some_and(|record| record.complete_at.is_some())
    }

    /// The dashboards that the version shall have, each with the identifier to copy from. Once the version is complete
    /// its source may grow without it.
    pub(super) fn wanted(self, cut: &Cut) -> BTreeMap<String, String> {
        let dashboards = &cut.content.dashboards;
        let added = |it: &AddedDashboard| it.identifier.clone();
        if self.is_complete() {
            let made = self.seen.dashboards.values();
            let made = made.map(|it| (it.slug.clone(), it.source_identifier.clone()));
            let added = dashboards.add.iter().map(|it| (it.slug.clone(), added(it)));
            return added.chain(made).collect();
        }
        let source = self.seen.source_dashboards.values();
        let source = source.map(|it| (it.slug.clone(), it.ids.identifier.clone()));
        dashboards.applied_to(source, added)
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

    /// What has another name in the version than in its source.
    pub(super) fn renames(self, cut: &Cut) -> Renames {
        Renames::of(&cut.content.renames)
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

    /// When the call of an intent that was opened then can no longer take effect without showing in a list: it may
    /// arrive as late as its request may take, and show as late after that as lists lag.
    pub(super) fn settled_by(self, opened_at: Timestamp) -> Timestamp {
        let list_lag: Duration = self.desired.list_lag.into();
        let lag = SENT_WITHIN
            .saturating_add(self.request_timeout)
            .saturating_add(list_lag);
        opened_at.checked_add(lag).unwrap_or(Timestamp::MAX)
    }

    /// Until when what came of an intent may not show in a list yet; `None` once it should.
    pub(super) fn unsettled(self, step: IntentStep, subject: &str) -> Option<Timestamp> {
        let intent = self.seen.intents.get(&(step, subject.to_owned()))?;
        Some(self.settled_by(intent.opened_at)).filter(|until| self.now < *until)
    }

    /// The intent was opened so long ago that its call would be sent later than the intent tells.
    pub(super) fn stale(self, step: IntentStep, subject: &str) -> bool {
        let intent = self.seen.intents.get(&(step, subject.to_owned()));
        let late = |it: &Intent| it.opened_at.checked_add(SENT_WITHIN).is_ok_and(|at| at < self.now);
        intent.is_some_and(late)
    }

    /// The one way to a creating call: write down that it will be sent, send it; and after a lost answer look for so
    /// long as it may still appear before it is sent again.
    pub(super) fn create(self, step: IntentStep, subject: &str, what: &str, call: Effect) -> Step {
        match self.intent(step, subject) {
            IntentState::Unsent if self.stale(step, subject) => Step::Do(Effect::OpenIntent {
                step,
                subject: subject.to_owned(),
            }),
            IntentState::Unsent => Step::Do(call),
            IntentState::Open(at) if self.now < self.settled_by(at) => Step::End(Ending::Wait {
                until: self.settled_by(at),
                message: format!(
                    "the call that makes {what} got no answer; what came of it is awaited before it is sent again"
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
