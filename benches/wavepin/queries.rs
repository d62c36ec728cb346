//! The queries of a version's tiles, planned for those who will ask them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wavepin::model_version::validate;
use wavepin::ports::{Lookup, World};
use wavepin::simulator::{DEFAULT_API_KEY, Simulator, SimulatorOptions};

use crate::bed::{Bed, Budget};
use crate::table::{Goal, Table};

/// How many dashboards are validated, how many tiles each has, and how many tenants there are.
pub(crate) const DASHBOARDS: usize = 40;
pub(crate) const TILES: usize = 8;
pub(crate) const TENANTS: usize = 3;

/// What Omni finds in the model, in the version's content and in its source's: a call each.
const FINDINGS: usize = 3;
/// The default of `requestsPerMinute`.
const A_MINUTE: f64 = 55.0;
/// More than is asked, so that the time is the program's and the simulator's own.
const UNBOUNDED: Budget = Budget {
    requests: 1000,
    window: Duration::from_millis(100),
};
/// A dashboard of the seed whose tiles are all queries.
const MODEL_OF_TILES: &str = "f16b28a5";

/// What a validation asked, and how long it took.
#[derive(Debug, Clone, Copy)]
struct Asked {
    calls: usize,
    took: Duration,
}

impl Asked {
    fn minutes(self) -> String {
        format!("{:.1} min", as_float(self.calls) / A_MINUTE)
    }
}

/// The same version, validated as every tenant, and as one that stands for all.
#[derive(Debug)]
pub(crate) struct Queries {
    all: Asked,
    sample: Asked,
}

impl Queries {
    /// Adds its rows.
    pub(crate) fn tell(&self, table: &mut Table) {
        let Self { all, sample } = self;
        let formula = DASHBOARDS * TILES * TENANTS + DASHBOARDS + TENANTS + FINDINGS;
        table.ratio(
            &format!("{DASHBOARDS} dashboards of {TILES} tiles validated as {TENANTS} tenants: calls"),
            all.calls.to_string(),
            format!("formula: {formula}"),
            as_float(all.calls) / as_float(formula),
            Goal::AtMost(1.0),
        );
        table.ratio(
            "  as 1 that stands for all",
            sample.calls.to_string(),
            format!("as {TENANTS}: {}", all.calls),
            as_float(sample.calls) / as_float(all.calls),
            Goal::None,
        );
        table.value(
            "  their minutes at 55 requests a minute",
            format!("{}, {}", all.minutes(), sample.minutes()),
        );
        table.value(
            "  own time of a call",
            format!("{:.1} ms", all.took.as_secs_f64() * 1000.0 / as_float(all.calls)),
        );
    }
}

fn as_float(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a validation makes few calls"))
}

/// Cuts version 2, and validates it both ways.
pub(crate) async fn measure() -> Queries {
    let simulator = Simulator::start(SimulatorOptions::default()).await;
    let simulator = simulator.expect("the loopback has a free port");
    fill(&simulator).await;
    let bed = Bed::of(simulator, "queries", 1, UNBOUNDED);
    let world = bed.rested().await;
    let report = crate::bed::drive(&world, "clinical-v2").await;
    let copied = report.dashboards.as_ref().map_or(0, |dashboards| dashboards.ready);
    assert_eq!(usize::try_from(copied).ok(), Some(DASHBOARDS), "{report:#?}");
    Queries {
        all: asked(&bed, &world, TENANTS).await,
        sample: asked(&bed, &world, 1).await,
    }
}

/// Puts dashboards of so many tiles in the place of the seed's.
async fn fill(simulator: &Simulator) {
    let call = async |method: reqwest::Method, path: &str, body: Option<&Value>| -> Value {
        let sent = reqwest::Client::new().request(method, format!("{}{path}", simulator.base_url()));
        let sent = sent.bearer_auth(DEFAULT_API_KEY);
        let sent = match body {
            Some(body) => sent.json(body),
            None => sent,
        };
        let answer = sent.send().await.expect("it answers");
        let answer = answer.error_for_status().expect("it takes the call");
        answer.json().await.expect("it answers in JSON")
    };
    let read = call(
        reqwest::Method::GET,
        &format!("/api/v2/documents/{MODEL_OF_TILES}"),
        None,
    )
    .await;
    let few = read["queryPresentations"]["data"].as_object().expect("it has tiles");
    let few: Vec<&Value> = few.values().collect();
    let keys: Vec<String> = (1..=TILES).map(|key| key.to_string()).collect();
    let tile = |(at, key): (usize, &String)| {
        let mut tile = few[at % few.len()].clone();
        tile["name"] = json!(format!("Tile {key}"));
        (key.clone(), tile)
    };
    let data: serde_json::Map<String, Value> = keys.iter().enumerate().map(tile).collect();
    let state = simulator.state();
    let list = |name: &str| state[name].as_array().expect("the state has this list").clone();
    let folder = list("folders").into_iter().find(|it| it["path"] == "clinical/v1");
    let folder = folder.expect("the seed has it")["id"].clone();
    for number in 0..DASHBOARDS {
        let body = json!({
            "name": format!("Board {number}"), "identifier": format!("board-{number:02}"), "modelId": read["modelId"],
            "folderId": folder, "queryPresentations": {"data": data, "order": keys},
        });
        call(reqwest::Method::POST, "/api/v2/documents", Some(&body)).await;
    }
    for document in list("documents") {
        let gone = json!({"action": "delete_document", "identifier": document["identifier"]});
        if document["folderPath"] == "clinical/v1" {
            simulator.play(&gone).expect("it was there");
        }
    }
}

/// What a validation asks as so many of the tenants.
async fn asked(bed: &Bed, world: &World, tenants: usize) -> Asked {
    bed.declare(|file, text| match file {
        "clinical-v2.yaml" => {
            let queries =
                format!("  validation:\n    queries:\n      tenants: {{environment: production, max: {tenants}}}\n");
            format!("{text}{queries}")
        }
        _ => text,
    });
    let Lookup::Found(version) = world.objects.version("default", "clinical-v2") else {
        panic!("it is declared");
    };
    let before = bed.simulator.requests().len();
    let started = Instant::now();
    let validated = validate(world, &version, &|_| {}).await.expect("it can be asked");
    let took = started.elapsed();
    assert!(validated.findings.is_empty(), "{validated:?}");
    let requests = bed.simulator.requests().split_off(before);
    let plans = requests.iter().filter(|it| it.path.ends_with("/query/run")).count();
    assert_eq!(plans, DASHBOARDS * TILES * tenants, "each tile is planned for each");
    let calls = requests.len();
    Asked { calls, took }
}
