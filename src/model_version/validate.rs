//! A validation for who asks: it reads, and writes nothing anywhere.

use super::act::Effect;
use super::decide::{self, Ending, Step, Validated};
use super::desired::Desired;
use super::observe::{self, Look, Observed};
use super::repositories::Repositories;
use super::samples::samples;
use super::{alone, edits_from, instance, suspended};
use crate::ports::{Failure, Intent, IntentStep, Object, Urgency, World};
use crate::resources::ModelVersionSpec;
use crate::resources::conditions::Reason;

/// Validates a version as it is now: its model, its dashboards, and its tiles' queries where the spec asks for that.
/// `tell` is told of every look before it is taken. `world` must only look, and may take places in the request budget;
/// that the organisation is the right one is for the caller to have seen.
///
/// # Errors
/// The version is not made yet; or what keeps the mapping or Omni from being read.
pub async fn validate(
    world: &World,
    object: &Object<ModelVersionSpec>,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Validated, Failure> {
    let instance = instance(world, object)?;
    let mut desired = Desired::new(object, &instance)?;
    alone(world, object, &instance)?;
    if let Some(failure) = suspended(object, &instance) {
        return Err(failure);
    }
    let (mapping, shape) = world.mapping(&instance).await?;
    let seen = Observed::ledger(&*mapping, shape, desired.version, desired.from()).await;
    let mut seen = seen.map_err(|error| Failure::from(&error))?;
    edits_from::bring(world, &object.namespace, &mut desired, &seen).await?;
    seen.samples = samples(world, object);
    // What was found right before is asked again.
    seen.intents.retain(|(step, _), _| *step != IntentStep::Queries);
    let omni = world.omni(&instance, Urgency::Check).await?;
    loop {
        let now = world.clock.now();
        let step = match decide::validation(&desired, &seen, now, world.request_timeout) {
            Ok(validated) => return Ok(validated),
            Err(step) => step,
        };
        match step {
            Step::Look(look) => {
                if let Some(step) = words(&look) {
                    tell(&step);
                }
                let around = observe::Around {
                    omni: &*omni,
                    mapping: &*mapping,
                    repositories: Repositories::new(&*world.clients, &instance),
                };
                observe::look(look, desired.version, around, &mut seen)
                    .await
                    .map_err(|failure| world.told(&instance, desired.told(failure)))?;
            }
            // That a dashboard's queries are right is for this look alone.
            Step::Do(Effect::SettleIntent { step, subject, result }) => {
                let intent = Intent {
                    step,
                    subject: subject.clone(),
                    opened_at: now,
                    result: Some(result),
                };
                seen.intents.insert((step, subject), intent);
            }
            Step::End(Ending::Halt(failure)) => return Err(failure),
            Step::Do(_) | Step::SetAside { .. } | Step::Await { .. } | Step::End(_) => {
                let why = "it is not made as it is declared; `wavepin plan` says what is ahead";
                return Err(Failure::passing(
                    Reason::VersionNotComplete,
                    format!("version {}: {why}", desired.version),
                ));
            }
        }
    }
}

/// What a look is about, as people read it; the many looks at single queries go by their dashboard.
fn words(look: &Look) -> Option<String> {
    Some(match look {
        Look::ModelIssues(_) => "asking Omni what it finds in the model".to_owned(),
        Look::Findings(model) => format!("asking Omni what it finds in the content of model {model}"),
        Look::Tiles { slug, .. } => format!("asking the queries of {slug}"),
        _ => return None,
    })
}
