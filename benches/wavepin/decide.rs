//! How long one pass over an environment thinks: 12,000 tenants that follow a rollout of three waves, decided together.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber as _;
use tracing::span::{Attributes, Id};
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use wavepin::environment::{self, EnvironmentKey, EnvironmentPass};
use wavepin::ports::{Next, World};
use wavepin::resources::conditions::{COMPLETE, READY, Verdict};

use crate::bed::{Bed, Budget, drive};
use crate::table::Table;

/// How many tenants follow, once by pins and once as rows.
pub(crate) const TENANTS: usize = 12_000;

/// How many passes of each kind are measured; the median counts.
pub(crate) const ROUNDS: usize = 3;

/// So wide and so short that nothing waits for it.
const UNBOUNDED: Budget = Budget {
    requests: 1000,
    window: Duration::from_millis(10),
};

/// One kind of members.
#[derive(Debug, Default)]
struct Times {
    /// The look that finds that a wave of all is to be moved.
    moves: Vec<Duration>,
    /// A look at what is as declared.
    rests: Vec<Duration>,
    /// What a pass reads from the database, to decide on.
    observes: Vec<Duration>,
}

/// What deciding took.
#[derive(Debug)]
pub(crate) struct Decisions {
    pins: Times,
    rows: Times,
}

impl Decisions {
    /// Adds its rows, each of medians.
    pub(crate) fn tell(&self, table: &mut Table) {
        let milliseconds = |all: &[Duration]| {
            let mut all = all.to_vec();
            all.sort();
            format!("{:.1} ms", all[all.len() / 2].as_secs_f64() * 1000.0)
        };
        for (members, times) in [("pins with labels", &self.pins), ("rows with labels", &self.rows)] {
            let what = format!("deciding for {TENANTS} followers, {members}: all are to move");
            table.value(&what, milliseconds(&times.moves));
            table.value("  all are as declared", milliseconds(&times.rests));
            table.value("  reading what that rests on", milliseconds(&times.observes));
        }
    }
}

/// The same environment twice: with pins, and with rows that the application labels.
pub(crate) async fn measure() -> Decisions {
    let bed = Bed::new("decide", 5, 1, UNBOUNDED).await;
    let world = bed.rested().await;
    drive(&world, "clinical-v2").await;
    let pins = times(&bed, &world, "production", &pins()).await;
    bed.database.psql(&format!(
        "CREATE TABLE tenants AS SELECT 'tenant-' || lpad(at::text, 5, '0') AS id, {} AS tier \
         FROM generate_series(0, {TENANTS} - 1) AS of (at); \
         INSERT INTO tenant_version (tenant_id, tenant_environment, model_version_id) SELECT id, 'staging', 1 FROM tenants",
        "CASE WHEN at % 100 = 0 THEN 'canary' WHEN at % 10 = 0 THEN 'early' ELSE 'late' END"
    ));
    let rows = times(&bed, &world, "staging", "").await;
    Decisions { pins, rows }
}

/// Rolls the environment out to version 2 and back, over and over.
async fn times(bed: &Bed, world: &World, environment: &str, members: &str) -> Times {
    let mut times = Times::default();
    let steps = Steps::default();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(steps.clone()));
    for round in 0..=ROUNDS {
        for version in [1, 2] {
            let manifests = format!("{}{members}", rollout(environment, version, members.is_empty()));
            bed.declare_also(&manifests);
            converge(world, environment, &dispatch).await;
            let moved = steps.take();
            // One more look, at what has converged.
            pass(world, environment, &dispatch).await;
            let rested = steps.take();
            // The first round makes rows and claims.
            if round > 0 {
                times.moves.push(moved.first("decide"));
                times.rests.push(rested.first("decide"));
                times.observes.push(rested.first("observe"));
            }
        }
    }
    times
}

/// Passes until the rollout is complete and nobody waits.
async fn converge(world: &World, environment: &str, dispatch: &Dispatch) {
    for _ in 0..10 {
        let pass = pass(world, environment, dispatch).await;
        let mut findings = pass.rollouts.iter().flat_map(|rollout| &rollout.findings);
        let complete = findings.any(|it| it.condition == COMPLETE && it.verdict == Verdict::True);
        let mut ready = pass.pins.iter().map(|pin| {
            let mut findings = pin.findings.iter();
            findings.any(|it| it.condition == READY && it.verdict == Verdict::True)
        });
        if complete && ready.all(|it| it) && matches!(pass.next, Next::After(_)) {
            return;
        }
    }
    panic!("{environment} does not converge");
}

async fn pass(world: &World, environment: &str, dispatch: &Dispatch) -> EnvironmentPass {
    let key = EnvironmentKey {
        namespace: "default".to_owned(),
        instance: "clinical".to_owned(),
        environment: environment.to_owned(),
    };
    let pass = environment::reconcile(world, &key).with_subscriber(dispatch.clone());
    pass.await.expect("a rollout is declared")
}

/// A pin for each tenant, which follows.
fn pins() -> String {
    let mut pins = String::new();
    for at in 0..TENANTS {
        let tier = match at {
            at if at % 100 == 0 => "canary",
            at if at % 10 == 0 => "early",
            _ => "late",
        };
        write!(
            pins,
            "---\napiVersion: wavepin.dev/v1alpha1\nkind: TenantPin\n\
             metadata: {{name: tenant-{at:05}, labels: {{tier: {tier}}}}}\n\
             spec: {{instanceRef: {{name: clinical}}, tenant: tenant-{at:05}, environment: production}}\n"
        )
        .expect("a text takes more");
    }
    pins
}

/// All of them, by three waves.
fn rollout(environment: &str, version: i32, by_rows: bool) -> String {
    let members = match by_rows {
        true => "\n  members: {rows: {labelsFrom: tenants}}",
        false => "",
    };
    format!(
        "apiVersion: wavepin.dev/v1alpha1\nkind: VersionRollout\nmetadata: {{name: {environment}}}\nspec:\n  \
         instanceRef: {{name: clinical}}\n  environment: {environment}\n  version: {version}{members}\n  waves:\n    \
         - {{name: canary, selector: {{matchLabels: {{tier: canary}}}}}}\n    \
         - {{name: early, selector: {{matchLabels: {{tier: early}}}}}}\n    - {{name: rest}}\n"
    )
}

/// How long each step of a pass took, by its span.
#[derive(Debug, Clone, Default)]
struct Steps(Arc<Mutex<Vec<(String, Duration)>>>);

/// The steps of some passes, in the order of their ends.
struct Taken(Vec<(String, Duration)>);

impl Steps {
    fn take(&self) -> Taken {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Taken(std::mem::take(&mut *steps))
    }
}

impl Taken {
    /// What the first of this name took.
    fn first(&self, name: &str) -> Duration {
        let mut steps = self.0.iter();
        let step = steps.find(|(step, _)| step == name);
        step.expect("a pass has it").1
    }
}

/// A span that has begun.
struct Begun {
    step: String,
    at: Instant,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Steps {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut step = Step::default();
        attributes.record(&mut step);
        if let (Step(Some(step)), Some(span)) = (step, context.span(id)) {
            let at = Instant::now();
            span.extensions_mut().insert(Begun { step, at });
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id);
        let begun = span.and_then(|span| span.extensions_mut().remove::<Begun>());
        if let Some(Begun { step, at }) = begun {
            let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            steps.push((step, at.elapsed()));
        }
    }
}

/// The field `step` of a span.
#[derive(Default)]
struct Step(Option<String>);

impl Visit for Step {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "step" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
