//! Each gate by example.

mod claims;

use std::sync::Arc;

use rstest::rstest;

use claims::claim;

use super::super::act::Failed;
use super::super::scene::{ACME, Scene, With, at, flip, outside, pin};
use super::{BY_RESTORE, BY_SPEC, Decision, Kept, Lacking, Plan, Standing};
use crate::ports::{Flip, Move, Object, PinEvent, PinEventKind, Unproved};
use crate::resources::TenantPinSpec;
use crate::resources::conditions::{Reason, WAITING};

/// Acme's pin, which wishes a version and has its claim.
fn wish(version: i32) -> Object<TenantPinSpec> {
    pin("acme-production", ACME, version)
}

fn scene(pin: Object<TenantPinSpec>) -> Scene {
    Scene::new([pin]).claimed("acme-production")
}

fn flips(plan: &Plan) -> Vec<(Option<i32>, i32, &str)> {
    let moves = |flip: &'_ Flip| flip.moves.clone();
    let each = plan.flips.iter();
    each.flat_map(|flip| {
        moves(flip)
            .into_iter()
            .map(|one| (one.from, one.to, flip.reason.as_str()))
    })
    .collect()
}

/// What is said of the one pin of a scene that is kept back.
fn waits(scene: &Scene, decision: &Decision) -> (Reason, String) {
    let interval = std::time::Duration::from_secs(300);
    let pass = super::super::report::report(&scene.0, decision, &Failed::default(), interval);
    let mut findings = pass.pins[0].findings.iter();
    let waiting = findings.find(|finding| finding.condition == WAITING).unwrap();
    (waiting.reason, waiting.message.clone())
}

#[rstest]
#[case::a_tenant_without_a_row_gets_one(None, vec![], 2)]
#[case::a_row_at_a_complete_version_moves(Some(1), vec![], 2)]
#[case::a_row_that_wavepin_wrote_moves(Some(1), vec![flip(1, None, 1)], 2)]
#[case::a_row_that_wavepin_deleted_comes_back(None, vec![flip(1, None, 1), deleted(2, 1)], 2)]
#[case::a_row_moves_away_from_a_retired_version(Some(5), vec![], 2)]
#[case::a_new_wish_outranks_another_hand(Some(3), vec![flip(1, None, 1), outside(2, Some(1), Some(3), 1)], 2)]
fn it_moves(#[case] row: Option<i32>, #[case] ledger: Vec<PinEvent>, #[case] version: i32) {
    let decision = scene(wish(version)).row(row).ledger(ledger).decide();
    assert_eq!(decision.standings, [Standing::Moving]);
    assert_eq!(flips(&decision.plan), [(row, version, BY_SPEC)]);
    assert!(decision.plan.outside.is_empty());
}

fn deleted(seconds: i64, from: i32) -> PinEvent {
    PinEvent {
        at: at(seconds),
        kind: PinEventKind::Delete,
        from: Some(from),
        to: None,
        wanted_version: from,
        cause: Arc::default(),
    }
}

#[rstest]
#[case::forward(Some(1), vec![], 2, false)]
#[case::a_first_row(None, vec![], 2, false)]
#[case::on_another_version(Some(1), vec![], 3, true)]
#[case::back_to_what_it_had(Some(3), vec![flip(1, None, 2), flip(2, Some(2), 3)], 2, true)]
fn void_evidence_keeps_back_who_never_had_the_version(
    #[case] row: Option<i32>,
    #[case] ledger: Vec<PinEvent>,
    #[case] version: i32,
    #[case] moves: bool,
) {
    let scene = scene(wish(version)).void(2).row(row).ledger(ledger);
    let decision = scene.decide();
    if moves {
        assert_eq!(decision.standings, [Standing::Moving]);
        return;
    }
    let void = Unproved::Void {
        why: "EditedInOmni".to_owned(),
        found: None,
        in_environment: false,
    };
    assert_eq!(decision.standings, [Standing::Kept(Kept::Unproved(void))]);
    assert!(decision.plan.flips.is_empty() && decision.awaits);
    let (reason, message) = waits(&scene, &decision);
    assert_eq!(reason, Reason::EvidenceVoid);
    assert!(message.contains("(EditedInOmni)"), "{message}");
}

/// Evidence is the environment's own where tenants are asked as: what is found in staging keeps nobody here.
#[rstest]
#[case::that_holds(Some(None), vec![], None)]
#[case::of_which_there_is_none_yet(None, vec![], Some((Reason::EvidenceMissing, "as the tenants of this environment")))]
#[case::that_is_void(Some(Some("own, as tenant acme")), vec![], Some((Reason::EvidenceVoid, "for this environment (RoutingWrong: own, as tenant acme)")))]
#[case::and_back_to_what_it_had(None, vec![flip(1, None, 2), flip(2, Some(2), 3)], None)]
fn a_pin_needs_evidence_of_its_own_environment(
    #[case] production: Option<Option<&str>>,
    #[case] ledger: Vec<PinEvent>,
    #[case] told: Option<(Reason, &str)>,
) {
    let row = if ledger.is_empty() { 1 } else { 3 };
    let scene = scene(wish(2)).sampled(2, production).row(Some(row)).ledger(ledger);
    let decision = scene.decide();
    let Some((reason, words)) = told else {
        assert_eq!(decision.standings, [Standing::Moving]);
        return;
    };
    assert!(decision.plan.flips.is_empty() && decision.awaits);
    let (found, message) = waits(&scene, &decision);
    assert_eq!(found, reason);
    assert!(message.contains(words), "{message}");
}

#[test]
fn evidence_of_an_environment_about_an_older_state_of_the_version_says_nothing() {
    let mut scene = scene(wish(2)).sampled(2, Some(None)).row(Some(1));
    let record = scene.0.versions.get_mut(&2).unwrap();
    record.evidence.as_mut().unwrap().basis = "as it is now".to_owned();
    assert_eq!(
        scene.decide().standings,
        [Standing::Kept(Kept::Unproved(Unproved::Missing))]
    );
}

#[rstest]
#[case::wished(2, Standing::Pinned)]
#[case::wished_though_being_cut(4, Standing::Pinned)]
#[case::nobody_declared_it(77, Standing::Pinned)]
fn a_row_that_holds_the_wish_is_left_alone(#[case] version: i32, #[case] standing: Standing) {
    let decision = scene(wish(version)).row(Some(version)).decide();
    assert_eq!(decision.standings, [standing]);
    assert!(decision.plan.is_empty(), "{:?}", decision.plan);
}

#[rstest]
#[case::not_declared(77, Standing::NotComplete { declared: false }, true)]
#[case::being_cut(4, Standing::NotComplete { declared: true }, true)]
#[case::retired(5, Standing::Retired, false)]
fn it_moves_to_complete_versions_only(#[case] version: i32, #[case] standing: Standing, #[case] awaits: bool) {
    let decision = scene(wish(version)).row(Some(1)).ledger([flip(1, None, 1)]).decide();
    assert_eq!(decision.standings, [standing]);
    assert_eq!(decision.awaits, awaits);
    assert!(decision.plan.is_empty(), "{:?}", decision.plan);
}

#[rstest]
#[case::undeclared(77, 2)]
#[case::being_cut(4, 2)]
fn a_row_at_an_unknown_version_stays_until_that_is_adopted(#[case] row: i32, #[case] version: i32) {
    let scene = scene(wish(version)).row(Some(row));
    let current = row;
    assert_eq!(
        scene.standing("acme-production"),
        Standing::Kept(Kept::UnknownCurrentVersion { current })
    );
    assert!(scene.decide().plan.is_empty());
    let mut adopted = scene;
    let record = adopted.0.versions.entry(row).or_default();
    record.complete_at = Some(at(5));
    assert_eq!(adopted.standing("acme-production"), Standing::Moving);
}

#[test]
fn a_row_changed_by_another_hand_is_put_on_record_once_and_not_fought_over() {
    let mut scene = scene(wish(2)).row(Some(3)).ledger([flip(1, None, 2)]);
    let decision = scene.decide();
    let kept = Kept::ChangedOutside {
        was: Some(2),
        confirm: "3->2".to_owned(),
    };
    assert_eq!(decision.standings, [Standing::Kept(kept)]);
    assert_eq!(decision.plan.outside, [(ACME.to_owned(), Some(2), Some(3), 2)]);
    assert!(decision.plan.flips.is_empty());

    scene.apply(&decision.plan);
    let again = scene.decide();
    assert_eq!(again.standings, decision.standings);
    assert!(again.plan.is_empty(), "{:?}", again.plan);
}

#[test]
fn a_row_that_another_hand_put_to_the_wish_is_recorded_and_fine() {
    let decision = scene(wish(3)).row(Some(3)).ledger([flip(1, None, 2)]).decide();
    assert_eq!(decision.standings, [Standing::Pinned]);
    assert_eq!(decision.plan.outside, [(ACME.to_owned(), Some(2), Some(3), 3)]);
}

#[rstest]
#[case::exactly(Some(3), "3->2", true)]
#[case::another_row(Some(3), "1->2", false)]
#[case::another_wish(Some(3), "3->1", false)]
#[case::words(Some(3), "yes", false)]
#[case::a_row_that_is_gone(None, "none->2", true)]
#[case::a_row_that_nobody_declared(Some(77), "77->2", true)]
fn a_person_confirms_with_both_values(#[case] row: Option<i32>, #[case] word: &str, #[case] restored: bool) {
    // Unmet requirements do not matter: a person has spoken.
    let pin = wish(2).restoring(word).requiring("staging", 60);
    let ledger = [flip(1, None, 2), outside(2, Some(2), row, 2)];
    let decision = scene(pin).row(row).ledger(ledger).decide();
    let expected = if restored { vec![(row, 2, BY_RESTORE)] } else { vec![] };
    assert_eq!(flips(&decision.plan), expected);
}

#[test]
fn a_confirmation_left_in_git_confirms_no_second_change() {
    let ledger = [
        flip(1, None, 2),
        outside(2, Some(2), Some(3), 2),
        flip(3, Some(3), 2),
        outside(4, Some(2), Some(3), 2),
    ];
    let again = scene(wish(2).restoring("3->2")).row(Some(3)).ledger(ledger.clone());
    let kept = Kept::ChangedOutside {
        was: Some(2),
        confirm: "3->2 #2".to_owned(),
    };
    assert_eq!(again.standing("acme-production"), Standing::Kept(kept));
    let confirmed = scene(wish(2).restoring("3->2 #2")).row(Some(3)).ledger(ledger);
    assert_eq!(flips(&confirmed.decide().plan), [(Some(3), 2, BY_RESTORE)]);
}

#[test]
fn a_confirmation_opens_no_gate_for_a_row_that_wavepin_wrote() {
    let pin = wish(2).restoring("1->2").requiring("staging", 60);
    let decision = scene(pin).row(Some(1)).ledger([flip(1, None, 1)]).decide();
    assert!(decision.plan.is_empty(), "{:?}", decision.plan);
}

#[rstest]
#[case::for_good(None, true)]
#[case::until_later(Some(1001), true)]
#[case::over(Some(1000), false)]
fn a_hold_keeps_every_move_back(#[case] until: Option<i64>, #[case] lasts: bool) {
    let restoring = outside(2, Some(2), Some(3), 2);
    for scene in [
        scene(wish(2).held(until)),
        scene(wish(2).held(until))
            .row(Some(1))
            .ledger([flip(1, None, 2), flip(2, Some(2), 1)]),
        scene(wish(2).held(until).restoring("3->2"))
            .row(Some(3))
            .ledger([flip(1, None, 2), restoring.clone()]),
    ] {
        let decision = scene.decide();
        assert_eq!(decision.plan.flips.is_empty(), lasts, "{decision:?}");
        assert_eq!(decision.wake, until.filter(|_| lasts).map(at));
        assert_eq!(matches!(decision.standings[0], Standing::Kept(Kept::Held(_))), lasts);
    }
}

#[test]
fn a_hold_says_nothing_of_a_row_that_holds_the_wish() {
    let decision = scene(wish(2).held(Some(2000))).row(Some(2)).decide();
    assert_eq!(decision.standings, [Standing::Pinned]);
    assert_eq!(decision.wake, None);
}

#[rstest]
#[case::never(vec![], Some(Lacking::Start))]
#[case::another_version(vec![flip(1, None, 3)], Some(Lacking::Start))]
#[case::not_long_enough(vec![flip(950, None, 2)], Some(Lacking::Until { since: at(950), enough: at(1050) }))]
#[case::just_long_enough(vec![flip(900, None, 2)], None)]
#[case::long_ago(vec![flip(100, None, 2), flip(200, Some(2), 3)], None)]
#[case::broken_off(vec![flip(100, None, 2), flip(199, Some(2), 3)], Some(Lacking::Run))]
#[case::two_halves_are_no_whole(
    vec![flip(100, None, 2), flip(160, Some(2), 3), flip(300, Some(3), 2), flip(360, Some(2), 3)],
    Some(Lacking::Run)
)]
#[case::since_the_last_start(
    vec![flip(100, None, 2), flip(160, Some(2), 3), flip(950, Some(3), 2)],
    Some(Lacking::Until { since: at(950), enough: at(1050) })
)]
#[case::the_same_version_twice_is_no_break(vec![flip(900, None, 2), outside(950, Some(2), Some(2), 2)], None)]
#[case::the_row_was_deleted(vec![flip(950, None, 2), deleted(960, 2)], Some(Lacking::Run))]
fn evidence_is_a_run_without_a_break(#[case] staging: Vec<PinEvent>, #[case] lacking: Option<Lacking>) {
    let scene = scene(wish(2).requiring("staging", 100))
        .row(Some(1))
        .ledger([flip(1, None, 1)])
        .staging(staging);
    let decision = scene.decide();
    match (&decision.standings[0], lacking) {
        (Standing::Moving, None) => assert_eq!(flips(&decision.plan), [(Some(1), 2, BY_SPEC)]),
        (Standing::Kept(Kept::RequirementNotMet(_, seen)), Some(lacking)) => {
            assert_eq!(*seen, lacking);
            assert!(decision.plan.is_empty());
            let timed = matches!(lacking, Lacking::Until { .. });
            assert_eq!(decision.wake, timed.then(|| at(1050)));
            assert_eq!(decision.awaits, !timed, "what has no time is looked for");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_soak_is_measured_with_the_databases_clock_and_awaited_with_ours() {
    let mut scene = scene(wish(2).requiring("staging", 100))
        .row(Some(1))
        .staging([flip(950, None, 2)]);
    scene.0.now = at(5000);
    assert_eq!(scene.decide().wake, Some(at(5050)));
}

#[rstest]
#[case::written_before(vec![flip(1, None, 2), flip(2, Some(2), 1)])]
#[case::held_before_wavepin_came(vec![flip(1, Some(2), 1)])]
#[case::put_there_by_another_hand(vec![outside(1, Some(1), Some(2), 1), flip(2, Some(2), 1)])]
fn going_back_needs_no_evidence(#[case] ledger: Vec<PinEvent>) {
    let scene = scene(wish(2).requiring("staging", 3600)).row(Some(1)).ledger(ledger);
    assert_eq!(scene.standing("acme-production"), Standing::Moving);
}

#[rstest]
#[case::null(None, "holds NULL")]
#[case::out_of_range(Some(3_000_000_000), "holds 3000000000")]
fn a_row_that_holds_no_version_is_left_and_named(#[case] held: Option<i64>, #[case] says: &str) {
    let mut scene = scene(wish(2)).ledger([flip(1, None, 1)]);
    scene.0.view.odd_rows.insert(ACME.to_owned(), held);
    let decision = scene.decide();
    assert!(
        decision.plan.flips.is_empty() && decision.plan.outside.is_empty(),
        "{:?}",
        decision.plan
    );
    let (reason, message) = waits(&scene, &decision);
    assert_eq!(reason, Reason::UnknownCurrentVersion);
    assert!(message.contains(says) && !message.contains("no row"), "{message}");
}

#[rstest]
#[case::no_tenant(pin("bad", "", 1), "spec.tenant")]
#[case::a_long_tenant(pin("bad", &"x".repeat(254), 1), "254")]
#[case::version_zero(pin("bad", ACME, 0), "spec.version is 0")]
#[case::a_negative_version(pin("bad", ACME, -3), "spec.version is -3")]
#[case::itself(pin("bad", ACME, 1).requiring("production", 0), "spec.requires.environment")]
#[case::nowhere(pin("bad", ACME, 1).requiring("", 0), "spec.requires.environment")]
fn what_the_schema_refuses_is_refused_here_too(#[case] bad: Object<TenantPinSpec>, #[case] names: &str) {
    let scene = Scene::new([bad, pin("good", "globex", 1)]);
    let Standing::Invalid(refusal) = scene.standing("bad") else {
        panic!("{:?}", scene.standing("bad"));
    };
    assert!(refusal.contains(names), "{refusal}");
    let plan = scene.decide().plan;
    assert_eq!(plan.claims, [claim("globex", "good")], "the rest goes on");
    assert_eq!(plan.flips.iter().flat_map(|flip| &flip.moves).count(), 1);
}

#[test]
fn all_moves_to_one_version_are_one_flip() {
    let pins = ["a", "b", "c"].map(|tenant| pin(tenant, tenant, 2));
    let mut scene = Scene::new(pins.into_iter().chain([pin("d", "d", 3)]));
    scene.0.view.rows.insert("b".to_owned(), 1);
    let flip = |version, moves: &[(&str, Option<i32>)]| Flip {
        environment: "production".to_owned(),
        moves: moves
            .iter()
            .map(|(tenant, from)| Move {
                tenant: (*tenant).to_owned(),
                from: *from,
                to: version,
            })
            .collect(),
        reason: BY_SPEC.to_owned(),
        wave: None,
    };
    let two = flip(2, &[("a", None), ("b", Some(1)), ("c", None)]);
    assert_eq!(scene.decide().plan.flips, [two, flip(3, &[("d", None)])]);
}
