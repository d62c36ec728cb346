//! What only SQLite has.

use secrecy::SecretString;
use wavepin::mapping::{MappingOptions, connect};
use wavepin::ports::MappingErrorKind;
use wavepin::resources::Management;

use super::bed::Bed;
use super::scenarios::complete;

#[tokio::test]
async fn what_sqlite_cannot_do_is_refused() {
    let url = SecretString::from("sqlite::memory:");
    let external = MappingOptions {
        management: Management::External,
        ..MappingOptions::default()
    };
    let error = connect(&url, external).await.err().unwrap();
    assert!(matches!(error.kind, MappingErrorKind::Invalid { .. }), "{error:?}");
    let error = error.to_string();
    assert!(error.contains("need PostgreSQL"), "{error}");
    let schema = MappingOptions {
        schema: Some("app".to_owned()),
        ..MappingOptions::default()
    };
    let error = connect(&url, schema).await.err().unwrap();
    assert!(matches!(error.kind, MappingErrorKind::Invalid { .. }), "{error:?}");
    let error = error.to_string();
    assert!(error.contains("leave mapping.schema out"), "{error}");
}

#[tokio::test]
async fn a_database_in_memory_lives_as_long_as_its_mapping() {
    let url = SecretString::from("sqlite::memory:");
    let mapping = connect(&url, MappingOptions::default()).await.unwrap();
    mapping.prepare("acme", None).await.unwrap();
    complete(&*mapping, 1).await;
    assert_eq!(mapping.rows(1).await.unwrap().len(), 2);
}

#[tokio::test]
async fn tables_that_it_did_not_make_are_left_alone() {
    let bed = Bed::sqlite().await;
    bed.by_hand("CREATE TABLE tenant_version (tenant_id TEXT)").await;
    let refusal = bed.connect().await.prepare("acme", None).await.unwrap_err();
    assert!(
        refusal
            .to_string()
            .contains("a table tenant_version that Wavepin did not make"),
        "{refusal}"
    );
    assert!(matches!(refusal.kind, MappingErrorKind::Schema { .. }));
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table'";
    assert_eq!(bed.by_hand(tables).await, ["tenant_version"]);
}

#[tokio::test]
async fn a_ledger_of_a_newer_wavepin_is_left_alone() {
    let bed = Bed::sqlite().await;
    bed.writer().await;
    bed.by_hand("INSERT INTO wavepin_migration VALUES (99, 0)").await;
    let refusal = bed.connect().await.prepare("acme", None).await.unwrap_err().to_string();
    assert!(refusal.contains("are at step 99"), "{refusal}");
}
