//! The life of one process over the whole example: instance, versions, environments, round by round until it rests.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use wavepin::environment::{self, EnvironmentKey};
use wavepin::model_version::{self, Progress, VersionReport};
use wavepin::omni_instance;
use wavepin::ports::{Next, World};
use wavepin::resources::conditions::{Finding, READY, STALLED, Verdict};

use super::super::bench::{Bench, verdict};
use super::super::breaking::Fuse;

/// A process that needs more rounds than this is stuck in a loop.
const MOST_ROUNDS: usize = 40;

/// What a process says of each object in the end: nothing where it is ready, else why not.
pub type Told = BTreeMap<String, Option<String>>;

/// Lives until nothing is left to do but what only a person or another process can bring.
pub async fn live(bench: &Bench, world: &World, fuse: &Fuse) -> Told {
    let statuses = Statuses::new(fuse);
    for _ in 0..MOST_ROUNDS {
        let mut pauses = Vec::new();
        if let Some(pass) = omni_instance::reconcile(world, "default", "clinical").await {
            statuses.write("OmniInstance", format!("{:?}", pass.findings), &pass.findings);
            pauses.extend(pause(bench, pass.next));
        }
        for name in ["clinical-v1", "clinical-v2"] {
            let telling = Telling {
                statuses: &statuses,
                name,
            };
            if let Some(pass) = model_version::reconcile(world, "default", name, &telling).await {
                telling.publish(&pass.report);
                pauses.extend(pause(bench, pass.next));
            }
        }
        for environment in ["staging", "production"] {
            let key = EnvironmentKey {
                namespace: "default".to_owned(),
                instance: "clinical".to_owned(),
                environment: environment.to_owned(),
            };
            if let Some(pass) = environment::reconcile(world, &key).await {
                for pin in &pass.pins {
                    statuses.write(&pin.name, format!("{pin:?}"), &pin.findings);
                }
                if let Next::Again | Next::Backoff { .. } = pass.next {
                    pauses.extend(pause(bench, pass.next));
                }
            }
        }
        let told = statuses.told();
        if pauses.is_empty() || told.values().all(Option::is_none) {
            fuse.meanwhile().await;
            return told;
        }
        fuse.meanwhile().await;
        bench.clock_passes(pauses.into_iter().min().unwrap_or_default());
    }
    panic!("does not settle: {:?}", statuses.told());
}

/// How long until it goes on by itself; none where it does not.
fn pause(bench: &Bench, next: Next) -> Option<Duration> {
    match next {
        Next::After(_) => None,
        Next::At(at) => Some(
            at.duration_since(wavepin::ports::Clock::now(&*bench.clock))
                .unsigned_abs(),
        ),
        Next::Again => Some(Duration::ZERO),
        Next::Backoff { after } => Some(after.unwrap_or(Duration::from_secs(1))),
    }
}

/// What a front would write: a status only where it differs from the last one.
struct Statuses<'a> {
    fuse: &'a Fuse,
    written: Mutex<BTreeMap<String, (String, Option<String>)>>,
}

impl<'a> Statuses<'a> {
    fn new(fuse: &'a Fuse) -> Self {
        let written = Mutex::default();
        Self { fuse, written }
    }

    fn write(&self, name: &str, status: String, findings: &[Finding]) {
        let mut written = self.written.lock().unwrap();
        if written.get(name).is_some_and(|(before, _)| *before == status) {
            return;
        }
        self.fuse.status(name);
        written.insert(name.to_owned(), (status, why_not(findings)));
    }

    fn told(&self) -> Told {
        let written = self.written.lock().unwrap();
        written
            .iter()
            .map(|(name, (_, told))| (name.clone(), told.clone()))
            .collect()
    }
}

fn why_not(findings: &[Finding]) -> Option<String> {
    if verdict(findings, READY) == Some(Verdict::True) {
        return None;
    }
    let stalled = findings.iter().find(|it| it.condition == STALLED);
    let told = stalled.or_else(|| findings.iter().find(|it| it.condition == READY));
    Some(told.map_or_else(String::new, |it| {
        format!("{} {}: {}", it.condition, it.reason.as_str(), it.message)
    }))
}

struct Telling<'a> {
    statuses: &'a Statuses<'a>,
    name: &'a str,
}

impl Progress for Telling<'_> {
    fn publish(&self, report: &VersionReport) {
        self.statuses.write(self.name, format!("{report:?}"), &report.findings);
    }

    fn interrupted(&self) -> bool {
        false
    }
}
