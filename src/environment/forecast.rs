//! How a rollout would go: whom each wave would move, and when at the earliest it could end.
//!
//! The very decisions that passes take are taken here over and over, on what was seen, with a clock that goes on to each
//! time at which something changes by itself. So batches, soaks, freezes and what waits for a person count as they will,
//! and no rule stands here a second time. What nobody can know now is not counted: who joins, and what people do.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::act::Failed;
use super::decide::{Decision, Lead, Plan, RolloutStanding, Wait, decide};
use super::observe::{Holder, Observed};
use super::report::rollout::{progress, waits};
use crate::ports::{Answer, Cause, EnvironmentView, PinEvent, PinEventKind};
use crate::resources::WavePhase;

/// How many tenants are decided about in all: so many looks at so many tenants. Of 12,000 these are 400 looks: some
/// seconds.
const WORK: usize = 5_000_000;

/// The most looks, however few the tenants.
const LOOKS: usize = 2_000;

/// How many of those that are left out are named.
const NAMED: usize = 20;

/// How a rollout would go, from how things stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// The rollout's name.
    pub rollout: String,
    /// The version that tenants move to.
    pub version: i32,
    /// Its waves in their order.
    pub waves: Vec<WaveForecast>,
    /// The first of those that something of their own keeps out now, as `<tenant>: <why>`: at most 20.
    pub left_out_tenants: Vec<String>,
    /// How many these are in all.
    pub left_out: u32,
    /// What had to be presumed for it to begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presumed: Option<String>,
    /// When the last wave ends at the earliest, by the database's clock; nothing where it does not end by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// What it does not go on from by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stops: Option<String>,
    /// It goes on longer than is counted: an end that is not named may come all the same.
    pub is_cut: bool,
}

/// How a wave would go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaveForecast {
    /// Its name.
    pub name: String,
    /// How many tenants are in it now.
    pub tenants: u32,
    /// How many would move.
    pub moves: u32,
    /// In how many transactions.
    pub batches: u32,
    /// How many something of their own keeps out now.
    pub left_out: u32,
    /// When the first of them would move at the earliest, by the database's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moves_at: Option<Timestamp>,
    /// When it ends at the earliest, by the database's clock, or ended; nothing where it does not end by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
}

impl Forecast {
    /// Whether anything is ahead.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.stops.is_some() || self.waves.iter().any(|wave| wave.moves > 0) || self.ends_at.is_none()
    }
}

/// How the rollout that moves tenants would go; `None` where there is none.
pub(super) fn forecast(seen: &Observed) -> Option<Forecast> {
    let decision = decide(seen);
    let mut forecast = begin(seen, &decision)?;
    let mut seen = seen.clone();
    let presumed = [presume(&mut seen, forecast.version), presume_checks(&seen)];
    let presumed: Vec<String> = presumed.into_iter().flatten().collect();
    forecast.presumed = (!presumed.is_empty()).then(|| presumed.join("; "));
    let members = seen.pins.len() + decision.rows.len();
    let looks = (WORK / members.max(1)).clamp(2, LOOKS);
    let mut last_move = None;
    for _ in 0..looks {
        let decision = decide(&seen);
        let Some((_, lead)) = lead(&seen, &decision) else {
            return Some(forecast);
        };
        forecast.take_in(&seen, &decision, lead);
        if !decision.plan.is_empty() {
            if !decision.plan.flips.is_empty() {
                last_move = Some(seen.view.now);
            }
            apply(&mut seen, &decision.plan);
            continue;
        }
        if lead.complete && lead.wait.is_none() {
            // Who comes late to waves that have ended may move after them.
            let ends = forecast.waves.iter().filter_map(|wave| wave.ends_at);
            forecast.ends_at = ends.chain(last_move).max();
            return Some(forecast);
        }
        // Checks pass, as presumed: but for one that is awaited, they change nothing each time that they are asked.
        let wake = match &lead.wait {
            Some(Wait::Check(_)) | None => decision.wake,
            Some(_) => decision.wake_but_for_checks,
        };
        let Some(wake) = wake.filter(|wake| *wake > seen.now) else {
            let why = lead.wait.as_ref().map(|wait| waits(wait, lead, forecast.version).1);
            forecast.stops = Some(why.unwrap_or_else(|| "nothing is known that would let it go on".to_owned()));
            return Some(forecast);
        };
        let length = wake.duration_since(seen.now);
        seen.now = wake;
        seen.view.now = seen.view.now.checked_add(length).unwrap_or(Timestamp::MAX);
    }
    forecast.is_cut = true;
    forecast.stops = Some(format!(
        "its end is not counted: after {looks} steps of it, at {}, it still goes on",
        seen.view.now
    ));
    Some(forecast)
}

fn lead<'a>(seen: &'a Observed, decision: &'a Decision) -> Option<(usize, &'a Lead)> {
    let standings = decision.rollouts.iter().enumerate();
    let mut leads = standings.filter_map(|(place, standing)| match standing {
        RolloutStanding::Leads(lead) => Some((place, lead)),
        _ => None,
    });
    leads.find(|(place, _)| *place < seen.rollouts.len())
}

/// What is known before anything is gone through.
fn begin(seen: &Observed, decision: &Decision) -> Option<Forecast> {
    let (place, lead) = lead(seen, decision)?;
    let rollout = &seen.rollouts[place];
    let mut left_out_tenants = progress(seen, decision, lead, &Failed::default()).left_out;
    let left_out = u32::try_from(left_out_tenants.len()).unwrap_or(u32::MAX);
    left_out_tenants.truncate(NAMED);
    let waves = lead.waves.iter().map(|wave| WaveForecast {
        name: wave.name.clone(),
        tenants: wave.tenants,
        moves: 0,
        batches: 0,
        left_out: wave.left_out,
        moves_at: None,
        ends_at: wave.ended_at,
    });
    Some(Forecast {
        rollout: rollout.name.clone(),
        version: rollout.spec.version,
        waves: waves.collect(),
        left_out_tenants,
        left_out,
        presumed: None,
        ends_at: None,
        stops: None,
        is_cut: false,
    })
}

/// Takes a target that is being made for made: when it will be, `wavepin plan` says of the version itself.
fn presume(seen: &mut Observed, target: i32) -> Option<String> {
    let now = seen.view.now;
    let record = seen.versions.get_mut(&target)?;
    if record.retired_at.is_some() || record.complete_at.is_some() {
        return None;
    }
    record.complete_at = Some(now);
    Some(format!("counted as if version {target} were complete now"))
}

/// Checks are not asked for it, and would be.
fn presume_checks(seen: &Observed) -> Option<String> {
    let asks = seen.rollouts.iter().any(|rollout| !rollout.spec.checks.is_empty());
    asks.then(|| "counted as if every check passed, when it is asked".to_owned())
}

impl Forecast {
    /// Takes in what one look would do.
    fn take_in(&mut self, seen: &Observed, decision: &Decision, lead: &Lead) {
        let now = seen.view.now;
        for flip in &decision.plan.flips {
            let Some(of) = &flip.wave else { continue };
            if let Some(wave) = self.waves.iter_mut().find(|wave| wave.name == of.wave) {
                wave.moves += u32::try_from(flip.moves.len()).unwrap_or(u32::MAX);
                wave.batches += 1;
                wave.moves_at.get_or_insert(now);
            }
        }
        for (wave, stands) in self.waves.iter_mut().zip(&lead.waves) {
            // One that ended with a way back opens again in the attempt of those who move forward.
            wave.ends_at = match stands.phase {
                WavePhase::Ended => wave.ends_at.or(Some(stands.ended_at.unwrap_or(now))),
                _ => None,
            };
        }
    }
}

/// Does in memory what a pass would do in the mapping.
fn apply(seen: &mut Observed, plan: &Plan) {
    let Observed { view, holders, .. } = seen;
    let no_cause = Arc::default();
    for (tenant, from, to, wish) in &plan.outside {
        record(view, tenant, (PinEventKind::Outside, &no_cause), (*from, *to), *wish);
    }
    for claim in &plan.claims {
        view.claims.insert(claim.tenant.clone(), claim.clone());
        holders.insert(claim.tenant.clone(), Holder::Stands);
    }
    for tenant in &plan.releases {
        view.claims.remove(tenant);
        holders.remove(tenant);
    }
    for removal in &plan.removals {
        view.rows.remove(&removal.tenant);
        view.claims.remove(&removal.tenant);
        holders.remove(&removal.tenant);
        record(
            view,
            &removal.tenant,
            (PinEventKind::Delete, &no_cause),
            (Some(removal.holds), None),
            0,
        );
    }
    for event in &plan.rollout {
        view.rollouts.take_in(event, view.now);
    }
    if let Some(attempt) = &mut view.rollouts.attempt {
        for question in &plan.questions {
            let passed = Answer::passed(String::new());
            question.answered(passed).take_into(&mut attempt.checks);
        }
    }
    for flip in &plan.flips {
        let cause = Arc::new(Cause {
            reason: flip.reason.clone(),
            wave: flip.wave.clone(),
        });
        for one in &flip.moves {
            if let Some(of) = &flip.wave {
                view.rollouts.moved((of.attempt, &of.wave), one.to, 1, view.now);
            }
            view.rows.insert(one.tenant.clone(), one.to);
            let change = (one.from, Some(one.to));
            record(view, &one.tenant, (PinEventKind::Flip, &cause), change, one.to);
        }
    }
}

fn record(
    view: &mut EnvironmentView,
    tenant: &str,
    (kind, cause): (PinEventKind, &Arc<Cause>),
    (from, to): (Option<i32>, Option<i32>),
    wanted_version: i32,
) {
    let at = view.now;
    let events = view.events.entry(tenant.to_owned()).or_default();
    events.push(PinEvent {
        at,
        kind,
        from,
        to,
        wanted_version,
        cause: Arc::clone(cause),
    });
}

#[cfg(test)]
mod tests;
