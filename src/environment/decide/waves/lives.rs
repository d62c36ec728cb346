//! What holds of every rollout, whatever happens to it.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::super::explain::gallery::everything_is_explained;
use super::super::super::scene::Scene;
use super::super::{BY_ORDER, BY_ROLLED_BACK, BY_ROLLOUT, BY_WAY_BACK, Kept, Plan, Standing, Wait, is_made_from};
use super::approvals::approve;
use super::{edit, lead, relabel, retry, rolling};
use crate::ports::{Flip, Move, PinEvent, RolloutStep, Rollouts, Scope, StopKind, Voucher};
use crate::resources::{ApprovalPolicy, Freeze};

/// What may happen to a rollout.
#[derive(Debug, Clone)]
enum Act {
    Pass(i64),
    Target(i32),
    Suspend(bool),
    /// Until when, and of which tier alone.
    Freeze(Option<i64>, Option<&'static str>),
    Hold(usize, Option<i64>),
    Release(usize),
    Label(usize, &'static str),
    Own(usize, Option<i32>),
    ByHand(usize, i32),
    Soak(usize, u64),
    Order(Option<usize>, Option<&'static str>),
    Lift,
    Fail(StopKind),
    Retry,
    Ask(usize, Option<ApprovalPolicy>),
    Approve(usize, bool),
    Withdraw,
}

fn act() -> impl Strategy<Value = Act> {
    let tenant = || 0_usize..7;
    prop_oneof![
        6 => (1_i64..4000).prop_map(Act::Pass),
        2 => (1..=4).prop_map(Act::Target),
        1 => any::<bool>().prop_map(Act::Suspend),
        1 => (option::of(0_i64..5000), option::of(Just("early"))).prop_map(|(until, whom)| Act::Freeze(until, whom)),
        1 => (tenant(), option::of(0_i64..5000)).prop_map(|(it, until)| Act::Hold(it, until)),
        1 => tenant().prop_map(Act::Release),
        1 => (tenant(), prop_oneof![Just("canary"), Just("early"), Just("late")]).prop_map(|(it, tier)| Act::Label(it, tier)),
        1 => (tenant(), option::weighted(0.3, 1..=3)).prop_map(|(it, own)| Act::Own(it, own)),
        1 => (tenant(), 1..=3).prop_map(|(it, version)| Act::ByHand(it, version)),
        1 => (0_usize..3, 0_u64..4000).prop_map(|(wave, soak)| Act::Soak(wave, soak)),
        1 => (option::of(tenant()), option::of(Just("canary"))).prop_map(|(it, wave)| Act::Order(it, wave)),
        1 => Just(Act::Lift),
        1 => prop_oneof![Just(StopKind::Paused), Just(StopKind::RolledBack)].prop_map(Act::Fail),
        1 => Just(Act::Retry),
        1 => (0_usize..3, option::weighted(0.7, policy())).prop_map(|(wave, policy)| Act::Ask(wave, policy)),
        2 => (0_usize..3, any::<bool>()).prop_map(|(wave, verified)| Act::Approve(wave, verified)),
        1 => Just(Act::Withdraw),
    ]
}

fn policy() -> impl Strategy<Value = ApprovalPolicy> {
    prop_oneof![Just(ApprovalPolicy::Required), Just(ApprovalPolicy::Verified)]
}

fn perform(scene: &mut Scene, act: &Act) {
    let after = |scene: &Scene, seconds: i64| scene.0.now + jiff::SignedDuration::from_secs(seconds);
    match act.clone() {
        Act::Pass(seconds) => scene.pass(seconds),
        Act::Target(version) => edit(scene, |spec| spec.version = version),
        Act::Suspend(suspend) => edit(scene, |spec| spec.suspend = suspend),
        Act::Freeze(until, whom) => {
            let until = until.map(|it| after(scene, it));
            let freeze = until.map(|until| Freeze {
                from: None,
                until: Some(until),
                reason: "x".to_owned(),
                selector: whom.map(|tier| {
                    let labels = serde_json::json!({"matchLabels": {"tier": tier}});
                    serde_json::from_value(labels).unwrap()
                }),
                ..Freeze::default()
            });
            edit(scene, |spec| spec.freeze = freeze.into_iter().collect());
        }
        Act::Hold(it, until) => {
            let until = until.map(|until| after(scene, until));
            relabel(scene, it, |pin| {
                pin.spec.hold = Some(crate::resources::Hold {
                    reason: "x".to_owned(),
                    until,
                });
            });
        }
        Act::Release(it) => relabel(scene, it, |pin| pin.spec.hold = None),
        Act::Label(it, tier) => relabel(scene, it, |pin| {
            drop(pin.labels.insert("tier".to_owned(), tier.to_owned()))
        }),
        Act::Own(it, own) => relabel(scene, it, |pin| pin.spec.version = own),
        Act::ByHand(it, version) => {
            let tenant = scene.0.pins[it].spec.tenant.clone();
            scene.0.view.rows.insert(tenant, version);
        }
        Act::Order(tenant, wave) => order(scene, tenant, wave),
        Act::Lift => scene.0.view.orders.clear(),
        Act::Fail(kind) => scene.stop(kind, "a check failed"),
        Act::Retry => retry(scene),
        Act::Ask(wave, policy) => edit(scene, |spec| spec.waves[wave].approval = policy),
        Act::Approve(wave, verified) => {
            let wave = scene.0.rollouts[0].spec.waves[wave].name.clone();
            let voucher = match verified {
                true => Voucher::Verified,
                false => Voucher::Unverified("x".to_owned()),
            };
            approve(scene, &wave, voucher);
        }
        Act::Withdraw => scene.0.approvals.clear(),
        Act::Soak(wave, soak) => {
            edit(scene, |spec| {
                spec.waves[wave].soak = crate::resources::HumanDuration::from_secs(soak)
            });
        }
    }
}

fn order(scene: &mut Scene, tenant: Option<usize>, wave: Option<&str>) {
    let attempt = scene.0.view.rollouts.attempt.as_ref().unwrap().number;
    let scope = match (tenant, wave) {
        (Some(it), _) => Scope::Tenant(scene.0.pins[it].spec.tenant.clone()),
        (None, Some(wave)) => Scope::Wave {
            attempt,
            wave: wave.to_owned(),
        },
        (None, None) => Scope::Rollout { attempt },
    };
    scene.order(scope);
}

/// Everybody whom a rolled-back rollout had moved is where it was, but for those that a person keeps.
fn check_returned(scene: &Scene) -> Result<(), TestCaseError> {
    let Some(attempt) = scene.0.view.rollouts.attempt.as_ref() else {
        return Ok(());
    };
    for pin in scene.0.pins.iter().filter(|pin| pin.spec.version.is_none()) {
        let tenant = &pin.spec.tenant;
        let last = scene.0.view.events.get(tenant).and_then(|events| events.last());
        let moved_by_it = |it: &&PinEvent| it.cause.wave.as_ref().is_some_and(|wave| attempt.takes_back(wave));
        if let Some(last) = last.filter(moved_by_it) {
            let kept = pin.spec.hold.is_some() || scene.0.view.rows.get(tenant).copied() != last.to;
            prop_assert!(kept || last.from.is_none(), "{tenant} was not taken back");
        }
    }
    Ok(())
}

/// Does what is decided until nothing more is, and holds each step to what was declared.
fn settle_and_check(scene: &mut Scene) -> Result<(), TestCaseError> {
    for _ in 0..100 {
        let plan = scene.decide().plan;
        if plan.is_empty() {
            return check_returned(scene);
        }
        check(scene, &plan)?;
        scene.apply(&plan);
    }
    Err(TestCaseError::fail("it never ends"))
}

fn check(scene: &Scene, plan: &Plan) -> Result<(), TestCaseError> {
    let mut after = scene.0.view.rollouts.clone();
    for event in &plan.rollout {
        check_step(scene, &after, &event.step)?;
        after.take_in(event, scene.0.view.now);
    }
    let mut moved = BTreeMap::new();
    for flip in &plan.flips {
        for one in &flip.moves {
            let again = moved.insert(one.tenant.clone(), one.to);
            prop_assert_eq!(again, None, "{} moves twice", &one.tenant);
            check_move(scene, flip, one)?;
        }
        check_batch(scene, &after, flip)?;
    }
    Ok(())
}

/// Whether this may be a way back: the target was rolled out before, and nobody moves forward to it, by the line of versions,
/// or has in this attempt.
pub(super) fn again(scene: &Scene, flip: Option<&Flip>) -> bool {
    let target = scene.0.rollouts[0].spec.version;
    let made_from = |from: Option<i32>| from.is_some_and(|from| is_made_from(&scene.0.versions, target, from));
    // By a batch of a wave only newcomers come to it on a way back: who has another version waits for a forward attempt.
    let climbs = flip.is_some_and(|flip| flip.moves.iter().any(|one| one.from.is_some()));
    let attempt = scene.0.view.rollouts.attempt.as_ref();
    let in_attempt = |event: &PinEvent| {
        let of = attempt.zip(event.cause.wave.as_ref());
        of.is_some_and(|(attempt, of)| (attempt.first..=attempt.number).contains(&of.attempt))
    };
    // Who was taken back or left since shows nothing any more.
    let holds = |tenant: &String| scene.0.view.rows.get(tenant) == Some(&target);
    let climbed = scene.0.view.events.iter().any(|(tenant, events)| {
        let last = events.last().filter(|event| in_attempt(event) && holds(tenant));
        let follows = scene
            .0
            .pins
            .iter()
            .any(|pin| pin.spec.tenant == *tenant && pin.spec.version.is_none());
        follows && last.is_some_and(|event| made_from(event.from))
    });
    scene.0.view.rollouts.was_completed(target) && !climbs && !climbed
}

fn check_step(scene: &Scene, ledger: &Rollouts, step: &RolloutStep) -> Result<(), TestCaseError> {
    let waves = &scene.0.rollouts[0].spec.waves;
    let Some(attempt) = &ledger.attempt else {
        prop_assert_eq!(step, &RolloutStep::Started);
        return Ok(());
    };
    match step {
        RolloutStep::Started => {
            let orders = &scene.0.view.orders;
            prop_assert!(
                orders.iter().all(|it| it.tenant().is_some()),
                "it begins against an order"
            );
        }
        RolloutStep::Stopped { kind, .. } => prop_assert_eq!(*kind, StopKind::Ordered),
        RolloutStep::Opened { wave, .. } => {
            let place = waves.iter().position(|it| it.name == *wave).unwrap();
            for before in &waves[..place] {
                let ended = attempt.waves[&before.name].ended_at;
                prop_assert!(ended.is_some(), "{wave} opened before {} ended", before.name);
            }
        }
        RolloutStep::Approved { wave, approval } => {
            let mut offered = scene.0.approvals.iter().filter(|it| it.object.key() == approval.object);
            let spec = &offered.next().expect("it is declared").object.spec;
            let plan = format!("{}-{}", attempt.plan, attempt.number);
            prop_assert!((&spec.wave, &spec.plan) == (wave, &plan), "{spec:?} at {plan}");
        }
        RolloutStep::Ended { wave } => {
            let soak = waves.iter().find(|it| it.name == *wave).unwrap().soak;
            if let Some(last) = attempt.waves[wave].last_flip_at.filter(|_| !again(scene, None)) {
                let soaked = scene.0.view.now.duration_since(last).unsigned_abs();
                prop_assert!(soaked >= soak.0, "{wave} ended after {soaked:?} of {soak}");
            }
        }
        RolloutStep::Completed => {
            let all = waves.iter().all(|wave| attempt.waves[&wave.name].ended_at.is_some());
            prop_assert!(all, "it ended before its waves");
        }
    }
    Ok(())
}

fn check_move(scene: &Scene, flip: &Flip, one: &Move) -> Result<(), TestCaseError> {
    let tenant = one.tenant.as_str();
    let pin = scene.0.pins.iter().find(|pin| pin.spec.tenant == tenant).unwrap();
    let hold = pin.spec.hold.as_ref();
    let held = hold.is_some_and(|it| it.until.is_none_or(|until| until > scene.0.now));
    prop_assert!(!held, "a held pin moves");
    if [BY_ROLLED_BACK, BY_ORDER].contains(&flip.reason.as_str()) {
        let last = scene.0.view.events[tenant].last().unwrap();
        prop_assert_eq!((last.from, last.to), (Some(one.to), one.from), "exactly what it had");
        return Ok(());
    }
    let orders = &scene.0.view.orders;
    let last = scene.0.view.events[tenant].last();
    let moved_with = last
        .and_then(|event| event.cause.wave.as_ref())
        .map(|of| of.wave.as_str());
    let leaves = flip.reason == BY_WAY_BACK && moved_with.is_some();
    let about = orders.iter().any(|order| match &order.scope {
        Scope::Rollout { .. } => true,
        // Who moved with another wave may leave what it was moved to.
        Scope::Wave { wave, .. } => !leaves || moved_with == Some(wave),
        Scope::Tenant(about) => about == tenant,
    });
    let own = pin.spec.version;
    let target = scene.0.rollouts[0].spec.version;
    prop_assert_eq!(own.unwrap_or(target), one.to);
    prop_assert_eq!(own.is_some(), flip.wave.is_none() && flip.reason != BY_WAY_BACK);
    let ordered = orders.iter().any(|it| it.tenant() == Some(tenant)) || (about && own.is_none());
    prop_assert!(!ordered, "it moves against an order");
    if flip.reason == BY_WAY_BACK {
        let mut events = scene.0.view.events[tenant].iter();
        let had = events.any(|it| [it.from, it.to].contains(&Some(one.to)));
        let is_source = one
            .from
            .is_some_and(|from| is_made_from(&scene.0.versions, from, one.to));
        let rolled_out = scene.0.view.rollouts.was_completed(one.to);
        prop_assert!(
            had || (is_source && rolled_out),
            "{tenant} goes back to what it never had"
        );
    }
    Ok(())
}

fn check_batch(scene: &Scene, ledger: &Rollouts, flip: &Flip) -> Result<(), TestCaseError> {
    let spec = &scene.0.rollouts[0].spec;
    let Some(of) = &flip.wave else { return Ok(()) };
    prop_assert_eq!(flip.reason.as_str(), BY_ROLLOUT);
    for freeze in spec.freeze.iter().filter(|it| it.lasts_at(scene.0.now)) {
        let of_tier = |one: &&Move| {
            let pin = scene.0.pins.iter().find(|pin| pin.spec.tenant == one.tenant).unwrap();
            freeze.selector.is_none() || pin.labels["tier"] == "early"
        };
        prop_assert_eq!(flip.moves.iter().find(of_tier), None, "while a freeze keeps it");
    }
    prop_assert!(!spec.suspend, "while nobody may");
    let attempt = ledger.attempt.as_ref().unwrap();
    prop_assert!(attempt.stops.is_empty(), "a stopped rollout goes on");
    let record = attempt.waves[&of.wave];
    let wave = spec.waves.iter().find(|it| it.name == of.wave).unwrap();
    if let Some(policy) = wave.approval.filter(|_| !again(scene, Some(flip))) {
        let approvals = &ledger.attempt.as_ref().unwrap().approvals;
        let approved = approvals
            .get(&wave.name)
            .is_some_and(|it| policy == ApprovalPolicy::Required || it.approval.verified);
        prop_assert!(approved, "{} moves without approval", wave.name);
    }
    if let Some(batch) = wave.batch.as_ref().filter(|_| !again(scene, Some(flip))) {
        let (most, moves) = (batch.size.of(record.members), flip.moves.len());
        prop_assert!(moves <= most as usize, "{moves} of at most {most}");
        if let Some(last) = ledger.last_batches.get(&(spec.version, of.wave.clone())) {
            let apart = scene.0.view.now.duration_since(*last).unsigned_abs();
            prop_assert!(apart >= batch.every.0, "too soon: {apart:?}");
        }
    }
    Ok(())
}

/// The same tenants, on the same version, without their pins: their rows take part.
fn without_pins(of: &Scene) -> Scene {
    let mut scene = of.clone();
    let pins = std::mem::take(&mut scene.0.pins);
    scene.0.view.claims.clear();
    scene.0.holders.clear();
    scene = scene.rows(&[]);
    for pin in &pins {
        scene.tier(&pin.spec.tenant, pin.labels.get("tier").map(String::as_str));
    }
    scene
}

proptest! {
    /// A row that takes part moves as a pin without a version does.
    #[test]
    fn a_row_without_a_pin_moves_when_and_where_a_pin_that_follows_would(acts in vec(act(), 0..30)) {
        let mut pins = rolling(2);
        let mut rows = without_pins(&pins);
        settle_and_check(&mut pins)?;
        rows.settle();
        let both = |act: &&Act| !matches!(act, Act::Hold(..) | Act::Release(_) | Act::Own(..));
        for act in acts.iter().filter(both) {
            match act {
                Act::Label(it, tier) => rows.tier(&format!("t{it}"), Some(tier)),
                Act::ByHand(it, version) => drop(rows.0.view.rows.insert(format!("t{it}"), *version)),
                Act::Order(Some(it), _) => rows.order(Scope::Tenant(format!("t{it}"))),
                other => perform(&mut rows, other),
            }
            perform(&mut pins, act);
            settle_and_check(&mut pins)?;
            rows.settle();
            prop_assert_eq!(&pins.0.view.rows, &rows.0.view.rows, "after {:?}", act);
        }
        // Who takes part is part of the plan, whose word is told where a person is to name it.
        let waves = |scene: &Scene| -> Vec<super::super::WaveState> {
            let waves = lead(scene).waves.into_iter();
            waves.map(|wave| super::super::WaveState { waits: None, ..wave }).collect()
        };
        prop_assert_eq!(waves(&pins), waves(&rows));
    }

    #[test]
    fn whatever_happens_batches_waves_and_gates_hold_and_it_ends(acts in vec(act(), 0..40)) {
        let mut scene = rolling(2);
        settle_and_check(&mut scene)?;
        for act in &acts {
            perform(&mut scene, act);
            everything_is_explained(&scene);
            settle_and_check(&mut scene)?;
        }
        // Whoever waits for a person is freed, and time passes.
        let target = 3;
        scene.0.view.orders.clear();
        edit(&mut scene, |spec| {
            spec.version = target;
            spec.suspend = false;
            spec.freeze.clear();
            spec.waves.iter_mut().for_each(|wave| wave.approval = None);
        });
        for place in 0..scene.0.pins.len() {
            relabel(&mut scene, place, |pin| {
                pin.spec.hold = None;
                pin.spec.version = None;
            });
        }
        for _ in 0..60 {
            settle_and_check(&mut scene)?;
            retry(&mut scene);
            scene.pass(2000);
        }
        let lead = lead(&scene);
        // Other hands may have changed all rows of a wave: that ends by a person.
        if matches!(lead.wait, Some(Wait::HeldBack(..))) {
            return Ok(());
        }
        prop_assert!(lead.complete, "{lead:?}");
        let outside = |it: &Standing| matches!(it, Standing::Kept(Kept::ChangedOutside { .. }));
        for (standing, (tenant, held)) in scene.decide().standings.iter().zip(scene.held()) {
            prop_assert!(held == target || outside(standing), "{tenant} on {held}: {standing:?}");
        }
    }
}
