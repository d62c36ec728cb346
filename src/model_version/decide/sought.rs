//! What a check of a rollout wants to know: whether the queries of a complete version's tiles are right for single tenants.
//!
//! The pass over the rollout's environment names them in the ledger, and reads there what is found. A tenant is marked once
//! all of its queries were asked.

use super::judgement::excused;
use super::queries::{self, Fault};
use super::{Step, View};
use crate::model_version::act::Effect;
use crate::model_version::desired::Cut;
use crate::model_version::observe::sought;
use crate::ports::{IntentStep, TenantEvidence, TenantFound};

/// The next look or mark; nothing where nobody is sought, or the evidence for the version as such does not hold: what
/// single tenants would find then says nothing.
pub(super) fn asked(view: View<'_>) -> Option<Step> {
    let record = view.record()?;
    if record.evidence.as_ref().is_some_and(|it| it.void.is_some()) {
        return None;
    }
    let intent = sought(view.seen).next()?;
    let tenant = intent.subject.as_str();
    let found = match found(view, tenant) {
        Ok(found) => found,
        Err(step) => return Some(step),
    };
    let evidence = TenantEvidence {
        basis: TenantEvidence::basis_of(record, &view.seen.dashboards),
        asked_at: intent.opened_at,
        found,
    };
    Some(Step::Do(Effect::SettleIntent {
        step: IntentStep::Tenant,
        subject: tenant.to_owned(),
        result: evidence.text(),
    }))
}

fn found(view: View<'_>, tenant: &str) -> Result<TenantFound, Step> {
    let cut = view.cut();
    // An adopted version says nothing of how it is validated.
    let asked = cut.and_then(|cut| cut.validation.queries.clone()).unwrap_or_default();
    let faults = queries::of_tenant(view, &asked, &excused(view)?, tenant)?;
    Ok(match faults.as_deref() {
        None => TenantFound::NoUser,
        Some([]) => TenantFound::Right,
        Some(faults @ [first, ..]) => TenantFound::Wrong(told(cut, faults.len(), first)),
    })
}

fn told(cut: Option<&Cut>, count: usize, first: &Fault) -> String {
    let first = cut.map_or_else(|| first.text(), |cut| first.told(cut));
    format!("{count} of the tiles' queries are not as they must be, the first: {first}")
}
