//! Where a rollout stands.

use super::super::act::Failed;
use super::super::decide::{Lead, RolloutStanding, Wait};
use super::super::report::rollout::{progress, waits};
use super::{Cause, Ends, Explanation, Look, Outlook, Progress, WaveProgress};
use crate::ports::Object;
use crate::resources::VersionRolloutSpec;
use crate::resources::conditions::Reason;

/// How many of those that are left out are named.
const NAMED: usize = 20;

/// The chain of a rollout; `None` where there is none of that name.
pub(super) fn explained(look: &Look<'_>, name: &str) -> Option<Explanation> {
    let mut rollouts = look.seen.rollouts.iter().zip(&look.decision.rollouts);
    let (rollout, standing) = rollouts.find(|(rollout, _)| rollout.name == name)?;
    let (key, spec) = (rollout.key(), &rollout.spec);
    let of = |outlook, progress, causes| Explanation {
        about: format!(
            "VersionRollout {key}, tenants of {} in {} to version {}",
            spec.instance_ref.name, spec.environment, spec.version
        ),
        environment: spec.environment.clone(),
        outlook,
        holds: None,
        wish: Some(spec.version),
        progress,
        causes,
    };
    let refused = |reason, what, person: String| {
        let cause = Cause::new((reason, what), Ends::person(person));
        of(Outlook::Waits, None, vec![cause])
    };
    Some(match standing {
        RolloutStanding::Invalid(refusal) => refused(
            Reason::Invalid,
            format!("{refusal}; nobody moves by it"),
            format!("correct VersionRollout {key}"),
        ),
        RolloutStanding::Conflict(other) => refused(
            Reason::Conflict,
            format!(
                "VersionRollout {other} is for {} already, and only it counts",
                spec.environment
            ),
            format!("delete VersionRollout {other} or VersionRollout {key}"),
        ),
        RolloutStanding::Leads(lead) => {
            let ended = lead.complete && lead.wait.is_none();
            let outlook = if ended { Outlook::AsWished } else { Outlook::Waits };
            of(outlook, Some(far(look, rollout, lead)), chain(look, rollout, lead))
        }
    })
}

/// How far it is.
fn far(look: &Look<'_>, rollout: &Object<VersionRolloutSpec>, lead: &Lead) -> Progress {
    let told = progress(look.seen, look.decision, lead, &Failed::default());
    let waves = told
        .waves
        .into_iter()
        .zip(&lead.waves)
        .map(|(status, wave)| WaveProgress {
            status,
            waits: wave.waits.as_ref().map(|wait| waiting(look, rollout, wait)),
        });
    Progress {
        tenants: lead.followers,
        moved: lead.moved,
        waves: waves.collect(),
    }
}

fn chain(look: &Look<'_>, rollout: &Object<VersionRolloutSpec>, lead: &Lead) -> Vec<Cause> {
    let told = progress(look.seen, look.decision, lead, &Failed::default());
    let (moved, all) = told.moved;
    let mut chain = vec![Cause::fact(format!(
        "{moved} of {all} tenants that follow it are there, by plan {}; {} have a version of their own",
        told.plan,
        told.with_own_version.len()
    ))];
    let left_out = told.left_out.len();
    if left_out > 0 {
        let named: Vec<String> = told.left_out.into_iter().take(NAMED).collect();
        let more = left_out - named.len();
        let more = if more > 0 {
            format!(", and {more} more")
        } else {
            String::new()
        };
        chain.push(Cause::fact(format!("left out: {}{more}", named.join(", "))));
    }
    let last = match &lead.wait {
        Some(wait) => {
            chain.extend(waits_for(look, rollout, wait));
            return chain;
        }
        None if lead.complete => {
            let what = "every wave has ended; nothing is waited for";
            let ends = Ends::person(format!(
                "set spec.version of VersionRollout {} to another version",
                rollout.key()
            ));
            Cause::new((Reason::RolledOut, what), ends)
        }
        None => Cause::new(
            (
                Reason::Progressing,
                "nothing keeps it: the next step is to be taken now",
            ),
            look.when("the next pass has taken it"),
        ),
    };
    chain.push(last);
    chain
}

/// What is waited for, after what is known of the target where it is about that.
pub(super) fn waits_for(look: &Look<'_>, rollout: &Object<VersionRolloutSpec>, wait: &Wait) -> Vec<Cause> {
    let about_target = matches!(wait, Wait::NotComplete { .. });
    let version = about_target.then(|| version(look, rollout.spec.version)).flatten();
    version.into_iter().chain([waiting(look, rollout, wait)]).collect()
}

fn waiting(look: &Look<'_>, rollout: &Object<VersionRolloutSpec>, wait: &Wait) -> Cause {
    // Nobody has tried yet.
    if let Wait::Rows(wave) = wait
        && !look.decision.plan.is_empty()
    {
        let what = format!("rows of wave {wave} are to be moved now");
        return Cause::new((Reason::Progressing, what), look.when("they have been moved"));
    }
    let said = look.lead().map(|(_, lead)| waits(wait, lead, rollout.spec.version));
    let said = said.unwrap_or_else(|| (Reason::Progressing, String::new()));
    Cause::new(said, look.ends_wait(wait, rollout))
}

/// How far a version is that is not complete, as the mapping knows it.
pub(super) fn version(look: &Look<'_>, version: i32) -> Option<Cause> {
    let record = look.seen.versions.get(&version)?;
    let there = |is: bool| if is { "is made" } else { "is not made yet" };
    Some(Cause::fact(format!(
        "version {version} is ModelVersion {} ({}): its model {}, its folder {}; its conditions say what is in the way, \
         and `wavepin get` how many calls are left",
        record.holder,
        record.source,
        there(record.model_id.is_some()),
        there(record.folder_id.is_some()),
    )))
}
