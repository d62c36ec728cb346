//! Model versions: adopted, or cut from another version; a unit that never changes hands half done.
//!
//! | room | what happens there |
//! |---|---|
//! | [`desired`] | the object, read and checked against itself |
//! | [`observe`] | what a pass has seen |
//! | [`decide`] | the next step; pure |
//! | [`act`] | one effect |
//! | [`repositories`] | the way to the Git repositories of models |
//! | [`report`] | conditions and progress |
//! | `ahead` | what is still to be done and what copies will have otherwise, by the ledger alone |
//! | [`forecast`] | how many calls that costs; pure |
//! | [`last_look`] | what was last seen of complete versions |
//! | [`definition`] | a model as a set of files; pure |
//! | [`edits`] | what a spec, and objects that it names, ask to change in them; pure |
//! | [`content`] | dashboards taken apart; pure |
//! | [`diff`] | what differs between two versions; pure |
//! | [`validate`] | all that is found in a version as it is, for who asks |
//! | [`urgency`] | how much depends on a pass; pure |

pub mod act;
mod ahead;
pub mod content;
pub mod decide;
pub mod definition;
pub mod desired;
pub mod diff;
pub mod edits;
mod edits_from;
pub mod forecast;
pub mod last_look;
pub mod observe;
pub mod report;
pub mod repositories;
pub mod urgency;
mod validate;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub use ahead::{VersionPlan, plan, rebound};
pub use decide::{Check, Found, Validated};
use decide::{Ending, Step};
use desired::Desired;
use jiff::Timestamp;
use last_look::{Basis, LastLook};
use observe::Observed;
use report::Stage;
use repositories::Repositories;
use tracing::Instrument as _;
use urgency::Situation;
pub use validate::validate;

use crate::ports::{
    CREDENTIAL_PACE, Failure, LOOK_AGAIN, Lookup, Mapping, Next, Object, Omni, Reservation, Urgency, World,
};
use crate::resources::conditions::{Finding, Reason};
use crate::resources::{DashboardsStatus, ModelVersionSpec, OmniInstanceSpec, TenantPinSpec};

/// How long a pass waits for the instance's own to recognise the organisation.
const RECOGNIZED_WITHIN: Duration = Duration::from_secs(5);

/// What a pass says of a version.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VersionReport {
    /// The hash of the spec that the pass looked at: a status is written only onto an object that still has it.
    pub spec_hash: String,
    /// Its conditions.
    pub findings: Vec<Finding>,
    /// The id of its model.
    pub model_id: Option<String>,
    /// The path of its folder.
    pub folder: Option<String>,
    /// It is complete.
    pub sealed: bool,
    /// The hash of what it is made from.
    pub plan: Option<String>,
    /// The commit that its model's files were copied at.
    pub git_commit: Option<String>,
    /// How far its dashboards are.
    pub dashboards: Option<DashboardsStatus>,
    /// Links that lead out of it.
    pub foreign_links: Vec<String>,
    /// What its source's dashboards have and its own do not.
    pub not_carried: Vec<String>,
    /// How many calls to Omni its cut may still cost, as far as is known; `None` where it is no cut in progress.
    pub calls_left: Option<u32>,
}

/// What came of one pass over a version.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionPass {
    /// What to say of it.
    pub report: VersionReport,
    /// When to look again.
    pub next: Next,
}

/// Where a long pass tells how far it is, and learns that it should end early.
pub trait Progress: Send + Sync {
    /// How far it is; may be thinned out by whoever writes it.
    fn publish(&self, report: &VersionReport);
    /// True when the pass should end after the present effect: the object changed, the process ends, the lead is lost.
    fn interrupted(&self) -> bool;
    /// The last look at this version, where this process keeps it: see [`last_look`].
    fn last_look(&self) -> Option<LastLook> {
        None
    }
    /// Keeps a look for the next pass.
    fn looked(&self, _: LastLook) {}
    /// An effect was done, or failed.
    fn stepped(&self, _: &'static str, _: Option<&Failure>) {}
    /// The pass waits for one over its instance: nobody has looked yet whose organisation this URL, key and database lead
    /// to. They may be new since the instance was looked at, and nothing else would tell so before its interval is over.
    fn wants_instance(&self) {}
}

/// One pass; `None` where the object is not there (any more), or does not parse.
///
/// 1. Find the object and its instance; check the spec against itself and the other objects.
/// 2. Connect to the mapping, and take the fence. Without the database no call to Omni is made, and none before the
///    instance's pass has recognised the organisation.
/// 3. Read the ledger: what was recorded, intended, and found whole. It tells how much depends on the pass, and so in
///    which class its calls to Omni wait for the budget; and whether edits that ConfigMaps and Secrets hold are still needed.
/// 4. What was seen of a complete version a moment ago is still good: say it again, with its tenants as they are now.
/// 5. Decide the next step; look at what the decision asks for, or do the one thing it names, and put the result into
///    what was seen. Again, until nothing is left to do, something is in the way, or the slice is used up.
/// 6. Report what was seen and when to look again.
///
/// A crash between any two steps loses nothing: what was done is found in the ledger or in Omni, by its name.
pub async fn reconcile(world: &World, namespace: &str, name: &str, progress: &dyn Progress) -> Option<VersionPass> {
    let Lookup::Found(object) = world.objects.version(namespace, name) else {
        return None;
    };
    let end = |failure: &Failure, accepted| {
        Some(VersionPass {
            report: report::unseen(&object.spec_hash, failure, accepted),
            next: failure.next,
        })
    };
    let instance = match instance(world, &object) {
        Ok(instance) => instance,
        Err(failure) => return end(&failure, true),
    };
    let desired =
        match Desired::new(&object, &instance).and_then(|desired| alone(world, &object, &instance).map(|()| desired)) {
            Ok(desired) => desired,
            Err(failure) => return end(&failure, false),
        };
    if let Some(failure) = suspended(&object, &instance) {
        return end(&failure, true);
    }
    match Pass::begin(world, &instance, &object, desired).await {
        Ok(mut pass) => Some(match pass.ready_to_begin(progress).await {
            Ok(()) => match pass.seen_a_moment_ago(progress) {
                Some(told) => told,
                None => pass.run(progress).await,
            },
            Err(failure) => pass.end(&Ending::Halt(failure)),
        }),
        Err(failure) => end(&failure, true),
    }
}

fn suspended(object: &Object<ModelVersionSpec>, instance: &Object<OmniInstanceSpec>) -> Option<Failure> {
    let why = "spec.suspend is true, here or on the instance: nothing is done";
    let failure = || Failure::passing(Reason::Suspended, why).next(Next::After(instance.spec.interval.into()));
    (object.spec.suspend || instance.spec.suspend).then(failure)
}

fn instance(world: &World, object: &Object<ModelVersionSpec>) -> Result<Arc<Object<OmniInstanceSpec>>, Failure> {
    let name = &object.spec.instance_ref.name;
    let why = match world.objects.instance(&object.namespace, name) {
        Lookup::Found(instance) => return Ok(instance),
        Lookup::Absent => format!("OmniInstance {name:?} is not there yet"),
        Lookup::Unreadable(error) => format!("OmniInstance {name:?} does not parse: {error}"),
    };
    Err(Failure::passing(Reason::InstanceNotReady, why))
}

/// Of two objects with one number, the one that was there first has it.
fn alone(world: &World, object: &Object<ModelVersionSpec>, instance: &Object<OmniInstanceSpec>) -> Result<(), Failure> {
    let rank = |it: &Object<ModelVersionSpec>| (it.first_seen, it.name.clone());
    let versions = world.objects.versions(&object.namespace, &instance.name);
    let earlier = versions
        .iter()
        .filter(|other| other.name != object.name && other.spec.version == object.spec.version && !other.deleting)
        .find(|other| rank(other) < rank(object));
    match earlier {
        None => Ok(()),
        Some(other) => Err(Failure::stalled(
            Reason::VersionTaken,
            format!(
                "version {} is declared by ModelVersion {} already; give this object a number of its own",
                object.spec.version, other.name
            ),
        )),
    }
}

fn urgency(world: &World, object: &Object<ModelVersionSpec>, seen: &Observed) -> Urgency {
    let version = object.spec.version;
    let situation = Situation {
        version,
        record: seen.versions.get(&version),
        tenants: seen.tenants,
        ..Situation::default()
    };
    // Walking all pins is for a version that one of them may wait for.
    if let Some(urgency) = situation.alone() {
        return urgency;
    }
    let (namespace, instance) = (&object.namespace, &object.spec.instance_ref.name);
    let declared = world.objects.versions(namespace, instance);
    let cut = |it: &Arc<Object<ModelVersionSpec>>| Some((it.spec.version, it.spec.source.from_version?));
    Situation {
        pinned: world.objects.pinned(namespace, instance),
        cut_from: declared.iter().filter_map(cut).collect(),
        ..situation
    }
    .urgency()
}

/// The tenants who may stand for all where queries are validated as tenants.
fn tenants_pinned(world: &World, object: &Object<ModelVersionSpec>) -> BTreeSet<String> {
    let queries = object.spec.validation.as_ref().and_then(|it| it.queries.as_ref());
    let Some(sample) = queries.and_then(|it| it.tenants.as_ref()) else {
        return BTreeSet::new();
    };
    let instance = &object.spec.instance_ref.name;
    let pins = world.objects.pins(&object.namespace, instance, &sample.environment);
    let fits = |pin: &&Arc<Object<TenantPinSpec>>| {
        let mut wanted = sample.match_labels.iter();
        !pin.deleting && wanted.all(|(name, value)| pin.labels.get(name) == Some(value))
    };
    pins.iter().filter(fits).map(|pin| pin.spec.tenant.clone()).collect()
}

/// One pass with everything that it needs at hand.
struct Pass<'a> {
    world: &'a World,
    instance: &'a Object<OmniInstanceSpec>,
    object: &'a Object<ModelVersionSpec>,
    desired: Desired,
    omni: Arc<dyn Omni>,
    mapping: Arc<dyn Mapping>,
    seen: Observed,
    place: Option<Reservation>,
}

impl<'a> Pass<'a> {
    async fn begin(
        world: &'a World,
        instance: &'a Object<OmniInstanceSpec>,
        object: &'a Object<ModelVersionSpec>,
        desired: Desired,
    ) -> Result<Self, Failure> {
        let (mapping, shape) = world.mapping(instance).await?;
        let mut seen = Observed::ledger(&*mapping, shape, desired.version, desired.from())
            .await
            .map_err(|error| Failure::from(&error))?;
        seen.tenants_pinned = tenants_pinned(world, object);
        let omni = world.omni(instance, urgency(world, object, &seen)).await?;
        Ok(Self {
            world,
            instance,
            object,
            desired,
            omni,
            mapping,
            seen,
            place: None,
        })
    }

    /// The edits of objects are there, and the organisation is the right one.
    async fn ready_to_begin(&mut self, progress: &dyn Progress) -> Result<(), Failure> {
        edits_from::bring(self.world, &self.object.namespace, &mut self.desired, &self.seen).await?;
        self.recognized(progress).await
    }

    /// Whether the organisation is the right one. Right after a start the instance's own pass is about to find out: a
    /// short wait for it spares a status that would hold for a moment.
    async fn recognized(&self, progress: &dyn Progress) -> Result<(), Failure> {
        let standing = self.omni.standing();
        let recognized = standing.looked_at(RECOGNIZED_WITHIN).await;
        if standing.is_unlooked() {
            progress.wants_instance();
        }
        recognized.map_err(|kind| {
            let why = format!("OmniInstance {}: {kind}", self.instance.name);
            Failure::passing(Reason::InstanceNotReady, why).next(Next::After(LOOK_AGAIN))
        })
    }

    fn report(&self, stage: Stage<'_>) -> VersionReport {
        report::report(&self.object.spec_hash, &self.desired, &self.seen, stage)
    }

    /// What the last look at Omni found, if nothing that it rests on has changed since.
    fn seen_a_moment_ago(&self, progress: &dyn Progress) -> Option<VersionPass> {
        let last = progress.last_look()?;
        let is_good = self.world.clock.now() < last.until && self.rests_on(&last);
        let next = match &last.ending {
            Ending::Halt(_) => Next::After(CREDENTIAL_PACE),
            _ => Next::At(last.until),
        };
        is_good.then(|| VersionPass {
            report: self.report(Stage::Ended(&last.ending)),
            next,
        })
    }

    fn basis(&self) -> Option<Basis> {
        Basis::new(self.object, self.instance, &self.desired, &self.seen)
    }

    fn rests_on(&self, last: &LastLook) -> bool {
        self.basis().is_some_and(|basis| basis == last.basis)
    }

    /// Keeps what was seen of a complete version, until it is to be looked at again; or why one stands still for edits that
    /// are not watched.
    fn keep_look(&self, ending: &Ending, progress: &dyn Progress) {
        let lasts: Duration = match ending {
            Ending::Complete | Ending::Drifted(_) => self.instance.spec.interval.into(),
            Ending::Halt(failure) if edits_from::may_mend(&self.desired, &self.seen, failure) => LOOK_AGAIN,
            Ending::Halt(_) | Ending::Wait { .. } => return,
        };
        if let (Some(basis), Ok(until)) = (self.basis(), self.world.clock.now().checked_add(lasts)) {
            let ending = ending.clone();
            progress.looked(LastLook { until, ending, basis });
        }
    }

    async fn run(mut self, progress: &dyn Progress) -> VersionPass {
        let (mut kept, mut since) = (false, None);
        self.seen.asked = progress.last_look().is_some_and(|last| !self.rests_on(&last));
        loop {
            let now = self.world.clock.now();
            // A slice is counted from the first mark and ends behind one: a pass that looked at much, or waited long
            // for the budget, must not throw away what it saw.
            let worked = kept && used_up(*since.get_or_insert(now), now, self.world.slice);
            if worked || progress.interrupted() {
                return VersionPass {
                    report: self.report(Stage::Working),
                    next: Next::Again,
                };
            }
            let step = decide::decide(&self.desired, &self.seen, now, self.world.request_timeout);
            kept = matches!(&step, Step::Do(effect) if effect.keeps_progress());
            let ending = match self.take(step, progress).await {
                Ok(None) => {
                    if report::goes_on(&self.desired, &self.seen) {
                        progress.publish(&self.report(Stage::Working));
                    }
                    continue;
                }
                Ok(Some(ending)) => ending,
                Err(failure) => Ending::Halt(self.desired.told(failure)),
            };
            self.keep_look(&ending, progress);
            return self.end(&ending);
        }
    }

    /// Takes one step; an ending where it was the last.
    async fn take(&mut self, step: Step, progress: &dyn Progress) -> Result<Option<Ending>, Failure> {
        match step {
            Step::Look(look) => {
                let around = observe::Around {
                    omni: &*self.omni,
                    mapping: &*self.mapping,
                    repositories: Repositories::new(&*self.world.clients, self.instance),
                };
                observe::look(look, self.desired.version, around, &mut self.seen).await?;
            }
            Step::Do(effect) => {
                let mut hands = act::Hands {
                    repositories: Repositories::new(&*self.world.clients, self.instance),
                    desired: &self.desired,
                    omni: &*self.omni,
                    mapping: &*self.mapping,
                    clock: &*self.world.clock,
                    place: &mut self.place,
                };
                let name = effect.name();
                let span = tracing::info_span!(target: "wavepin::trace", "step", step = name);
                let done = hands.act(effect, &mut self.seen).instrument(span).await;
                progress.stepped(name, done.as_ref().err());
                done?;
            }
            Step::SetAside { slug, reason, message } => {
                self.seen.set_aside.insert(slug, (reason, message));
                self.seen.work = None;
            }
            Step::Await { slug, until } => {
                self.seen.awaited.insert(slug, until);
                self.seen.work = None;
            }
            Step::End(ending) => return Ok(Some(ending)),
        }
        Ok(None)
    }

    fn end(&self, ending: &Ending) -> VersionPass {
        let next = match ending {
            Ending::Complete | Ending::Drifted(_) => Next::After(self.instance.spec.interval.into()),
            Ending::Wait { until, .. } => Next::At(*until),
            Ending::Halt(failure) if edits_from::may_mend(&self.desired, &self.seen, failure) => {
                Next::After(CREDENTIAL_PACE)
            }
            Ending::Halt(failure) => self.world.told(self.instance, failure.clone()).next,
        };
        VersionPass {
            report: self.report(Stage::Ended(ending)),
            next,
        }
    }
}

fn used_up(started: Timestamp, now: Timestamp, slice: Duration) -> bool {
    Duration::try_from(now.duration_since(started)).is_ok_and(|worked| worked >= slice)
}
