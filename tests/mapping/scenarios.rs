//! What a mapping does, whatever database it stands in.

use std::collections::BTreeSet;

use jiff::Timestamp;
use wavepin::ports::{
    Answer, Approval, AskedRename, CheckOutcome, CheckResult, Claim, CompleteVersion, DashboardIds, DashboardRecord,
    DashboardRow, DocumentState, Evidence, Flip, FlipOutcome, FoundLine, FoundReport, FoundSummary, History,
    HistoryAsk, HistoryOf, Intent, IntentStep, Mapping, MappingError, MappingErrorKind, ModelState, Move, Organization,
    PinEventKind, RolloutEvent, RolloutStep, Rollouts, RowRemoval, Sampled, SourceStamp, VersionChange, WaveOfFlip,
};
use wavepin::resources::{PinDeletionPolicy, RenameKind};

use super::bed::Bed;

/// The application's look-up query, for one slug, tenant and environment.
pub(crate) const LOOK_UP: &str = "SELECT dm.dashboard_id
FROM tenant_version tv
JOIN dashboard_model dm
ON dm.model_version_id = tv.model_version_id
AND dm.dashboard_slug = 'patient-summary'
WHERE tv.tenant_id = 'acme-corp'
AND tv.tenant_environment = 'production';";

const AT: Timestamp = Timestamp::constant(1_700_000_000, 123_456_000);
const LATER: Timestamp = Timestamp::constant(1_700_000_060, 0);

/// An id for a dashboard of a version: a UUID, which every column type takes.
pub(crate) fn id(version: i32, slug: &str) -> String {
    let hash = slug
        .bytes()
        .fold(7_u32, |hash, byte| hash.wrapping_mul(31) ^ u32::from(byte));
    format!("abcdef00-0000-4000-8000-{version:04x}{hash:08x}")
}

pub(crate) fn row(version: i32, slug: &str) -> DashboardRow {
    DashboardRow {
        slug: slug.to_owned(),
        dashboard_id: id(version, slug),
    }
}

fn dashboard(version: i32, slug: &str) -> DashboardRecord {
    DashboardRecord {
        slug: slug.to_owned(),
        ids: DashboardIds {
            identifier: format!("{slug}-v{version}"),
            document_id: format!("document-{slug}-{version}"),
            dashboard_id: id(version, slug),
        },
        source_identifier: format!("{slug}-v{}", version - 1),
        not_carried: vec!["2 favourites".to_owned()],
        renames: vec![AskedRename {
            kind: RenameKind::Field,
            find: "a.b".to_owned(),
            replace: "a.c".to_owned(),
            matched: true,
        }],
        foreign_links: vec!["/dashboards/other".to_owned()],
        state: None,
    }
}

pub(crate) fn completion(version: i32, slugs: &[&str]) -> CompleteVersion {
    CompleteVersion {
        version,
        plan: format!("plan-{version}"),
        rows: slugs.iter().map(|slug| row(version, slug)).collect(),
    }
}

/// A version with two dashboards, complete.
pub(crate) async fn complete(mapping: &dyn Mapping, version: i32) {
    let slugs = ["lab-results", "patient-summary"];
    mapping.record_version(version, "cut:0", "ns/v").await.unwrap();
    for slug in slugs {
        mapping
            .record_dashboard(version, &dashboard(version, slug))
            .await
            .unwrap();
    }
    mapping.complete_version(&completion(version, &slugs)).await.unwrap();
}

pub(crate) fn flip(version: i32, moves: &[(&str, Option<i32>)]) -> Flip {
    Flip {
        environment: "production".to_owned(),
        moves: moves
            .iter()
            .map(|(tenant, from)| Move {
                tenant: (*tenant).to_owned(),
                from: *from,
                to: version,
            })
            .collect(),
        reason: "spec.version".to_owned(),
        wave: None,
    }
}

pub(crate) fn kind<T: std::fmt::Debug>(outcome: Result<T, MappingError>) -> MappingErrorKind {
    outcome.expect_err("it is to be refused").kind
}

async fn rows_by_hand(bed: &Bed) -> Vec<String> {
    bed.by_hand("SELECT tenant_id || '/' || tenant_environment || '=' || CAST(model_version_id AS text) FROM tenant_version ORDER BY 1")
        .await
}

pub(crate) async fn nothing_is_asked_of_a_mapping_that_is_not_prepared(bed: Bed) {
    let mapping = bed.connect().await;
    let refusal = mapping.versions().await.expect_err("it is not prepared").to_string();
    assert!(refusal.contains("failed to read the ledger's versions"), "{refusal}");
    assert!(refusal.contains("not prepared"), "{refusal}");
    let refusal = kind(mapping.record_version(1, "cut:0", "ns/v1").await);
    assert!(matches!(refusal, MappingErrorKind::Refused { .. }), "{refusal:?}");
}

pub(crate) async fn an_older_writer_writes_nothing(bed: Bed) {
    let older = bed.writer().await;
    complete(&*older, 1).await;
    older
        .prepare("acme", None)
        .await
        .expect("prepared again, it only looks");
    let newer = bed.writer().await;
    newer.flip(&flip(1, &[("one", None)])).await.unwrap();

    let claim = Claim {
        tenant: "one".to_owned(),
        holder: "ns/pin".to_owned(),
        deletion: PinDeletionPolicy::Retain,
    };
    let outside = [("one".to_owned(), Some(1), None, 1)];
    let removal = RowRemoval {
        tenant: "one".to_owned(),
        holds: 1,
    };
    let before = bed.writes().await;
    for refusal in [
        kind(older.prepare("acme", None).await),
        kind(older.record_version(2, "cut:1", "ns/v2").await),
        kind(older.change_version(1, &VersionChange::Model("m".to_owned())).await),
        kind(older.open_intent(1, IntentStep::Model, "m", AT).await),
        kind(older.settle_intent(1, IntentStep::Model, "m", AT, "id").await),
        kind(older.drop_intent(1, IntentStep::Model, "m").await),
        kind(older.record_dashboard(1, &dashboard(1, "new")).await),
        kind(older.complete_version(&completion(1, &["new"])).await),
        kind(older.set_claims("production", &[claim]).await),
        kind(older.release_claims("production", &["one".to_owned()]).await),
        kind(older.record_outside("production", &outside).await),
        kind(older.flip(&flip(1, &[("two", None)])).await),
        kind(older.remove_rows("production", &[removal]).await),
    ] {
        assert!(matches!(refusal, MappingErrorKind::Contended), "{refusal:?}");
    }
    assert_eq!(bed.writes().await, before);
    assert_eq!(older.versions().await.unwrap().len(), 1, "it may still read");
    newer.record_version(2, "cut:1", "ns/v2").await.unwrap();
}

pub(crate) async fn another_owner_needs_a_persons_word(bed: Bed) {
    let first = bed.writer().await;
    let second = bed.connect().await;
    for take_from in [None, Some("somebody-else")] {
        let refusal = second
            .prepare("rival", take_from)
            .await
            .expect_err("it belongs to acme");
        assert!(refusal.to_string().contains(r#"belongs to "acme""#), "{refusal}");
        assert!(matches!(refusal.kind, MappingErrorKind::Owned { owner } if owner == "acme"));
    }
    first
        .record_version(1, "cut:0", "ns/v1")
        .await
        .expect("the refused ones changed nothing");

    second.prepare("rival", Some("acme")).await.unwrap();
    second
        .prepare("rival", Some("acme"))
        .await
        .expect("the word may stay there");
    assert!(matches!(
        kind(first.record_version(2, "cut:1", "ns/v2").await),
        MappingErrorKind::Contended
    ));
    let lost = kind(first.prepare("acme", Some("somebody-else")).await);
    assert!(matches!(lost, MappingErrorKind::Owned { owner } if owner == "rival"));
    assert_eq!(second.versions().await.unwrap().len(), 1);

    first
        .prepare("acme", Some("rival"))
        .await
        .expect("it may be taken back");
    first
        .record_version(2, "cut:1", "ns/v2")
        .await
        .expect("it is the writer again");
    let refused = kind(second.record_version(3, "cut:2", "ns/v3").await);
    assert!(matches!(refused, MappingErrorKind::Contended), "{refused:?}");
}

pub(crate) async fn first_starts_at_once_all_succeed(bed: Bed) {
    let starts = (0..6).map(|_| async {
        let mapping = bed.connect().await;
        mapping.prepare("acme", None).await
    });
    for outcome in futures::future::join_all(starts).await {
        outcome.expect("one makes the tables, the others find them");
    }
    let last = bed.writer().await;
    last.record_version(1, "cut:0", "ns/v1").await.unwrap();
}

pub(crate) async fn a_number_belongs_to_who_recorded_it_first(bed: Bed) {
    let mapping = bed.writer().await;
    let first = mapping.record_version(2, "cut:1", "ns/first").await.unwrap();
    let second = mapping.record_version(2, "adopt:model", "ns/second").await.unwrap();
    assert_eq!(first, second);
    assert_eq!((second.source.as_str(), second.holder.as_str()), ("cut:1", "ns/first"));

    let (one, other) = tokio::join!(
        mapping.record_version(3, "cut:1", "ns/one"),
        mapping.record_version(3, "cut:2", "ns/other")
    );
    assert_eq!(one.unwrap(), other.unwrap());
    assert_eq!(mapping.versions().await.unwrap()[&2], first);
}

pub(crate) async fn what_is_learned_about_a_version_is_kept(bed: Bed) {
    let mapping = bed.writer().await;
    let mut expected = mapping.record_version(2, "cut:1", "ns/v2").await.unwrap();
    mapping.record_version(3, "cut:1", "ns/v3").await.unwrap();
    let stamp = SourceStamp {
        model: "2026-01-01T00:00:00Z".to_owned(),
        documents: [("12db1a0a".to_owned(), "yesterday".to_owned())].into(),
    };
    let state = ModelState {
        updated_at: "2026-01-01T00:00:00Z".to_owned(),
        name: Some("clinical v2".to_owned()),
        files: "hash".to_owned(),
    };
    let evidence = Evidence {
        basis: "hash".to_owned(),
        known: Some(["known".to_owned()].into()),
        schemas: Some([("s-1".to_owned(), "yesterday".to_owned())].into()),
        sampled: Sampled::Everywhere,
        ..Evidence::default()
    };
    let void = Evidence {
        void: Some("RoutingWrong".to_owned()),
        found: Some("own, as tenant \"a\"".to_owned()),
        ..evidence.clone()
    };
    let of = |environment: &str, evidence: &Evidence| VersionChange::EnvironmentEvidence {
        environment: environment.to_owned(),
        evidence: Box::new(evidence.clone()),
    };
    let folder = VersionChange::Folder {
        id: "f-1".to_owned(),
        path: "clinical/v2".to_owned(),
    };
    for change in [
        VersionChange::Holder("ns/other".to_owned()),
        VersionChange::Connection("c-1".to_owned()),
        VersionChange::Model("m-1".to_owned()),
        VersionChange::Definition("hash".to_owned()),
        folder,
        VersionChange::SourceStamp(stamp.clone()),
        VersionChange::ModelState(state.clone()),
        VersionChange::Evidence(Box::new(evidence.clone())),
        of("production", &evidence),
        of("staging", &void),
        of("production", &void),
    ] {
        mapping.change_version(2, &change).await.unwrap();
    }
    expected.holder = "ns/other".to_owned();
    expected.connection_id = Some("c-1".to_owned());
    expected.model_id = Some("m-1".to_owned());
    expected.definition = Some("hash".to_owned());
    expected.folder_id = Some("f-1".to_owned());
    expected.folder_path = Some("clinical/v2".to_owned());
    expected.source_stamp = Some(stamp);
    expected.model_state = Some(state);
    expected.evidence = Some(evidence);
    expected.environments = ["production", "staging"].map(|it| (it.to_owned(), void.clone())).into();
    let versions = bed.writer().await.versions().await.unwrap();
    assert_eq!(versions[&2], expected);
    assert_eq!(versions[&3].model_id, None);

    let refusal = mapping.change_version(9, &VersionChange::Model("m".to_owned())).await;
    let kind = kind(refusal);
    assert!(
        matches!(kind, MappingErrorKind::Contended),
        "an older writer by now: {kind:?}"
    );
    let refusal = bed
        .writer()
        .await
        .change_version(9, &VersionChange::Model("m".to_owned()))
        .await;
    let refusal = refusal.expect_err("nobody recorded it").to_string();
    assert!(refusal.contains("version 9 is not recorded"), "{refusal}");
}

pub(crate) async fn what_was_found_is_kept_worst_first_and_written_once(bed: Bed) {
    let mapping = bed.writer().await;
    mapping.record_version(2, "cut:1", "ns/v2").await.unwrap();
    assert_eq!(mapping.found(2).await.unwrap(), []);
    let line = |message: &str, blocks: bool| FoundLine {
        looked_at: "routing".to_owned(),
        environment: blocks.then(|| "production".to_owned()),
        slug: Some("own".to_owned()),
        message: message.to_owned(),
        blocks,
        fingerprint: "f".to_owned(),
        ..FoundLine::default()
    };
    let report = |lines: &[FoundLine], digest: &str| FoundReport {
        summary: FoundSummary {
            digest: digest.to_owned(),
            blocking: 1,
            passed: 1,
            first: lines.iter().map(FoundLine::told).collect(),
        },
        lines: lines.to_vec(),
    };
    let lines = [line("it reads \"another's\" schema", true), line("it is \\ old", false)];
    let first = report(&lines, "one");
    mapping.record_found(2, &first).await.unwrap();
    assert_eq!(mapping.found(2).await.unwrap(), lines);
    assert_eq!(mapping.versions().await.unwrap()[&2].found, Some(first.summary.clone()));
    let before = bed.writes().await;
    mapping.record_found(2, &first).await.unwrap();
    assert_eq!(bed.writes().await, before, "the same again");
    mapping.record_found(2, &report(&lines[1..], "two")).await.unwrap();
    assert_eq!(mapping.found(2).await.unwrap(), lines[1..]);
    let refusal = mapping.record_found(9, &first).await.unwrap_err().to_string();
    assert!(refusal.contains("version 9 is not recorded"), "{refusal}");
}

/// A ledger as the release before evidence was kept by environment left it.
pub(crate) async fn evidence_of_an_older_release_is_read_as_what_it_was(bed: Bed) {
    let older = bed.writer().await;
    older.record_version(2, "cut:1", "ns/v2").await.unwrap();
    let version = bed.ledger("model_version");
    let evidence = r#"{"basis":"0123456789abcdef","void":null,"known":["a"]}"#;
    // What it had no columns for is NULL in them.
    bed.by_hand(&format!(
        "UPDATE {version} SET evidence = '{evidence}' WHERE version = 2"
    ))
    .await;
    let newer = bed.writer().await;
    let read = newer.versions().await.unwrap().remove(&2).unwrap();
    let expected = Evidence {
        basis: "0123456789abcdef".to_owned(),
        known: Some(["a".to_owned()].into()),
        ..Evidence::default()
    };
    assert_eq!((read.evidence.as_ref(), read.environments.len()), (Some(&expected), 0));
    assert_eq!(
        read.unproved("production"),
        None,
        "no pin waits for what it did not wait for before"
    );
    let own = VersionChange::EnvironmentEvidence {
        environment: "production".to_owned(),
        evidence: Box::new(expected.clone()),
    };
    newer.change_version(2, &own).await.unwrap();
    let read = newer.versions().await.unwrap().remove(&2).unwrap();
    assert_eq!(read.environments["production"], expected);
}

pub(crate) async fn intents_are_opened_settled_and_dropped(bed: Bed) {
    let mapping = bed.writer().await;
    mapping.record_version(2, "cut:1", "ns/v2").await.unwrap();
    mapping.record_version(3, "cut:1", "ns/v3").await.unwrap();
    let intent = |step, subject: &str, opened_at, result: Option<&str>| Intent {
        step,
        subject: subject.to_owned(),
        opened_at,
        result: result.map(str::to_owned),
    };
    let steps = [
        IntentStep::Model,
        IntentStep::Branch,
        IntentStep::Git,
        IntentStep::Folder,
        IntentStep::Closure,
        IntentStep::Identifiers,
        IntentStep::Import,
        IntentStep::Labels,
        IntentStep::Queries,
        IntentStep::Roles,
        IntentStep::Access,
        IntentStep::Method,
    ];
    for step in steps {
        mapping.open_intent(2, step, "it", AT).await.unwrap();
    }
    let mut opened = mapping.intents(2).await.unwrap();
    opened.sort_by_key(|it| it.step);
    assert_eq!(opened, steps.map(|step| intent(step, "it", AT, None)));
    assert_eq!(mapping.intents(3).await.unwrap(), []);

    for step in &steps[2..] {
        mapping.drop_intent(2, *step, "it").await.unwrap();
    }
    mapping
        .settle_intent(2, IntentStep::Model, "it", LATER, "m-1")
        .await
        .unwrap();
    mapping
        .settle_intent(2, IntentStep::Import, "unopened", LATER, "d-1")
        .await
        .unwrap();
    mapping.open_intent(2, IntentStep::Branch, "it", LATER).await.unwrap();
    let mut settled = mapping.intents(2).await.unwrap();
    settled.sort_by_key(|it| it.step);
    assert_eq!(
        settled,
        [
            intent(IntentStep::Model, "it", AT, Some("m-1")),
            intent(IntentStep::Branch, "it", LATER, None),
            intent(IntentStep::Import, "unopened", LATER, Some("d-1")),
        ]
    );
    mapping.open_intent(2, IntentStep::Model, "it", LATER).await.unwrap();
    let again = mapping.intents(2).await.unwrap();
    assert!(
        again.contains(&intent(IntentStep::Model, "it", LATER, None)),
        "what is sent again has no result yet: {again:?}"
    );
}

pub(crate) async fn dashboards_are_marked_once(bed: Bed) {
    let mapping = bed.writer().await;
    mapping.record_version(2, "cut:1", "ns/v2").await.unwrap();
    let mut mark = dashboard(2, "patient-summary");
    mapping.record_dashboard(2, &mark).await.unwrap();
    mapping.record_dashboard(2, &dashboard(2, "lab-results")).await.unwrap();
    let marked = mapping.dashboards(2).await.unwrap();
    assert_eq!(marked.keys().collect::<Vec<_>>(), ["lab-results", "patient-summary"]);
    assert_eq!(marked["patient-summary"], mark);

    mark.ids.identifier = "another".to_owned();
    mark.foreign_links.clear();
    mark.state = Some(DocumentState {
        updated_at: Some("yesterday".to_owned()),
        name: "Patient \"Summary\"".to_owned(),
        content: "hash".to_owned(),
    });
    mapping.record_dashboard(2, &mark).await.unwrap();
    assert_eq!(mapping.dashboards(2).await.unwrap()["patient-summary"], mark);
    let refusal = mapping
        .record_dashboard(7, &mark)
        .await
        .expect_err("nobody recorded 7")
        .to_string();
    assert!(refusal.contains("version 7 is not recorded"), "{refusal}");
}

pub(crate) async fn a_version_is_completed_with_its_rows_at_once(bed: Bed) {
    let mapping = bed.writer().await;
    let refusal = mapping.complete_version(&completion(1, &["a"])).await;
    assert!(refusal.unwrap_err().to_string().contains("version 1 is not recorded"));
    mapping.record_version(1, "cut:0", "ns/v1").await.unwrap();
    assert_eq!(mapping.rows(1).await.unwrap(), []);

    let started = Timestamp::now();
    mapping.complete_version(&completion(1, &["b", "a"])).await.unwrap();
    assert_eq!(mapping.rows(1).await.unwrap(), [row(1, "a"), row(1, "b")]);
    let record = mapping.versions().await.unwrap().remove(&1).unwrap();
    assert_eq!(record.plan.as_deref(), Some("plan-1"));
    let age = record.complete_at.unwrap().duration_since(started).as_secs_f64();
    assert!((-5.0..60.0).contains(&age), "{age}");

    // A row that vanished is mended; a dashboard that was added comes to the others; plan and time stay.
    bed.by_hand("DELETE FROM dashboard_model WHERE dashboard_slug = 'a'")
        .await;
    let mut more = completion(1, &["a", "b", "c"]);
    more.plan = "another".to_owned();
    mapping.complete_version(&more).await.unwrap();
    assert_eq!(mapping.rows(1).await.unwrap(), [row(1, "a"), row(1, "b"), row(1, "c")]);
    assert_eq!(mapping.versions().await.unwrap()[&1], record);

    let retire = format!("UPDATE {} SET retired_at = complete_at", bed.ledger("model_version"));
    bed.by_hand(&retire).await;
    assert_eq!(mapping.versions().await.unwrap()[&1].retired_at, record.complete_at);
    let refusal = mapping
        .complete_version(&completion(1, &["d"]))
        .await
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("version 1 is retired"), "{refusal}");
}

pub(crate) async fn a_row_with_another_id_is_left_as_it_is(bed: Bed) {
    let mapping = bed.writer().await;
    mapping.record_version(1, "cut:0", "ns/v1").await.unwrap();
    let held = id(5, "a");
    let insert = format!(
        "INSERT INTO dashboard_model (dashboard_id, model_version_id, dashboard_slug) VALUES ('{held}', 1, 'a')"
    );
    bed.by_hand(&insert).await;
    let before = bed.writes().await;
    let refusal = mapping.complete_version(&completion(1, &["a", "b"])).await.unwrap_err();
    let text = refusal.to_string();
    for part in [held.as_str(), &id(1, "a"), r#""a" of version 1"#] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(matches!(refusal.kind, MappingErrorKind::Conflict { .. }));
    assert_eq!(bed.writes().await, before);
    assert_eq!(mapping.rows(1).await.unwrap().len(), 1, "and no other row is written");
    assert_eq!(mapping.versions().await.unwrap()[&1].complete_at, None);

    // The same UUID, written in another way, is the same id.
    let mut same = completion(1, &["b"]);
    same.rows.push(DashboardRow {
        slug: "a".to_owned(),
        dashboard_id: held.to_uppercase(),
    });
    mapping.complete_version(&same).await.unwrap();
    assert_eq!(mapping.rows(1).await.unwrap().len(), 2);
}

pub(crate) async fn the_applications_look_up_finds_what_a_tenant_sees(bed: Bed) {
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    complete(&*mapping, 2).await;
    let look_up = LOOK_UP.replace("SELECT dm.dashboard_id", "SELECT CAST(dm.dashboard_id AS text)");
    assert!(bed.by_hand(&look_up).await.is_empty());
    mapping.flip(&flip(1, &[("acme-corp", None)])).await.unwrap();
    assert_eq!(bed.by_hand(LOOK_UP).await, [id(1, "patient-summary")]);
    mapping.flip(&flip(2, &[("acme-corp", Some(1))])).await.unwrap();
    assert_eq!(bed.by_hand(LOOK_UP).await, [id(2, "patient-summary")]);
    // A person's hand, as the pattern has it.
    bed.by_hand("UPDATE tenant_version SET model_version_id = 1").await;
    assert_eq!(bed.by_hand(LOOK_UP).await, [id(1, "patient-summary")]);
}

pub(crate) async fn a_flip_is_whole_or_nothing(bed: Bed) {
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    complete(&*mapping, 2).await;
    mapping
        .flip(&flip(1, &[("a", None), ("b", None), ("c", None)]))
        .await
        .unwrap();
    bed.by_hand("UPDATE tenant_version SET updated_at = '2001-01-01 00:00:00'")
        .await;

    let before = bed.writes().await;
    let presumed = [
        ("d", None),
        ("c", None),
        ("b", Some(1)),
        ("a", Some(2)),
        ("gone", Some(1)),
    ];
    let outcome = mapping.flip(&flip(2, &presumed)).await.unwrap();
    let moved = ["a", "c", "gone"].map(str::to_owned).to_vec();
    assert_eq!(outcome, FlipOutcome::Moved(moved));
    assert_eq!(bed.writes().await, before);
    let rows = ["a/production=1", "b/production=1", "c/production=1"];
    assert_eq!(rows_by_hand(&bed).await, rows);

    let presumed = [("d", None), ("b", Some(1)), ("a", Some(1))];
    assert_eq!(mapping.flip(&flip(2, &presumed)).await.unwrap(), FlipOutcome::Done);
    let rows = ["a/production=2", "b/production=2", "c/production=1", "d/production=2"];
    assert_eq!(rows_by_hand(&bed).await, rows);
    let fresh = "SELECT tenant_id FROM tenant_version WHERE updated_at > '2002-01-01 00:00:00' ORDER BY 1";
    assert_eq!(bed.by_hand(fresh).await, ["a", "b", "d"]);

    // One event a batch; the view has a row a tenant.
    let history = format!(
        "SELECT tenant || ':' || coalesce(CAST(from_version AS text), '-') || '>' || CAST(to_version AS text) || ' ' || kind || ' ' \
         || CAST(wanted_version AS text) || ' ' || reason FROM {} ORDER BY id, tenant",
        bed.ledger("pin_history")
    );
    let expected = [
        "a:->1 flip 1 spec.version",
        "b:->1 flip 1 spec.version",
        "c:->1 flip 1 spec.version",
        "a:1>2 flip 2 spec.version",
        "b:1>2 flip 2 spec.version",
        "d:->2 flip 2 spec.version",
    ];
    assert_eq!(bed.by_hand(&history).await, expected);
    let events = format!("SELECT CAST(count(*) AS text) FROM {}", bed.ledger("pin_event"));
    assert_eq!(bed.by_hand(&events).await, ["2"]);
}

/// What happens to a rollout, of attempt and target 1.
pub(crate) fn happens(step: RolloutStep) -> RolloutEvent {
    RolloutEvent {
        attempt: 1,
        holder: "ns/main".to_owned(),
        target: 1,
        plan: "1-plan".to_owned(),
        step,
    }
}

pub(crate) async fn what_happens_to_a_rollout_adds_up_and_happens_once(bed: Bed) {
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    let look = async || {
        mapping
            .environment("production", &["staging".to_owned()], None)
            .await
            .unwrap()
            .rollouts
    };
    assert_eq!(look().await, Rollouts::default());

    let wave = "canary".to_owned();
    let opened = happens(RolloutStep::Opened {
        wave: wave.clone(),
        members: 2,
    });
    let begins = [happens(RolloutStep::Started), opened];
    mapping.record_rollout("production", &begins).await.unwrap();
    let begun = look().await;
    let attempt = begun.attempt.clone().unwrap();
    assert_eq!(
        (attempt.number, attempt.target, attempt.holder.as_str()),
        (1, 1, "ns/main")
    );
    assert_eq!(
        (attempt.plan.as_str(), attempt.completed_at, begun.baseline()),
        ("1-plan", None, None)
    );
    let record = attempt.waves[&wave];
    assert_eq!((record.members, record.last_flip_at, record.ended_at), (2, None, None));

    // Twice is once, and another environment is another matter.
    let before = bed.ledger("rollout_event");
    let count = format!("SELECT CAST(count(*) AS text) FROM {before}");
    mapping.record_rollout("production", &begins).await.unwrap();
    assert_eq!(bed.by_hand(&count).await, ["2"]);
    assert_eq!(look().await, begun);
    mapping
        .record_rollout("staging", &[happens(RolloutStep::Started)])
        .await
        .unwrap();
    assert_eq!(look().await, begun);

    let batch = Flip {
        wave: Some(WaveOfFlip {
            attempt: 1,
            wave: wave.clone(),
        }),
        reason: "rollout".to_owned(),
        ..flip(1, &[("a", None), ("b", None)])
    };
    assert_eq!(mapping.flip(&batch).await.unwrap(), FlipOutcome::Done);
    let elsewhere = Flip {
        environment: "staging".to_owned(),
        ..batch.clone()
    };
    assert_eq!(mapping.flip(&elsewhere).await.unwrap(), FlipOutcome::Done);
    let moved = look().await.attempt.unwrap().waves[&wave];
    let events = mapping.environment("production", &[], None).await.unwrap().events;
    assert_eq!(moved.last_flip_at, Some(events["a"][0].at));
    let last = look().await.last_batches;
    assert_eq!(last.get(&(1, wave.clone())), moved.last_flip_at.as_ref());
    let history = format!(
        "SELECT tenant || ' ' || CAST(attempt AS text) || ' ' || wave FROM {} WHERE environment = 'production' ORDER BY tenant",
        bed.ledger("pin_history")
    );
    assert_eq!(bed.by_hand(&history).await, ["a 1 canary", "b 1 canary"]);

    let approval = Approval {
        approver: "jane".to_owned(),
        verified: true,
        object: "ns/canary-1".to_owned(),
    };
    let approved = |approval: &Approval| {
        let (wave, approval) = (wave.clone(), approval.clone());
        [happens(RolloutStep::Approved { wave, approval })]
    };
    mapping
        .record_rollout("production", &approved(&approval))
        .await
        .unwrap();
    let later = Approval {
        verified: false,
        ..approval.clone()
    };
    mapping.record_rollout("production", &approved(&later)).await.unwrap();
    let record = look().await.attempt.unwrap().approvals[&wave].clone();
    assert_eq!(record.approval, approval, "the first is on record for good");
    let who = format!("SELECT approver || ' ' || approval FROM {before} WHERE kind = 'Approved'");
    assert_eq!(bed.by_hand(&who).await, ["jane ns/canary-1"]);

    let ends = [
        happens(RolloutStep::Ended { wave: wave.clone() }),
        happens(RolloutStep::Completed),
    ];
    mapping.record_rollout("production", &ends).await.unwrap();
    let done = look().await;
    assert_eq!((done.baseline(), done.completed.len()), (Some(1), 1));
    let attempt = done.attempt.unwrap();
    assert!(attempt.completed_at.is_some() && attempt.waves[&wave].ended_at.is_some());

    let next = RolloutEvent {
        attempt: 2,
        target: 2,
        ..happens(RolloutStep::Started)
    };
    mapping.record_rollout("production", &[next]).await.unwrap();
    let after = look().await;
    let attempt = after.attempt.clone().unwrap();
    assert_eq!((attempt.number, attempt.target, attempt.waves.len()), (2, 2, 0));
    assert_eq!((after.baseline(), after.completed), (Some(1), vec![(1, 1)]));
}

pub(crate) async fn what_checks_are_answered_is_one_row_a_change_and_counts_for_its_attempt(bed: Bed) {
    let mapping = bed.writer().await;
    mapping
        .record_rollout("production", &[happens(RolloutStep::Started)])
        .await
        .unwrap();
    let look = async || {
        let view = mapping.environment("production", &[], None).await.unwrap();
        (view.rollouts.attempt.unwrap().checks, view.now)
    };
    let (none, now) = look().await;
    assert!(none.is_empty());
    let after = |seconds: i64| now + jiff::SignedDuration::from_secs(seconds);
    let result = |seconds: i64, check: &str, answer: Answer| CheckResult {
        attempt: 1,
        wave: "canary".to_owned(),
        check: check.to_owned(),
        asked_at: after(seconds),
        moved_at: now,
        failures: u32::from(answer.outcome == CheckOutcome::Failed),
        answer,
    };
    let failing = BTreeSet::from(["a'b".to_owned(), "ü, {x}".to_owned()]);
    let fails = Answer::failed(failing, "14 \"errors\"".to_owned());
    let passes = Answer::passed(String::new());
    let first = [result(1, "errors", fails.clone()), result(1, "smoke", passes.clone())];
    mapping.record_checks("production", &first).await.unwrap();
    let key = |check: &str| ("canary".to_owned(), check.to_owned());
    let (records, _) = look().await;
    assert_eq!(records.len(), 2);
    let known = &records[&key("errors")];
    assert_eq!(
        (&known.answer, known.failures, known.since, known.asked_at),
        (&fails, 1, after(1), after(1))
    );

    // The same again, at the same time, is nothing; later it is a time.
    let before = bed.writes().await;
    mapping.record_checks("production", &first).await.unwrap();
    assert_eq!(bed.writes().await, before);
    mapping
        .record_checks("production", &[result(61, "errors", fails.clone())])
        .await
        .unwrap();
    let (records, _) = look().await;
    let known = &records[&key("errors")];
    assert_eq!((known.since, known.asked_at), (after(1), after(61)));
    let count = format!("SELECT CAST(count(*) AS text) FROM {}", bed.ledger("rollout_check"));
    assert_eq!(bed.by_hand(&count).await, ["2"]);

    // Another answer is a row, also the first after a move; an older one comes too late.
    mapping
        .record_checks("production", &[result(121, "errors", passes.clone())])
        .await
        .unwrap();
    let moved = CheckResult {
        moved_at: after(150),
        ..result(181, "errors", passes.clone())
    };
    mapping
        .record_checks("production", &[moved, result(90, "smoke", fails.clone())])
        .await
        .unwrap();
    mapping
        .record_checks("production", &[result(80, "smoke", passes.clone())])
        .await
        .unwrap();
    assert_eq!(bed.by_hand(&count).await, ["5"]);
    let (records, _) = look().await;
    assert_eq!(records[&key("errors")].since, after(181));
    assert_eq!(records[&key("smoke")].answer, fails);

    // Another environment, and another attempt, know nothing of it.
    let elsewhere = mapping.environment("staging", &[], None).await.unwrap().rollouts;
    assert_eq!(elsewhere.attempt, None);
    let next = RolloutEvent {
        attempt: 2,
        target: 2,
        ..happens(RolloutStep::Started)
    };
    mapping.record_rollout("production", &[next]).await.unwrap();
    assert!(look().await.0.is_empty());
    mapping
        .record_checks("production", &[result(300, "errors", passes)])
        .await
        .unwrap();
    assert!(
        look().await.0.is_empty(),
        "an answer that comes late counts for its attempt alone"
    );
}

pub(crate) async fn history_is_told_of_a_tenant_and_of_a_rollout_newest_last_and_bounded(bed: Bed) {
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    complete(&*mapping, 2).await;
    let ask = |of: HistoryOf| HistoryAsk {
        of,
        environment: Some("production".to_owned()),
        since: None,
        most: 10,
    };
    let a = || ask(HistoryOf::Tenant("a".to_owned()));
    assert_eq!(mapping.history(&a()).await.unwrap(), History::default());

    let in_wave = |attempt, wave: &str, target, moves: &[(&str, Option<i32>)]| Flip {
        wave: Some(WaveOfFlip {
            attempt,
            wave: wave.to_owned(),
        }),
        reason: "rollout".to_owned(),
        ..flip(target, moves)
    };
    mapping
        .flip(&flip(1, &[("b", None), ("a", None), ("aa", None)]))
        .await
        .unwrap();
    let elsewhere = Flip {
        environment: "staging".to_owned(),
        ..flip(2, &[("a", None)])
    };
    mapping.flip(&elsewhere).await.unwrap();
    let step = |step| RolloutEvent {
        target: 2,
        ..happens(step)
    };
    let opened = step(RolloutStep::Opened {
        wave: "canary".to_owned(),
        members: 2,
    });
    let of_other = RolloutEvent {
        attempt: 2,
        holder: "ns/other".to_owned(),
        ..step(RolloutStep::Started)
    };
    let begins = [step(RolloutStep::Started), opened];
    mapping.record_rollout("production", &begins).await.unwrap();
    mapping.flip(&in_wave(1, "canary", 2, &[("a", Some(1))])).await.unwrap();
    mapping.flip(&in_wave(1, "canary", 2, &[("b", Some(1))])).await.unwrap();
    mapping.record_rollout("production", &[of_other]).await.unwrap();
    mapping.flip(&in_wave(2, "all", 2, &[("aa", Some(1))])).await.unwrap();
    let outside = [("a".to_owned(), Some(2), None, 2)];
    mapping.record_outside("production", &outside).await.unwrap();

    let told = mapping.history(&a()).await.unwrap();
    assert_eq!((told.steps.len(), told.batches.len(), told.cut), (0, 0, false));
    let moves: Vec<_> = told
        .moves
        .iter()
        .map(|it| {
            (
                it.event.kind,
                it.event.from,
                it.event.to,
                it.event.cause.reason.as_str(),
                it.rollout.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        moves,
        [
            (PinEventKind::Flip, None, Some(1), "spec.version", None),
            (PinEventKind::Flip, Some(1), Some(2), "rollout", Some("ns/main")),
            (PinEventKind::Outside, Some(2), None, "changed-outside", None),
        ]
    );
    assert_eq!(
        told.moves[1]
            .event
            .cause
            .wave
            .as_ref()
            .map(|it| (it.attempt, it.wave.as_str())),
        Some((1, "canary"))
    );
    assert!(told.moves.is_sorted_by_key(|it| it.event.at));
    let everywhere = HistoryAsk {
        environment: None,
        ..a()
    };
    assert_eq!(mapping.history(&everywhere).await.unwrap().moves.len(), 4);
    let newest = mapping.history(&HistoryAsk { most: 2, ..a() }).await.unwrap();
    assert_eq!((newest.moves.as_slice(), newest.cut), (&told.moves[1..], true));
    let exactly = mapping.history(&HistoryAsk { most: 3, ..a() }).await.unwrap();
    assert_eq!((exactly.moves.len(), exactly.cut), (3, false));
    let since = HistoryAsk {
        since: Some(told.moves[1].event.at),
        ..a()
    };
    assert_eq!(mapping.history(&since).await.unwrap().moves, told.moves[1..]);

    let main = || ask(HistoryOf::Rollout("ns/main".to_owned()));
    let of_main = mapping.history(&main()).await.unwrap();
    let steps: Vec<_> = of_main
        .steps
        .iter()
        .map(|it| (it.environment.as_str(), it.event.clone()))
        .collect();
    assert_eq!(steps, begins.map(|event| ("production", event)));
    let [batches] = of_main.batches.as_slice() else {
        panic!("of its own attempt alone: {of_main:?}")
    };
    let key = (batches.attempt, batches.wave.as_str(), batches.reason.as_str());
    assert_eq!(
        (key, batches.batches, batches.tenants),
        ((1, "canary", "rollout"), 2, 2)
    );
    assert_eq!((of_main.moves.len(), of_main.cut), (0, false));
    let last = mapping.history(&HistoryAsk { most: 1, ..main() }).await.unwrap();
    assert_eq!((last.steps.as_slice(), last.cut), (&of_main.steps[1..], true));
    assert_eq!(last.batches, of_main.batches);
    // After its last step, moves of its waves are told all the same, and those before are not counted.
    let lately = HistoryAsk {
        since: Some(batches.last_at),
        ..main()
    };
    let lately = mapping.history(&lately).await.unwrap();
    let counted: Vec<_> = lately
        .batches
        .iter()
        .map(|it| (it.attempt, it.batches, it.tenants))
        .collect();
    assert_eq!((lately.steps.len(), counted), (0, vec![(1, 1, 1)]));
    let nobody = mapping
        .history(&ask(HistoryOf::Rollout("ns/nobody".to_owned())))
        .await
        .unwrap();
    assert_eq!(nobody, History::default());
}

pub(crate) async fn only_complete_versions_with_all_their_rows_get_tenants(bed: Bed) {
    let mapping = bed.writer().await;
    let to_two = flip(2, &[("a", None)]);
    assert_eq!(mapping.flip(&to_two).await.unwrap(), FlipOutcome::NotComplete);
    mapping.record_version(2, "cut:1", "ns/v2").await.unwrap();
    assert_eq!(mapping.flip(&to_two).await.unwrap(), FlipOutcome::NotComplete);
    complete(&*mapping, 2).await;

    bed.by_hand("DELETE FROM dashboard_model WHERE dashboard_slug = 'lab-results'")
        .await;
    let refusal = mapping.flip(&to_two).await.unwrap_err();
    assert!(
        refusal.to_string().contains(r#"no row of version 2 for "lab-results""#),
        "{refusal}"
    );
    assert!(matches!(refusal.kind, MappingErrorKind::Ambiguous { .. }));
    complete(&*mapping, 2).await;

    let ledger = bed.ledger("model_version");
    bed.by_hand(&format!("UPDATE {ledger} SET retired_at = complete_at"))
        .await;
    assert_eq!(mapping.flip(&to_two).await.unwrap(), FlipOutcome::NotComplete);
    assert!(rows_by_hand(&bed).await.is_empty());
    bed.by_hand(&format!("UPDATE {ledger} SET retired_at = NULL")).await;
    assert_eq!(mapping.flip(&to_two).await.unwrap(), FlipOutcome::Done);
    let counts = mapping.tenants_by_version().await.unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(2, 1)]);
}

pub(crate) async fn of_two_flips_at_once_one_is_told_that_rows_moved(bed: Bed) {
    let mapping = bed.writer().await;
    for version in 1..=3 {
        complete(&*mapping, version).await;
    }
    // The first round inserts, the second updates; both flips lock the same rows, named in opposite orders.
    for from in [None, Some(1)] {
        let to_two = flip(2, &[("a", from), ("b", from), ("c", from)]);
        let to_three = flip(3, &[("c", from), ("b", from), ("a", from)]);
        let (two, three) = tokio::join!(mapping.flip(&to_two), mapping.flip(&to_three));
        let winner = match (two.unwrap(), three.unwrap()) {
            (FlipOutcome::Done, FlipOutcome::Moved(moved)) if moved == ["a", "b", "c"] => 2,
            (FlipOutcome::Moved(moved), FlipOutcome::Done) if moved == ["a", "b", "c"] => 3,
            other => panic!("one wins whole: {other:?}"),
        };
        let versions = mapping.tenants_by_version().await.unwrap();
        assert_eq!(versions.into_iter().collect::<Vec<_>>(), [(winner, 3)]);
        bed.by_hand("UPDATE tenant_version SET model_version_id = 1").await;
    }
}

pub(crate) async fn no_tenant_can_be_moved_to_a_version_that_nobody_declared(bed: Bed) {
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    mapping.flip(&flip(1, &[("a", None)])).await.unwrap();
    let refusal = bed
        .try_by_hand("UPDATE tenant_version SET model_version_id = 2")
        .await
        .unwrap_err();
    assert!(refusal.to_lowercase().contains("foreign key"), "{refusal}");
}

pub(crate) async fn an_environment_is_read_with_its_evidence(bed: Bed) {
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    complete(&*mapping, 2).await;
    let empty = mapping.environment("production", &[], None).await.unwrap();
    assert!(empty.claims.is_empty() && empty.rows.is_empty() && empty.events.is_empty() && empty.evidence.is_empty());

    let claim = |tenant: &str, holder: &str, deletion| Claim {
        tenant: tenant.to_owned(),
        holder: holder.to_owned(),
        deletion,
    };
    let first = [
        claim("a", "ns/a", PinDeletionPolicy::Retain),
        claim("b", "ns/b", PinDeletionPolicy::Delete),
    ];
    mapping.set_claims("production", &first).await.unwrap();
    mapping
        .set_claims("staging", &[claim("a", "ns/a-staging", PinDeletionPolicy::Retain)])
        .await
        .unwrap();
    let taken = claim("a", "ns/a2", PinDeletionPolicy::Delete);
    mapping
        .set_claims(
            "production",
            &[taken.clone(), claim("c", "ns/c", PinDeletionPolicy::Retain)],
        )
        .await
        .unwrap();
    mapping
        .release_claims("production", &["c".to_owned(), "nobody".to_owned()])
        .await
        .unwrap();

    for environment in ["staging", "production", "elsewhere"] {
        let mut to_one = flip(1, &[("a", None), ("b", None)]);
        to_one.environment = environment.to_owned();
        mapping.flip(&to_one).await.unwrap();
    }
    mapping.flip(&flip(2, &[("a", Some(1))])).await.unwrap();
    let by_hand =
        "UPDATE tenant_version SET model_version_id = 1 WHERE tenant_id = 'a' AND tenant_environment = 'production'";
    bed.by_hand(by_hand).await;
    let outside = [
        ("a".to_owned(), Some(2), Some(1), 2),
        ("b".to_owned(), Some(1), None, 1),
        ("c".to_owned(), None, Some(1), 2),
    ];
    mapping.record_outside("production", &outside).await.unwrap();

    let claimed = mapping.tended_environments().await.unwrap();
    assert_eq!(
        Vec::from_iter(claimed),
        ["production", "staging"],
        "where a claim stands, and nowhere else"
    );
    let view = mapping
        .environment("production", &["staging".to_owned(), "void".to_owned()], None)
        .await
        .unwrap();
    assert_eq!(view.claims.values().collect::<Vec<_>>(), [&taken, &first[1]]);
    assert_eq!(
        view.rows.into_iter().collect::<Vec<_>>(),
        [("a".to_owned(), 1), ("b".to_owned(), 1)]
    );
    let told = |tenant: &str| -> Vec<_> {
        let events = view.events[tenant].iter();
        events.map(|it| (it.kind, it.from, it.to, it.wanted_version)).collect()
    };
    assert_eq!(
        told("a"),
        [
            (PinEventKind::Flip, None, Some(1), 1),
            (PinEventKind::Flip, Some(1), Some(2), 2),
            (PinEventKind::Outside, Some(2), Some(1), 2),
        ]
    );
    assert_eq!(told("b")[1..], [(PinEventKind::Outside, Some(1), None, 1)]);
    assert_eq!(told("c"), [(PinEventKind::Outside, None, Some(1), 2)]);
    let times: Vec<Timestamp> = view.events["a"].iter().map(|it| it.at).collect();
    assert!(
        times.is_sorted() && times[2] <= view.now,
        "{times:?} until {}",
        view.now
    );
    let age = view.now.duration_since(Timestamp::now()).as_secs_f64();
    assert!(age.abs() < 60.0, "{age}");
    assert_eq!(view.evidence.keys().collect::<Vec<_>>(), ["staging"]);
    assert_eq!(view.evidence["staging"]["a"].len(), 1);

    let same = mapping
        .environment("production", &["production".to_owned()], None)
        .await
        .unwrap();
    assert_eq!(same.events, view.events, "an environment is no evidence for itself");
    assert!(same.evidence.is_empty());
}

pub(crate) async fn rows_are_removed_only_while_they_hold_what_they_should(bed: Bed) {
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    complete(&*mapping, 2).await;
    mapping.flip(&flip(1, &[("a", None), ("b", None)])).await.unwrap();
    mapping.flip(&flip(2, &[("c", None)])).await.unwrap();
    let claims = ["a", "b", "c", "d"].map(|tenant| Claim {
        tenant: tenant.to_owned(),
        holder: format!("ns/{tenant}"),
        deletion: PinDeletionPolicy::Delete,
    });
    mapping.set_claims("production", &claims).await.unwrap();

    let removals = [("a", 1), ("b", 2), ("c", 2), ("d", 1)].map(|(tenant, holds)| RowRemoval {
        tenant: tenant.to_owned(),
        holds,
    });
    mapping.remove_rows("production", &removals).await.unwrap();
    assert_eq!(rows_by_hand(&bed).await, ["b/production=1"]);
    let view = mapping.environment("production", &[], None).await.unwrap();
    assert_eq!(view.claims.keys().collect::<Vec<_>>(), ["b", "d"]);
    let last = view.events["c"].last().unwrap();
    assert_eq!((last.kind, last.from, last.to), (PinEventKind::Delete, Some(2), None));
    assert_eq!(view.events["a"].last().unwrap().from, Some(1));
    assert_eq!(view.events["b"].len(), 1);
    assert!(!view.events.contains_key("d"));
}

pub(crate) async fn what_changes_nothing_writes_nothing(bed: Bed) {
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    mapping.flip(&flip(1, &[("a", None)])).await.unwrap();
    let claim = Claim {
        tenant: "a".to_owned(),
        holder: "ns/a".to_owned(),
        deletion: PinDeletionPolicy::Retain,
    };
    let folder = VersionChange::Folder {
        id: "f".to_owned(),
        path: "clinical/v1".to_owned(),
    };
    let own = VersionChange::EnvironmentEvidence {
        environment: "production".to_owned(),
        evidence: Box::default(),
    };
    let everything = async || {
        mapping.prepare("acme", None).await.unwrap();
        mapping.record_version(1, "cut:0", "ns/v").await.unwrap();
        mapping.change_version(1, &folder).await.unwrap();
        mapping.change_version(1, &own).await.unwrap();
        mapping.open_intent(1, IntentStep::Model, "m", AT).await.unwrap();
        mapping
            .settle_intent(1, IntentStep::Folder, "f", AT, "id")
            .await
            .unwrap();
        complete(&*mapping, 1).await;
        mapping
            .set_claims("production", std::slice::from_ref(&claim))
            .await
            .unwrap();
    };
    everything().await;

    let before = bed.writes().await;
    everything().await;
    mapping.drop_intent(1, IntentStep::Branch, "none").await.unwrap();
    mapping.set_claims("production", &[]).await.unwrap();
    mapping
        .release_claims("production", &["nobody".to_owned()])
        .await
        .unwrap();
    mapping.release_claims("production", &[]).await.unwrap();
    mapping.record_outside("production", &[]).await.unwrap();
    assert_eq!(
        mapping.flip(&flip(1, &[("a", Some(1))])).await.unwrap(),
        FlipOutcome::Done
    );
    assert_eq!(mapping.flip(&flip(1, &[])).await.unwrap(), FlipOutcome::Done);
    let elsewhere = RowRemoval {
        tenant: "a".to_owned(),
        holds: 2,
    };
    mapping.remove_rows("production", &[elsewhere]).await.unwrap();
    mapping.environment("production", &[], None).await.unwrap();
    assert_eq!(bed.writes().await, before);
    mapping
        .record_outside("production", &[("a".to_owned(), None, Some(1), 1)])
        .await
        .unwrap();
    assert_ne!(bed.writes().await, before, "the measure sees a write");
}

pub(crate) async fn an_organisation_is_remembered_and_only_by_who_has_the_fence(bed: Bed) {
    let older = bed.writer().await;
    assert_eq!(older.organization().await.unwrap(), None);
    let mut organization = Organization {
        connections: ["c0f12353".to_owned(), "umlaut ü".to_owned()].into(),
        id: None,
        confirmed: 0,
    };
    older.record_organization(&organization).await.unwrap();
    assert_eq!(older.organization().await.unwrap().as_ref(), Some(&organization));
    let newer = bed.writer().await;
    organization.id = Some("df290ed4".to_owned());
    organization.confirmed = 1;
    newer.record_organization(&organization).await.unwrap();
    let refused = older
        .record_organization(&Organization::default())
        .await
        .unwrap_err()
        .kind;
    assert!(matches!(refused, MappingErrorKind::Contended), "{refused:?}");
    assert_eq!(newer.organization().await.unwrap(), Some(organization));
}

pub(crate) async fn of_two_that_begin_the_same_attempt_one_is_told(bed: Bed) {
    let mapping = bed.writer().await;
    let begins = happens(RolloutStep::Started);
    for _ in 0..2 {
        mapping
            .record_rollout("production", std::slice::from_ref(&begins))
            .await
            .unwrap();
    }
    let opened = RolloutStep::Opened {
        wave: "canary".to_owned(),
        members: 1,
    };
    let by_another = |step| RolloutEvent {
        holder: "ns/other".to_owned(),
        target: 2,
        ..happens(step)
    };
    let also = [by_another(RolloutStep::Started), by_another(opened)];
    let refused = mapping.record_rollout("production", &also).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("was begun meanwhile by VersionRollout ns/main"),
        "{refused}"
    );
    let view = mapping.environment("production", &[], None).await.unwrap();
    let attempt = view.rollouts.attempt.unwrap();
    assert_eq!(
        (attempt.holder.as_str(), attempt.waves.len()),
        ("ns/main", 0),
        "nothing of it went in"
    );
}
