//! The generated models under a version's own: that of its connection, and those of the connection's environments. Who
//! refreshes one changes what every version above it shows, and no list of shared models tells.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Step, View};
use crate::model_version::desired::Cut;
use crate::model_version::observe::Look;
use crate::ports::ModelRecord;
use crate::resources::ContentValidation;

/// Generated models by id, each with Omni's `updatedAt`.
pub(super) type Stamps = BTreeMap<String, String>;

/// Those under the version's model as they are now; none where nothing is asked that a refresh could change.
pub(super) fn now(view: View<'_>, cut: &Cut) -> Result<Stamps, Step> {
    if !matter(cut) {
        return Ok(Stamps::new());
    }
    let listed = listed(view)?;
    let own = view.record().and_then(|it| it.connection_id.as_ref());
    let is_elsewhere = |it: &&ModelRecord| it.connection_id.as_ref() != own;
    let none = BTreeSet::new();
    let environments = match (&view.seen.environment_connections, own) {
        (Some(environments), _) => environments,
        // Which connections are environments costs a call, which none but these models need.
        (None, Some(own)) if listed.iter().any(|it| is_elsewhere(&it)) => {
            return Err(Step::Look(Look::Environments(own.clone())));
        }
        _ => &none,
    };
    let is_under = |it: &&ModelRecord| {
        let mut on = it.connection_id.iter();
        !it.deleted && (!is_elsewhere(it) || on.any(|connection| environments.contains(connection)))
    };
    let under = listed.iter().filter(is_under);
    Ok(under.map(|it| (it.id.clone(), it.updated_at.clone())).collect())
}

/// Whether one of these was refreshed since, or is gone.
pub(super) fn moved(view: View<'_>, cut: &Cut, before: &Stamps) -> Result<bool, Step> {
    if !matter(cut) {
        return Ok(false);
    }
    let listed = listed(view)?;
    let is_as_before = |(id, updated_at): (&String, &String)| {
        let mut listed = listed.iter();
        listed.any(|it| it.id == *id && it.updated_at == *updated_at && !it.deleted)
    };
    Ok(!before.iter().all(is_as_before))
}

fn matter(cut: &Cut) -> bool {
    cut.validation.content != ContentValidation::Skip || cut.validation.queries.is_some()
}

/// At rest one list serves all versions; where something is to be validated it is read anew, before what it may change.
fn listed<'a>(view: View<'a>) -> Result<&'a [ModelRecord], Step> {
    let at_rest = view.is_complete() && !view.seen.asked;
    let age = if at_rest { view.desired.list_age } else { Duration::ZERO };
    let listed = view.seen.schemas.as_deref();
    listed.ok_or(Step::Look(Look::Schemas(age)))
}
