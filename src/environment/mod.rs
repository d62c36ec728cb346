//! One pass over an environment of an instance: all its pins, claims and rows, decided together.
//!
//! Nothing else writes `tenant_version`, so that no two decisions about one row can cross. A pass needs the mapping
//! and the declared objects only: promotion and rollback work while Omni is down.

mod act;
mod decide;
mod explain;
mod forecast;
mod notify;
mod observe;
pub mod orders;
mod report;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod tests;
mod validation;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

pub use explain::{Asked, Cause, Ends, Explanation, Outlook, Progress, WaveProgress, explain, moved_by};
pub use forecast::{Forecast, WaveForecast};
use tracing::Instrument as _;

use crate::ports::{Failure, Lookup, Mapping, MappingError, Next, Object, World};
use crate::resources::conditions::{Finding, Reason};
use crate::resources::{
    ChannelStatus, OmniInstanceSpec, PastRollout, RowsStatus, TenantPinSpec, VersionRolloutSpec, VersionRolloutStatus,
    WaveApprovalSpec, WaveApprovalStatus, WaveStatus,
};
pub use report::approval_without_rollout;

/// How often a pass looks, acts and looks again before it lets others go on. One round is the rule; a second one
/// follows when another hand moved a row in between.
const ROUNDS: usize = 4;

/// One environment of one instance: what one pass decides together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvironmentKey {
    /// The namespace of the instance and its pins.
    pub namespace: String,
    /// The instance.
    pub instance: String,
    /// The environment, as the mapping names it.
    pub environment: String,
}

/// What a pass says of one pin.
#[derive(Debug, Clone, PartialEq)]
pub struct PinReport {
    /// The pin's name.
    pub name: String,
    /// The hash of the spec that the pass looked at: a status is written only onto an object that still has it.
    pub spec_hash: String,
    /// Its conditions.
    pub findings: Vec<Finding>,
    /// Whether the row was seen. If not, the three fields below say nothing, and what the status says of them stays:
    /// an outage of the database must not blank the status of every pin.
    pub row_seen: bool,
    /// The version that its row holds.
    pub version: Option<i32>,
    /// The version that its row held before.
    pub previous_version: Option<i32>,
    /// Since when the row holds its version.
    pub since: Option<jiff::Timestamp>,
}

/// What a pass says of one rollout.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutReport {
    /// The rollout's name.
    pub name: String,
    /// The hash of the spec that the pass looked at.
    pub spec_hash: String,
    /// Its conditions.
    pub findings: Vec<Finding>,
    /// How far it is; `None` where that was not seen, so that what the status says of it stays.
    pub progress: Option<RolloutProgress>,
}

/// What a pass says of one approval.
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovalReport {
    /// The approval's name.
    pub name: String,
    /// The hash of the spec that the pass looked at.
    pub spec_hash: String,
    /// Its conditions.
    pub findings: Vec<Finding>,
    /// What became of it; `None` where that was not seen, so that what the status says of it stays.
    pub progress: Option<ApprovalProgress>,
}

/// What became of an approval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApprovalProgress {
    /// Whether it is proved that the approver made it; `None`: not looked at, since it opens nothing.
    pub verified: Option<bool>,
    /// When its wave was approved by it.
    pub used_at: Option<jiff::Timestamp>,
}

impl ApprovalReport {
    /// Puts it into a status.
    pub fn fill(&self, status: &mut WaveApprovalStatus) {
        if let Some(ApprovalProgress { verified, used_at }) = self.progress {
            status.verified = verified;
            status.used_at = used_at;
        }
    }
}

/// How far a rollout is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RolloutProgress {
    /// What it is, as one word.
    pub plan: String,
    /// Tenants on the target of those that follow.
    pub moved: (u32, u32),
    /// Its waves in their order.
    pub waves: Vec<WaveStatus>,
    /// Tenants that follow and do not move with their wave: `<tenant>: <why>`, sorted, with the pin behind it where it has
    /// another name.
    pub left_out: Vec<String>,
    /// Tenants whose pins have a version of their own: `<tenant>: <version>`, sorted.
    pub with_own_version: Vec<String>,
    /// The tenants that take part without a pin, where any may.
    pub rows: Option<RowsStatus>,
    /// The last attempts, newest first.
    pub history: Vec<PastRollout>,
    /// How the channels fare that are told of it, in their order.
    pub channels: Vec<ChannelStatus>,
}

impl RolloutProgress {
    /// How many of those that are left out a status names.
    const NAMED: usize = 20;

    /// Puts it into a status.
    pub fn fill(&self, status: &mut VersionRolloutStatus) {
        let (moved, all) = self.moved;
        status.plan = Some(self.plan.clone());
        status.progress = Some(format!("{moved}/{all}"));
        status.waves.clone_from(&self.waves);
        status.left_out = Some(u32::try_from(self.left_out.len()).unwrap_or(u32::MAX));
        status.left_out_tenants = self.left_out.iter().take(Self::NAMED).cloned().collect();
        status.with_own_version = Some(u32::try_from(self.with_own_version.len()).unwrap_or(u32::MAX));
        status.with_own_version_tenants = self.with_own_version.iter().take(Self::NAMED).cloned().collect();
        status.rows = self.rows;
        status.history.clone_from(&self.history);
        status.notify.clone_from(&self.channels);
    }
}

/// What came of one pass over an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentPass {
    /// One report a pin, sorted by name.
    pub pins: Vec<PinReport>,
    /// One report a rollout, sorted by name.
    pub rollouts: Vec<RolloutReport>,
    /// The versions that rows hold which take part in a rollout without a pin.
    pub held: BTreeSet<i32>,
    /// The versions that rows left or came to in this pass, also where it failed afterwards.
    pub moved: BTreeSet<i32>,
    /// The versions whose own passes are to ask Omni something for a check of a wave.
    pub sought: BTreeSet<i32>,
    /// One report an approval of these rollouts, sorted by name, but for those that are being deleted.
    pub approvals: Vec<ApprovalReport>,
    /// When to look again.
    pub next: Next,
}

/// One pass; `None` where there is neither a pin, a rollout, a claim nor an order that stands, so that nothing is left to look
/// after.
///
/// 1. Look at the pins. They are reported whatever comes.
/// 2. Find the instance. A pass without one says so on every pin, and one of a suspended instance does nothing else.
/// 3. Find its mapping, and see that it is ours.
/// 4. Look at the environment: rows, claims, ledger, versions.
/// 5. Decide, for all pins together, what each one is waiting for, and what is to be written. Pins without a version
///    follow the rollout: whose wave is open, and who may move in it, is decided here too.
/// 6. Nothing to write: report, and name the time at which something changes by itself.
///    Before that, tell whoever is to be told what happened (`notify`), once a pass, and look again.
/// 7. Write, one effect after the other, what happens to the rollout before the rows that move by it; ask the checks of its
///    waves, side by side (`validation`: what asks Omni is left to the version's own pass); and look again at what came of it (4). An effect that failed is told on the pins that it was for, and is not tried twice in one
///    pass.
pub async fn reconcile(world: &World, key: &EnvironmentKey) -> Option<EnvironmentPass> {
    let declared = Declared::of(world, key);
    let instance = match instance(world, key) {
        // The instance's own pass finds the claims again when it is back, or no longer suspended.
        Ok(instance) if instance.spec.suspend => {
            return declared.any().then(|| report::suspended(&declared, &instance));
        }
        Ok(instance) => instance,
        Err(failure) => return declared.any().then(|| report::unseen(&declared, &failure)),
    };
    let mapping = match world.mapping(&instance).await {
        Ok((mapping, _)) => mapping,
        Err(failure) => return Some(report::unseen(&declared, &failure)),
    };
    let (mut moved, mut sought) = (BTreeSet::new(), BTreeSet::new());
    let others = (&mut moved, &mut sought);
    let pass = match decide_and_write(world, key, &instance, &declared, mapping.as_ref(), others).await {
        Ok(pass) => pass?,
        Err(error) => {
            let failure = world.told(&instance, Failure::from(&error));
            report::unseen(&declared, &failure)
        }
    };
    Some(EnvironmentPass { moved, sought, ..pass })
}

/// A row that a pass would write now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedMove {
    /// The tenant.
    pub tenant: String,
    /// What the row holds; `None` for no row.
    pub from: Option<i32>,
    /// What it would hold; `None` where it would be deleted.
    pub to: Option<i32>,
}

/// What a pass over an environment would do now.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentPlan {
    /// The rows that would be written.
    pub moves: Vec<PlannedMove>,
    /// What would be said of each pin, as things stand before that.
    pub pins: Vec<PinReport>,
    /// What would be said of each rollout, likewise.
    pub rollouts: Vec<RolloutReport>,
    /// What would be said of each approval, likewise.
    pub approvals: Vec<ApprovalReport>,
    /// How the rollout that moves tenants would go from there.
    pub forecast: Option<Forecast>,
}

/// What a pass would do now; it writes nothing.
///
/// # Errors
/// What keeps the environment from being seen.
pub async fn plan(world: &World, key: &EnvironmentKey) -> Result<EnvironmentPlan, Failure> {
    let declared = Declared::of(world, key);
    let instance = instance(world, key)?;
    if instance.spec.suspend {
        let pass = report::suspended(&declared, &instance);
        return Ok(EnvironmentPlan {
            moves: Vec::new(),
            pins: pass.pins,
            rollouts: pass.rollouts,
            approvals: pass.approvals,
            forecast: None,
        });
    }
    let (mapping, _) = world.mapping(&instance).await?;
    let seen = observe::observe(world, key, &instance, &declared, mapping.as_ref()).await;
    let seen = seen.map_err(|error| Failure::from(&error))?;
    let decision = decide::decide(&seen);
    let flips = decision.plan.flips.iter().flat_map(|flip| {
        flip.moves.iter().map(|it| PlannedMove {
            tenant: it.tenant.clone(),
            from: it.from,
            to: Some(it.to),
        })
    });
    let removals = decision.plan.removals.iter().map(|it| PlannedMove {
        tenant: it.tenant.clone(),
        from: Some(it.holds),
        to: None,
    });
    let moves = flips.chain(removals).collect();
    let failed = act::Failed::default();
    let forecast = forecast::forecast(&seen);
    let pass = report::report(&seen, &decision, &failed, instance.spec.interval.into());
    Ok(EnvironmentPlan {
        moves,
        pins: pass.pins,
        rollouts: pass.rollouts,
        approvals: pass.approvals,
        forecast,
    })
}

/// The environments of an instance in which tenants are claimed, or an order of a person stands, though nothing is declared
/// there: the last pin went while nobody looked, and no object is left that asks for a pass. Empty while the mapping cannot be used, which is
/// for the instance's own pass to tell.
pub async fn abandoned(world: &World, namespace: &str, instance: &str) -> Vec<EnvironmentKey> {
    let Lookup::Found(declared) = world.objects.instance(namespace, instance) else {
        return Vec::new();
    };
    if declared.spec.suspend {
        return Vec::new();
    }
    let Ok((mapping, _)) = world.mapping(&declared).await else {
        return Vec::new();
    };
    let tended = mapping.tended_environments().await.unwrap_or_else(|error| {
        tracing::warn!(instance = declared.key(), %error, "environments of which nothing is declared are not looked at now");
        BTreeSet::new()
    });
    let key = |environment| EnvironmentKey {
        namespace: namespace.to_owned(),
        instance: instance.to_owned(),
        environment,
    };
    let keys = tended.into_iter().map(key);
    keys.filter(|key| !Declared::of(world, key).any()).collect()
}

/// The steps from 4 on. The versions that rows leave or come to are noted before they do, and those that are to be asked about.
async fn decide_and_write(
    world: &World,
    key: &EnvironmentKey,
    instance: &Object<OmniInstanceSpec>,
    declared: &Declared,
    mapping: &dyn Mapping,
    (moved, sought): (&mut BTreeSet<i32>, &mut BTreeSet<i32>),
) -> Result<Option<EnvironmentPass>, MappingError> {
    let mut failed = act::Failed::default();
    let mut asked = act::Asked::default();
    let (mut begun, mut told) = (false, false);
    let mut round = 1;
    let mut declared = Cow::Borrowed(declared);
    for look in 1_u64.. {
        if look > 1 {
            // Checks are asked and channels told for seconds: what is declared meanwhile counts at the next look.
            declared = Cow::Owned(Declared::of(world, key));
            if let Lookup::Found(now) = world.objects.instance(&key.namespace, &key.instance)
                && now.spec.suspend
            {
                return Ok(Some(report::suspended(&declared, &now)));
            }
        }
        let declared = declared.as_ref();
        let looked = observe::observe(world, key, instance, declared, mapping);
        let mut seen = looked.instrument(step("observe")).await?;
        seen.refused.extend(failed.tenants.keys().cloned());
        if !declared.any() && seen.view.claims.is_empty() && seen.view.orders.is_empty() {
            return Ok(None);
        }
        let mut decision = step("decide").in_scope(|| decide::decide(&seen));
        let errands = decide::errands(&seen, &decision);
        failed.leave_out_of(&mut decision.plan);
        asked.leave_out_of(&mut decision.plan);
        let failure = notify::begin(mapping, &key.environment, &errands).await;
        if let Some(failure) = failure.filter(|_| failed.rollout.is_none()) {
            // What would not be told must not happen.
            failed.rollout = Some(world.told(instance, failure));
            continue;
        }
        if decision.plan.is_empty() || round == ROUNDS {
            // A channel that has just begun may be told at once.
            if !errands.notes.is_empty() && !std::mem::replace(&mut begun, true) {
                continue;
            }
            if !errands.due.is_empty() && failed.rollout.is_none() && !std::mem::replace(&mut told, true) {
                let failure = notify::tell(world.clients.as_ref(), mapping, &key.environment, &errands.due).await;
                failed.rollout = failure.map(|failure| world.told(instance, failure));
                continue;
            }
            decision.wake = [decision.wake, errands.wake(seen.now)].into_iter().flatten().min();
            let interval = instance.spec.interval.into();
            let pass = step("report").in_scope(|| report::report(&seen, &decision, &failed, interval));
            return Ok(Some(pass));
        }
        // A rollout that gets on is no quarrel over rows, and ends: each step happens once, and each check is asked once
        // after a move.
        let only_asks = decision.plan.flips.is_empty() && !decision.plan.questions.is_empty();
        round += usize::from(decision.plan.rollout.is_empty() && !only_asks);
        moved.extend(decision.plan.versions());
        let told = |failure| world.told(instance, failure);
        let outside = (world.clients.as_ref(), mapping);
        let done = act::carry_out(outside, &key.environment, &decision.plan, sought).await;
        failed.add(done, told);
    }
    Ok(None)
}

/// What takes time in a pass besides its effects, in traces.
fn step(name: &'static str) -> tracing::Span {
    tracing::info_span!(target: "wavepin::trace", "step", step = name)
}

/// The instance, or why there is none.
fn instance(world: &World, key: &EnvironmentKey) -> Result<Arc<Object<OmniInstanceSpec>>, Failure> {
    let EnvironmentKey {
        namespace, instance, ..
    } = key;
    let message = match world.objects.instance(namespace, instance) {
        Lookup::Found(found) => return Ok(found),
        Lookup::Absent => format!("OmniInstance {namespace}/{instance} is not there (yet); apply it"),
        Lookup::Unreadable(why) => format!("OmniInstance {namespace}/{instance} cannot be read: {why}"),
    };
    Err(Failure::passing(Reason::InstanceNotReady, message).unseen())
}

/// The pins that a pass looks at, sorted by name.
type Pins = Vec<Arc<Object<TenantPinSpec>>>;

/// The rollouts that a pass looks at, sorted by name.
type Rollouts = Vec<Arc<Object<VersionRolloutSpec>>>;

/// The approvals of their waves, sorted by name.
type Approvals = Vec<Arc<Object<WaveApprovalSpec>>>;

/// What is declared for an environment.
#[derive(Clone)]
struct Declared {
    pins: Pins,
    rollouts: Rollouts,
    approvals: Approvals,
}

impl Declared {
    fn of(world: &World, key: &EnvironmentKey) -> Self {
        let EnvironmentKey {
            namespace,
            instance,
            environment,
        } = key;
        let rollouts = world.objects.rollouts(namespace, instance, environment);
        let approvals = rollouts.iter();
        let approvals = approvals.flat_map(|rollout| world.objects.approvals(namespace, &rollout.name));
        let mut approvals: Approvals = approvals.collect();
        approvals.sort_by(|one, other| one.name.cmp(&other.name));
        Self {
            pins: world.objects.pins(namespace, instance, environment),
            rollouts,
            approvals,
        }
    }

    fn any(&self) -> bool {
        !self.pins.is_empty() || !self.rollouts.is_empty()
    }
}
