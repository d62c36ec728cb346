//! Why a tenant that takes part in a rollout without a pin is on its version.

use super::super::decide::{Kept, Lacking, Member, NotReturned, Row, Standing};
use super::super::report::{goes_on, held, kept_back};
use super::tenant::{queued, row_of};
use super::{Cause, Ends, Explanation, Look, Outlook};
use crate::ports::Object;
use crate::resources::VersionRolloutSpec;
use crate::resources::conditions::Reason;

/// The chain of such a tenant; `None` where it is none.
pub(super) fn explained(look: &Look<'_>, tenant: &str) -> Option<Explanation> {
    let (tenant, standing) = look.decision.rows.iter().find(|(row, _)| row == tenant)?;
    let (rollout, lead) = look.lead()?;
    let wish = rollout.spec.version;
    let row = Row::of(look.seen, Member { tenant, pin: None }, Some(wish));
    let key = rollout.key();
    let mut causes = vec![
        Cause::fact(row_of(look, tenant, row.holds, row.oddity())),
        Cause::fact(format!(
            "no TenantPin names it: its row takes part in VersionRollout {key}, which moves tenants to version {wish}"
        )),
    ];
    causes.extend(why(look, rollout, standing, tenant));
    let environment = &look.seen.key.environment;
    let (outlook, shall) = match standing {
        Standing::Pinned => (Outlook::AsWished, ", as asked for".to_owned()),
        _ if row.holds == Some(wish) => (Outlook::Waits, String::new()),
        _ => (Outlook::Waits, format!(", to be on version {wish}")),
    };
    let now = match row.oddity() {
        Some(_) => "is on no version".to_owned(),
        None => held(row.holds),
    };
    debug_assert!(!lead.waves.is_empty(), "a rollout without waves is refused");
    Some(Explanation {
        about: format!("tenant {tenant} in {environment} {now}{shall}"),
        environment: environment.clone(),
        outlook,
        holds: row.holds,
        wish: Some(wish),
        progress: None,
        causes,
    })
}

fn why(look: &Look<'_>, rollout: &Object<VersionRolloutSpec>, standing: &Standing, tenant: &str) -> Vec<Cause> {
    let (key, wish) = (rollout.key(), rollout.spec.version);
    let another = || Ends::person(format!("set spec.version of VersionRollout {key} to another one"));
    match standing {
        Standing::Pinned => vec![Cause::new(
            (
                Reason::Converged,
                "its row holds what is asked for; nothing is waited for",
            ),
            another(),
        )],
        Standing::Moving => vec![Cause::new(
            (Reason::Progressing, "nothing keeps it: its row is to be moved now"),
            look.when("its row has been moved"),
        )],
        Standing::NotComplete { declared } => {
            let cause = Cause::new(goes_on(standing, wish), look.ends_not_complete(*declared, wish));
            super::rollout::version(look, wish).into_iter().chain([cause]).collect()
        }
        Standing::Retired => vec![Cause::new(
            (
                Reason::VersionNotComplete,
                format!("version {wish} is retired for good"),
            ),
            another(),
        )],
        Standing::Kept(Kept::Queued { wave, .. }) => {
            let said = kept_back(
                &Kept::Queued {
                    rollout: key.clone(),
                    wave: wave.clone(),
                },
                wish,
            );
            queued(look, wave, Cause::new(said, look.when(format!("wave {wave} moves it"))))
        }
        Standing::Kept(Kept::Unlabelled) => {
            let (reason, text) = kept_back(&Kept::Unlabelled, wish);
            let cause = Cause::new((reason, text), look.when("its labels are known"));
            match look.lead().and_then(|(_, lead)| lead.wait.as_ref()) {
                Some(wait) => [vec![cause], super::rollout::waits_for(look, rollout, wait)].concat(),
                None => vec![cause],
            }
        }
        Standing::Kept(kept) => vec![Cause::new(said(kept, wish), look.ends_kept_row(kept, tenant, rollout))],
        // What these speak of is a pin.
        Standing::Invalid(_) | Standing::Deleting | Standing::Conflict { .. } | Standing::NoRollout => Vec::new(),
    }
}

/// What keeps it, in the words of statuses but where these speak of a pin.
fn said(kept: &Kept, wish: i32) -> (Reason, String) {
    let (reason, text) = kept_back(kept, wish);
    let text = match kept {
        Kept::ChangedOutside { was, .. } => {
            format!(
                "another hand changed its row, which by the ledger {}; it is left as it is",
                held(*was)
            )
        }
        Kept::NotSelected { rollout } => format!("no wave of VersionRollout {rollout} selects its labels"),
        Kept::NotReturned(NotReturned::HadNone) => {
            "it is to go back, and had no row before it was moved, so that it would see nothing".to_owned()
        }
        Kept::NotReturned(NotReturned::Retired(version)) => {
            format!("it is to go back to version {version}, which is retired for good")
        }
        _ => text,
    };
    (reason, text)
}

impl Look<'_> {
    /// What ends that a row without a pin is kept from its wish.
    fn ends_kept_row(&self, kept: &Kept, tenant: &str, rollout: &Object<VersionRolloutSpec>) -> Ends {
        let (key, wish) = (rollout.key(), rollout.spec.version);
        let by_pin = || Ends::person("declare a TenantPin for it with the spec.version that it shall have");
        match kept {
            Kept::ChangedOutside { .. } => Ends::person(format!(
                "set spec.version of VersionRollout {key} to another one, or declare a TenantPin for it with the \
                 spec.version that it shall have"
            )),
            Kept::UnknownCurrentVersion { current } => Ends::person(format!(
                "declare a ModelVersion with version {current} and source.adopt"
            )),
            Kept::NoVersion { .. } => Ends::person("set the row to a version, or delete it"),
            Kept::Ordered(order) => super::ends::lifted(order),
            Kept::NotReturned(NotReturned::NotComplete(version)) => Ends::person(format!(
                "declare a ModelVersion with version {version} and source.adopt"
            )),
            Kept::NotSelected { rollout } => Ends::person(format!(
                "change its labels in the application's table, or give VersionRollout {rollout} a last wave without a \
                 selector"
            )),
            Kept::Frozen { rollout, freeze } => super::ends::thawed(freeze, rollout),
            Kept::Unproved(unproved) => self.ends_unproved(unproved, wish),
            Kept::RequirementNotMet(_, Lacking::Until { enough, .. }) => Ends::at(*enough),
            Kept::RequirementNotMet(requires, Lacking::Run | Lacking::Start) => Ends::person(format!(
                "have tenant {tenant} run version {wish} in {} for {}",
                requires.environment, requires.soak
            )),
            // A hold is a pin's; the others are told with their wave.
            Kept::Held(_) | Kept::NotReturned(_) | Kept::Queued { .. } | Kept::Unlabelled => by_pin(),
        }
    }
}
