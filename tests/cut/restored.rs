//! A mapping database that was put back to an older state, or lost: what Wavepin made is known again by what only it can
//! have made, compared, and written down anew; nothing is made or written in Omni.

use std::path::Path;

use serde_json::{Value, json};
use sqlx::sqlite::SqlitePool;
use wavepin::model_version::VersionReport;
use wavepin::ports::DashboardRow;

use super::bench::{Bench, as_it_is, ready, stalled};
use super::breaking::Fuse;

const SUMMARY: &str = "patient-summary-v2-02d405";

/// A copy of the database as it is now.
async fn back_up(bench: &Bench, name: &str) {
    let url = secrecy::ExposeSecret::expose_secret(&bench.database()).to_owned();
    let pool = SqlitePool::connect(&url).await.unwrap();
    let copy = bench.folder.path().join(name);
    let sql = format!("VACUUM INTO '{}'", copy.display());
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    pool.close().await;
}

/// Puts a copy in the place of the database; without one there is none.
fn put_back(bench: &Bench, name: Option<&str>) {
    let folder = bench.folder.path();
    for file in ["mapping.sqlite", "mapping.sqlite-wal", "mapping.sqlite-shm"] {
        let file = folder.join(file);
        if Path::exists(&file) {
            std::fs::remove_file(file).unwrap();
        }
    }
    if let Some(name) = name {
        std::fs::copy(folder.join(name), folder.join("mapping.sqlite")).unwrap();
    }
}

async fn rows(bench: &Bench) -> Vec<DashboardRow> {
    let options = wavepin::mapping::MappingOptions::default();
    let mapping = wavepin::mapping::connect(&bench.database(), options).await.unwrap();
    mapping.prepare("default/clinical", None).await.unwrap();
    mapping.rows(2).await.unwrap()
}

/// Both versions, with copies of the database from before each of them.
async fn cut() -> Bench {
    let bench = Bench::new(as_it_is).await;
    let world = bench.world(&Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v1").await);
    back_up(&bench, "before").await;
    ready(&bench.drive(&world, "clinical-v2").await);
    back_up(&bench, "after").await;
    bench
}

/// A new process on the database as it is by now; nothing may be written to Omni.
async fn looked_at(bench: &Bench) -> VersionReport {
    let (state, requests) = (bench.simulator.state(), bench.simulator.requests().len());
    bench.clock_passes(std::time::Duration::from_secs(601));
    let world = bench.world(&Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v1").await);
    let report = bench.drive(&world, "clinical-v2").await;
    assert_eq!(bench.simulator.state(), state);
    let since: Vec<_> = bench.simulator.requests().into_iter().skip(requests).collect();
    assert!(since.iter().all(|it| it.method == "GET"), "{since:?}");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_known_again_from_before_the_cut_and_from_nothing() {
    let bench = cut().await;
    let before = rows(&bench).await;
    for copy in [Some("before"), None] {
        put_back(&bench, copy);
        let report = looked_at(&bench).await;
        ready(&report);
        assert_eq!(report.dashboards.unwrap().progress, "5/5");
        assert_eq!(rows(&bench).await, before, "from {copy:?}");
        // And from now on it is at rest.
        ready(&looked_at(&bench).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_someone_edited_since_is_not_written_over() {
    let edits: [(Value, &[&str]); 3] = [
        (
            json!({"action": "edit_model_file", "model": "clinical v2", "file_name": "wards.topic", "yaml": "base_view: wards\n"}),
            &["DefinitionDiffers", "wards.topic", "source.adopt"],
        ),
        (
            json!({"action": "edit_document", "identifier": SUMMARY}),
            &["TilesUnpaired", "patient-summary"],
        ),
        (
            json!({"action": "rename_document", "identifier": SUMMARY, "name": "Somebody's"}),
            &["CopyDiffers", "patient-summary"],
        ),
    ];
    for (edit, parts) in edits {
        let bench = cut().await;
        bench.simulator.play(&edit).unwrap();
        put_back(&bench, Some("before"));
        let text = stalled(&looked_at(&bench).await);
        for part in parts {
            assert!(text.contains(part), "{text:?} lacks {part:?}");
        }
        // With its ledger it is only told.
        put_back(&bench, Some("after"));
        assert!(looked_at(&bench).await.sealed);
    }
}

/// Without a document that proves it a model of the name is somebody else's, however it looks.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_and_a_folder_alone_prove_nothing() {
    let bench = Bench::new(as_it_is).await;
    ready(&bench.again("clinical-v1").await);
    for hand in [
        json!({"action": "create_model", "name": "clinical v2"}),
        json!({"action": "create_folder", "name": "v2", "parent_path": "clinical"}),
        json!({"action": "create_document", "model": "clinical", "name": "Patient Summary", "identifier": SUMMARY, "folder_path": "clinical/v2"}),
    ] {
        bench.simulator.play(&hand).unwrap();
    }
    let text = stalled(&looked_at(&bench).await);
    assert!(text.starts_with("NameTaken") && text.contains("adopt-model"), "{text}");
}
