//! What a pass says of rollouts.

use std::collections::BTreeSet;

use super::super::act::Failed;
use super::super::decide::{
    Checked, Decision, Found, FrozenTenants, Lead, RolloutStanding, Standing, Stopped, Unlabelled, Wait, WaveState,
};
use super::super::observe::{Holder, Observed};
use super::super::{RolloutProgress, RolloutReport, Rollouts};
use super::approvals::waits_for;
use super::news;
use super::{about, kept_back, not_proved, taken_back};
use crate::ports::{Failure, Object, Order, StopKind};
use crate::resources::conditions::{ACCEPTED, COMPLETE, Finding, READY, RECONCILING, Reason, STALLED, WAITING};
use crate::resources::{
    ANNOTATION_PREFIX, LastingFreeze, RowsStatus, VersionRolloutSpec, WavePhase, WaveStatus, annotations,
    rollout_refusal,
};

type Rollout = Object<VersionRolloutSpec>;

/// How many failing tenants of a wave a status names.
const FAILING_NAMED: usize = 10;

/// The rollouts of an environment whose mapping could not be used.
pub(super) fn unseen(rollouts: &Rollouts, failure: &Failure) -> Vec<RolloutReport> {
    blind(rollouts, |rollout| {
        let told = about(
            failure,
            &format!("{}, to version {}", who(rollout), rollout.spec.version),
        );
        vec![told.against(COMPLETE), told.against(READY), told.abnormal()]
    })
}

/// The rollouts of an environment whose instance is suspended.
pub(super) fn suspended(rollouts: &Rollouts, text: &str) -> Vec<RolloutReport> {
    blind(rollouts, |_| vec![Finding::fails(READY, Reason::Suspended, text)])
}

fn blind(rollouts: &Rollouts, say: impl Fn(&Rollout) -> Vec<Finding>) -> Vec<RolloutReport> {
    let report = |rollout: &Rollout| {
        let findings = match rollout_refusal(&rollout.spec) {
            Some(refusal) => invalid(rollout, &refusal),
            None => [vec![accepted(rollout)], say(rollout)].concat(),
        };
        of(rollout, findings, None)
    };
    rollouts.iter().map(|rollout| report(rollout)).collect()
}

/// The rollouts of an environment that was seen.
pub(super) fn report(seen: &Observed, decision: &Decision, failed: &Failed) -> Vec<RolloutReport> {
    let report = |(rollout, standing): (&std::sync::Arc<Rollout>, &RolloutStanding)| match standing {
        RolloutStanding::Invalid(refusal) => of(rollout, invalid(rollout, refusal), None),
        RolloutStanding::Conflict(other) => of(rollout, conflict(rollout, other), None),
        RolloutStanding::Leads(lead) => {
            let mut progress = progress(seen, decision, lead, failed);
            progress.channels = news::channels(rollout, &seen.view.channels);
            let mut findings = findings(rollout, lead, &progress, (decision, failed));
            findings.extend(news::finding(rollout, &seen.view.channels));
            of(rollout, findings, Some(progress))
        }
    };
    seen.rollouts.iter().zip(&decision.rollouts).map(report).collect()
}

fn of(rollout: &Rollout, findings: Vec<Finding>, progress: Option<RolloutProgress>) -> RolloutReport {
    RolloutReport {
        name: rollout.name.clone(),
        spec_hash: rollout.spec_hash.clone(),
        findings,
        progress,
    }
}

pub(in super::super) fn progress(
    seen: &Observed,
    decision: &Decision,
    lead: &Lead,
    failed: &Failed,
) -> RolloutProgress {
    let pins = seen.pins.iter().zip(&decision.standings);
    let following = pins.filter(|(pin, _)| pin.spec.version.is_none());
    let left_out = following.filter_map(|(pin, standing)| {
        let why = match standing {
            Standing::Deleting => "being deleted",
            standing => keeps_out(standing)?.as_str(),
        };
        let tenant = &pin.spec.tenant;
        let pin = match pin.name == *tenant {
            true => String::new(),
            false => format!(" (TenantPin {})", pin.name),
        };
        Some(format!("{tenant}: {why}{pin}"))
    });
    let rows = decision.rows.iter().filter_map(|(tenant, standing)| {
        // Of a row without a pin nobody else would tell it.
        let failed = failed.tenants.get(tenant).map(|failure| failure.reason);
        let why = failed.or_else(|| keeps_out(standing))?;
        Some(format!("{tenant}: {}", why.as_str()))
    });
    let mut left_out: Vec<String> = left_out.chain(rows).collect();
    if lead.rows.is_some() {
        left_out.extend(claimed_by_unseen(seen));
    }
    left_out.sort();
    let own = seen.pins.iter().filter_map(|pin| Some((pin, pin.spec.version?)));
    let mut own: Vec<String> = own
        .map(|(pin, version)| format!("{}: {version}", pin.spec.tenant))
        .collect();
    own.sort();
    RolloutProgress {
        plan: lead.plan.clone(),
        moved: (lead.moved, lead.followers),
        waves: lead.waves.iter().map(|wave| status(wave, lead)).collect(),
        left_out,
        rows: lead.rows.map(|rows| RowsStatus {
            tenants: rows.tenants,
            unlabelled: rows.unlabelled,
        }),
        with_own_version: own,
        history: news::history(&seen.view.rollouts),
        channels: Vec::new(),
    }
}

/// The tenants whose rows take part in no rollout since a pin has claimed them that is not there to say so itself.
fn claimed_by_unseen(seen: &Observed) -> Vec<String> {
    let pinned: BTreeSet<&str> = seen.pins.iter().map(|pin| pin.spec.tenant.as_str()).collect();
    let unseen = seen.holders.iter().filter(|(tenant, fate)| {
        let is_unseen = matches!(fate, Holder::Unseen | Holder::Missing(_));
        is_unseen && seen.view.rows.contains_key(*tenant) && !pinned.contains(tenant.as_str())
    });
    let named = unseen.filter_map(|(tenant, _)| {
        let holder = &seen.view.claims.get(tenant)?.holder;
        Some(format!(
            "{tenant}: {} (TenantPin {holder}, not seen)",
            Reason::Conflict.as_str()
        ))
    });
    named.collect()
}

/// Why a tenant that follows does not move with its wave, where something of its own keeps it.
pub(in super::super) fn keeps_out(standing: &Standing) -> Option<Reason> {
    match standing {
        Standing::Kept(kept) if kept.moves_with_its_wave() => None,
        Standing::Kept(kept) => Some(kept_back(kept, 0).0),
        Standing::Conflict { .. } => Some(Reason::Conflict),
        Standing::Invalid(_) => Some(Reason::Invalid),
        _ => None,
    }
}

fn status(wave: &WaveState, lead: &Lead) -> WaveStatus {
    let waiting = wave.waits.as_ref();
    WaveStatus {
        name: wave.name.clone(),
        phase: wave.phase,
        tenants: wave.tenants,
        moved: wave.moved,
        left_out: wave.left_out,
        failing: u32::try_from(wave.failing.len()).ok().filter(|failing| *failing > 0),
        failing_tenants: wave.failing.iter().take(FAILING_NAMED).cloned().collect(),
        opened_at: wave.opened_at,
        ended_at: wave.ended_at,
        waits_for: waiting.map(|wait| waits(wait, lead, lead.target).0.as_str().to_owned()),
        until: waiting.and_then(Wait::until),
        approved_by: wave.approval.as_ref().map(|approval| approval.approver.clone()),
        approval_verified: wave.approval.as_ref().map(|approval| approval.verified),
    }
}

/// The conditions of the rollout that moves tenants.
fn findings(
    rollout: &Rollout,
    lead: &Lead,
    progress: &RolloutProgress,
    (decision, failed): (&Decision, &Failed),
) -> Vec<Finding> {
    let now = format!("{}, to version {}", who(rollout), rollout.spec.version);
    let complete = complete(lead, &now, progress);
    let mut findings = vec![accepted(rollout), complete.clone()];
    if let Some(failure) = &failed.rollout {
        let failure = about(failure, &now);
        findings.extend([failure.against(READY), failure.abnormal()]);
        return findings;
    }
    let Some(wait) = &lead.wait else {
        let (reason, text) = (complete.reason, complete.message);
        if lead.complete {
            findings.push(Finding::holds(READY, Reason::Converged, text));
        } else {
            findings.push(Finding::fails(READY, reason, text.clone()));
            findings.push(Finding::holds(RECONCILING, reason, text));
        }
        return findings;
    };
    let (reason, rest) = waits(wait, lead, rollout.spec.version);
    let text = format!("{now}: {rest}{}", refused(wait, decision, failed));
    match wait {
        _ if stalls(wait) => findings.extend([
            Finding::fails(READY, reason, text.clone()),
            Finding::holds(STALLED, reason, text),
        ]),
        Wait::NotComplete { .. } | Wait::Rows(_) | Wait::Unlabelled(Unlabelled::NotDeclared(_)) => findings.extend([
            Finding::fails(READY, reason, text.clone()),
            Finding::holds(RECONCILING, reason, text),
        ]),
        _ => findings.extend([
            Finding::holds(READY, reason, text.clone()),
            Finding::holds(WAITING, reason, text),
        ]),
    }
    findings
}

/// Whether nothing comes of it until a person changes something; what a person ordered is no failure.
fn stalls(wait: &Wait) -> bool {
    match wait {
        Wait::Retired | Wait::Unlabelled(Unlabelled::Unusable(_)) => true,
        Wait::Stopped(stopped) => stopped.kind != StopKind::Ordered,
        _ => false,
    }
}

/// What the first row without a pin says that could not be moved, where that is waited for.
fn refused(wait: &Wait, decision: &Decision, failed: &Failed) -> String {
    let rows = decision.rows.iter().filter(|_| matches!(wait, Wait::Rows(_)));
    let mut failures = rows.filter_map(|(tenant, _)| Some((tenant, failed.tenants.get(tenant)?)));
    let first = failures.next();
    first.map_or_else(String::new, |(tenant, failure)| {
        format!("; of tenant {tenant}: {}", failure.message)
    })
}

/// `Complete`: which wave it is at, without counts, so that it moves once a wave.
fn complete(lead: &Lead, now: &str, progress: &RolloutProgress) -> Finding {
    let all = lead.waves.len();
    let at = lead.waves.iter().position(|wave| wave.phase != WavePhase::Ended);
    match at.map(|at| (at + 1, &lead.waves[at])) {
        None if lead.complete => {
            let left_out = progress.left_out.len();
            let others = match left_out {
                0 => String::new(),
                _ => format!("; {left_out} that follow are left out, see status.leftOutTenants"),
            };
            let whom = if lead.followers == 0 {
                "; no tenant follows it"
            } else {
                ""
            };
            let text = format!("{now}: every wave has ended{whom}{others}");
            Finding::holds(COMPLETE, Reason::RolledOut, text)
        }
        None => Finding::fails(COMPLETE, Reason::Progressing, format!("{now}: it begins")),
        Some((number, wave)) => {
            let does = match wave.phase {
                WavePhase::Pending => "is to open",
                WavePhase::Open => "is open",
                WavePhase::Soaking | WavePhase::Ended => "has moved, and soaks",
            };
            let text = format!("{now}: wave {} ({number} of {all}) {does}", wave.name);
            Finding::fails(COMPLETE, Reason::Progressing, text)
        }
    }
}

/// What a rollout waits for: why, until when, and whose move it is.
pub(in super::super) fn waits(wait: &Wait, lead: &Lead, target: i32) -> (Reason, String) {
    match wait {
        Wait::NotComplete { declared: true } => {
            let text = format!("version {target} is not complete yet; the rollout goes on as soon as it is");
            (Reason::VersionNotComplete, text)
        }
        Wait::NotComplete { declared: false } => {
            let text = format!("version {target} is not on record yet; declare a ModelVersion with version {target}");
            (Reason::VersionNotComplete, text)
        }
        Wait::Retired => {
            let text = format!("version {target} is retired for good; set spec.version to another one");
            (Reason::VersionNotComplete, text)
        }
        Wait::Unproved(unproved) => not_proved(unproved, target, "the rollout goes on"),
        Wait::Unlabelled(unlabelled) => not_labelled(unlabelled),
        Wait::Suspended => {
            let text = "suspended: nobody moves forward until spec.suspend is false; to go back is not kept".to_owned();
            (Reason::Suspended, text)
        }
        Wait::Frozen(freeze) => (Reason::Frozen, frozen(freeze)),
        Wait::FrozenTenants(kept) => (Reason::Frozen, frozen_of(kept)),
        Wait::Approval(awaited) => waits_for(awaited),
        Wait::Rows(wave) => {
            let text = format!(
                "rows of wave {wave} could not be moved yet, and are tried again; the conditions of their pins say why"
            );
            (Reason::Progressing, text)
        }
        Wait::Batch(wave, until) => (
            Reason::BatchSpaced,
            format!("the next batch of wave {wave} moves at {until}"),
        ),
        Wait::Requirement(wave, until) => {
            let text = format!(
                "tenants of wave {wave} run the version elsewhere as required, the first of them for long enough at \
                 {until}"
            );
            (Reason::RequirementNotMet, text)
        }
        Wait::HeldBack(wave, _) => {
            let text = format!(
                "every tenant of wave {wave} is kept back by something of its own, see status.leftOutTenants, so that the \
                 wave would show nothing to the next. Free one of them, or take them out of the wave"
            );
            (Reason::HeldBack, text)
        }
        Wait::Stopped(stopped) => failed(stopped, lead.returning),
        Wait::Ordered(order) => ordered(order, lead.returning),
        Wait::Check(checked) => not_passed(checked),
        Wait::Soak(wave, until) => {
            let text = format!("wave {wave} soaks until {until}; then the next one opens");
            (Reason::Soaking, text)
        }
    }
}

/// What a rollout comes to that failed, or that was taken back and is not started again.
fn failed(stopped: &Stopped, returning: u32) -> (Reason, String) {
    let reason = match stopped.kind {
        StopKind::Ordered => Reason::Latched,
        StopKind::Paused | StopKind::RolledBack => Reason::RolloutFailed,
    };
    let so = match stopped.kind {
        StopKind::Paused => "it is paused; who has moved stays, and nobody moves forward".to_owned(),
        StopKind::RolledBack | StopKind::Ordered => {
            format!("it is rolled back{}, and nobody moves forward", on_their_way(returning))
        }
    };
    let text = format!(
        "{}; {so}. Set spec.version to another one, or to start it again with its first wave annotate it with \
         {ANNOTATION_PREFIX}{}: {}",
        stopped.why,
        annotations::RETRY_ROLLOUT,
        stopped.retry
    );
    (reason, text)
}

/// What a rollout comes to that a person ordered back.
fn ordered(order: &Order, returning: u32) -> (Reason, String) {
    let text = format!(
        "{}{}; nobody moves forward, whatever is declared, until `wavepin rollback --lift {}`",
        taken_back(order),
        on_their_way(returning),
        order.number
    );
    (Reason::RolledBack, text)
}

fn on_their_way(returning: u32) -> String {
    match returning {
        0 => String::new(),
        returning => format!(", {returning} tenants are on their way"),
    }
}

/// Why labels are not known, and what a person can do.
fn not_labelled(unlabelled: &Unlabelled) -> (Reason, String) {
    let until = "Nobody moves forward until the labels of all members are known; to go back is not kept";
    match unlabelled {
        Unlabelled::NotDeclared(name) => {
            let text = format!(
                "members.rows.labelsFrom is {name:?}, and spec.mapping.tenantTables of the OmniInstance has no such \
                 name; declare it there, or correct labelsFrom. {until}"
            );
            (Reason::TenantTableMissing, text)
        }
        Unlabelled::Unusable(why) => (Reason::TenantTableUnusable, format!("{why}. {until}")),
    }
}

/// What a check that has not passed keeps.
fn not_passed(checked: &Checked) -> (Reason, String) {
    let Checked {
        wave,
        check,
        interval,
        found,
    } = checked;
    let said = |message: &str| match message {
        "" => String::new(),
        message => format!(": {message}"),
    };
    let on = format!("it is asked every {interval}, and the wave goes on when it has passed");
    match found {
        Found::Nothing => {
            let text = format!("check {check} is to be asked about wave {wave}; the wave goes on when it has passed");
            (Reason::CheckAwaited, text)
        }
        Found::NobodyLeft => {
            let text = format!(
                "check {check} had not passed when all who had moved in wave {wave} were taken back, and nobody is left to ask \
                 about; set spec.version or the waves to something else, or let one of them move again"
            );
            (Reason::HeldBack, text)
        }
        Found::Unknown(why) => {
            let text = format!("check {check} says nothing of wave {wave}{}; {on}", said(why));
            (Reason::CheckUnknown, text)
        }
        Found::Fails { times, limit, message } => {
            let text = format!(
                "check {check} fails wave {wave}{}; {times} times in a row, of {limit} that count against \
                 spec.failureBudget; {on}",
                said(message)
            );
            (Reason::CheckFailed, text)
        }
    }
}

fn frozen(freeze: &LastingFreeze) -> String {
    format!(
        "nobody moves forward {}: {}; to go back is not kept",
        until(freeze),
        freeze.reason
    )
}

/// Whom a freeze of some keeps.
fn frozen_of(kept: &FrozenTenants) -> String {
    let FrozenTenants {
        wave,
        is_late,
        freeze,
        tenants,
        named,
    } = kept;
    let more = usize::try_from(*tenants).is_ok_and(|tenants| tenants > named.len());
    let who = format!("{}{}", named.join(", "), if more { ", ..." } else { "" });
    let wave_is = match is_late {
        true => "The wave has ended without them",
        false => "The wave ends after they have moved",
    };
    format!(
        "tenants of wave {wave} do not move forward {}: {}; {tenants} are kept{}: {who}. {wave_is}; to go back is not kept",
        until(freeze),
        freeze.reason,
        whom(freeze),
    )
}

/// That a freeze of this rollout keeps a tenant.
pub(super) fn keeps(rollout: &str, freeze: &LastingFreeze) -> String {
    format!(
        "a freeze of VersionRollout {rollout} keeps it {}{}: {}; to go back is not kept",
        until(freeze),
        whom(freeze),
        freeze.reason
    )
}

/// Until when a freeze lasts.
fn until(freeze: &LastingFreeze) -> String {
    match freeze.until {
        Some(until) => format!("until {until}"),
        None => "until it is taken out of spec.freeze".to_owned(),
    }
}

/// By which labels a freeze keeps tenants.
fn whom(freeze: &LastingFreeze) -> String {
    let scope = freeze.scope.as_ref().filter(|scope| !scope.is_empty());
    scope.map_or_else(String::new, |scope| format!(", by {scope}"))
}

fn accepted(rollout: &Rollout) -> Finding {
    let text = format!("{} follow this object", who(rollout));
    Finding::holds(ACCEPTED, Reason::Valid, text)
}

fn invalid(rollout: &Rollout, refusal: &str) -> Vec<Finding> {
    let text = format!("VersionRollout {}: {refusal}; nobody moves by it", rollout.key());
    unacceptable(Reason::Invalid, &text)
}

fn conflict(rollout: &Rollout, other: &str) -> Vec<Finding> {
    let text = format!(
        "VersionRollout {other} is for {} already, and only it counts; delete one of the two",
        rollout.spec.environment
    );
    unacceptable(Reason::Conflict, &text)
}

fn unacceptable(reason: Reason, text: &str) -> Vec<Finding> {
    vec![
        Finding::fails(ACCEPTED, reason, text),
        Finding::fails(COMPLETE, reason, text),
        Finding::fails(READY, reason, text),
        Finding::holds(STALLED, reason, text),
    ]
}

/// Whom a rollout is about.
fn who(rollout: &Rollout) -> String {
    format!(
        "tenants of {} in {}",
        rollout.spec.instance_ref.name, rollout.spec.environment
    )
}
