//! How soon a new pin is Ready: while nothing else happens, while all others are looked at again, and while the statuses of
//! all others are being written.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::BoxStream;
use kube::api::{DynamicObject, PostParams};
use kube::core::ApiResource;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::json;
use wavepin::resources::TenantPin;

use super::bed::Bed;
use super::statuses::is_ready;

/// What a new pin may take.
pub(super) const MAY_TAKE: Duration = Duration::from_millis(30);

/// How many come while nothing else happens, and while all others are looked at again.
const ALONE: usize = 40;
const RESYNCED: usize = 100;

/// How often all others are looked at again meanwhile.
const RESYNC: &str = "1s";

/// How long one may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// One new pin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newcomer {
    /// From the sending to the API server's answer.
    pub(super) created: Duration,
    /// From the sending to the event that shows it as Ready.
    pub(super) ready: Duration,
}

/// New pins, by what else happens.
#[derive(Debug)]
pub(super) struct Newcomers {
    pub(super) alone: Vec<Newcomer>,
    pub(super) resynced: Vec<Newcomer>,
    pub(super) written: Vec<Newcomer>,
    /// Likewise, in an environment of its own.
    pub(super) elsewhere: Vec<Newcomer>,
}

/// Makes pins one after the other and watches them.
struct Gate<'a> {
    bed: &'a Bed,
    events: BoxStream<'static, watcher::Result<Event<DynamicObject>>>,
    made: usize,
}

/// All of them; the rollout is at version 1 before and after.
pub(super) async fn measure(bed: &Bed, how_many: usize) -> Newcomers {
    let config = watcher::Config::default().labels("newcomer=yes");
    let events = watcher(bed.pins.clone(), config).boxed();
    let mut gate = Gate { bed, events, made: 0 };
    while !matches!(gate.next().await, Event::InitDone) {}
    // Makes the rows of its environments known.
    gate.one("production").await;
    gate.one("staging").await;
    let mut alone = Vec::new();
    for _ in 0..ALONE {
        alone.push(gate.one("production").await);
        gate.pause(300).await;
    }
    bed.look_every(RESYNC).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut resynced = Vec::new();
    for _ in 0..RESYNCED {
        resynced.push(gate.one("production").await);
        // At another time of the second each.
        gate.pause(137).await;
    }
    bed.look_every("5m").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let written = gate.while_all_move(2, how_many, "production").await;
    let elsewhere = gate.while_all_move(1, how_many, "staging").await;
    Newcomers {
        alone,
        resynced,
        written,
        elsewhere,
    }
}

impl Gate<'_> {
    async fn next(&mut self) -> Event<DynamicObject> {
        let event = tokio::time::timeout(PATIENCE, self.events.next()).await;
        let event = event.expect("a pin is Ready in time").expect("a watch does not end");
        event.expect("the API server is here")
    }

    /// One new pin with a version of its own, which its tenant gets at once.
    async fn one(&mut self, environment: &str) -> Newcomer {
        self.made += 1;
        let tenant = format!("newcomer-{:04}", self.made);
        let mut pin = DynamicObject::new(&tenant, &ApiResource::erase::<TenantPin>(&()));
        pin.metadata.labels = Some([("newcomer".to_owned(), "yes".to_owned())].into());
        pin.data = json!({"spec": {"instanceRef": {"name": "clinical"}, "tenant": tenant, "environment": environment,
            "version": 2}});
        let sent = Instant::now();
        let params = PostParams::default();
        self.bed
            .pins
            .create(&params, &pin)
            .await
            .expect("the definition takes it");
        let created = sent.elapsed();
        loop {
            if let Event::Apply(pin) = self.next().await
                && pin.metadata.name.as_deref() == Some(tenant.as_str())
                && is_ready(&pin.data["status"])
            {
                let ready = sent.elapsed();
                return Newcomer { created, ready };
            }
        }
    }

    /// As many as come while the statuses of all others are being written.
    async fn while_all_move(&mut self, version: i32, how_many: usize, environment: &str) -> Vec<Newcomer> {
        let mut books = self.bed.books();
        self.bed.roll_out(version).await;
        let mut names = BTreeSet::new();
        let mut newcomers = Vec::new();
        // From the first status on, and as long as a twentieth is left.
        while names.len() < how_many - how_many / 20 {
            if !names.is_empty() {
                newcomers.push(self.one(environment).await);
            }
            self.pause(100).await;
            let writes = books.read().into_iter().filter(|it| it.is_status_of_a_pin());
            let of_fleet = writes.filter(|it| it.name().starts_with("tenant-"));
            names.extend(of_fleet.map(|it| it.name().to_owned()));
        }
        books.until_quiet().await;
        newcomers
    }

    /// Between one and two times so many milliseconds, another time each.
    async fn pause(&self, milliseconds: u64) {
        let more = self.made as u64 * 37 % 100;
        tokio::time::sleep(Duration::from_millis(milliseconds + milliseconds * more / 100)).await;
    }
}
