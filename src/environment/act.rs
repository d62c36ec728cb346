//! What a pass writes: one effect after the other, each safe to do twice.

use std::collections::BTreeMap;

use super::decide::Plan;
use crate::ports::{Failure, Mapping, MappingError, MappingErrorKind};

/// Carries a plan out and returns what failed, by tenant.
///
/// A flip that finds a row moved, or its version no longer complete, has written nothing and failed nothing: the next
/// look decides anew.
pub(super) async fn carry_out(mapping: &dyn Mapping, environment: &str, plan: &Plan) -> BTreeMap<String, Failure> {
    let mut failed = BTreeMap::new();
    if let Err(error) = keep_books(mapping, environment, plan).await {
        // No row moves on books that could not be kept.
        note(&mut failed, plan.tenants(), &error);
        return failed;
    }
    for (done, flip) in plan.flips.iter().enumerate() {
        let Err(error) = mapping.flip(flip).await else {
            continue;
        };
        let all = matches!(
            error.kind,
            MappingErrorKind::Unreachable { .. } | MappingErrorKind::Contended | MappingErrorKind::Superseded
        );
        let hit = if all {
            &plan.flips[done..]
        } else {
            std::slice::from_ref(flip)
        };
        let moves = hit.iter().flat_map(|flip| &flip.moves);
        note(&mut failed, moves.map(|one| one.tenant.as_str()), &error);
        if all {
            break;
        }
    }
    failed
}

/// Records what other hands did, and who has which tenant; deletes the rows that go with their pins.
async fn keep_books(mapping: &dyn Mapping, environment: &str, plan: &Plan) -> Result<(), MappingError> {
    if !plan.outside.is_empty() {
        mapping.record_outside(environment, &plan.outside).await?;
    }
    if !plan.claims.is_empty() {
        mapping.set_claims(environment, &plan.claims).await?;
    }
    if !plan.releases.is_empty() {
        mapping.release_claims(environment, &plan.releases).await?;
    }
    if !plan.removals.is_empty() {
        mapping.remove_rows(environment, &plan.removals).await?;
    }
    Ok(())
}

fn note<'a>(failed: &mut BTreeMap<String, Failure>, tenants: impl IntoIterator<Item = &'a str>, error: &MappingError) {
    let failure = Failure::from(error);
    failed.extend(tenants.into_iter().map(|tenant| (tenant.to_owned(), failure.clone())));
}
