//! What only PostgreSQL has: the application's own tables, schemas, rights, locks.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::PgPool;
use url::Url;
use wavepin::mapping::connect;
use wavepin::ports::{DashboardRow, Flip, FlipOutcome, MappingErrorKind, Move};
use wavepin::resources::Management;

use super::bed::Bed;
use super::scenarios::{LOOK_UP, complete, completion, flip, id, row};

/// The application's own tables.
const OWN_TABLES: &str = r#"
CREATE TABLE dashboard_model (
dashboard_id UUID NOT NULL, -- returned by /documents/import
model_version_id INT NOT NULL,
dashboard_slug VARCHAR NOT NULL, -- e.g. "patient-summary"
created_at TIMESTAMP DEFAULT NOW(),
updated_at TIMESTAMP DEFAULT NOW()
);
CREATE TABLE tenant_version (
tenant_id VARCHAR NOT NULL,
tenant_environment VARCHAR NOT NULL, -- "staging" | "production"
model_version_id INT NOT NULL,
updated_at TIMESTAMP DEFAULT NOW(),
PRIMARY KEY (tenant_id, tenant_environment)
);
"#;

const DESCRIBE: &str = "SELECT relname || '.' || attname || ' ' || format_type(atttypid, atttypmod) || attnotnull \
                        FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid \
                        WHERE relname IN ('dashboard_model', 'tenant_version') AND attnum > 0 ORDER BY 1";

async fn schema_error(bed: &Bed) -> String {
    let refusal = bed.connect().await.prepare("acme", None).await.unwrap_err();
    assert!(matches!(refusal.kind, MappingErrorKind::Schema { .. }), "{refusal:?}");
    refusal.to_string()
}

#[tokio::test]
async fn the_applications_tables_are_used_as_they_are() {
    let bed = Bed::external(OWN_TABLES);
    let before = bed.by_hand(DESCRIBE).await;
    let mapping = bed.connect().await;
    assert!(mapping.prepare("acme", None).await.unwrap().dashboard_id_is_uuid);
    assert_eq!(bed.by_hand(DESCRIBE).await, before);

    complete(&*mapping, 1).await;
    complete(&*mapping, 2).await;
    mapping.flip(&flip(1, &[("acme-corp", None)])).await.unwrap();
    assert_eq!(bed.by_hand(LOOK_UP).await, [id(1, "patient-summary")]);
    mapping.flip(&flip(2, &[("acme-corp", Some(1))])).await.unwrap();
    assert_eq!(bed.by_hand(LOOK_UP).await, [id(2, "patient-summary")]);

    let writes = bed.writes().await;
    complete(&*mapping, 2).await;
    let mut upper = completion(2, &["patient-summary"]);
    upper.rows[0].dashboard_id = upper.rows[0].dashboard_id.to_uppercase();
    mapping.complete_version(&upper).await.unwrap();
    assert_eq!(bed.writes().await, writes);
    bed.by_hand("DELETE FROM dashboard_model WHERE dashboard_slug = 'lab-results'")
        .await;
    complete(&*mapping, 2).await;
    assert_eq!(
        mapping.rows(2).await.unwrap(),
        [row(2, "lab-results"), row(2, "patient-summary")]
    );
}

#[tokio::test]
async fn rows_that_stand_twice_are_shown_and_not_repaired() {
    let bed = Bed::external(OWN_TABLES);
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    let double = format!(
        "INSERT INTO dashboard_model (dashboard_id, model_version_id, dashboard_slug) \
         VALUES ('{}', 1, 'patient-summary')",
        id(7, "patient-summary")
    );
    bed.by_hand(&double).await;
    let writes = bed.writes().await;
    let of_rows = mapping.complete_version(&completion(1, &["new"])).await.unwrap_err();
    let of_flip = mapping.flip(&flip(1, &[("a", None)])).await.unwrap_err();
    for refusal in [of_rows, of_flip] {
        let text = refusal.to_string();
        for part in [
            "version 1",
            "patient-summary",
            &id(1, "patient-summary"),
            &id(7, "patient-summary"),
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(
            matches!(refusal.kind, MappingErrorKind::Ambiguous { .. }),
            "{refusal:?}"
        );
    }
    assert_eq!(bed.writes().await, writes);
    assert_eq!(
        mapping.rows(1).await.unwrap().len(),
        3,
        "duplicates are read as they are"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_a_lock_keeps_two_writers_from_inserting_a_row_twice() {
    let bed = Bed::external(OWN_TABLES);
    let mapping = bed.writer().await;
    mapping.record_version(1, "cut:0", "ns/v1").await.unwrap();
    let hand = PgPool::connect(bed.url.expose_secret()).await.unwrap();
    let mut open = hand.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO dashboard_model (dashboard_id, model_version_id, dashboard_slug) VALUES ($1::uuid, 1, 'a')",
    )
    .bind(id(1, "a"))
    .execute(&mut *open)
    .await
    .unwrap();
    let completing = {
        let mapping = mapping.clone();
        tokio::spawn(async move { mapping.complete_version(&completion(1, &["a", "b"])).await })
    };
    until_it_waits(&hand, "LOCK TABLE").await;
    assert!(!completing.is_finished());
    open.commit().await.unwrap();
    completing.await.unwrap().unwrap();
    assert_eq!(mapping.rows(1).await.unwrap(), [row(1, "a"), row(1, "b")]);
}

#[tokio::test]
async fn an_id_that_the_column_does_not_take_is_told_before_anything_is_written() {
    let bed = Bed::external(OWN_TABLES);
    let mapping = bed.writer().await;
    mapping.record_version(1, "cut:0", "ns/v1").await.unwrap();
    let mut wanted = completion(1, &["a"]);
    wanted.rows.push(DashboardRow {
        slug: "b".to_owned(),
        dashboard_id: "12db1a0a".to_owned(),
    });
    let writes = bed.writes().await;
    let refusal = mapping.complete_version(&wanted).await.unwrap_err().to_string();
    for part in ["UUID", r#""b" of version 1"#, "12db1a0a", "mapping.dashboardIdHolds"] {
        assert!(refusal.contains(part), "{part} in {refusal}");
    }
    assert_eq!(bed.writes().await, writes);
}

#[tokio::test]
async fn a_table_without_what_is_needed_is_named_with_the_way_out() {
    let expected = [
        ("", "there is no table dashboard_model in the search path"),
        (
            &OWN_TABLES.replace("dashboard_slug VARCHAR NOT NULL, --", "slug VARCHAR NOT NULL, --"),
            "dashboard_model has no column dashboard_slug (text or varchar); add it; \
             dashboard_model.slug is NOT NULL without a default",
        ),
        (
            &OWN_TABLES.replace("dashboard_id UUID", "dashboard_id INT"),
            "dashboard_model.dashboard_id is integer, and has to be uuid or text or varchar; change its type",
        ),
        (
            &OWN_TABLES
                .replace("tenant_id VARCHAR", "tenant_id BIGINT")
                .replace("updated_at TIMESTAMP", "updated_at TEXT"),
            "tenant_version.tenant_id is bigint, and has to be text or varchar; change its type; \
             tenant_version.updated_at is text",
        ),
        (
            &OWN_TABLES.replace(
                "PRIMARY KEY (tenant_id, tenant_environment)",
                "UNIQUE (tenant_id, model_version_id)",
            ),
            "tenant_version has no primary key or unique index on exactly (tenant_id, tenant_environment)",
        ),
        (
            &OWN_TABLES.replace("CREATE TABLE tenant_version", "CREATE TABLE other"),
            "there is no table tenant_version",
        ),
    ];
    for (tables, part) in expected {
        let bed = Bed::external(tables);
        let text = schema_error(&bed).await;
        assert!(text.contains(part), "{part}\nin {text}");
        let ledger = "SELECT count(*) FROM pg_namespace WHERE nspname = 'wavepin'";
        assert_eq!(bed.by_hand(ledger).await, ["0"], "nothing is written because of it");
    }
}

#[tokio::test]
async fn a_column_that_goes_away_later_is_told_and_its_return_noticed() {
    let bed = Bed::external(OWN_TABLES);
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    bed.by_hand("ALTER TABLE tenant_version RENAME COLUMN tenant_id TO who")
        .await;
    let refusal = mapping.flip(&flip(1, &[("a", None)])).await.unwrap_err();
    assert!(matches!(refusal.kind, MappingErrorKind::Schema { .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("tenant_id"), "{refusal}");
    let refusal = mapping.prepare("acme", None).await.unwrap_err().to_string();
    assert!(refusal.contains("tenant_version has no column tenant_id"), "{refusal}");
    bed.by_hand("ALTER TABLE tenant_version RENAME COLUMN who TO tenant_id")
        .await;
    mapping.prepare("acme", None).await.expect("the same writer goes on");
    assert_eq!(mapping.flip(&flip(1, &[("a", None)])).await.unwrap(), FlipOutcome::Done);
}

#[tokio::test]
async fn managed_leaves_tables_alone_that_it_did_not_make() {
    let mut bed = Bed::external(OWN_TABLES);
    bed.options.management = Management::Managed;
    let text = schema_error(&bed).await;
    for part in [r#"schema "public""#, "dashboard_model", "mapping.management: External"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let ledger = "SELECT count(*) FROM pg_namespace WHERE nspname = 'wavepin'";
    assert_eq!(bed.by_hand(ledger).await, ["0"]);

    bed.options.schema = Some("Sales \"EU\"".to_owned());
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    mapping.flip(&flip(1, &[("acme-corp", None)])).await.unwrap();
    let look_up = format!(r#"SET search_path TO "Sales ""EU"""; {LOOK_UP}"#);
    assert_eq!(bed.by_hand(&look_up).await, [id(1, "patient-summary")]);
    let documents = r#"SELECT document_id FROM "Sales ""EU""".dashboard_model ORDER BY 1"#;
    let expected = ["document-lab-results-1", "document-patient-summary-1"];
    assert_eq!(bed.by_hand(documents).await, expected);
    assert_eq!(bed.by_hand("SELECT count(*) FROM public.tenant_version").await, ["0"]);
}

#[tokio::test]
async fn tables_of_the_application_are_found_in_the_schema_that_is_named() {
    let bed = Bed::external(&format!("CREATE SCHEMA app; SET search_path TO app; {OWN_TABLES}"));
    let text = schema_error(&bed).await;
    assert!(text.contains("no table dashboard_model in the search path"), "{text}");
    for schema in ["app", "absent"] {
        let mut bed_options = bed.options.clone();
        bed_options.schema = Some(schema.to_owned());
        let mapping = connect(&bed.url, bed_options).await.unwrap();
        let outcome = mapping.prepare("acme", None).await;
        match schema {
            "app" => assert!(outcome.unwrap().dashboard_id_is_uuid),
            _ => {
                let text = outcome.unwrap_err().to_string();
                assert!(
                    text.contains(r#"no table dashboard_model in schema "absent""#),
                    "{text}"
                );
            }
        }
    }
}

/// Waits until a statement of another connection, with this in its text, waits for a lock.
async fn until_it_waits(hand: &PgPool, part: &str) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
               AND wait_event_type = 'Lock' AND position($1 in query) > 0";
    let deadline = Instant::now() + Duration::from_secs(60);
    while sqlx::query_scalar::<_, i64>(sql)
        .bind(part)
        .fetch_one(hand)
        .await
        .unwrap()
        == 0
    {
        assert!(Instant::now() < deadline, "no statement with {part:?} waits for a lock");
    }
}

/// The bed, as seen by a user who has no right but to connect.
pub(super) async fn as_nobody(bed: &Bed) -> (SecretString, String) {
    let user = format!("nobody {}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
    bed.by_hand(&format!(r#"CREATE ROLE "{user}" LOGIN PASSWORD 'p4ss w/rd'"#))
        .await;
    let mut url = Url::parse(bed.url.expose_secret()).unwrap();
    url.set_username(&user).unwrap();
    url.set_password(Some("p4ss w/rd")).unwrap();
    (SecretString::from(url.to_string()), user)
}

/// Prepares, and runs the statements of each refusal for want of rights, until it succeeds. The answer is how often.
async fn run_grants_until_it_works(bed: &Bed, url: &SecretString) -> usize {
    let mapping = connect(url, bed.options.clone()).await.unwrap();
    for refusals in 0..6 {
        match mapping.prepare("acme", None).await {
            Ok(_) => {
                complete(&*mapping, 1).await;
                mapping.flip(&flip(1, &[("acme-corp", None)])).await.unwrap();
                assert_eq!(bed.by_hand(LOOK_UP).await, [id(1, "patient-summary")]);
                return refusals;
            }
            Err(refusal) => {
                let text = refusal.to_string();
                let MappingErrorKind::Rights { grants, .. } = refusal.kind else {
                    panic!("{text}");
                };
                assert!(text.contains("lacks rights") && text.contains(&grants), "{text}");
                bed.by_hand(&grants).await;
            }
        }
    }
    panic!("its grants lead nowhere: {:?}", mapping.prepare("acme", None).await);
}

#[tokio::test]
async fn the_grants_that_a_refusal_names_are_enough() {
    let bed = Bed::postgres();
    let (url, user) = as_nobody(&bed).await;
    assert!(run_grants_until_it_works(&bed, &url).await > 0);

    // Another user of the same ledger and tables.
    let (other, _) = as_nobody(&bed).await;
    let mapping = connect(&other, bed.options.clone()).await.unwrap();
    let refusal = mapping.prepare("acme", None).await.unwrap_err().to_string();
    assert!(
        refusal.contains("GRANT USAGE, CREATE ON SCHEMA wavepin TO"),
        "{refusal}"
    );
    bed.by_hand(&format!(r#"DROP OWNED BY "{user}" CASCADE; DROP ROLE "{user}""#))
        .await;
}

#[tokio::test]
async fn a_newer_release_under_another_user_is_told_how_it_may_change_the_ledger() {
    let bed = Bed::postgres();
    let first = connect(&bed.url, bed.options.clone()).await.unwrap();
    first.prepare("acme", None).await.unwrap();
    as_the_release_before(&bed).await;
    let (url, _) = as_nobody(&bed).await;
    assert!(run_grants_until_it_works(&bed, &url).await > 0);
}

/// Puts the ledger's tables in place of those that the newest migration made.
async fn as_the_release_before(bed: &Bed) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut numbered: Vec<_> = files
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with('0'))
        .collect();
    numbered.sort();
    numbered.pop().expect("there are some");
    let table = "CREATE TABLE older AS SELECT * FROM wavepin.migration";
    let again = "DROP SCHEMA wavepin CASCADE; DROP TABLE dashboard_model, tenant_version; CREATE SCHEMA wavepin; \
                 CREATE TABLE wavepin.migration (number bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now()); \
                 INSERT INTO wavepin.migration SELECT * FROM older; DROP TABLE older; \
                 DELETE FROM wavepin.migration WHERE number = (SELECT max(number) FROM wavepin.migration)";
    bed.by_hand(table).await;
    bed.by_hand(again).await;
    for path in &numbered {
        bed.by_hand(&std::fs::read_to_string(path).unwrap()).await;
    }
    let count = bed.by_hand("SELECT max(number)::text FROM wavepin.migration").await;
    let last = numbered.last().expect("there are older ones").to_string_lossy();
    assert!(last.contains(&format!("/{:0>4}_", count[0])), "{last}");
}

#[tokio::test]
async fn the_grants_on_the_applications_tables_are_enough() {
    let bed = Bed::external(OWN_TABLES);
    let (url, _) = as_nobody(&bed).await;
    assert!(run_grants_until_it_works(&bed, &url).await > 1);
}

#[tokio::test]
async fn no_error_holds_the_password() {
    let bed = Bed::postgres();
    let good = Url::parse(bed.url.expose_secret()).unwrap();
    let mut urls = vec![
        "postgres://user:s3cret@127.0.0.1:1/db".to_owned(),
        "postgres://user:s3cret@127.0.0.1:port/db".to_owned(),
        "postgres://user:s3cret@127.0.0.1/db?sslmode=s3cret".to_owned(),
        "postgres://user:s3cret@[::1/db".to_owned(),
        "mysql://user:s3cret@127.0.0.1/db".to_owned(),
        "s3cret".to_owned(),
        "sqlite:/nowhere/s3cret/file.db".to_owned(),
        "sqlite:file.db?mode=s3cret".to_owned(),
    ];
    let mut wrong = good.clone();
    wrong.set_password(Some("s3cret")).unwrap();
    urls.push(wrong.to_string());
    let mut absent = good;
    absent.set_path("absent");
    urls.push(absent.to_string());
    let password = Url::parse(bed.url.expose_secret())
        .unwrap()
        .password()
        .unwrap()
        .to_owned();
    for url in urls {
        let mut options = bed.options.clone();
        options.connect_timeout = Duration::from_secs(5);
        let error = connect(&SecretString::from(url.clone()), options)
            .await
            .err()
            .expect("it is no good");
        let text = format!("{error} {error:?}");
        assert!(text.contains("failed to connect to the mapping database"), "{text}");
        assert!(!text.contains("s3cret") && !text.contains(&password), "{url}: {text}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_way_in_is_told() {
    let bed = Bed::postgres();
    let told = async |change: fn(&mut Url)| {
        let mut url = Url::parse(bed.url.expose_secret()).unwrap();
        change(&mut url);
        let error = connect(&SecretString::from(url.to_string()), bed.options.clone()).await;
        error.err().expect("it is no good")
    };
    let refused = told(|url| url.set_port(Some(1)).unwrap()).await;
    assert!(
        matches!(refused.kind, MappingErrorKind::Unreachable { .. }),
        "{refused:?}"
    );
    assert!(
        refused.to_string().contains("127.0.0.1:1: ") && refused.to_string().contains("refused"),
        "{refused}"
    );
    let absent = told(|url| url.set_path("absent")).await;
    assert!(
        absent.to_string().contains(r#"database "absent" does not exist"#),
        "{absent}"
    );
    let wrong = told(|url| url.set_password(Some("wrong")).unwrap()).await;
    assert!(wrong.to_string().contains("password authentication failed"), "{wrong}");
    assert!(matches!(wrong.kind, MappingErrorKind::Unreachable { .. }), "{wrong:?}");
    assert!(wrong.to_string().contains("the database refuses user") && wrong.to_string().contains("Secret"));
    // Parameters that other clients know are no hindrance.
    let mut url = Url::parse(bed.url.expose_secret()).unwrap();
    url.set_query(Some("channel_binding=prefer&sslmode=prefer"));
    connect(&SecretString::from(url.to_string()), bed.options.clone())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_lock_that_is_held_too_long_is_given_up_and_nothing_is_written() {
    let mut bed = Bed::external(OWN_TABLES);
    bed.options.statement_timeout = Duration::from_secs(6);
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    complete(&*mapping, 2).await;
    mapping.flip(&flip(1, &[("a", None), ("b", None)])).await.unwrap();
    let hand = PgPool::connect(bed.url.expose_secret()).await.unwrap();
    let mut open = hand.begin().await.unwrap();
    sqlx::query("SELECT FROM tenant_version WHERE tenant_id = 'b' FOR UPDATE")
        .execute(&mut *open)
        .await
        .unwrap();
    let refusal = mapping
        .flip(&flip(2, &[("a", Some(1)), ("b", Some(1))]))
        .await
        .unwrap_err();
    assert!(matches!(refusal.kind, MappingErrorKind::Locked { .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("lock timeout"), "{refusal}");
    open.rollback().await.unwrap();
    assert_eq!(mapping.tenants_by_version().await.unwrap()[&1], 2);
    let again = mapping.flip(&flip(2, &[("a", Some(1)), ("b", Some(1))])).await.unwrap();
    assert_eq!(again, FlipOutcome::Done);
}

/// Rows are written, and what tells of them is not: just there the connection is killed.
pub(crate) async fn a_batch_that_is_killed_in_the_middle_has_moved_nobody() {
    let bed = Bed::postgres();
    let mapping = bed.writer().await;
    for version in 1..=3 {
        complete(&*mapping, version).await;
    }
    mapping.flip(&flip(1, &[("a", None)])).await.unwrap();
    mapping.flip(&flip(2, &[("b", None)])).await.unwrap();
    mapping.flip(&flip(3, &[("a", Some(1)), ("b", Some(2))])).await.unwrap();
    let to = |tenant: &str, to| Move {
        tenant: tenant.to_owned(),
        from: Some(3),
        to,
    };
    let back = Flip {
        environment: "production".to_owned(),
        moves: vec![to("a", 1), to("b", 2)],
        reason: "rolled-back".to_owned(),
        wave: None,
    };
    let held = async || mapping.environment("production", &[], None).await.unwrap().rows;

    let hand = PgPool::connect(bed.url.expose_secret()).await.unwrap();
    let mut open = hand.begin().await.unwrap();
    sqlx::query("LOCK TABLE wavepin.pin_event IN EXCLUSIVE MODE")
        .execute(&mut *open)
        .await
        .unwrap();
    let flipping = {
        let (mapping, back) = (mapping.clone(), back.clone());
        tokio::spawn(async move { mapping.flip(&back).await })
    };
    until_it_waits(&hand, "INSERT INTO wavepin.pin_event").await;
    let killed: bool = sqlx::query_scalar(
        "SELECT bool_and(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO wavepin.pin_event%'",
    )
    .fetch_one(&mut *open)
    .await
    .unwrap();
    assert!(killed);
    let broken = flipping.await.unwrap().unwrap_err();
    assert!(
        matches!(broken.kind, MappingErrorKind::Unreachable { .. }),
        "{broken:?}"
    );
    open.rollback().await.unwrap();
    assert_eq!(
        held().await.into_values().collect::<Vec<_>>(),
        [3, 3],
        "neither of the two"
    );
    assert_eq!(mapping.flip(&back).await.unwrap(), FlipOutcome::Done);
    assert_eq!(
        held().await.into_values().collect::<Vec<_>>(),
        [1, 2],
        "each what it had"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flip_in_a_circle_of_locks_with_the_application_is_done_again() {
    let bed = Bed::external(OWN_TABLES);
    // Who looks for a circle first is broken off: let it be us, and not before the circle is closed.
    let patience =
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''2s''', current_database()); END $$";
    bed.by_hand(patience).await;
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    complete(&*mapping, 2).await;
    mapping.flip(&flip(1, &[("a", None), ("b", None)])).await.unwrap();
    let hand = PgPool::connect(bed.url.expose_secret()).await.unwrap();
    let mut open = hand.begin().await.unwrap();
    sqlx::query("SET LOCAL deadlock_timeout = '60s'")
        .execute(&mut *open)
        .await
        .unwrap();
    sqlx::query("SELECT FROM tenant_version WHERE tenant_id = 'b' FOR UPDATE")
        .execute(&mut *open)
        .await
        .unwrap();
    let flipping = {
        let mapping = mapping.clone();
        tokio::spawn(async move { mapping.flip(&flip(2, &[("a", Some(1)), ("b", Some(1))])).await })
    };
    until_it_waits(&hand, "ORDER BY tenant_id FOR UPDATE").await;
    sqlx::query("SELECT FROM tenant_version WHERE tenant_id = 'a' FOR UPDATE")
        .execute(&mut *open)
        .await
        .unwrap();
    open.commit().await.unwrap();
    assert_eq!(flipping.await.unwrap().unwrap(), FlipOutcome::Done);
    assert_eq!(mapping.tenants_by_version().await.unwrap()[&2], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raised_fence_waits_for_the_writer_before_it() {
    let bed = Bed::external(OWN_TABLES);
    let older = bed.writer().await;
    complete(&*older, 1).await;
    let hand = PgPool::connect(bed.url.expose_secret()).await.unwrap();
    let mut open = hand.begin().await.unwrap();
    // Holds the older writer's flip up in the middle of its transaction.
    sqlx::query("LOCK TABLE tenant_version IN SHARE MODE")
        .execute(&mut *open)
        .await
        .unwrap();
    let flipping = {
        let older = older.clone();
        tokio::spawn(async move { older.flip(&flip(1, &[("a", None)])).await })
    };
    until_it_waits(&hand, "INSERT INTO \"public\".tenant_version").await;
    let newer = bed.connect().await;
    let taking = {
        let newer = newer.clone();
        tokio::spawn(async move { newer.prepare("acme", None).await })
    };
    until_it_waits(&hand, "FROM wavepin.fence FOR UPDATE").await;
    assert!(!taking.is_finished());
    open.rollback().await.unwrap();
    assert_eq!(
        flipping.await.unwrap().unwrap(),
        FlipOutcome::Done,
        "what had begun is finished"
    );
    taking.await.unwrap().unwrap();
    let view = newer.environment("production", &[], None).await.unwrap();
    assert_eq!(view.rows["a"], 1, "the newer writer sees it");
    let refusal = older.flip(&flip(1, &[("b", None)])).await.unwrap_err();
    assert!(matches!(refusal.kind, MappingErrorKind::Contended));
}

#[tokio::test]
async fn lost_connections_are_made_anew() {
    let bed = Bed::postgres();
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert_ne!(bed.by_hand(end).await, ["0"]);
    assert_eq!(mapping.flip(&flip(1, &[("a", None)])).await.unwrap(), FlipOutcome::Done);
}

#[tokio::test]
async fn many_rows_change_in_one_statement_of_each_kind() {
    let bed = Bed::external(OWN_TABLES);
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    complete(&*mapping, 2).await;
    let names: Vec<String> = (0..12_000).map(|it| format!("tenant-{it:05}")).collect();
    let moves = |from| names.iter().map(|it| (it.as_str(), from)).collect::<Vec<_>>();
    assert_eq!(mapping.flip(&flip(1, &moves(None))).await.unwrap(), FlipOutcome::Done);
    bed.writes().await;
    assert_eq!(
        mapping.flip(&flip(2, &moves(Some(1)))).await.unwrap(),
        FlipOutcome::Done
    );
    assert_eq!(mapping.tenants_by_version().await.unwrap()[&2], 12_000);
    let seen = "SELECT what FROM public.seen ORDER BY 1";
    assert_eq!(bed.by_hand(seen).await, ["INSERT pin_event", "UPDATE tenant_version"]);
    let view = mapping.environment("production", &[], None).await.unwrap();
    assert_eq!(view.events.len(), 12_000);
    assert!(view.events.values().all(|events| events.len() == 2));
}

#[tokio::test]
async fn a_row_that_holds_no_version_is_told_apart_and_hides_no_other() {
    let bed = Bed::external(&OWN_TABLES.replace(
        "model_version_id INT NOT NULL,\nupdated_at TIMESTAMP DEFAULT NOW(),\nPRIMARY",
        "model_version_id BIGINT,\nupdated_at TIMESTAMP DEFAULT NOW(),\nPRIMARY",
    ));
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    mapping.flip(&flip(1, &[("a", None)])).await.unwrap();
    bed.by_hand("INSERT INTO tenant_version VALUES ('huge', 'production', 3000000000), ('null', 'production', NULL)")
        .await;
    let view = mapping.environment("production", &[], None).await.unwrap();
    assert_eq!(view.rows, [("a".to_owned(), 1)].into());
    let odd = [("huge".to_owned(), Some(3_000_000_000)), ("null".to_owned(), None)];
    assert_eq!(view.odd_rows, odd.into());
    assert_eq!(mapping.tenants_by_version().await.unwrap(), [(1, 1)].into());
    let onto = mapping.flip(&flip(1, &[("null", None)])).await.unwrap();
    assert_eq!(onto, FlipOutcome::Moved(vec!["null".to_owned()]));
}
