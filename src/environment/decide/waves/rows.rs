//! Tenants without a pin, in a rollout that takes them.

use std::collections::BTreeMap;

use super::super::super::observe::Holder;
use super::super::super::scene::{With, at, flip, pin};
use super::super::{BY_WAY_BACK, Unlabelled};
use super::*;
use crate::ports::{Scope, TenantLine, TenantLines};
use crate::resources::{PinDeletionPolicy, TenantPinSpec};

type Pin = crate::ports::Object<TenantPinSpec>;

const ROWS: [(&str, &str, i32); 5] = [
    ("r0", "canary", 1),
    ("r1", "early", 1),
    ("r2", "early", 1),
    ("r3", "late", 1),
    ("r4", "late", 1),
];

/// Five tenants without a pin, on version 1, beside the pins that are given, and a rollout to 2.
fn among(pins: impl IntoIterator<Item = Pin>) -> Scene {
    let house = house();
    let mut scene = Scene::new(pins).on(1).rolling_out(rollout(2, waves()));
    scene.0.versions = house.0.versions;
    scene.rows(&ROWS)
}

fn alone() -> Scene {
    among([])
}

fn held(scene: &Scene) -> Vec<(&str, i32)> {
    let rows = scene.0.view.rows.iter();
    rows.map(|(tenant, version)| (tenant.as_str(), *version)).collect()
}

/// The versions of r0 to r4.
fn of_rows(scene: &Scene) -> Vec<i32> {
    ROWS.iter().map(|(tenant, ..)| scene.0.view.rows[*tenant]).collect()
}

fn standing(scene: &Scene, tenant: &str) -> Option<Standing> {
    let mut rows = scene.decide().rows.into_iter();
    rows.find(|(of, _)| of == tenant).map(|(_, standing)| standing)
}

fn broken(scene: &mut Scene, why: &str) {
    scene.0.view.tenants = TenantLines::Unusable(why.to_owned());
}

#[test]
fn rows_move_wave_by_wave_and_back_at_once_as_pins_do() {
    let mut scene = alone();
    scene.settle();
    assert_eq!(of_rows(&scene), [2, 1, 1, 1, 1], "the canary");
    scene.pass(3600);
    scene.settle();
    assert_eq!(of_rows(&scene), [2, 2, 1, 1, 1], "half of the early ones");
    scene.pass(600);
    scene.settle();
    assert_eq!(of_rows(&scene), [2, 2, 2, 1, 1]);
    let told = lead(&scene);
    assert_eq!((told.moved, told.followers, told.waves[1].tenants), (3, 5, 2));
    assert_eq!(told.rows.map(|rows| (rows.tenants, rows.unlabelled)), Some((5, 0)));

    edit(&mut scene, |spec| spec.version = 1);
    let back = scene.settle();
    assert_eq!(of_rows(&scene), [1; 5]);
    let flips: Vec<_> = back.iter().flat_map(|plan| &plan.flips).collect();
    assert_eq!(
        (flips.len(), flips[0].reason.as_str(), flips[0].moves.len()),
        (1, BY_WAY_BACK, 3)
    );
    edit(&mut scene, |spec| spec.version = 2);
    for _ in 0..6 {
        scene.settle();
        scene.pass(3600);
    }
    assert_eq!(of_rows(&scene), [2; 5]);
    assert!(lead(&scene).complete);
    assert!(scene.0.view.claims.is_empty(), "a claim is a pin's");
}

#[test]
fn rows_take_no_part_where_the_rollout_does_not_say_so() {
    let mut scene = alone();
    edit(&mut scene, |spec| spec.members = None);
    scene.0.view.events.insert("r0".to_owned(), vec![flip(1, None, 2)]);
    let done = scene.settle();
    assert_eq!(of_rows(&scene), [1; 5]);
    assert!(done.iter().all(|plan| plan.outside.is_empty()), "{done:?}");
    let told = lead(&scene);
    assert_eq!((told.followers, told.rows, scene.decide().rows), (0, None, Vec::new()));
}

#[test]
fn a_pin_of_any_kind_outranks_a_row() {
    let of = |name: &str, tenant: &str, version| pin(name, tenant, version);
    let deleting = of("d", "r1", 1).with(|pin| pin.deleting = true);
    let invalid = of("i", "r2", 0);
    let own = of("o", "r3", 1);
    let kept = follower("r0", "canary").held(None);
    let mut scene = among([deleting, invalid, own, kept]);
    for _ in 0..6 {
        scene.settle();
        scene.pass(3600);
    }
    assert_eq!(of_rows(&scene), [1, 1, 1, 1, 1], "{:?}", lead(&scene).wait);
    assert_eq!(lead(&scene).rows.map(|rows| rows.tenants), Some(1));

    let mut scene = alone();
    for (tenant, fate) in [
        ("r0", Holder::Missing(at(9000))),
        ("r1", Holder::Unseen),
        ("r2", Holder::Stands),
    ] {
        scene = scene.claim(tenant, "elsewhere/x", PinDeletionPolicy::Retain, fate);
    }
    assert_eq!(
        lead(&scene).rows.map(|rows| rows.tenants),
        Some(2),
        "others' claims count"
    );
    scene = scene.claim("r0", "apps/gone", PinDeletionPolicy::Retain, Holder::Deleted);
    scene.settle();
    assert_eq!(lead(&scene).rows.map(|rows| rows.tenants), Some(3), "its pin is gone");
    assert_eq!(scene.0.view.rows["r0"], 2, "and its row moves by its own labels");
}

#[test]
fn a_tenant_that_the_table_does_not_have_is_in_the_rest() {
    let mut scene = alone();
    scene.0.view.rows.insert("r9".to_owned(), 1);
    scene.tier("r3", None);
    assert_eq!(
        lead(&scene).rows.map(|rows| (rows.tenants, rows.unlabelled)),
        Some((6, 1))
    );
    assert_eq!(lead(&scene).waves[2].tenants, 3);
    edit(&mut scene, |spec| drop(spec.waves.pop()));
    scene.settle();
    assert!(matches!(
        standing(&scene, "r9"),
        Some(Standing::Kept(Kept::NotSelected { .. }))
    ));
    edit(&mut scene, |spec| {
        spec.members = serde_json::from_value(json!({"rows": {}})).unwrap()
    });
    assert_eq!(
        lead(&scene).rows.map(|rows| (rows.tenants, rows.unlabelled)),
        Some((6, 0))
    );
    assert!(
        lead(&scene).waves.iter().all(|wave| wave.tenants == 0),
        "no labels are asked for"
    );
}

#[test]
fn while_labels_are_not_known_nobody_moves_forward_and_no_wave_opens_or_ends() {
    let house = [follower("p0", "canary"), pin("own", "own", 1)];
    let mut scene = among(house);
    scene.settle();
    assert_eq!(phases(&scene)[0], WavePhase::Soaking);
    broken(&mut scene, "no such table");
    relabel(&mut scene, 0, |pin| pin.spec.version = Some(3));
    scene.0.pins.push(Arc::new(follower("p1", "canary")));
    scene.0.view.rows.insert("p1".to_owned(), 1);
    scene.pass(1_000_000);
    scene.settle();
    assert_eq!(of_rows(&scene), [2, 1, 1, 1, 1]);
    assert_eq!(
        scene.0.view.rows["p1"], 1,
        "a pin that follows waits too: its wave is known in part"
    );
    assert_eq!(scene.0.view.rows["own"], 3, "one with a version of its own does not");
    assert_eq!(
        phases(&scene),
        [WavePhase::Open, WavePhase::Pending, WavePhase::Pending]
    );
    let Some(Wait::Unlabelled(Unlabelled::Unusable(why))) = lead(&scene).wait else {
        panic!("{:?}", lead(&scene).wait)
    };
    assert!(
        why.contains("spec.mapping.tenantTables.tenants") && why.ends_with("no such table"),
        "{why}"
    );
    assert!(scene.decide().awaits, "it is read again soon");
    assert_eq!(standing(&scene, "r1"), Some(Standing::Kept(Kept::Unlabelled)));

    edit(&mut scene, |spec| spec.version = 1);
    scene.settle();
    assert_eq!(of_rows(&scene), [1; 5], "to go back takes no label");
    edit(&mut scene, |spec| spec.version = 2);
    scene.settle();
    assert_eq!(of_rows(&scene), [1; 5]);
    let mut scene = scene.rows(&ROWS);
    scene.settle();
    assert_eq!(of_rows(&scene), [2, 1, 1, 1, 1], "as soon as they are known");
}

#[test]
fn a_wave_of_rows_alone_is_not_passed_as_empty_while_labels_are_not_known() {
    let mut scene = alone();
    broken(&mut scene, "gone");
    scene.settle();
    scene.pass(1_000_000);
    scene.settle();
    assert_eq!(of_rows(&scene), [1; 5]);
    assert!(!lead(&scene).complete);
    assert_eq!(phases(&scene), [WavePhase::Pending; 3]);
}

/// What is said of a table with these rows.
fn refused(lines: &[(&str, Option<&str>)]) -> String {
    let mut scene = alone();
    let line = |(tenant, tier): &(&str, Option<&str>)| TenantLine {
        tenant: (*tenant).to_owned(),
        values: vec![tier.map(str::to_owned)],
    };
    let mut all: Vec<TenantLine> = lines.iter().map(line).collect();
    scene.0.view.tenants = TenantLines::Read(all.clone());
    let decided = scene.decide();
    all.reverse();
    scene.0.view.tenants = TenantLines::Read(all);
    assert_eq!(scene.decide(), decided, "the order of rows does not matter");
    match lead(&scene).wait {
        Some(Wait::Unlabelled(Unlabelled::Unusable(why))) => why,
        _ => String::new(),
    }
}

#[test]
fn a_table_that_leaves_labels_in_doubt_is_refused_with_the_tenant_and_a_way_out() {
    let twice = refused(&[("r1", Some("a")), ("r1", Some("a")), ("r0", None), ("r0", None)]);
    assert!(
        twice.contains("more than one row for tenant \"r0\", and 1 more like it"),
        "{twice}"
    );
    assert!(twice.contains("environmentColumn"), "{twice}");
    let odd = refused(&[("r2", Some("secret words")), ("r1", Some("fine"))]);
    assert!(odd.contains("column tier") && odd.contains("tenant \"r2\""), "{odd}");
    assert!(!odd.contains("secret"), "no value is told: {odd}");
    // Keys in other letters, another environment's word, or a table that is being filled: not everybody is in the rest.
    for none in [&[][..], &[("R0", Some("canary")), ("other", None)]] {
        let none = refused(none);
        let says =
            "it has none of the 5 tenants of this environment without a pin, such as \"r0\". Correct tenantColumn";
        assert!(none.contains(says), "{none}");
    }
    assert_eq!(
        refused(&[("r2", Some("")), ("other", Some("no label")), ("other", None)]),
        ""
    );
}

#[test]
fn a_table_that_is_not_declared_or_not_the_one_that_was_read_labels_nobody() {
    let mut scene = alone();
    scene.0.tenant_tables.clear();
    let missing = Wait::Unlabelled(Unlabelled::NotDeclared("tenants".to_owned()));
    assert_eq!(lead(&scene).wait, Some(missing));
    let mut scene = alone();
    scene.0.labels_from = Some("others".to_owned());
    let Some(Wait::Unlabelled(Unlabelled::Unusable(why))) = lead(&scene).wait else {
        panic!("{:?}", lead(&scene).wait)
    };
    assert!(why.contains("another VersionRollout"), "{why}");
    let mut scene = alone();
    scene.0.tenant_tables.get_mut("tenants").unwrap().table = "a\"b".to_owned();
    assert!(scene.settle().iter().all(|plan| plan.flips.is_empty()));
}

#[test]
fn a_row_that_another_hand_changed_is_left_out_until_the_target_changes() {
    let mut scene = alone();
    scene.settle();
    scene.0.view.rows.insert("r0".to_owned(), 1);
    scene.settle();
    scene.pass(1_000_000);
    scene.settle();
    assert_eq!(scene.0.view.rows["r0"], 1, "it is not fought over");
    assert!(matches!(
        standing(&scene, "r0"),
        Some(Standing::Kept(Kept::ChangedOutside { .. }))
    ));
    assert_eq!(lead(&scene).waves[0].left_out, 1);
    edit(&mut scene, |spec| spec.version = 3);
    scene.settle();
    assert_eq!(scene.0.view.rows["r0"], 3, "another target is another wish");

    // A pin confirms for one tenant what no annotation of a rollout could for thousands.
    let mut scene = alone();
    scene.settle();
    scene.0.view.rows.insert("r0".to_owned(), 1);
    scene.settle();
    scene.0.pins.push(Arc::new(follower("r0", "canary").restoring("1->2")));
    scene.settle();
    assert_eq!(scene.0.view.rows["r0"], 2);
}

#[test]
fn rows_at_versions_that_are_none_or_unknown_are_left_out() {
    let mut scene = alone();
    scene.0.view.rows.insert("r0".to_owned(), 99);
    scene.0.view.rows.remove("r1");
    scene.0.view.odd_rows.insert("r1".to_owned(), None);
    scene.settle();
    assert!(matches!(
        standing(&scene, "r0"),
        Some(Standing::Kept(Kept::UnknownCurrentVersion { current: 99 }))
    ));
    assert!(matches!(
        standing(&scene, "r1"),
        Some(Standing::Kept(Kept::NoVersion { .. }))
    ));
    assert!(held(&scene).contains(&("r0", 99)));
    assert_eq!(lead(&scene).wait, Some(Wait::HeldBack("canary".to_owned(), None)));
}

#[test]
fn a_tenant_that_comes_in_the_middle_and_one_that_changes_its_label_move_with_the_next_batch() {
    let mut scene = alone();
    scene.settle();
    scene.pass(3600);
    scene.settle();
    assert_eq!(of_rows(&scene), [2, 2, 1, 1, 1]);
    scene.0.view.rows.insert("n".to_owned(), 1);
    scene.tier("n", Some("canary"));
    scene.tier("r4", Some("early"));
    scene.settle();
    assert_eq!(scene.0.view.rows["n"], 2, "its wave has no batches");
    assert_eq!(of_rows(&scene), [2, 2, 1, 1, 1], "batches keep their distance");
    scene.pass(600);
    scene.settle();
    scene.pass(600);
    scene.settle();
    assert_eq!(of_rows(&scene), [2, 2, 2, 1, 2]);
}

#[test]
fn what_a_wave_requires_is_asked_of_rows_too() {
    let mut needs = waves();
    needs[0]["requires"] = json!({"environment": "staging", "soak": "30m"});
    let mut scene = alone();
    edit(&mut scene, |spec| spec.waves = serde_json::from_value(needs).unwrap());
    scene.settle();
    assert_eq!(of_rows(&scene), [1; 5]);
    assert!(scene.decide().awaits, "no status wakes for a row");
    let ran = BTreeMap::from([("r0".to_owned(), vec![flip(900, Some(1), 2)])]);
    scene.0.view.evidence.insert("staging".to_owned(), ran);
    scene.settle();
    assert_eq!(scene.decide().wake, Some(at(900 + 1800)));
    scene.pass(1700);
    scene.settle();
    assert_eq!(of_rows(&scene), [2, 1, 1, 1, 1]);
}

#[test]
fn a_rollback_takes_rows_back_to_what_each_had_also_while_labels_are_not_known() {
    let mut scene = alone();
    scene.settle();
    scene.pass(3600);
    scene.settle();
    assert_eq!(of_rows(&scene), [2, 2, 1, 1, 1]);
    broken(&mut scene, "gone");
    scene.order(Scope::Tenant("r1".to_owned()));
    scene.settle();
    assert_eq!(of_rows(&scene), [2, 1, 1, 1, 1]);
    let attempt = scene.0.view.rollouts.attempt.as_ref().unwrap().number;
    scene.order(Scope::Rollout { attempt });
    scene.settle();
    assert_eq!(of_rows(&scene), [1; 5]);
    assert!(matches!(standing(&scene, "r1"), Some(Standing::Kept(Kept::Ordered(_)))));
}

#[test]
fn rows_go_back_by_an_order_though_no_rollout_counts_them_any_more() {
    let let_go: [fn(&mut Scene); 2] = [
        |scene| edit(scene, |spec| spec.members = None),
        |scene| scene.0.rollouts.clear(),
    ];
    for let_go in let_go {
        let mut scene = among([follower("f0", "canary")]);
        scene.settle();
        assert_eq!(of_rows(&scene), [2, 1, 1, 1, 1]);
        let_go(&mut scene);
        scene.settle();
        // The claim of a pin that is not seen now is that pin's.
        let held = PinDeletionPolicy::Retain;
        let mut other = scene.clone().claim("r0", "apps/other", held, Holder::Stands);
        for scene in [&mut scene, &mut other] {
            let attempt = scene.0.view.rollouts.attempt.as_ref().unwrap().number;
            scene.order(Scope::Rollout { attempt });
            scene.settle();
            assert_eq!(scene.0.view.rows["f0"], 1);
        }
        assert_eq!(of_rows(&scene), [1; 5]);
        assert_eq!(of_rows(&other), [2, 1, 1, 1, 1]);
    }
}

#[test]
fn a_tenant_without_a_pin_goes_back_by_an_order_whoever_leads() {
    let mut scene = alone();
    scene.settle();
    edit(&mut scene, |spec| spec.members = None);
    scene.settle();
    scene.order(Scope::Tenant("r0".to_owned()));
    scene.settle();
    assert_eq!(of_rows(&scene), [1; 5]);
}
