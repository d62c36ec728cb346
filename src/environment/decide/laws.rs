//! What holds of every decision, whatever was seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::super::observe::Holder;
use super::super::scene::{Scene, With, at, pin};
use super::{Plan, Standing, refusal};
use crate::ports::{Claim, Object, PinEvent, PinEventKind};
use crate::resources::{PinDeletionPolicy, TenantPinSpec};

const TENANTS: [&str; 3] = ["acme", "globex", "initech"];

fn tenant() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&TENANTS[..])
}

/// Versions 1 to 3 are complete, 4 is being cut, 5 is retired, and nobody declared 6.
fn version() -> impl Strategy<Value = i32> {
    1..=6
}

fn policy() -> impl Strategy<Value = PinDeletionPolicy> {
    prop_oneof![Just(PinDeletionPolicy::Retain), Just(PinDeletionPolicy::Delete)]
}

fn any_pin() -> impl Strategy<Value = Object<TenantPinSpec>> {
    let hold = option::of(option::of(990_i64..1010));
    let requires = option::weighted(0.3, (prop_oneof!["staging", "production"], 0_u64..200));
    let restore = option::of((option::of(version()), version()));
    let wish = prop_oneof![9 => version(), 1 => Just(0)];
    let parts = (
        tenant(),
        wish,
        0_i64..3,
        proptest::bool::weighted(0.1),
        policy(),
        hold,
        requires,
        restore,
    );
    parts.prop_map(|(tenant, version, seen, deleting, policy, hold, requires, restore)| {
        let mut pin = pin("unnamed", tenant, version).with(|pin| {
            pin.first_seen = at(seen);
            pin.deleting = deleting;
            pin.spec.deletion_policy = policy;
        });
        if let Some(until) = hold {
            pin = pin.held(until);
        }
        if let Some((environment, soak)) = requires {
            pin = pin.requiring(&environment, soak);
        }
        if let Some((row, wish)) = restore {
            let row = row.map_or_else(|| "none".to_owned(), |row| row.to_string());
            pin = pin.restoring(&format!("{row}->{wish}"));
        }
        pin
    })
}

/// A ledger whose events follow each other in time and value.
fn ledger() -> impl Strategy<Value = Vec<PinEvent>> {
    let outside = (Just(PinEventKind::Outside), option::of(version()));
    let kind = prop_oneof![(Just(PinEventKind::Flip), version().prop_map(Some)), outside];
    let steps = vec((1_i64..200, kind, version()), 0..5);
    (option::of(version()), steps).prop_map(|(mut from, steps)| {
        let mut seconds = 0;
        let mut next = |(pause, (kind, to), wish): (i64, (PinEventKind, Option<i32>), i32)| {
            seconds += pause;
            let wish = if kind == PinEventKind::Flip {
                to.unwrap_or(wish)
            } else {
                wish
            };
            let event = PinEvent {
                at: at(seconds),
                kind,
                from,
                to,
                wanted_version: wish,
                cause: Arc::default(),
            };
            from = to;
            event
        };
        steps.into_iter().map(&mut next).collect()
    })
}

fn of_tenants<S: Strategy>(value: S) -> impl Strategy<Value = BTreeMap<String, S::Value>> {
    btree_map(tenant().prop_map(str::to_owned), value, 0..=TENANTS.len())
}

fn any_scene() -> impl Strategy<Value = Scene> {
    let fate = proptest::sample::select(vec![Holder::Stands, Holder::Unseen, Holder::Left, Holder::Deleted]);
    let claims = of_tenants((0_usize..8, policy(), fate));
    // Half of the rows are as the ledger has them; else nothing would ever be at peace.
    let rows = of_tenants(option::of(version()));
    let parts = (
        vec(any_pin(), 0..7),
        claims,
        rows,
        of_tenants(ledger()),
        of_tenants(ledger()),
        option::of((1..=3, any::<bool>())),
    );
    parts.prop_map(|(pins, claims, rows, events, staging, void)| {
        let named = pins.into_iter().enumerate();
        let mut scene = Scene::new(named.map(|(place, pin)| pin.with(|pin| pin.name = format!("p{place}"))));
        if let Some((version, everywhere)) = void {
            scene = if everywhere {
                scene.void(version)
            } else {
                scene.sampled(version, None)
            };
        }
        let view = &mut scene.0.view;
        for (tenant, events) in &events {
            let last = events.last().and_then(|event| event.to);
            view.rows.extend(last.map(|last| (tenant.clone(), last)));
        }
        for (tenant, row) in rows {
            view.rows.extend(row.map(|row| (tenant, row)));
        }
        view.events = events;
        view.evidence.insert("staging".to_owned(), staging);
        for (tenant, (holder, deletion, fate)) in claims {
            let holder = format!("apps/p{holder}");
            let stands = scene
                .0
                .pins
                .iter()
                .any(|pin| pin.key() == holder && pin.spec.tenant == tenant);
            let fate = if stands { Holder::Stands } else { fate };
            scene = scene.claim(&tenant, &holder, deletion, fate);
        }
        scene
    })
}

/// The pin whose word counts for a tenant, once the plan's claims are set.
fn owner(scene: &Scene, plan: &Plan, tenant: &str) -> Arc<Object<TenantPinSpec>> {
    let set = plan.claims.iter().find(|claim| claim.tenant == tenant);
    let claim: &Claim = set.unwrap_or_else(|| &scene.0.view.claims[tenant]);
    let found = scene.0.pins.iter().find(|pin| pin.key() == claim.holder);
    Arc::clone(found.expect("a row moves for a pin that is there"))
}

fn sorted(mut plan: Plan) -> Plan {
    plan.outside.sort();
    for flip in &mut plan.flips {
        flip.moves.sort_by(|one, other| one.tenant.cmp(&other.tenant));
    }
    plan
}

proptest! {
    #[test]
    fn doing_the_plan_and_deciding_again_gives_nothing_to_do(mut scene in any_scene()) {
        let plan = scene.decide().plan;
        scene.apply(&plan);
        let again = scene.decide();
        prop_assert!(again.plan.is_empty(), "{plan:?}\n{:?}", again.plan);
        prop_assert!(!again.standings.contains(&Standing::Moving));
    }

    #[test]
    fn a_converged_world_gives_no_effect_even_with_its_ledger_lost(mut scene in any_scene()) {
        let claims = scene.decide().plan;
        scene.apply(&Plan { claims: claims.claims, releases: claims.releases, ..Plan::default() });
        scene.0.view.claims.retain(|tenant, _| !matches!(scene.0.holders[tenant], Holder::Left | Holder::Deleted));
        scene.0.view.events.clear();
        scene.0.view.evidence.clear();
        let wishes = scene.0.pins.iter().filter(|pin| {
            scene.0.view.claims.get(&pin.spec.tenant).is_some_and(|claim| claim.holder == pin.key())
        });
        scene.0.view.rows = wishes.filter_map(|pin| Some((pin.spec.tenant.clone(), pin.spec.version?))).collect();
        let decision = scene.decide();
        prop_assert!(decision.plan.is_empty(), "{:?}", decision.plan);
        prop_assert_eq!((decision.wake, decision.awaits), (None, false));
    }

    #[test]
    fn the_order_of_pins_does_not_matter(scene in any_scene(), turn in 0_usize..7) {
        let mut turned = scene.clone();
        turned.0.pins.reverse();
        let turn = turn.min(turned.0.pins.len());
        turned.0.pins.rotate_left(turn);
        let told = |scene: &Scene| -> BTreeMap<String, Standing> {
            let names = scene.0.pins.iter().map(|pin| pin.name.clone());
            names.zip(scene.decide().standings).collect()
        };
        prop_assert_eq!(told(&scene), told(&turned));
        prop_assert_eq!(sorted(scene.decide().plan), sorted(turned.decide().plan));
    }

    #[test]
    fn a_row_moves_only_to_a_complete_version_by_the_word_of_its_pin(scene in any_scene()) {
        let plan = scene.decide().plan;
        let mut moved = Vec::new();
        for flip in &plan.flips {
            for one in &flip.moves {
                let target = &scene.0.versions[&one.to];
                prop_assert!(target.complete_at.is_some() && target.retired_at.is_none());
                let pin = owner(&scene, &plan, &one.tenant);
                prop_assert_eq!(pin.spec.version, Some(one.to));
                prop_assert!(!pin.deleting && refusal(&pin.spec).is_none());
                let held = pin.spec.hold.as_ref().is_some_and(|hold| hold.until.is_none_or(|until| until > scene.0.now));
                prop_assert!(!held, "a held pin moves");
                let void = target.unproved(&scene.0.key.environment).is_some();
                let events = scene.0.view.events.get(&one.tenant).into_iter().flatten();
                let had = events.into_iter().any(|it| [it.from, it.to].contains(&Some(one.to)));
                prop_assert!(!void || had || flip.reason == super::BY_RESTORE, "on void evidence: {one:?}");
                prop_assert!(one.from != Some(one.to), "a write without a change");
                moved.push(&one.tenant);
            }
        }
        let all = moved.len();
        moved.sort();
        moved.dedup();
        prop_assert_eq!(all, moved.len(), "a tenant moves once");
    }

    #[test]
    fn a_row_at_an_undeclared_version_moves_only_by_a_confirming_word(scene in any_scene()) {
        let plan = scene.decide().plan;
        let by_spec = plan.flips.iter().filter(|flip| flip.reason == super::BY_SPEC);
        for one in by_spec.flat_map(|flip| &flip.moves) {
            let known = one.from.is_none_or(|from| {
                scene.0.versions.get(&from).is_some_and(|version| version.complete_at.is_some())
            });
            prop_assert!(known, "{one:?}");
        }
    }
}
