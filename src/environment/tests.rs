//! Whole passes over a real SQLite file.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rstest::rstest;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use super::scene::{ACME, With, at, pin};
use super::{EnvironmentKey, EnvironmentPass, PinReport, reconcile};
use crate::mapping::{MappingOptions, connect};
use crate::ports::fakes::{Declared, Stage, Wired, instance};
use crate::ports::{CompleteVersion, ConnectError, LOOK_AGAIN, Mapping, MappingError, MappingErrorKind, Next};
use crate::resources::PinDeletionPolicy;
use crate::resources::conditions::{ACCEPTED, Finding, PINNED, READY, RECONCILING, Reason, STALLED, Verdict, WAITING};

/// An environment `production` of instance `apps/omni`, with versions 1 and 2 complete and 3 being cut.
struct House {
    stage: Stage,
    mapping: Arc<dyn Mapping>,
    folder: TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}?mode=rwc", folder.path().join("mapping.db").display());
        let mapping = connect(&url.into(), MappingOptions::default()).await.unwrap();
        mapping.prepare("apps/omni", None).await.unwrap();
        for version in 1..=3 {
            let (source, holder) = (format!("adopt:{version}"), format!("apps/v{version}"));
            mapping.record_version(version, &source, &holder).await.unwrap();
        }
        let stage = Stage::new(Declared::default(), Wired::to(Arc::clone(&mapping)), at(1000));
        stage.declared.instance(instance(spec(false)));
        let house = Self { stage, mapping, folder };
        house.complete(1).await;
        house.complete(2).await;
        house
    }

    async fn complete(&self, version: i32) {
        let complete = CompleteVersion {
            version,
            plan: "plan".to_owned(),
            rows: Vec::new(),
        };
        self.mapping.complete_version(&complete).await.unwrap();
    }

    async fn pass(&self) -> EnvironmentPass {
        self.pass_of("production").await
    }

    async fn pass_of(&self, environment: &str) -> EnvironmentPass {
        let key = EnvironmentKey {
            namespace: "apps".to_owned(),
            instance: "omni".to_owned(),
            environment: environment.to_owned(),
        };
        reconcile(&self.stage.world, &key).await
    }

    fn file(&self) -> String {
        format!("sqlite:{}", self.folder.path().join("mapping.db").display())
    }

    async fn connection(&self) -> SqliteConnection {
        SqliteConnection::connect(&self.file()).await.unwrap()
    }

    async fn by_hand(&self, sql: &'static str) {
        sqlx::query(sql).execute(&mut self.connection().await).await.unwrap();
    }

    async fn rows(&self) -> Vec<(String, String, i32)> {
        let sql = "SELECT tenant_id, tenant_environment, model_version_id FROM tenant_version ORDER BY 1, 2";
        sqlx::query_as(sql)
            .fetch_all(&mut self.connection().await)
            .await
            .unwrap()
    }

    async fn row(&self) -> Option<i32> {
        let rows = self.rows().await;
        rows.iter()
            .find(|(tenant, ..)| tenant == ACME)
            .map(|(.., version)| *version)
    }
}

fn spec(suspend: bool) -> serde_json::Value {
    serde_json::json!({
        "baseUrl": "https://acme.omniapp.co",
        "apiKeySecretRef": {"name": "omni", "key": "apiKey"},
        "suspend": suspend,
    })
}

/// The finding of that type, if the report has one.
fn said<'r>(report: &'r PinReport, condition: &str) -> Option<&'r Finding> {
    report.findings.iter().find(|finding| finding.condition == condition)
}

/// Whether the condition is true, and why.
fn verdict(report: &PinReport, condition: &str) -> Option<(Verdict, Reason)> {
    said(report, condition).map(|finding| (finding.verdict, finding.reason))
}

fn ready(report: &PinReport) -> &str {
    &said(report, READY).unwrap().message
}

#[tokio::test]
async fn a_pin_writes_its_row_says_so_and_then_writes_no_more() {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    let first = house.pass().await;
    assert_eq!(house.row().await, Some(1));
    let [report] = &first.pins[..] else { panic!("{first:?}") };
    assert_eq!(verdict(report, ACCEPTED), Some((Verdict::True, Reason::Valid)));
    assert_eq!(verdict(report, PINNED), Some((Verdict::True, Reason::RowWritten)));
    assert_eq!(verdict(report, READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(ready(report), "tenant acme in production is on version 1");
    assert_eq!((report.version, report.previous_version), (Some(1), None));
    assert!(report.since.is_some() && report.row_seen);
    assert_eq!(first.next, Next::After(std::time::Duration::from_secs(300)));

    let mut witness = house.connection().await;
    let moved = "PRAGMA data_version";
    let before: i64 = sqlx::query_scalar(moved).fetch_one(&mut witness).await.unwrap();
    assert_eq!(house.pass().await, first);
    let after: i64 = sqlx::query_scalar(moved).fetch_one(&mut witness).await.unwrap();
    assert_eq!(before, after, "the second pass wrote to the database");

    house.stage.declared.pin(pin("acme", ACME, 2));
    let moved = house.pass().await;
    assert_eq!(
        (moved.pins[0].version, moved.pins[0].previous_version),
        (Some(2), Some(1))
    );
    assert_eq!(house.row().await, Some(2));
}

#[tokio::test]
async fn a_version_that_is_not_complete_is_awaited_and_never_pinned() {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 3));
    house.stage.declared.pin(pin("globex", "globex", 9));
    let pass = house.pass().await;
    assert_eq!(house.rows().await, []);
    for report in &pass.pins {
        assert_eq!(
            verdict(report, RECONCILING),
            Some((Verdict::True, Reason::VersionNotComplete))
        );
        assert_eq!(
            verdict(report, READY),
            Some((Verdict::False, Reason::VersionNotComplete))
        );
        assert_eq!(verdict(report, STALLED), None);
    }
    assert!(
        ready(&pass.pins[0]).contains("version 3 is not complete yet"),
        "{}",
        ready(&pass.pins[0])
    );
    assert!(
        ready(&pass.pins[1]).contains("declare a ModelVersion with version 9"),
        "{}",
        ready(&pass.pins[1])
    );
    assert_eq!(pass.next, Next::After(std::time::Duration::from_secs(30)));
    house.complete(3).await;
    house.pass().await;
    assert_eq!(house.row().await, Some(3));
}

#[tokio::test]
async fn production_follows_what_ran_in_staging() {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.pass().await;
    house.stage.declared.pin(pin("acme", ACME, 2).requiring("staging", 0));
    let waits = house.pass().await;
    assert_eq!(
        verdict(&waits.pins[0], WAITING),
        Some((Verdict::True, Reason::RequirementNotMet))
    );
    assert_eq!(
        verdict(&waits.pins[0], READY),
        Some((Verdict::True, Reason::RequirementNotMet))
    );
    assert_eq!(
        verdict(&waits.pins[0], PINNED),
        Some((Verdict::False, Reason::RequirementNotMet))
    );
    assert!(
        ready(&waits.pins[0]).contains("must first run version 2 in staging"),
        "{}",
        ready(&waits.pins[0])
    );

    let staging = pin("acme-staging", ACME, 2).with(|pin| pin.spec.environment = "staging".to_owned());
    house.stage.declared.pin(staging);
    house.pass_of("staging").await;
    let soaks = pin("acme", ACME, 2).requiring("staging", 200);
    house.stage.declared.pin(soaks);
    let soaking = house.pass().await;
    let Next::At(wake) = soaking.next else {
        panic!("{:?}", soaking.next)
    };
    assert!(wake <= at(1200) && wake > at(1100), "{wake}");
    assert!(
        ready(&soaking.pins[0]).contains("it does since"),
        "{}",
        ready(&soaking.pins[0])
    );

    house.stage.declared.pin(pin("acme", ACME, 2).requiring("staging", 0));
    assert_eq!(house.pass().await.pins[0].version, Some(2));
}

#[tokio::test]
async fn a_hold_keeps_the_row_and_an_expired_one_is_ignored_and_said() {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.pass().await;
    house.stage.declared.pin(pin("acme", ACME, 2).held(Some(1001)));
    let held = house.pass().await;
    assert_eq!(house.row().await, Some(1));
    assert_eq!(held.next, Next::At(at(1001)));
    assert_eq!(verdict(&held.pins[0], WAITING), Some((Verdict::True, Reason::Held)));
    assert!(
        ready(&held.pins[0]).contains("quarter close"),
        "{}",
        ready(&held.pins[0])
    );

    house.stage.declared.pin(pin("acme", ACME, 2).held(Some(999)));
    let moved = house.pass().await;
    assert_eq!(house.row().await, Some(2));
    assert!(
        ready(&moved.pins[0]).contains("is ignored"),
        "{}",
        ready(&moved.pins[0])
    );
    assert_eq!(verdict(&moved.pins[0], WAITING), None);
}

#[tokio::test]
async fn another_hand_is_not_fought_over_until_a_person_says_so() {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 2));
    house.pass().await;
    house.by_hand("UPDATE tenant_version SET model_version_id = 1").await;
    let waits = house.pass().await;
    assert_eq!(
        verdict(&waits.pins[0], WAITING),
        Some((Verdict::True, Reason::ChangedOutside))
    );
    let message = ready(&waits.pins[0]);
    for part in [
        "is on version 1",
        "by the ledger is on version 2",
        "wavepin.dev/restore-row: \"1->2\"",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(
        (waits.pins[0].version, waits.pins[0].previous_version),
        (Some(1), Some(2))
    );
    assert_eq!(house.pass().await, waits, "and it is put on record once");
    assert_eq!(house.row().await, Some(1));

    house.stage.declared.pin(pin("acme", ACME, 2).restoring("1->2"));
    assert_eq!(
        verdict(&house.pass().await.pins[0], READY),
        Some((Verdict::True, Reason::Converged))
    );
    assert_eq!(house.row().await, Some(2));
    let reasons: Vec<String> =
        sqlx::query_scalar("SELECT reason FROM wavepin_pin_event WHERE kind = 'flip' ORDER BY id")
            .fetch_all(&mut house.connection().await)
            .await
            .unwrap();
    assert_eq!(reasons, ["spec.version", "restore-row"]);
}

#[tokio::test]
async fn a_hand_between_the_look_and_the_write_wins() {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.pass().await;
    house.stage.declared.pin(pin("acme", ACME, 2));
    let file = house.file();
    // The time is asked for after the look.
    *house.stage.clock.then.lock().unwrap() = Some(Box::new(move || {
        let hand = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut connection = SqliteConnection::connect(&file).await.unwrap();
                sqlx::query("DELETE FROM tenant_version")
                    .execute(&mut connection)
                    .await
                    .unwrap();
            });
        });
        hand.join().unwrap();
    }));
    let pass = house.pass().await;
    assert_eq!(house.row().await, None, "a row that was not as presumed is not written");
    assert_eq!(
        verdict(&pass.pins[0], WAITING),
        Some((Verdict::True, Reason::ChangedOutside))
    );
    assert!(ready(&pass.pins[0]).contains("\"none->2\""), "{}", ready(&pass.pins[0]));
}

#[tokio::test]
async fn two_pins_for_one_tenant_are_told_apart_and_the_claim_passes_on() {
    let house = House::new().await;
    house.stage.declared.pin(pin("first", ACME, 1));
    house.pass().await;
    house
        .stage
        .declared
        .pin(pin("a-second", ACME, 2).with(|pin| pin.first_seen = at(-5)));
    let both = house.pass().await;
    let [second, first] = &both.pins[..] else {
        panic!("{both:?}")
    };
    assert_eq!(verdict(first, READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(verdict(second, STALLED), Some((Verdict::True, Reason::Conflict)));
    assert_eq!(verdict(second, ACCEPTED), Some((Verdict::False, Reason::Conflict)));
    assert!(ready(second).contains("apps/first"), "{}", ready(second));

    house.stage.declared.broken.lock().unwrap().push("first".to_owned());
    house.stage.declared.delete("first");
    let broken = house.pass().await;
    assert_eq!(
        verdict(&broken.pins[0], STALLED),
        Some((Verdict::True, Reason::Conflict))
    );

    house.stage.declared.broken.lock().unwrap().clear();
    let alone = house.pass().await;
    assert_eq!(verdict(&alone.pins[0], READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(house.row().await, Some(2));
}

#[rstest]
#[case::retain(PinDeletionPolicy::Retain, false, Some(1), 0)]
#[case::delete(PinDeletionPolicy::Delete, false, None, 0)]
#[case::a_folder_without_pruning(PinDeletionPolicy::Delete, true, Some(1), 1)]
#[tokio::test]
async fn a_deleted_pin_does_to_its_row_what_its_policy_says(
    #[case] policy: PinDeletionPolicy,
    #[case] keeps: bool,
    #[case] row: Option<i32>,
    #[case] claims: i64,
) {
    let house = House::new().await;
    house.stage.declared.keeps.store(keeps, Ordering::Relaxed);
    house
        .stage
        .declared
        .pin(pin("acme", ACME, 1).with(|pin| pin.spec.deletion_policy = policy));
    house.pass().await;
    house.stage.declared.delete("acme");
    house.pass().await;
    assert_eq!(house.row().await, row);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM wavepin_claim")
        .fetch_one(&mut house.connection().await)
        .await
        .unwrap();
    assert_eq!(left, claims);

    house.stage.declared.pin(pin("acme", ACME, 1));
    let back = house.pass().await;
    assert_eq!(verdict(&back.pins[0], READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(house.row().await, Some(1));
}

#[tokio::test]
async fn a_refused_pin_is_told_and_the_rest_goes_on() {
    let house = House::new().await;
    house.stage.declared.pin(pin("bad", "globex", 0));
    house
        .stage
        .declared
        .pin(pin("itself", "initech", 1).requiring("production", 0));
    house.stage.declared.pin(pin("good", ACME, 1));
    let pass = house.pass().await;
    let [bad, good, itself] = &pass.pins[..] else {
        panic!("{pass:?}")
    };
    for (report, names) in [
        (bad, "TenantPin apps/bad: spec.version is 0"),
        (itself, "spec.requires.environment"),
    ] {
        assert_eq!(verdict(report, ACCEPTED), Some((Verdict::False, Reason::Invalid)));
        assert_eq!(verdict(report, STALLED), Some((Verdict::True, Reason::Invalid)));
        assert!(ready(report).contains(names), "{}", ready(report));
    }
    assert_eq!(verdict(good, READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(house.rows().await.len(), 1);
}

#[tokio::test]
async fn an_effect_that_fails_is_told_on_its_pins_and_the_rest_goes_on() {
    let house = House::new().await;
    house
        .by_hand(
            "CREATE TRIGGER refuse BEFORE INSERT ON tenant_version WHEN new.model_version_id = 1 \
             BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        )
        .await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.stage.declared.pin(pin("globex", "globex", 2));
    let pass = house.pass().await;
    let [acme, globex] = &pass.pins[..] else {
        panic!("{pass:?}")
    };
    assert_eq!(
        verdict(acme, RECONCILING),
        Some((Verdict::True, Reason::MappingUnreachable))
    );
    assert!(ready(acme).contains("not this one"), "{}", ready(acme));
    assert_eq!(verdict(globex, READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(pass.next, Next::Backoff { after: None });
}

#[tokio::test]
async fn no_row_moves_when_its_claim_cannot_be_written() {
    let house = House::new().await;
    house
        .by_hand("CREATE TRIGGER refuse BEFORE INSERT ON wavepin_claim BEGIN SELECT RAISE(ABORT, 'no claims'); END")
        .await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    let pass = house.pass().await;
    assert_eq!(house.row().await, None);
    assert!(ready(&pass.pins[0]).contains("no claims"), "{}", ready(&pass.pins[0]));
    assert_eq!(
        verdict(&pass.pins[0], RECONCILING),
        Some((Verdict::True, Reason::MappingUnreachable))
    );
}

#[rstest]
#[case::another_mapping(None, None, Some(2))]
#[case::another_owner(Some("shared"), None, Some(2))]
#[case::the_same_mapping(Some("shared"), Some("shared"), Some(1))]
#[tokio::test]
async fn a_pin_that_went_to_another_instance_gives_its_claim_up_unless_that_has_the_same_mapping(
    #[case] theirs: Option<&str>,
    #[case] ours: Option<&str>,
    #[case] row: Option<i32>,
) {
    let house = House::new().await;
    let declare = |name: &str, owner: Option<&str>, from: &str| {
        let mut instance = instance(spec(false));
        instance.name = name.to_owned();
        instance.spec.mapping.owner = owner.map(str::to_owned);
        instance
            .requests
            .insert("take-mapping-from".to_owned(), from.to_owned());
        house.stage.declared.instance(instance);
    };
    declare("other", theirs, "");
    declare("omni", ours, "apps/omni");
    let first = pin("first", ACME, 1);
    house.stage.declared.pin(first.clone());
    house.pass().await;
    house
        .stage
        .declared
        .pin(first.with(|pin| pin.spec.instance_ref.name = "other".to_owned()));
    house.stage.declared.pin(pin("second", ACME, 2));
    house.pass().await;
    assert_eq!(house.row().await, row);
}

#[rstest]
#[case::taken_over(Some("old/omni"), Some(2), None)]
#[case::not_taken_over(None, Some(1), Some("without pruning"))]
#[tokio::test]
async fn claims_from_where_nobody_looks_pass_on_with_the_mapping(
    #[case] take_from: Option<&str>,
    #[case] row: Option<i32>,
    #[case] told: Option<&str>,
) {
    let house = House::new().await;
    house.stage.declared.pin(pin("first", ACME, 1));
    house.pass().await;
    house.by_hand("UPDATE wavepin_claim SET holder = 'old/first'").await;
    house.stage.declared.delete("first");
    house.stage.declared.keeps.store(true, Ordering::Relaxed);
    let mut instance = instance(spec(false));
    let word = take_from.map(|from| ("take-mapping-from".to_owned(), from.to_owned()));
    instance.requests.extend(word);
    house.stage.declared.instance(instance);
    house.stage.declared.pin(pin("second", ACME, 2));
    let pass = house.pass().await;
    assert_eq!(house.row().await, row);
    let why = ready(&pass.pins[0]);
    assert!(told.is_none_or(|part| why.contains(part)), "{why}");
}

#[tokio::test]
async fn a_suspended_instance_moves_nothing_and_blanks_nothing() {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.stage.declared.instance(instance(spec(true)));
    let pass = house.pass().await;
    assert_eq!(house.row().await, None);
    let report = &pass.pins[0];
    assert!(!report.row_seen);
    assert_eq!(verdict(report, READY), Some((Verdict::False, Reason::Suspended)));
    assert_eq!((verdict(report, STALLED), verdict(report, RECONCILING)), (None, None));
}

#[tokio::test]
async fn an_instance_that_is_not_there_is_waited_for() {
    let house = House::new().await;
    let mut elsewhere = pin("acme", ACME, 1);
    elsewhere.spec.instance_ref.name = "later".to_owned();
    house.stage.declared.pin(elsewhere);
    let key = EnvironmentKey {
        namespace: "apps".to_owned(),
        instance: "later".to_owned(),
        environment: "production".to_owned(),
    };
    let pass = reconcile(&house.stage.world, &key).await;
    let report = &pass.pins[0];
    assert_eq!(
        verdict(report, RECONCILING),
        Some((Verdict::True, Reason::InstanceNotReady))
    );
    assert_eq!(verdict(report, STALLED), None);
    assert!(
        ready(report).contains("OmniInstance apps/later is not there"),
        "{}",
        ready(report)
    );
}

#[rstest]
#[case::no_secret(
    || ConnectError::Missing { message: "Secret apps/db is not there".to_owned() },
    RECONCILING, Reason::SecretMissing, 0
)]
#[case::a_host_that_is_not_allowed(
    || ConnectError::Refused { reason: Reason::HostNotAllowed, message: "db.example is not in wavepin.dev/hosts".to_owned() },
    STALLED, Reason::HostNotAllowed, 0
)]
#[case::no_database(
    || ConnectError::Database { source: failing(MappingErrorKind::Unreachable { why: "connection refused".to_owned() }) },
    RECONCILING, Reason::MappingUnreachable, 1
)]
#[case::no_column(
    || ConnectError::Database { source: failing(MappingErrorKind::Schema { what: "tenant_version lacks tenant_id".to_owned() }) },
    STALLED, Reason::MappingSchema, 0
)]
#[tokio::test]
async fn a_mapping_that_cannot_be_used_is_told_on_every_pin(
    #[case] error: fn() -> ConnectError,
    #[case] condition: &str,
    #[case] reason: Reason,
    #[case] forgotten: usize,
) {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.stage.declared.pin(pin("bad", "globex", 0));
    *house.stage.wired.mapping.lock().unwrap() = Box::new(move || Err(error()));
    let pass = house.pass().await;
    let [acme, bad] = &pass.pins[..] else {
        panic!("{pass:?}")
    };
    assert!(!acme.row_seen, "an outage blanks no status");
    assert_eq!(verdict(acme, condition), Some((Verdict::True, reason)));
    assert_eq!(
        verdict(bad, STALLED),
        Some((Verdict::True, Reason::Invalid)),
        "known without a database"
    );
    let why = ready(acme);
    assert!(
        why.starts_with("tenant acme in production, to be on version 1: "),
        "{why}"
    );
    assert_eq!(*house.stage.wired.forgotten.lock().unwrap(), forgotten);
}

fn failing(kind: MappingErrorKind) -> MappingError {
    MappingError {
        action: "prepare the mapping".to_owned(),
        kind,
    }
}

#[tokio::test]
async fn a_second_owner_moves_nothing_until_it_may() {
    let house = House::new().await;
    let other = instance(spec(false));
    let taken = |mut other: crate::ports::Object<_>, from: Option<&str>| {
        let spec: &mut crate::resources::OmniInstanceSpec = &mut other.spec;
        spec.mapping.owner = Some("someone-else".to_owned());
        let word = from.map(|from| ("take-mapping-from".to_owned(), from.to_owned()));
        other.requests.extend(word);
        other
    };
    let url = house.file().into();
    let second = connect(&url, MappingOptions::default()).await.unwrap();
    *house.stage.wired.mapping.lock().unwrap() = Box::new(move || Ok(Arc::clone(&second)));
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.stage.declared.instance(taken(other.clone(), None));
    let pass = house.pass().await;
    assert_eq!(
        verdict(&pass.pins[0], STALLED),
        Some((Verdict::True, Reason::MappingOwned))
    );
    assert!(
        ready(&pass.pins[0]).contains("wavepin.dev/take-mapping-from"),
        "{}",
        ready(&pass.pins[0])
    );
    assert_eq!(pass.next, Next::After(LOOK_AGAIN));
    assert_eq!(house.row().await, None);

    house.stage.declared.instance(taken(other, Some("apps/omni")));
    house.pass().await;
    assert_eq!(house.row().await, Some(1));
}
