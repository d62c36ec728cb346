//! One life of a rollout: everybody gets a version, moves on by waves until a check fails over the budget and all go back,
//! moves on at once, and goes back by a person's order. Whatever happens to the process meanwhile, it is started again.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use secrecy::SecretString;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::task::JoinSet;
use wavepin::mapping::{MappingOptions, connect};
use wavepin::ports::{Command as Order, Ordered, Scope};
use wavepin::resources::VersionRollout;

use super::ground::{Ground, OWNER};
use super::outcome::{Outcome, difference, outcome};
use super::statements::Line;
use super::trap::{Point, Trap};
use super::writes::Front;
use crate::parts::{Database, Member};

/// How long a step of a life may take on a machine that is busy, from the last death on.
const PATIENCE: Duration = Duration::from_secs(90);

/// Two canaries, and two batches of the rest.
const TENANTS: [(&str, &str); 6] = [
    ("a1", "canary"),
    ("a2", "canary"),
    ("b1", "late"),
    ("b2", "late"),
    ("c1", "late"),
    ("c2", "late"),
];

/// What everybody is on, in the order of the tenants, from the first moment to the last: nobody sees anything else, and
/// nothing in another order.
const WAY: [&str; 8] = ["", "111111", "221111", "222211", "222222", "111111", "222222", "111111"];

/// The name of the Lease.
const LEASE: &str = "wavepin";

const LOOK: &str = "SELECT coalesce(string_agg(model_version_id::text, '' ORDER BY tenant_id), '') FROM tenant_version";

/// At what processes die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    Statements,
    Writes,
}

/// How a life ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// What passed the line, and how often.
    pub(super) seen: BTreeMap<String, usize>,
    /// Where processes died.
    pub(super) struck: Vec<Point>,
}

struct Life {
    ground: Arc<Ground>,
    namespace: String,
    database: Database,
    connection: PgConnection,
    client: kube::Client,
    trap: Arc<Trap>,
    line: Option<Line>,
    front: Option<Front>,
    process: Option<Member>,
    /// When it was started.
    born: Instant,
    seen: Arc<Mutex<Vec<String>>>,
    _looking: JoinSet<()>,
}

/// Lives to the end; an error says how that differs from what is expected.
pub(super) async fn live(
    ground: Arc<Ground>,
    aim: Aim,
    points: Vec<Point>,
    expected: Option<Outcome>,
) -> Result<Ended, String> {
    let mut life = Life::new(ground, aim, points).await;
    let outcome = life.go_by(expected).await;
    let (seen, struck) = (life.trap.seen(), life.trap.struck());
    // Aside: a database goes once every connection of the server has answered, those too that our lines carry.
    tokio::task::spawn_blocking(|| drop(life)).await.unwrap();
    match outcome {
        Ok(outcome) => Ok(Ended { outcome, seen, struck }),
        Err(why) => Err(format!("killed at {struck:#?}: {why}")),
    }
}

fn rollout(version: i32, more: &Value) -> Value {
    let mut spec = json!({"instanceRef": {"name": "clinical"}, "environment": "live", "version": version});
    for (field, value) in more.as_object().expect("fields") {
        spec[field] = value.clone();
    }
    json!({"apiVersion": "wavepin.dev/v1alpha1", "kind": "VersionRollout", "metadata": {"name": "live"}, "spec": spec})
}

impl Life {
    async fn new(ground: Arc<Ground>, aim: Aim, points: Vec<Point>) -> Self {
        let (at, trap) = (Arc::clone(&ground), Arc::new(Trap::new(points)));
        // Both start a program.
        let made = tokio::task::spawn_blocking(move || {
            let namespace = at.api_server.namespace("killed");
            let database = at.database(&namespace);
            (namespace, database)
        });
        let (namespace, database) = made.await.unwrap();
        let client = ground.api_server.client();
        let [connection, looking] = [(); 2].map(|()| PgConnection::connect(&database.url));
        let (connection, looking) = (connection.await.unwrap(), looking.await.unwrap());
        let port = url::Url::parse(&database.url).unwrap().port().unwrap_or(5432);
        let (line, front) = match aim {
            Aim::Statements => (Some(Line::to(port, Arc::clone(&trap)).await), None),
            Aim::Writes => (None, Some(Front::before(client.clone(), Arc::clone(&trap)).await)),
        };
        let seen = Arc::default();
        let mut looks = JoinSet::new();
        looks.spawn(look_on(looking, Arc::clone(&seen)));
        let life = Self {
            ground,
            namespace,
            database,
            connection,
            client,
            trap,
            line,
            front,
            process: None,
            born: Instant::now(),
            seen,
            _looking: looks,
        };
        for manifest in life.ground.manifests() {
            life.apply(&manifest).await;
        }
        for (tenant, tier) in TENANTS {
            let spec = json!({"instanceRef": {"name": "clinical"}, "tenant": tenant, "environment": "live"});
            let metadata = json!({"name": tenant, "labels": {"tier": tier}});
            let pin =
                json!({"apiVersion": "wavepin.dev/v1alpha1", "kind": "TenantPin", "metadata": metadata, "spec": spec});
            life.apply(&pin).await;
        }
        life
    }

    /// From the first version to the last order.
    async fn go_by(&mut self, expected: Option<Outcome>) -> Result<Outcome, String> {
        let all = json!({"waves": [{"name": "all"}]});
        self.start();
        self.apply(&rollout(1, &all)).await;
        self.is_told("Complete", "RolledOut", "to version 1").await?;
        self.apply(&rollout(2, &self.by_waves())).await;
        self.is_told("Stalled", "RolloutFailed", "").await?;
        self.apply(&rollout(2, &all)).await;
        self.is_told("Complete", "RolledOut", "to version 2").await?;
        self.order().await;
        self.is_told("Waiting", "RolledBack", "").await?;
        let outcome = self.end(expected).await?;
        self.way()?;
        Ok(outcome)
    }

    fn by_waves(&self) -> Value {
        json!({
            "waves": [
                {"name": "canary", "selector": {"matchLabels": {"tier": "canary"}}, "soak": "1s"},
                {"name": "rest", "batch": {"size": 2, "every": "1s"}},
            ],
            "checks": [{"name": "smoke", "interval": "1s", "failureLimit": 1, "webhook": {"url": self.ground.checks}}],
            "onFailure": "RollBack",
        })
    }

    async fn apply(&self, manifest: &Value) {
        let (version, kind) = (
            manifest["apiVersion"].as_str().unwrap(),
            manifest["kind"].as_str().unwrap(),
        );
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let objects: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let params = PatchParams::apply("person").force();
        let name = manifest["metadata"]["name"].as_str().unwrap();
        objects.patch(name, &params, &Patch::Apply(manifest)).await.unwrap();
    }

    /// Starts a process, as a cluster does whenever one has ended.
    fn start(&mut self) {
        let mut url = url::Url::parse(&self.database.url).unwrap();
        let mut kubeconfig = self.ground.api_server.kubeconfig();
        if let Some(line) = &self.line {
            url.set_port(Some(line.port)).unwrap();
        }
        if let Some(front) = &self.front {
            kubeconfig = self.ground.family.home().join(format!("{}.kubeconfig", self.namespace));
            let server = format!("http://127.0.0.1:{}", front.port);
            std::fs::write(&kubeconfig, in_the_clear(&server)).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_wavepin"));
        command
            .args([
                "controller",
                "--namespace",
                &self.namespace,
                "--lease-namespace",
                &self.namespace,
            ])
            .args([
                "--lease",
                "2s",
                "--health-address",
                "127.0.0.1:0",
                "--budget-window",
                "1s",
            ])
            .env("WAVEPIN_DATABASE_URL", url.as_str())
            .env("KUBECONFIG", kubeconfig);
        self.born = Instant::now();
        self.process = Some(
            self.ground
                .family
                .spawn(&self.namespace, &mut command)
                .expect("the binary starts"),
        );
    }

    /// What everybody is on now.
    async fn look(&mut self) -> String {
        sqlx::query_scalar(LOOK).fetch_one(&mut self.connection).await.unwrap()
    }

    /// Kills the process that is held, or starts another where one has ended by itself, having lost its lead on a machine
    /// that is too busy.
    async fn tend(&mut self) {
        if self.trap.is_held() {
            // In the very moment, while all is as it left it.
            let now = self.look().await;
            note(&self.seen, now);
            self.process = None;
            self.forget_lease().await;
            self.trap.buried();
            self.start();
        }
        if self.process.as_mut().is_none_or(|process| process.ended().is_some()) {
            self.trap.buried();
            self.start();
        }
    }

    /// The next process need not wait until the dead one's lead runs out: that it does, others show.
    async fn forget_lease(&self) {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace);
        let gone = leases.delete(LEASE, &DeleteParams::default()).await;
        assert!(matches!(&gone, Ok(_) | Err(kube::Error::Api(_))), "{gone:?}");
    }

    /// Waits until the rollout says this, of the spec as it is now; sees to it that there is a process.
    async fn is_told(&mut self, kind: &str, reason: &str, what: &str) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            self.tend().await;
            if self.tells(kind, reason, what).await {
                return Ok(());
            }
            if self.waited(begun) > PATIENCE {
                let outcome = outcome(&self.client, &self.namespace, &mut self.connection).await;
                let log = self.ground.family.last_words(&self.namespace);
                let outcome = outcome.join("\n");
                return Err(format!("not {kind}: {reason} after {PATIENCE:?}\n{outcome}\n{log}"));
            }
            tokio::select! {
                () = self.trap.holds() => {}
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
    }

    /// For how long the process that lives now has had the time to get on.
    fn waited(&self, begun: Instant) -> Duration {
        begun.max(self.born).elapsed()
    }

    async fn tells(&self, kind: &str, reason: &str, what: &str) -> bool {
        let resource = ApiResource::erase::<VersionRollout>(&());
        let rollouts: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let object = rollouts.get("live").await.unwrap();
        let status = &object.data["status"];
        let mut conditions = status["conditions"].as_array().into_iter().flatten();
        status["observedGeneration"].as_i64() == object.metadata.generation
            && conditions.any(|it| {
                it["type"] == kind
                    && it["status"] == "True"
                    && it["reason"] == reason
                    && it["message"].as_str().is_some_and(|message| message.contains(what))
            })
    }

    /// Orders everybody back, as `wavepin rollback` does.
    async fn order(&self) {
        let options = MappingOptions {
            read_only: true,
            takes_commands: true,
            ..MappingOptions::default()
        };
        let mapping = connect(&SecretString::from(self.database.url.as_str()), options)
            .await
            .unwrap();
        mapping.prepare(OWNER, None).await.unwrap();
        let view = mapping.environment("live", &[], None).await.unwrap();
        let attempt = view.rollouts.attempt.expect("one has ended").number;
        let order = Order {
            environment: "live".to_owned(),
            what: Ordered::RollBack(Scope::Rollout { attempt }),
            by: "anna".to_owned(),
            reason: "numbers are off".to_owned(),
        };
        mapping.give_command(&order).await.unwrap();
    }

    /// The end: what is expected; or, where that is not known yet, what stays for a while.
    async fn end(&mut self, expected: Option<Outcome>) -> Result<Outcome, String> {
        let begun = Instant::now();
        let (mut last, mut since) = (Outcome::default(), Instant::now());
        loop {
            self.tend().await;
            let now = outcome(&self.client, &self.namespace, &mut self.connection).await;
            match &expected {
                Some(expected) => {
                    let difference = difference(expected, &now);
                    if difference.is_empty() {
                        return Ok(now);
                    }
                    if self.waited(begun) > PATIENCE / 2 {
                        let log = self.ground.family.last_words(&self.namespace);
                        return Err(format!("another end:\n{difference}\n{log}"));
                    }
                }
                None if now != last => (last, since) = (now, Instant::now()),
                None if since.elapsed() > Duration::from_secs(5) => return Ok(last),
                None => {}
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether all that was seen, by whoever looked on, lies on the way.
    fn way(&self) -> Result<(), String> {
        let seen = self.seen.lock().unwrap();
        let mut way = WAY.iter();
        match seen.iter().find(|now| !way.any(|it| it == now)) {
            None => Ok(()),
            Some(now) => Err(format!("somebody saw {now:?} there: {seen:?}")),
        }
    }
}

/// A second client, which looks all the while.
async fn look_on(mut connection: PgConnection, seen: Arc<Mutex<Vec<String>>>) {
    loop {
        // The database goes before the one who looks.
        let Ok(now) = sqlx::query_scalar(AssertSqlSafe(LOOK)).fetch_one(&mut connection).await else {
            return;
        };
        note(&seen, now);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Keeps what is seen where it is something else than before.
fn note(seen: &Mutex<Vec<String>>, now: String) {
    let mut seen = seen.lock().unwrap();
    if seen.last() != Some(&now) {
        seen.push(now);
    }
}

/// A kubeconfig for a server that knows by itself who asks.
fn in_the_clear(server: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
clusters: [{{name: tests, cluster: {{server: '{server}'}}}}]
users: [{{name: tests, user: {{}}}}]
contexts: [{{name: tests, context: {{cluster: tests, user: tests}}}}]
current-context: tests
"
    )
}
