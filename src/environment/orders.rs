//! Who goes back by an order, as the ledger alone tells it: for whoever has the database, and perhaps nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::Mutex;

use super::decide::{BY_ORDER, BY_ROLLED_BACK, NotReturned, advance, what_it_had};
use crate::ports::{
    Clients, EnvironmentView, Flip, FlipOutcome, Mapping, MappingError, Move, Object, PinEvent, RolloutStep, Scope,
    Stop, StopKind, VersionRecord,
};
use crate::resources::OmniInstanceSpec;

/// How often whoever leads looks for commands: nothing tells it of them.
pub const PACE: Duration = Duration::from_secs(5);

/// The newest command of each instance's mapping that was seen.
#[derive(Debug, Default)]
pub struct Newest(Mutex<BTreeMap<String, i64>>);

impl Newest {
    /// Whether there is a command that was not seen before, so that the instance's environments want a pass. A mapping that
    /// cannot be asked, or that no pass has prepared yet, is for the passes to tell of. At the first look every command is
    /// news: it may have been given after the first passes, which it comes behind.
    pub async fn moved(&self, clients: &dyn Clients, instance: &Object<OmniInstanceSpec>) -> bool {
        let Ok(mapping) = clients.mapping(instance).await else {
            return false;
        };
        let Ok(newest) = mapping.newest_command().await else {
            return false;
        };
        let before = self.0.lock().await.insert(instance.key(), newest);
        before.unwrap_or_default() < newest
    }
}

/// Who would go back by an order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// Each row that would change, by tenant.
    pub moves: Vec<Move>,
    /// Tenants whose rows the order is about and that cannot go back, and why; by tenant.
    pub left_out: Vec<(String, String)>,
}

/// Who would go back by an order of this scope. The hold of a pin is not known here: whoever leads heeds it.
#[must_use]
pub fn preview(view: &EnvironmentView, versions: &BTreeMap<i32, VersionRecord>, scope: &Scope) -> Preview {
    let mut preview = Preview::default();
    for (tenant, events) in &view.events {
        let holds = view.rows.get(tenant).copied();
        let Some(last) = advance(events, holds, versions).filter(|last| is_in(view, scope, tenant, last)) else {
            continue;
        };
        match what_it_had(versions, last.from) {
            Ok(to) => preview.moves.push(Move {
                tenant: tenant.clone(),
                from: holds,
                to,
            }),
            Err(why) => preview.left_out.push((tenant.clone(), told(why))),
        }
    }
    preview
}

/// Whether a move is one that an order of this scope takes back.
pub(super) fn is_in(view: &EnvironmentView, scope: &Scope, tenant: &str, moved: &PinEvent) -> bool {
    let of_rollout = |only: Option<&String>| {
        let (Some(attempt), Some(wave)) = (&view.rollouts.attempt, &moved.cause.wave) else {
            return false;
        };
        (attempt.first..=attempt.number).contains(&wave.attempt) && only.is_none_or(|only| *only == wave.wave)
    };
    match scope {
        Scope::Tenant(about) => about == tenant,
        Scope::Rollout { .. } => of_rollout(None),
        Scope::Wave { wave, .. } => of_rollout(Some(wave)),
    }
}

fn told(why: NotReturned) -> String {
    match why {
        NotReturned::HadNone => "it had no row before".to_owned(),
        NotReturned::Retired(version) => format!("version {version}, which it had, is retired"),
        NotReturned::NotComplete(version) => format!("version {version}, which it had, is not on record as complete"),
    }
}

/// Whether whoever leads has taken notice of an order: of a rollout it is put on record that it is stopped.
#[must_use]
pub fn is_heeded(view: &EnvironmentView, scope: &Scope) -> bool {
    let wave = match scope {
        Scope::Tenant(_) => return false,
        Scope::Rollout { .. } => None,
        Scope::Wave { wave, .. } => Some(wave),
    };
    let ordered = |stop: &Stop| stop.kind == StopKind::Ordered && stop.wave.as_ref() == wave;
    let attempt = view.rollouts.attempt.as_ref();
    attempt.is_some_and(|attempt| attempt.stops.iter().any(ordered))
}

/// What is still to be put on record of the orders that stand: that a person stopped the rollout, or a wave of it.
pub(super) fn unheeded(view: &EnvironmentView) -> Vec<RolloutStep> {
    let mut steps: Vec<RolloutStep> = Vec::new();
    for order in &view.orders {
        let why = format!("{}: {}", order.by, order.reason);
        let step = ordered_stop(view, &order.scope, &why);
        let wave = |step: &RolloutStep| match step {
            RolloutStep::Stopped { wave, .. } => Some(wave.clone()),
            _ => None,
        };
        steps.extend(step.filter(|step| steps.iter().all(|other| wave(other) != wave(step))));
    }
    steps
}

/// Carries an order out in place of a leader; the mapping must be prepared, and with that the fence be ours. What was
/// carried out already is no change. The answer is who went back.
///
/// 1. Look at the environment.
/// 2. Put on record that the rollout is stopped, where the order is about one.
/// 3. Move everybody who is to go back in one transaction. Rows that moved meanwhile are looked at again (1).
///
/// # Errors
/// The database's; what was written until then stays, and the order with it.
pub async fn carry_out(
    mapping: &dyn Mapping,
    environment: &str,
    scope: &Scope,
    why: &str,
) -> Result<Vec<Move>, MappingError> {
    loop {
        let versions = mapping.versions().await?;
        let view = mapping.environment(environment, &[], None).await?;
        if let (Some(attempt), Some(step)) = (&view.rollouts.attempt, ordered_stop(&view, scope, why)) {
            mapping.record_rollout(environment, &[attempt.event(step)]).await?;
        }
        let Preview { moves, .. } = preview(&view, &versions, scope);
        if moves.is_empty() {
            return Ok(moves);
        }
        let reason = match scope {
            Scope::Tenant(_) => BY_ORDER,
            Scope::Rollout { .. } | Scope::Wave { .. } => BY_ROLLED_BACK,
        };
        let flip = Flip {
            environment: environment.to_owned(),
            moves,
            reason: reason.to_owned(),
            wave: None,
        };
        if mapping.flip(&flip).await? == FlipOutcome::Done {
            return Ok(flip.moves);
        }
    }
}

/// That the rollout is stopped, where the order is about one and that is not on record.
fn ordered_stop(view: &EnvironmentView, scope: &Scope, why: &str) -> Option<RolloutStep> {
    let wave = match scope {
        Scope::Tenant(_) => return None,
        Scope::Rollout { .. } => None,
        Scope::Wave { wave, .. } => Some(wave.clone()),
    };
    let unheeded = view.rollouts.attempt.is_some() && !is_heeded(view, scope);
    unheeded.then(|| RolloutStep::Stopped {
        kind: StopKind::Ordered,
        wave,
        why: why.to_owned(),
    })
}
