//! A cut is whole: what Omni holds afterwards is what was declared, for the calls that it may cost.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use wavepin::model_version::{Progress, VersionReport, reconcile};
use wavepin::omni::Limiter;
use wavepin::simulator::{ImportAnswer, ImportFolder, Knobs, Simulator, SimulatorOptions, ValidateAnswer};

use super::bench::{Bench, as_it_is, ready};
use super::breaking::Fuse;

/// The version's folder, as the example declares it.
const FOLDER: &str = "clinical/v2";

fn documents<'a>(state: &'a Value, folder: &str) -> Vec<&'a Value> {
    state["documents"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["folderPath"] == folder && it["deleted"] == false)
        .collect()
}

fn shared<'a>(state: &'a Value, name: &str) -> &'a Value {
    state["models"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["kind"] == "SHARED" && it["name"] == name)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn version_two_is_cut_from_version_one() {
    let bench = Bench::new(as_it_is).await;
    let before = bench.simulator.state();
    let (_, second) = bench.both().await;
    ready(&second);
    // Of the first release. A version that was sealed under another hash would be stalled by an upgrade.
    assert_eq!(second.plan.as_deref(), Some("749d1fb18ffad134"));
    let state = bench.simulator.state();
    assert_eq!(
        of_version_one(&before),
        of_version_one(&state),
        "version 1 is untouched to the byte"
    );
    let copies = documents(&state, FOLDER);
    assert_eq!(copies.len(), 5);
    let model = shared(&state, "clinical v2");
    assert_eq!(second.model_id.as_deref(), model["id"].as_str());
    assert!(copies.iter().all(|it| it["modelId"] == model["id"]));
    assert_eq!(second.folder.as_deref(), Some(FOLDER));
    assert_eq!(second.dashboards.as_ref().unwrap().progress, "5/5");
    assert_eq!(second.foreign_links.len(), 1, "{:?}", second.foreign_links);
}

/// What is in a version names documents of that version, or, where it must, those that no version has.
pub(crate) async fn no_link_of_a_version_leads_into_its_source() {
    let bench = Bench::new(as_it_is).await;
    let (_, second) = bench.both().await;
    ready(&second);
    let state = bench.simulator.state();
    let (copies, model) = (documents(&state, FOLDER), shared(&state, "clinical v2"));
    let text = Value::from(copies.iter().map(|it| it["export"].clone()).collect::<Vec<_>>()).to_string()
        + &model["files"].to_string();
    for old in ["12db1a0a", "5e07c1d2", "8a41f9b3", "c3d90e74", "f16b28a5"] {
        assert!(
            !text.contains(&format!("/dashboards/{old}")) && !text.contains(&format!("/w/{old}")),
            "a link leads back to {old}"
        );
    }
    assert!(
        text.contains("/dashboards/patient-summary-v2-"),
        "links lead from version 2 to version 2"
    );
}

/// Everything of the organisation that is there before version 2.
fn of_version_one(state: &Value) -> Value {
    let old_models: BTreeSet<&str> = documents(state, "clinical/v1")
        .iter()
        .filter_map(|it| it["workbookModelId"].as_str())
        .collect();
    let documents: Vec<&Value> = state["documents"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["folderPath"] != FOLDER)
        .collect();
    let models: Vec<&Value> = state["models"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| {
            it["name"] == "clinical"
                || it["kind"] == "SCHEMA"
                || it["id"].as_str().is_some_and(|id| old_models.contains(id))
        })
        .collect();
    json!({"documents": documents, "models": models})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tile_of_the_copies_compiles_for_a_viewer_and_none_is_seen_before() {
    // Whether a folder's permissions show those from above or not, whoever has them is shut out.
    for (raw_query_columns, permissions_show_inherited) in [(false, true), (true, false)] {
        let knobs = Knobs {
            permissions_show_inherited,
            ..Knobs::default()
        };
        let bench = Bench::with(
            SimulatorOptions {
                knobs,
                raw_query_columns,
                ..SimulatorOptions::default()
            },
            as_it_is,
        )
        .await;
        let world = bench.world(&Fuse::never()).await;
        ready(&bench.drive(&world, "clinical-v1").await);
        let seen = |folder: &str| -> Vec<Value> {
            let seen = bench.simulator.see("acme-corp", "staging");
            let list = seen
                .as_array()
                .cloned()
                .or_else(|| seen["documents"].as_array().cloned())
                .unwrap();
            list.into_iter().filter(|it| it["folderPath"] == folder).collect()
        };
        assert_eq!(seen("clinical/v1").len(), 5, "the viewer sees version 1");
        let fuse = Fuse::after(1);
        let mut calls = 1;
        drop((world, fuse));
        // Broken off ever later: while the version is not whole, a viewer sees nothing of it.
        loop {
            let fuse = Fuse::after(calls);
            let world = bench.world(&fuse).await;
            let pass = wavepin::model_version::reconcile(&world, "default", "clinical-v2", &super::bench::Quiet)
                .await
                .unwrap();
            let whole = pass.report.dashboards.as_ref().is_some_and(|it| it.ready == it.desired);
            if !whole {
                assert_eq!(seen(FOLDER), Vec::<Value>::new());
            }
            if pass.report.sealed {
                break;
            }
            calls += 7;
            bench.clock_passes(Duration::from_secs(61));
        }
        let copies = seen(FOLDER);
        assert_eq!(copies.len(), 5);
        for copy in &copies {
            for tile in copy["tiles"].as_array().unwrap() {
                assert_eq!(tile["compiles"], true, "{}: {tile}", copy["identifier"]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn omni_may_answer_in_any_way_that_it_is_known_to() {
    let plain = Knobs::default();
    for (knobs, what) in [
        (
            Knobs {
                import_answer: ImportAnswer::Workbook,
                ..plain.clone()
            },
            "the other import answer",
        ),
        (
            Knobs {
                import_answer: ImportAnswer::Unknown,
                ..plain.clone()
            },
            "an import answer that names nothing",
        ),
        (
            Knobs {
                validate_answer: ValidateAnswer::Object,
                ..plain.clone()
            },
            "the other validate answer",
        ),
        (
            Knobs {
                import_folder: ImportFolder::Root,
                ..plain.clone()
            },
            "folderPath ignored",
        ),
        (
            Knobs {
                import_renews_upload_ids: true,
                ..plain.clone()
            },
            "new ids for files",
        ),
        (
            Knobs {
                import_fills_query_models: true,
                ..plain.clone()
            },
            "tabs that survive by themselves",
        ),
        (
            Knobs {
                yaml_answers_files: true,
                checksum_mismatch: 409,
                ..plain.clone()
            },
            "the other YAML answers",
        ),
        (
            Knobs {
                move_by_post: true,
                import_folder: ImportFolder::Root,
                ..plain.clone()
            },
            "the older move",
        ),
    ] {
        let bench = Bench::with(
            SimulatorOptions {
                knobs,
                ..SimulatorOptions::default()
            },
            as_it_is,
        )
        .await;
        let (_, second) = bench.both().await;
        ready(&second);
        let state = bench.simulator.state();
        assert_eq!(documents(&state, FOLDER).len(), 5, "{what}");
        assert_eq!(documents(&state, "").len(), 0, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_that_an_import_damages_is_named_and_never_mapped() {
    let knobs = Knobs {
        import_drops_tile: true,
        ..Knobs::default()
    };
    let bench = Bench::with(
        SimulatorOptions {
            knobs,
            ..SimulatorOptions::default()
        },
        as_it_is,
    )
    .await;
    let (_, second) = bench.both().await;
    let text = super::bench::stalled(&second);
    assert!(
        text.contains("TilesUnpaired") && text.contains("patient-summary"),
        "{text}"
    );
    assert!(!second.sealed && !second.dashboards.unwrap().failing.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_over_a_complete_version_write_nothing() {
    let bench = Bench::new(as_it_is).await;
    bench.both().await;
    let (state, requests) = (bench.simulator.state(), bench.simulator.requests().len());
    for _ in 0..2 {
        let world = bench.world(&Fuse::never()).await;
        ready(&bench.drive(&world, "clinical-v1").await);
        ready(&bench.drive(&world, "clinical-v2").await);
    }
    assert_eq!(bench.simulator.state(), state);
    let more: Vec<_> = bench.simulator.requests().into_iter().skip(requests).collect();
    assert!(more.iter().all(|it| it.method == "GET"), "{more:?}");
}

/// The calls that a cut may cost: `3·D + T + L + F + 20 + 2·(⌈D/100⌉ − 1) + R`.
fn formula(dashboards: usize, tabs: usize, tab_files: usize, files: usize, grants: usize) -> usize {
    3 * dashboards + tabs + tabs * (3 + tab_files) + files + 20 + 2 * (dashboards.div_ceil(100) - 1) + grants
}

/// Every dashboard of a seed of this size, as an adoption names them.
pub fn adopting(state: &Value) -> String {
    let list: Vec<String> = documents(state, "clinical/v1")
        .iter()
        .enumerate()
        .map(|(at, it)| {
            format!(
                "        - {{slug: dashboard-{at:03}, identifier: {}}}\n",
                it["identifier"]
            )
        })
        .collect();
    list.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_dashboards_cost_what_the_formula_says_and_meet_no_429() {
    let window = Duration::from_millis(500);
    let options = SimulatorOptions {
        dashboards: 40,
        requests_per_minute: Some(60),
        budget_window: window,
        ..SimulatorOptions::default()
    };
    let mut bench = Bench::with(options, as_it_is).await;
    bench.limiter = Limiter::new(55, window);
    let dashboards = adopting(&bench.simulator.state());
    bench.declare(move |file, text| match file {
        "clinical-v1.yaml" => format!("{}dashboards:\n{dashboards}", text.split("dashboards:").next().unwrap()),
        _ => text,
    });
    let world = bench.world(&Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v1").await);
    let before = bench.simulator.requests().len();
    let second = bench.drive(&world, "clinical-v2").await;
    ready(&second);
    assert_eq!(second.dashboards.unwrap().ready, 40);
    let requests = bench.simulator.requests();
    let made: Vec<_> = requests.iter().skip(before).collect();
    let posted = |model: &str| {
        made.iter()
            .filter(|it| it.method == "POST" && it.path == format!("/api/v1/models/{model}/yaml"))
            .count()
    };
    let files = posted(second.model_id.as_deref().unwrap());
    let grants = made
        .iter()
        .filter(|it| it.method != "GET" && (it.path.ends_with("/model-roles") || it.path.ends_with("/permissions")))
        .count();
    let limit = formula(40, 8, 3, files, grants);
    println!("{} calls of at most {limit}", made.len());
    assert!(
        made.len() <= limit,
        "{} calls, but at most {limit} are allowed",
        made.len()
    );
    assert_eq!(requests.iter().filter(|it| it.status == Some(429)).count(), 0);
    assert_eq!(bench.simulator.state()["requestsOverBudget"], 0);
}

/// Keeps every estimate of what a cut still costs, next to the calls that were made by then.
struct Estimates<'a> {
    simulator: &'a Simulator,
    told: Mutex<Vec<(u32, usize)>>,
}

impl Progress for Estimates<'_> {
    fn publish(&self, report: &VersionReport) {
        // Rows and mark are read back once more when all calls are made.
        let Some(left) = report.calls_left else { return };
        self.told.lock().unwrap().push((left, self.simulator.requests().len()));
    }

    fn interrupted(&self) -> bool {
        false
    }
}

/// Keeps what a pass tells before its end.
#[derive(Default)]
struct Told(Mutex<usize>);

impl Progress for Told {
    fn publish(&self, _: &VersionReport) {
        *self.0.lock().unwrap() += 1;
    }

    fn interrupted(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_a_complete_version_tells_nothing_before_its_end() {
    let bench = Bench::new(as_it_is).await;
    let world = bench.world(&Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v1").await);
    let told = Told::default();
    let cut = reconcile(&world, "default", "clinical-v2", &told).await.unwrap();
    ready(&cut.report);
    let of_cut = std::mem::take(&mut *told.0.lock().unwrap());
    assert!(of_cut > 20, "{of_cut}");
    let requests = bench.simulator.requests().len();
    let look = reconcile(&world, "default", "clinical-v2", &told).await.unwrap();
    ready(&look.report);
    assert!(bench.simulator.requests().len() > requests, "it was looked at");
    assert_eq!(*told.0.lock().unwrap(), 0, "what is complete does not go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cut_still_costs_is_told_while_it_goes_on_and_shrinks() {
    let bench = Bench::new(as_it_is).await;
    let world = bench.world(&Fuse::never()).await;
    let first = bench.drive(&world, "clinical-v1").await;
    ready(&first);
    assert_eq!(first.calls_left, None, "it is no cut");
    let estimates = Estimates {
        simulator: &bench.simulator,
        told: Mutex::default(),
    };
    let pass = reconcile(&world, "default", "clinical-v2", &estimates).await.unwrap();
    ready(&pass.report);
    assert_eq!(pass.report.calls_left, None, "it is complete");
    let told = estimates.told.into_inner().unwrap();
    let calls = bench.simulator.requests().len();
    let most = told.iter().map(|(left, _)| *left).max().unwrap();
    let (last, _) = *told.last().unwrap();
    assert!(last < most / 2, "{told:?}");
    // How many files the model has shows when they are read; and one tab of one dashboard has a model of its own with
    // three files, which shows when it is copied.
    for (left, by_then) in told.iter().skip_while(|(left, _)| *left < most) {
        assert!(
            calls - by_then <= *left as usize + 7,
            "{left} left at {by_then} of {calls}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_may_be_added_to_a_complete_version() {
    let bench = Bench::new(as_it_is).await;
    bench.both().await;
    bench.declare(|file, text| match file {
        "clinical-v2.yaml" => {
            format!("{text}    dashboards: {{add: [{{slug: data-dictionary, identifier: 9b7e4d20}}]}}\n")
        }
        _ => text,
    });
    let grown = bench.again("clinical-v2").await;
    ready(&grown);
    assert_eq!(grown.dashboards.unwrap().progress, "6/6");
    let mapping = wavepin::mapping::connect(&bench.database(), wavepin::mapping::MappingOptions::default())
        .await
        .unwrap();
    mapping.prepare("default/clinical", None).await.unwrap();
    let slugs: Vec<String> = mapping.rows(2).await.unwrap().into_iter().map(|row| row.slug).collect();
    assert!(slugs.contains(&"data-dictionary".to_owned()), "{slugs:?}");
    // What was added cannot be taken out again: tenants may be looking at it.
    bench.declare(as_it_is);
    let text = super::bench::stalled(&bench.again("clinical-v2").await);
    assert!(text.contains("Sealed"), "{text}");
}
