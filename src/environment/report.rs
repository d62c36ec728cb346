//! What a pass says of its pins, and when it wants to look again.

mod approvals;
mod news;
pub(super) mod rollout;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::act::Failed;
use super::decide::{Decision, Kept, Lacking, Member, NotReturned, Row, Standing, refusal};
use super::observe::{Holder, Observed};
use super::{Declared, EnvironmentPass, PinReport, Pins};
use crate::ports::{Failure, LOOK_AGAIN, Next, Object, Order, Unproved};
use crate::resources::conditions::{ACCEPTED, Finding, PINNED, READY, RECONCILING, Reason, STALLED, WAITING};
use crate::resources::{ANNOTATION_PREFIX, OmniInstanceSpec, TenantPinSpec, annotations};
pub use approvals::without_rollout as approval_without_rollout;

/// How often a pass looks for what comes without an event here: a version that is being cut, evidence from another
/// environment.
const AWAIT_PACE: Duration = Duration::from_secs(30);

/// The least pause between two looks, whatever `spec.interval` says.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// The pass of an environment whose mapping could not be used.
pub(super) fn unseen(declared: &Declared, failure: &Failure) -> EnvironmentPass {
    let report = |pin: &Object<TenantPinSpec>| {
        let told = about(failure, &format!("{}, {}", who(pin), wished(pin.spec.version)));
        vec![told.against(PINNED), told.against(READY), told.abnormal()]
    };
    EnvironmentPass {
        pins: blind(&declared.pins, report),
        rollouts: rollout::unseen(&declared.rollouts, failure),
        held: BTreeSet::new(),
        moved: BTreeSet::new(),
        sought: BTreeSet::new(),
        approvals: approvals::unseen(&declared.approvals, failure),
        next: failure.next,
    }
}

/// The pass of an environment whose instance is suspended. Of `Pinned` nothing is said: what was said last is still
/// the best that is known.
pub(super) fn suspended(declared: &Declared, instance: &Object<OmniInstanceSpec>) -> EnvironmentPass {
    let text = format!(
        "OmniInstance {} is suspended: no row is read or changed",
        instance.key()
    );
    let say = |_: &Object<TenantPinSpec>| vec![Finding::fails(READY, Reason::Suspended, text.clone())];
    EnvironmentPass {
        pins: blind(&declared.pins, say),
        rollouts: rollout::suspended(&declared.rollouts, &text),
        held: BTreeSet::new(),
        moved: BTreeSet::new(),
        sought: BTreeSet::new(),
        approvals: approvals::suspended(&declared.approvals, &text),
        next: Next::After(LOOK_AGAIN),
    }
}

/// What is said of pins whose rows were not seen.
fn blind(pins: &Pins, say: impl Fn(&Object<TenantPinSpec>) -> Vec<Finding>) -> Vec<PinReport> {
    let report = |pin: &Object<TenantPinSpec>| {
        let findings = match refusal(&pin.spec) {
            Some(refusal) => invalid(pin, &refusal),
            None => [vec![accepted(pin)], say(pin)].concat(),
        };
        PinReport {
            name: pin.name.clone(),
            spec_hash: pin.spec_hash.clone(),
            findings,
            row_seen: false,
            version: None,
            previous_version: None,
            since: None,
        }
    };
    pins.iter().map(|pin| report(pin)).collect()
}

/// The pass of an environment that was seen. `failed` holds, by tenant, what could not be written.
pub(super) fn report(seen: &Observed, decision: &Decision, failed: &Failed, interval: Duration) -> EnvironmentPass {
    let pins = seen.pins.iter().zip(&decision.standings).zip(&decision.wishes);
    let pins = pins.map(|((pin, standing), wish)| {
        let row = Row::of(seen, Member::of(pin), *wish);
        let made_by = row.made_by();
        PinReport {
            name: pin.name.clone(),
            spec_hash: pin.spec_hash.clone(),
            findings: findings(pin, &row, standing, *wish, failed.tenants.get(&pin.spec.tenant)),
            row_seen: true,
            version: row.holds,
            previous_version: made_by.and_then(|event| event.from),
            since: made_by.map(|event| event.at),
        }
    });
    let held = decision
        .rows
        .iter()
        .filter_map(|(tenant, _)| seen.view.rows.get(tenant));
    EnvironmentPass {
        pins: pins.collect(),
        rollouts: rollout::report(seen, decision, failed),
        held: held.copied().collect(),
        moved: BTreeSet::new(),
        sought: BTreeSet::new(),
        approvals: approvals::report(seen, decision),
        next: next(seen.now, decision, failed, interval),
    }
}

/// When to look again: at the first of all times, but with growing pauses while something fails that may pass.
pub(super) fn next(now: Timestamp, decision: &Decision, failed: &Failed, interval: Duration) -> Next {
    let mut wake = decision.wake;
    let interval = interval.max(LEAST_PAUSE);
    let mut pause = if decision.awaits {
        interval.min(AWAIT_PACE)
    } else {
        interval
    };
    let mut failing = None;
    for failure in failed.tenants.values().chain(&failed.rollout) {
        match failure.next {
            Next::At(at) => wake = Some(wake.map_or(at, |wake| wake.min(at))),
            Next::After(after) => pause = pause.min(after),
            Next::Again => return Next::Again,
            backoff @ Next::Backoff { .. } => failing = Some(backoff),
        }
    }
    if let Some(backoff) = failing {
        if wake.is_none() && !decision.awaits {
            return backoff;
        }
        // What others wait for is not put off by pauses that grow.
        pause = pause.min(AWAIT_PACE);
    }
    if !decision.plan.is_empty() {
        // Other hands moved rows in every round of this pass.
        return Next::Backoff { after: None };
    }
    match wake {
        Some(at) if now.checked_add(pause).is_ok_and(|end| at < end) => Next::At(at),
        _ => Next::After(pause),
    }
}

/// The conditions of one pin whose row was seen.
fn findings(
    pin: &Object<TenantPinSpec>,
    row: &Row<'_>,
    standing: &Standing,
    wish: Option<i32>,
    failed: Option<&Failure>,
) -> Vec<Finding> {
    let holds = if row.oddity().is_some() {
        "is on no version".to_owned()
    } else {
        held(row.holds)
    };
    let now = format!("{} {holds}", who(pin));
    let refused = matches!(
        standing,
        Standing::Invalid(_) | Standing::Conflict { .. } | Standing::Deleting
    );
    if let Some(failure) = failed.filter(|_| !refused) {
        let pinned = (*standing == Standing::Pinned).then(|| now.clone());
        return unwritten(pin, &about(failure, &format!("{now}, {}", wished(wish))), pinned);
    }
    let text = |rest: String| format!("{now}, {}: {rest}{}", wished(wish), expired(row));
    let wish = wish.unwrap_or_default();
    match standing {
        Standing::Invalid(refusal) => invalid(pin, refusal),
        Standing::Conflict { holder, fate } => unacceptable(Reason::Conflict, &text(claimed(holder, *fate))),
        Standing::Pinned => {
            let doubt = if row.holds_complete() {
                ""
            } else {
                ", which is not on record as complete"
            };
            let ready = format!("{now}{doubt}{}", expired(row));
            let pinned = Finding::holds(PINNED, Reason::RowWritten, now);
            vec![accepted(pin), pinned, Finding::holds(READY, Reason::Converged, ready)]
        }
        Standing::Retired => {
            let whose = if pin.spec.version.is_none() {
                " of the VersionRollout"
            } else {
                ""
            };
            let rest = format!("version {wish} is retired for good; set spec.version{whose} to another one");
            stalls(accepted(pin), Reason::VersionNotComplete, &text(rest))
        }
        Standing::Kept(kept) => {
            let (reason, rest) = kept_back(kept, wish);
            let text = text(rest);
            vec![
                accepted(pin),
                Finding::fails(PINNED, reason, text.clone()),
                Finding::holds(READY, reason, text.clone()),
                Finding::holds(WAITING, reason, text),
            ]
        }
        Standing::Deleting | Standing::Moving | Standing::NotComplete { .. } | Standing::NoRollout => {
            let (reason, rest) = goes_on(standing, wish);
            works(pin, reason, &text(rest))
        }
    }
}

/// What a pin that will go on without a person waits for.
pub(super) fn goes_on(standing: &Standing, wish: i32) -> (Reason, String) {
    match standing {
        Standing::Deleting => {
            let rest = "the pin is being deleted; until it is gone its row stays as it is";
            (Reason::Progressing, rest.to_owned())
        }
        Standing::NotComplete { declared: true } => {
            let rest = format!("version {wish} is not complete yet; the pin moves as soon as it is");
            (Reason::VersionNotComplete, rest)
        }
        Standing::NotComplete { declared: false } => {
            let rest = format!("version {wish} is not on record yet; declare a ModelVersion with version {wish}");
            (Reason::VersionNotComplete, rest)
        }
        Standing::NoRollout => {
            let rest = "it has no spec.version and follows the VersionRollout of its instance and environment, and none \
                        that fits is declared. Declare one, or set spec.version; its row stays as it is";
            (Reason::NoRollout, rest.to_owned())
        }
        _ => {
            let rest = "other hands changed rows while it was to be moved; it is tried again";
            (Reason::Progressing, rest.to_owned())
        }
    }
}

/// The conditions of a pin for which something could not be written; `pinned` says that its row is as wished.
fn unwritten(pin: &Object<TenantPinSpec>, failure: &Failure, pinned: Option<String>) -> Vec<Finding> {
    let pinned = match pinned {
        Some(now) => Finding::holds(PINNED, Reason::RowWritten, now),
        None => failure.against(PINNED),
    };
    vec![accepted(pin), pinned, failure.against(READY), failure.abnormal()]
}

/// Who has the claim, and how it can be had.
pub(super) fn claimed(holder: &str, fate: Holder) -> String {
    let way_out = match fate {
        Holder::Missing(until) => format!(
            "it is not there, but nobody saw it go, so that it may still come back: it counts as deleted from {until}"
        ),
        Holder::Unseen => "it is not seen here, which does not prove that it was deleted: its namespace is not \
                           watched, or the folder is applied without pruning"
            .to_owned(),
        _ => "delete one of the two".to_owned(),
    };
    format!("pin {holder} claimed the tenant here first, and only it counts; {way_out}")
}

/// What evidence for a version lacks.
fn not_proved(unproved: &Unproved, wish: i32, then: &str) -> (Reason, String) {
    match unproved {
        Unproved::Void {
            why,
            found,
            in_environment,
        } => {
            let place = if *in_environment { " for this environment" } else { "" };
            let found = found.as_ref().map_or_else(String::new, |found| format!(": {found}"));
            let text = format!(
                "version {wish} was validated, and what that rests on has changed in Omni since, or is not as it must \
                 be{place} ({why}{found}). The conditions of its ModelVersion say what a person can do; {then} as soon \
                 as it is validated again"
            );
            (Reason::EvidenceVoid, text)
        }
        Unproved::Missing => {
            let text = format!(
                "version {wish} is not validated yet as the tenants of this environment, which its validation.queries \
                 asks for; {then} as soon as it is"
            );
            (Reason::EvidenceMissing, text)
        }
    }
}

/// What keeps a pin back: why, until when, and whose move it is.
pub(super) fn kept_back(kept: &Kept, wish: i32) -> (Reason, String) {
    match kept {
        Kept::ChangedOutside { was, confirm } => {
            let was = held(*was);
            let restore = format!("{ANNOTATION_PREFIX}{}: {confirm:?}", annotations::RESTORE_ROW);
            let text = format!(
                "another hand changed the row, which by the ledger {was}. Set spec.version to what shall be, or \
                 annotate the pin with {restore} to put version {wish} back"
            );
            (Reason::ChangedOutside, text)
        }
        Kept::Unproved(unproved) => not_proved(unproved, wish, "the pin moves"),
        Kept::UnknownCurrentVersion { current } => {
            let text = format!(
                "version {current} is not on record as complete, so there would be no way back to it. Declare a \
                 ModelVersion with version {current} and source.adopt"
            );
            (Reason::UnknownCurrentVersion, text)
        }
        Kept::NoVersion { current } => {
            let text = format!(
                "its row holds {current} as model_version_id, which can be no version, so that there would be no way \
                 back to it. Set the row to a version, or delete it"
            );
            (Reason::UnknownCurrentVersion, text)
        }
        Kept::Ordered(order) => {
            let text = format!(
                "{}; it stays so, whatever is declared, until `wavepin rollback --lift {}`",
                taken_back(order),
                order.number
            );
            (Reason::RolledBack, text)
        }
        Kept::NotReturned(why) => (Reason::NotReturned, not_returned(*why)),
        Kept::Unlabelled => (Reason::TenantTableUnusable, "its labels are not known".to_owned()),
        Kept::NotSelected { rollout } => (Reason::NotSelected, not_selected(rollout)),
        Kept::Queued { rollout, wave } => {
            let text = format!("it moves with wave {wave} of VersionRollout {rollout}, whose conditions say when");
            (Reason::Queued, text)
        }
        Kept::Frozen { rollout, freeze } => (Reason::Frozen, rollout::keeps(rollout, freeze)),
        Kept::Held(hold) => {
            let until = match hold.until {
                Some(until) => format!("until {until}"),
                None => "until spec.hold is taken out".to_owned(),
            };
            (Reason::Held, format!("on hold {until}: {}", hold.reason))
        }
        Kept::RequirementNotMet(requires, lacking) => {
            let (environment, soak) = (&requires.environment, requires.soak);
            let seen = match lacking {
                Lacking::Until { since, enough } => format!("it does since {since}, which is enough at {enough}"),
                Lacking::Run => "it did, but never for so long, and does not now".to_owned(),
                Lacking::Start => "no move to it is on record there; pin the tenant to it there first".to_owned(),
            };
            let text =
                format!("the tenant must first run version {wish} in {environment} for {soak} without a break: {seen}");
            (Reason::RequirementNotMet, text)
        }
    }
}

/// Who took something back, and why.
fn taken_back(order: &Order) -> String {
    format!("taken back by {} at {}: {}", order.by, order.at, order.reason)
}

/// Why a tenant that is to go back does not.
fn not_returned(why: NotReturned) -> String {
    match why {
        NotReturned::HadNone => {
            "it is to go back, and had no row before it was moved, so that it would see nothing. Set \
                                 spec.version of the pin to what it shall have"
                .to_owned()
        }
        NotReturned::Retired(version) => format!(
            "it is to go back to version {version}, which is retired for good. Set spec.version of the pin to what it \
             shall have"
        ),
        NotReturned::NotComplete(version) => format!(
            "it is to go back to version {version}, which is not on record as complete. Declare a ModelVersion with \
             version {version} and source.adopt, or set spec.version of the pin to what it shall have"
        ),
    }
}

/// Why a pin that no wave selects does not move.
fn not_selected(rollout: &str) -> String {
    format!(
        "it follows VersionRollout {rollout}, and no wave of it selects the labels of this pin. Label the pin, or give \
         the rollout a last wave without a selector"
    )
}

/// `Accepted`, where nothing speaks against it.
fn accepted(pin: &Object<TenantPinSpec>) -> Finding {
    let text = format!("{} may be pinned by this object", who(pin));
    Finding::holds(ACCEPTED, Reason::Valid, text)
}

/// The conditions of a pin that works on it, or waits for a part, without a person.
fn works(pin: &Object<TenantPinSpec>, reason: Reason, text: &str) -> Vec<Finding> {
    vec![
        accepted(pin),
        Finding::fails(PINNED, reason, text),
        Finding::fails(READY, reason, text),
        Finding::holds(RECONCILING, reason, text),
    ]
}

/// The conditions of a pin that a person must change; `accepted` is what its `Accepted` says.
fn stalls(accepted: Finding, reason: Reason, text: &str) -> Vec<Finding> {
    vec![
        accepted,
        Finding::fails(PINNED, reason, text),
        Finding::fails(READY, reason, text),
        Finding::holds(STALLED, reason, text),
    ]
}

/// The conditions of a pin that does not fit.
fn unacceptable(reason: Reason, text: &str) -> Vec<Finding> {
    stalls(Finding::fails(ACCEPTED, reason, text), reason, text)
}

/// The conditions of a pin whose spec is refused.
fn invalid(pin: &Object<TenantPinSpec>, refusal: &str) -> Vec<Finding> {
    let text = format!("TenantPin {}: {refusal}; nothing is done for it", pin.key());
    unacceptable(Reason::Invalid, &text)
}

/// The failure, told of one pin.
fn about(failure: &Failure, subject: &str) -> Failure {
    let message = format!("{subject}: {}", failure.message);
    Failure {
        message,
        ..failure.clone()
    }
}

/// Whom a pin is about.
pub(super) fn who(pin: &Object<TenantPinSpec>) -> String {
    format!("tenant {} in {}", pin.spec.tenant, pin.spec.environment)
}

/// What a pin shall be on.
fn wished(wish: Option<i32>) -> String {
    wish.map_or_else(
        || "to follow the rollout".to_owned(),
        |wish| format!("to be on version {wish}"),
    )
}

/// What a row holds, as the rest of a sentence.
pub(super) fn held(row: Option<i32>) -> String {
    row.map_or_else(|| "has no row".to_owned(), |version| format!("is on version {version}"))
}

/// That a hold has ended by itself, if one has.
fn expired(row: &Row<'_>) -> String {
    let ended = row.expired_hold().and_then(|hold| hold.until);
    ended.map_or_else(String::new, |until| {
        format!(". Its hold ended at {until} and is ignored")
    })
}
