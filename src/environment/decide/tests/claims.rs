//! Each claim by example: who holds a tenant's row, and what becomes of it when nobody does.

use rstest::rstest;

use super::super::super::observe::Holder;
use super::super::super::scene::{ACME, Scene, With, at, flip, outside, pin};
use super::super::{BY_SPEC, Kept, Lacking, Plan, Standing};
use super::{flips, scene, wish};
use crate::ports::{Claim, PinEvent, RowRemoval};
use crate::resources::PinDeletionPolicy;

pub(super) fn claim(tenant: &str, name: &str) -> Claim {
    Claim {
        tenant: tenant.to_owned(),
        holder: format!("apps/{name}"),
        deletion: PinDeletionPolicy::Retain,
    }
}

#[test]
fn of_two_pins_the_older_claims_and_of_two_as_old_the_first_by_name() {
    let young = pin("a", ACME, 1).with(|pin| pin.first_seen = at(9));
    let scene = Scene::new([young, pin("c", ACME, 2), pin("b", ACME, 3)]);
    let decision = scene.decide();
    let holder = "apps/b".to_owned();
    let conflict = Standing::Conflict {
        holder,
        fate: Holder::Stands,
    };
    assert_eq!(decision.standings, [conflict.clone(), Standing::Moving, conflict]);
    assert_eq!(decision.plan.claims, [claim(ACME, "b")]);
    assert_eq!(flips(&decision.plan), [(None, 3, BY_SPEC)]);
}

#[test]
fn a_claim_outranks_age() {
    let young = pin("young", ACME, 2).with(|pin| pin.first_seen = at(9));
    let scene = Scene::new([pin("old", ACME, 1), young]).claimed("young").row(Some(2));
    let holder = "apps/young".to_owned();
    assert_eq!(
        scene.standing("old"),
        Standing::Conflict {
            holder,
            fate: Holder::Stands
        }
    );
    assert!(scene.decide().plan.is_empty());
}

#[test]
fn a_holder_that_is_not_seen_here_still_holds() {
    let holder = "away/unseen".to_owned();
    let scene = Scene::new([pin("other", ACME, 1)]).claim(ACME, &holder, PinDeletionPolicy::Delete, Holder::Unseen);
    assert_eq!(
        scene.standing("other"),
        Standing::Conflict {
            holder,
            fate: Holder::Unseen
        }
    );
    assert!(scene.decide().plan.is_empty());
}

#[rstest]
#[case(Holder::Deleted)]
#[case(Holder::Left)]
fn a_free_claim_passes_on_and_the_row_stays(#[case] fate: Holder) {
    let scene = Scene::new([pin("next", ACME, 2).requiring("staging", 60)])
        .claim(ACME, "apps/gone", PinDeletionPolicy::Delete, fate)
        .row(Some(1))
        .ledger([flip(1, None, 1)]);
    let decision = scene.decide();
    let gated = Kept::RequirementNotMet(scene.0.pins[0].spec.requires.clone().unwrap(), Lacking::Start);
    assert_eq!(
        decision.standings,
        [Standing::Kept(gated)],
        "its wish passes the usual gates"
    );
    let claims = vec![claim(ACME, "next")];
    assert_eq!(
        decision.plan,
        Plan {
            claims,
            ..Plan::default()
        }
    );
}

#[rstest]
#[case::retained(PinDeletionPolicy::Retain, Holder::Deleted, Some(1), vec![flip(1, None, 1)], false)]
#[case::deleted(PinDeletionPolicy::Delete, Holder::Deleted, Some(1), vec![flip(1, None, 1)], true)]
#[case::moved_since(PinDeletionPolicy::Delete, Holder::Deleted, Some(2), vec![flip(1, None, 1), flip(2, Some(1), 2)], true)]
#[case::not_deleted_but_gone_elsewhere(PinDeletionPolicy::Delete, Holder::Left, Some(1), vec![flip(1, None, 1)], false)]
#[case::found_at_first(PinDeletionPolicy::Delete, Holder::Deleted, Some(2), vec![flip(1, Some(1), 2)], false)]
#[case::never_written(PinDeletionPolicy::Delete, Holder::Deleted, Some(1), vec![], false)]
#[case::changed_since(PinDeletionPolicy::Delete, Holder::Deleted, Some(3), vec![flip(1, None, 1)], false)]
#[case::changed_on_record(
    PinDeletionPolicy::Delete, Holder::Deleted, Some(3), vec![flip(1, None, 1), outside(2, Some(1), Some(3), 1)], false
)]
#[case::inserted_by_another_hand(
    PinDeletionPolicy::Delete, Holder::Deleted, Some(2),
    vec![flip(1, None, 1), outside(2, Some(1), None, 1), outside(3, None, Some(3), 1), flip(4, Some(3), 2)], false
)]
#[case::no_row(PinDeletionPolicy::Delete, Holder::Deleted, None, vec![flip(1, None, 1)], false)]
fn a_deleted_pin_takes_only_a_row_that_wavepin_made(
    #[case] deletion: PinDeletionPolicy,
    #[case] fate: Holder,
    #[case] row: Option<i32>,
    #[case] ledger: Vec<PinEvent>,
    #[case] removed: bool,
) {
    let scene = Scene::new([])
        .claim(ACME, "apps/gone", deletion, fate)
        .row(row)
        .ledger(ledger);
    let plan = scene.decide().plan;
    if removed {
        let tenant = ACME.to_owned();
        let holds = row.unwrap();
        let removals = vec![RowRemoval { tenant, holds }];
        assert_eq!(
            plan,
            Plan {
                removals,
                ..Plan::default()
            }
        );
    } else {
        let releases = vec![ACME.to_owned()];
        assert_eq!(
            plan,
            Plan {
                releases,
                ..Plan::default()
            }
        );
    }
}

#[test]
fn a_holder_that_is_being_deleted_keeps_its_claim_and_moves_nothing() {
    let leaving = pin("leaving", ACME, 2).with(|pin| pin.deleting = true);
    let scene = Scene::new([leaving, pin("next", ACME, 3)])
        .claimed("leaving")
        .row(Some(1));
    assert_eq!(scene.standing("leaving"), Standing::Deleting);
    let holder = "apps/leaving".to_owned();
    assert_eq!(
        scene.standing("next"),
        Standing::Conflict {
            holder,
            fate: Holder::Stands
        }
    );
    assert!(scene.decide().plan.is_empty());
}

#[test]
fn a_changed_deletion_policy_is_kept_in_the_claim() {
    let pin = wish(1).with(|pin| pin.spec.deletion_policy = PinDeletionPolicy::Delete);
    let decision = scene(pin).row(Some(1)).decide();
    let deletion = PinDeletionPolicy::Delete;
    let claims = vec![Claim {
        deletion,
        ..claim(ACME, "acme-production")
    }];
    assert_eq!(
        decision.plan,
        Plan {
            claims,
            ..Plan::default()
        }
    );
}
