//! What ends each thing that is waited for: the one place that a new one needs here.

use super::super::decide::{
    AwaitedApproval, Checked, Found, Kept, Lacking, LackingApproval, NotReturned, Unlabelled, Wait,
};
use super::super::observe::Holder;
use super::{Ends, Look};
use crate::ports::{Object, Order, Unproved};
use crate::resources::{ANNOTATION_PREFIX, LastingFreeze, TenantPinSpec, VersionRolloutSpec, annotations};

impl Look<'_> {
    /// What ends that a pin is kept from its wish.
    pub(super) fn ends_kept(&self, kept: &Kept, pin: &Object<TenantPinSpec>, wish: i32) -> Ends {
        let name = pin.key();
        match kept {
            Kept::ChangedOutside { confirm, .. } => Ends::person(format!(
                "set spec.version of TenantPin {name} to what shall be, or annotate it with \
                 {ANNOTATION_PREFIX}{}: {confirm:?}",
                annotations::RESTORE_ROW
            )),
            Kept::UnknownCurrentVersion { current } => Ends::person(format!(
                "declare a ModelVersion with version {current} and source.adopt"
            )),
            Kept::NoVersion { .. } => Ends::person("set the row to a version, or delete it"),
            Kept::Held(hold) => Ends {
                at: hold.until,
                ..Ends::person(format!("take spec.hold out of TenantPin {name}"))
            },
            Kept::Ordered(order) => lifted(order),
            Kept::NotReturned(NotReturned::HadNone | NotReturned::Retired(_)) => {
                Ends::person(format!("set spec.version of TenantPin {name} to what it shall have"))
            }
            Kept::NotReturned(NotReturned::NotComplete(version)) => Ends::person(format!(
                "declare a ModelVersion with version {version} and source.adopt, or set spec.version of TenantPin {name}"
            )),
            Kept::NotSelected { rollout } => Ends::person(format!(
                "label TenantPin {name}, or give VersionRollout {rollout} a last wave without a selector"
            )),
            Kept::Queued { wave, .. } => self.when(format!("wave {wave} moves it")),
            Kept::Frozen { rollout, freeze } => thawed(freeze, rollout),
            Kept::Unlabelled => self.when("its labels are known"),
            Kept::Unproved(unproved) => self.ends_unproved(unproved, wish),
            Kept::RequirementNotMet(_, Lacking::Until { enough, .. }) => Ends::at(*enough),
            Kept::RequirementNotMet(requires, Lacking::Run | Lacking::Start) => Ends::person(format!(
                "have tenant {} run version {wish} in {} for {}",
                pin.spec.tenant, requires.environment, requires.soak
            )),
        }
    }

    /// What ends that a rollout waits.
    pub(super) fn ends_wait(&self, wait: &Wait, rollout: &Object<VersionRolloutSpec>) -> Ends {
        let (name, target) = (rollout.key(), rollout.spec.version);
        match wait {
            Wait::NotComplete { declared } => self.ends_not_complete(*declared, target),
            Wait::Retired => Ends::person(format!("set spec.version of VersionRollout {name} to another one")),
            Wait::Unproved(unproved) => self.ends_unproved(unproved, target),
            Wait::Unlabelled(unlabelled) => Ends {
                person: Some(match unlabelled {
                    Unlabelled::NotDeclared(table) => format!(
                        "declare {table:?} in spec.mapping.tenantTables of the OmniInstance, or correct \
                         members.rows.labelsFrom of VersionRollout {name}"
                    ),
                    Unlabelled::Unusable(_) => "make the table of labels usable, as said".to_owned(),
                }),
                ..self.when("the labels of all members are known")
            },
            Wait::Approval(awaited) => self.ends_unapproved(awaited),
            Wait::Check(Checked {
                found: Found::NobodyLeft,
                wave,
                ..
            }) => Ends::person(format!(
                "set spec.version of VersionRollout {name} to another one, or let a tenant of wave {wave} move again"
            )),
            Wait::Check(checked) => Ends {
                person: Some(format!("set spec.version of VersionRollout {name} to another one")),
                ..self.when(format!("check {} has passed", checked.check))
            },
            Wait::Suspended => Ends::person(format!("set spec.suspend of VersionRollout {name} to false")),
            Wait::Frozen(freeze) => thawed(freeze, &name),
            Wait::FrozenTenants(kept) => thawed(&kept.freeze, &name),
            Wait::Rows(_) => self.when("their rows can be moved"),
            Wait::Batch(_, at) | Wait::Requirement(_, at) | Wait::Soak(_, at) => Ends::at(*at),
            Wait::Stopped(stopped) => Ends::person(format!(
                "set spec.version of VersionRollout {name} to another one, or annotate it with {ANNOTATION_PREFIX}{}: {}",
                annotations::RETRY_ROLLOUT,
                stopped.retry
            )),
            Wait::Ordered(order) => lifted(order),
            Wait::HeldBack(wave, freed) => {
                let person = format!("free one of the tenants of wave {wave}, or take them out of it");
                Ends {
                    at: *freed,
                    ..Ends::person(person)
                }
            }
        }
    }

    /// What ends that a version is not complete.
    pub(super) fn ends_not_complete(&self, declared: bool, version: i32) -> Ends {
        if declared {
            self.when(format!("version {version} is complete"))
        } else {
            Ends::person(format!("declare a ModelVersion with version {version}"))
        }
    }

    /// What ends that a wave is not approved.
    fn ends_unapproved(&self, awaited: &AwaitedApproval) -> Ends {
        let AwaitedApproval {
            rollout, wave, plan, ..
        } = awaited;
        let approve = format!("apply a WaveApproval for wave {wave} of VersionRollout {rollout} with plan {plan}");
        match &awaited.lacking {
            LackingApproval::Missing => Ends::person(approve),
            LackingApproval::Unverified { object, may_pass, .. } => {
                let person = Ends::person(format!(
                    "delete WaveApproval {object}, and {approve}, once it can be verified"
                ));
                match may_pass {
                    true => Ends {
                        person: person.person,
                        ..self.when("it can be seen who made it")
                    },
                    false => person,
                }
            }
        }
    }

    pub(super) fn ends_unproved(&self, unproved: &Unproved, version: i32) -> Ends {
        let validated = self.when(format!("version {version} is validated"));
        match unproved {
            Unproved::Missing => validated,
            Unproved::Void { .. } => {
                let holder = self.seen.versions.get(&version).map(|record| record.holder.as_str());
                Ends {
                    person: Some(format!(
                        "do what the conditions of ModelVersion {} say",
                        holder.unwrap_or("that has it")
                    )),
                    ..validated
                }
            }
        }
    }

    /// What ends that another pin has the claim.
    pub(super) fn ends_conflict(holder: &str, fate: Holder, pin: &Object<TenantPinSpec>) -> Ends {
        let person = Ends::person(format!("delete TenantPin {holder} or TenantPin {}", pin.key()));
        match fate {
            Holder::Missing(until) => Ends {
                at: Some(until),
                ..person
            },
            _ => person,
        }
    }
}

/// What ends a freeze of this rollout.
pub(super) fn thawed(freeze: &LastingFreeze, rollout: &str) -> Ends {
    Ends {
        at: freeze.until,
        ..Ends::person(format!(
            "take the freeze out of spec.freeze of VersionRollout {rollout}"
        ))
    }
}

/// What ends an order.
pub(super) fn lifted(order: &Order) -> Ends {
    Ends::person(format!("lift it, by `wavepin rollback --lift {}`", order.number))
}
