//! One real run, with a scrape of it while all is well and one in each trouble: the binary on an API server, an Omni and a
//! PostgreSQL behind lines that can be cut.

use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::json;
use tokio::sync::OnceCell;
use wavepin::simulator::{Fault, Simulator, SimulatorOptions};

use super::scrape::Scrape;
use crate::cluster::{Installation, example};
use crate::parts::{Database, Line, Member, Postgres, Proxy, promtool};

pub(super) const KEY: &str = "omni_osk_watched-and-told-to-nobody";

/// The files of the example.
pub(super) const FILES: [&str; 4] = ["instance.yaml", "clinical-v1.yaml", "clinical-v2.yaml", "pins.yaml"];

/// What Prometheus was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// While all was well.
    pub(super) well: Scrape,
    /// By a replica that stands by.
    pub(super) standby: Scrape,
    /// In each trouble.
    pub(super) stalled: Scrape,
    pub(super) key_refused: Scrape,
    pub(super) unknown_answer: Scrape,
    pub(super) omni_gone: Scrape,
    pub(super) throttled: Scrape,
    pub(super) database_gone: Scrape,
    pub(super) drifted: Scrape,
    /// What no label may tell: names of objects, tenants, environments, and secrets.
    pub(super) names: Vec<String>,
}

impl Told {
    /// Every scrape.
    pub(super) fn all(&self) -> [&Scrape; 9] {
        [
            &self.well,
            &self.standby,
            &self.stalled,
            &self.key_refused,
            &self.unknown_answer,
            &self.omni_gone,
            &self.throttled,
            &self.database_gone,
            &self.drifted,
        ]
    }
}

/// The run of all tests here: the first that asks runs it.
pub(super) async fn told() -> &'static Told {
    static TOLD: OnceCell<Told> = OnceCell::const_new();
    TOLD.get_or_init(run).await
}

pub(super) struct Bed {
    pub(super) simulator: Simulator,
    pub(super) database: Database,
    line: Proxy,
    pub(super) cluster: Installation,
    /// How many passes were asked for.
    asked: u32,
}

impl Bed {
    pub(super) async fn new() -> Self {
        let options = SimulatorOptions {
            api_key: KEY.to_owned(),
            ..SimulatorOptions::default()
        };
        let database = Postgres::shared().database("watched");
        let url = url::Url::parse(&database.url).unwrap();
        let cluster = Installation::new("watched");
        cluster.keeps(KEY);
        cluster.keeps(&database.url);
        Self {
            simulator: Simulator::start(options).await.unwrap(),
            line: Proxy::to(url.port().unwrap_or(5432)).await,
            database,
            cluster,
            asked: 0,
        }
    }

    /// Starts the binary, with these variables besides.
    pub(super) fn start(&self, name: &str, variables: &[(&str, &str)]) -> Member {
        let mut url = url::Url::parse(&self.database.url).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.line.port())).unwrap();
        let mut controller = self.cluster.controller();
        controller.env("WAVEPIN_DATABASE_URL", url.as_str());
        controller.envs(variables.iter().copied());
        self.cluster.start(name, &mut controller)
    }

    /// Asks for a pass over every object.
    fn look_again(&mut self) {
        self.asked += 1;
        let request = format!("wavepin.dev/reconcile-requested-at=watched-{}", self.asked);
        self.cluster
            .kubectl(&["annotate", "--overwrite", "omni,mv,tpin,vro", "--all", &request]);
    }

    /// The address of the probes of the process that has this name.
    pub(super) fn probes(&self, name: &str) -> Option<String> {
        let says = Regex::new(r"http://(127\.0\.0\.1:\d+)/readyz").unwrap();
        Some(says.captures(&self.cluster.log(name))?[1].to_owned())
    }

    async fn scrape(&self, name: &str) -> Option<Scrape> {
        let metrics = format!("http://{}/metrics", self.probes(name)?);
        let text = reqwest::get(metrics).await.ok()?.text().await.ok()?;
        Some(Scrape::of(text))
    }

    /// The first scrape that holds.
    pub(super) async fn scrape_once(&self, name: &str, what: &str, holds: impl Fn(&Scrape) -> bool) -> Scrape {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let scrape = self.scrape(name).await.unwrap_or_default();
            if holds(&scrape) {
                return scrape;
            }
            assert!(
                Instant::now() < deadline,
                "not within a minute: {what}\n{}",
                scrape.text
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A scrape in this trouble with Omni, which then passes.
    async fn befallen(&mut self, fault: serde_json::Value, what: &str, holds: impl Fn(&Scrape) -> bool) -> Scrape {
        let fault = json!({"fault": fault, "times": 1_000_000});
        self.simulator.arm(Fault::from_json(&fault).unwrap());
        self.look_again();
        let scrape = self.scrape_once("controller", what, holds).await;
        self.simulator.disarm();
        self.look_again();
        self.scrape_once("controller", "all is well again", is_well).await;
        scrape
    }
}

/// Instance, versions and pins are ready.
pub(super) fn is_well(scrape: &Scrape) -> bool {
    let objects = |state| scrape.sum("wavepin_objects", &[("state", state)]);
    objects("ready").is_some_and(|ready| ready >= 9.0)
        && ["reconciling", "stalled", "unknown"]
            .iter()
            .all(|state| objects(state) == Some(0.0))
        && scrape.sum("wavepin_tenants", &[("version", "2")]) == Some(3.0)
        && scrape.sum("wavepin_databases", &[("state", "up")]) == Some(1.0)
        && scrape.sum("wavepin_budget_paused_seconds", &[]) == Some(0.0)
        && scrape.sum("wavepin_budget_waiting", &[]) == Some(0.0)
}

/// An instance has such a condition.
fn has(condition: &'static str, reason: &'static str) -> impl Fn(&Scrape) -> bool {
    move |scrape| {
        let labels = [("kind", "OmniInstance"), ("condition", condition), ("reason", reason)];
        scrape.sum("wavepin_conditions", &labels).is_some()
    }
}

async fn run() -> Told {
    let mut bed = Bed::new().await;
    let controller = bed.start("controller", &[]);
    for file in FILES {
        bed.cluster.apply(&example(file, bed.simulator.base_url(), KEY));
    }
    let well = bed.scrape_once("controller", "all is well", is_well).await;
    let standby = bed.start("standby", &[]);
    let of_standby = bed
        .scrape_once("standby", "it answers", |scrape| !scrape.series.is_empty())
        .await;
    let told = Told {
        well,
        standby: of_standby,
        stalled: stalled(&bed).await,
        key_refused: {
            let refused = json!({"kind": "status", "code": 401});
            bed.befallen(refused, "the key is refused", has("Stalled", "KeyRefused"))
                .await
        },
        unknown_answer: {
            let page = json!("not_json");
            bed.befallen(page, "an answer is not known", has("Stalled", "ContractDrift"))
                .await
        },
        omni_gone: {
            let gone = json!("drop_before");
            bed.befallen(gone, "Omni is gone", has("Reachable", "OmniUnreachable"))
                .await
        },
        throttled: {
            let throttled = json!({"kind": "status_429", "retry_after": 5});
            let paused = |scrape: &Scrape| scrape.sum("wavepin_budget_paused_seconds", &[]) > Some(0.0);
            bed.befallen(throttled, "the key pauses", paused).await
        },
        database_gone: database_gone(&mut bed).await,
        drifted: drifted(&mut bed).await,
        names: names(&bed),
    };
    bed.cluster.end("standby", standby);
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
    told
}

/// Two versions of one number: the later one is for a person.
async fn stalled(bed: &Bed) -> Scrape {
    let second = example("clinical-v2.yaml", bed.simulator.base_url(), KEY);
    let name = "name: clinical-v2\n";
    assert!(second.contains(name), "{second}");
    bed.cluster
        .apply(&second.replacen(name, "name: clinical-v2-again\n", 1));
    let taken = |scrape: &Scrape| {
        let labels = [
            ("kind", "ModelVersion"),
            ("condition", "Stalled"),
            ("reason", "VersionTaken"),
        ];
        scrape.sum("wavepin_conditions", &labels) == Some(1.0)
    };
    let scrape = bed.scrape_once("controller", "a version is stalled", taken).await;
    bed.cluster.kubectl(&["delete", "mv", "clinical-v2-again"]);
    bed.scrape_once("controller", "it is gone", is_well).await;
    scrape
}

async fn database_gone(bed: &mut Bed) -> Scrape {
    bed.line.turn(Line::Cut);
    bed.look_again();
    let down = |scrape: &Scrape| {
        scrape.sum("wavepin_databases", &[("state", "down")]) == Some(1.0)
            && has("MappingReady", "MappingUnreachable")(scrape)
    };
    let scrape = bed.scrape_once("controller", "the database is down", down).await;
    bed.line.turn(Line::Carries);
    bed.look_again();
    bed.scrape_once("controller", "it is back", is_well).await;
    scrape
}

/// A person edits a dashboard that the first version adopted. Nothing puts that back, so it is the last trouble.
async fn drifted(bed: &mut Bed) -> Scrape {
    let edit = json!({"action": "edit_document", "identifier": "12db1a0a"});
    bed.simulator.play(&edit).unwrap();
    bed.look_again();
    let drifted = |scrape: &Scrape| {
        let labels = [("kind", "ModelVersion"), ("condition", "Drifted"), ("status", "True")];
        scrape.sum("wavepin_conditions", &labels) == Some(1.0)
    };
    bed.scrape_once("controller", "a version is drifted", drifted).await
}

fn names(bed: &Bed) -> Vec<String> {
    let objects = bed.cluster.objects();
    let text = |object: &serde_json::Value, path: &str| object.pointer(path)?.as_str().map(str::to_owned);
    let of_objects = objects.iter().flat_map(|object| {
        [
            "/metadata/name",
            "/spec/tenant",
            "/spec/environment",
            "/spec/baseUrl",
            "/spec/model/name",
        ]
        .into_iter()
        .filter_map(|path| text(object, path))
    });
    let url = url::Url::parse(&bed.database.url).unwrap();
    let password = url.password().map(str::to_owned);
    let own = [KEY.to_owned(), bed.cluster.namespace.clone(), bed.database.name.clone()];
    of_objects.chain(password).chain(own).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_of_a_real_run_is_as_prometheus_wants_it() {
    for scrape in told().await.all() {
        promtool::check_metrics(&scrape.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_label_tells_an_object_a_tenant_an_environment_or_a_secret() {
    let told = told().await;
    assert!(told.names.len() > 20, "{:?}", told.names);
    for scrape in told.all() {
        let values = scrape.series.iter().flat_map(|series| series.labels.values());
        for value in values {
            let named = told.names.iter().find(|name| value.contains(name.as_str()));
            assert!(named.is_none(), "{value:?} tells {named:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_did_is_in_its_measures() {
    let told = told().await;
    let well = |name: &str, labels: &[(&str, &str)]| told.well.sum(name, labels).unwrap_or_default();
    // Five dashboards were copied, and each was imported, moved to its folder or not, and marked as whole.
    assert_eq!(
        well("wavepin_steps_total", &[("step", "import"), ("outcome", "done")]),
        5.0
    );
    assert_eq!(
        well("wavepin_steps_total", &[("step", "complete"), ("outcome", "done")]),
        2.0
    );
    assert_eq!(well("wavepin_leader", &[]), 1.0);
    assert_eq!(
        well("wavepin_lease_transitions_total", &[("transition", "acquired")]),
        1.0
    );
    assert_eq!(well("wavepin_tenants", &[("version", "1")]), 3.0);
    for (name, labels) in [
        (
            "wavepin_reconciles_total",
            [("kind", "environment"), ("outcome", "settled")],
        ),
        (
            "wavepin_status_writes_total",
            [("kind", "TenantPin"), ("outcome", "written")],
        ),
        (
            "wavepin_database_calls_total",
            [("class", "budget"), ("outcome", "done")],
        ),
    ] {
        assert!(well(name, &labels) > 0.0, "{name} {labels:?}\n{}", told.well.text);
    }
    assert_eq!(told.standby.sum("wavepin_leader", &[]), Some(0.0));
    assert_eq!(
        told.standby.sum("wavepin_objects", &[]),
        None,
        "only the leader knows objects"
    );
    assert!(
        told.well
            .sum("wavepin_build_info", &[("version", env!("CARGO_PKG_VERSION"))])
            .is_some()
    );
}
