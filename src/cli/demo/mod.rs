//! `wavepin demo`: the story of two versions and three tenants, by hand and by waves, told on a terminal. It needs nothing: an organisation
//! in memory, a SQLite file in a temporary folder, and the manifests of `examples/clinical/`, which are built in.

mod screen;
mod view;
mod waves;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use snafu::{ResultExt as _, Snafu};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::screen::{Screen, Style};
use self::view::{Application, LOOK_UP, View, ViewError};
use super::Exit;
use super::apply::{Pace, world};
use crate::resources::conditions::{STALLED, Transition};
use crate::simulator::{Simulator, SimulatorOptions};
use crate::standalone::{
    self, Catalog, CatalogOptions, Declared, Ended, Engine, Manifest, Observer, Outcome, Subject, example,
};

/// How long one chapter may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The demo takes nothing.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {}

/// Why the story broke off.
#[derive(Debug, Snafu)]
enum DemoError {
    #[snafu(display("failed to make a temporary folder {}: {source}", path.display()))]
    Folder { path: PathBuf, source: std::io::Error },
    #[snafu(display("failed to start the simulator: {source}"))]
    Simulator { source: std::io::Error },
    #[snafu(display("{source}"), context(false))]
    View { source: ViewError },
    #[snafu(display("the chapter came to {outcome:?} ({ended:?}):\n{table}"))]
    Chapter {
        outcome: Outcome,
        ended: Ended,
        table: String,
    },
    #[snafu(display("the application did not see what the chapter tells: {what}"))]
    Unexpected { what: String },
}

/// Tells the story; what goes wrong in it is a fault of Wavepin.
pub(super) async fn run(_args: DemoArgs) -> Exit {
    match tell().await {
        Ok(()) => Exit::Done,
        Err(error) => {
            eprintln!("wavepin: the demo broke off: {error}");
            Exit::Failed
        }
    }
}

async fn tell() -> Result<(), DemoError> {
    let folder = Folder::new()?;
    let simulator = Simulator::start(SimulatorOptions::default())
        .await
        .context(SimulatorSnafu)?;
    let mut story = Story::new(simulator, &folder.0);
    story.introduce();
    story.before().await?;
    story.staging().await?;
    story.promotion().await?;
    story.waves().await?;
    story.back().await?;
    story.go_on();
    story.simulator.shutdown().await;
    Ok(())
}

/// A folder that goes with this value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, DemoError> {
        let path = std::env::temp_dir().join(format!("wavepin-demo-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).context(FolderSnafu { path: &path })?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("wavepin: {} stays behind: {error}", self.0.display());
        }
    }
}

struct Story {
    screen: Screen,
    simulator: Simulator,
    declared: Arc<Declared>,
    engine: Engine,
    database: PathBuf,
    /// What the application saw at the end of the chapter before.
    views: Vec<View>,
    /// How many calls Omni had had by then.
    calls: usize,
}

impl Story {
    fn new(simulator: Simulator, folder: &Path) -> Self {
        let screen = Screen::new();
        let database = folder.join("application.sqlite");
        let declared = Arc::new(Declared::default());
        let world = world(
            &declared,
            SecretString::from(format!("sqlite:{}", database.display())),
            &Pace::default(),
        );
        let observer = Arc::new(Telling { screen });
        let engine = Engine::new(world, Arc::clone(&declared), observer, CancellationToken::new(), false);
        Self {
            screen,
            simulator,
            declared,
            engine,
            database,
            views: Vec::new(),
            calls: 0,
        }
    }

    fn introduce(&self) {
        let screen = self.screen;
        screen.heading("Wavepin: every tenant on the version of its dashboards that it is ready for");
        screen.line("One Omni organisation, played by this program. Three tenants, each with staging and production.");
        screen.line("At every page view the application asks its own database which dashboard to open, for instance");
        screen.line("for tenant acme-corp in production:\n");
        screen.block(Some(Style::Dim), LOOK_UP);
        screen.line("\nThe tables below are the answers to this query, for every tenant and environment.");
    }

    /// Version 1 alone, adopted, and everyone on it.
    async fn before(&mut self) -> Result<(), DemoError> {
        let screen = self.screen;
        screen.heading("1. Before version 2: everyone sees what was made by hand");
        screen.line("clinical-v1.yaml takes a model and its five dashboards under management, as they are.");
        screen.line("pins.yaml puts every tenant on version 1.\n");
        let organisation = self.simulator.state();
        self.apply("", |manifest| {
            if manifest.kind == "TenantPin" {
                manifest.body["spec"]["version"] = json!(1);
            }
            manifest.name != "clinical-v2"
        })
        .await?;
        self.show().await?;
        self.count_calls();
        self.expect(|view| view.version == 1, "everyone is on version 1")?;
        if self.simulator.state() != organisation {
            let what = "adopting changed something in Omni".to_owned();
            return Err(DemoError::Unexpected { what });
        }
        screen.line("Adopting changed nothing in Omni.");
        Ok(())
    }

    /// The example as it stands: version 2 is cut, and staging is on it.
    async fn staging(&mut self) -> Result<(), DemoError> {
        let screen = self.screen;
        screen.heading("2. Version 2 in staging: production sees nothing of it");
        screen.line("clinical-v2.yaml asks for a copy of version 1 with two edits: a view that gains a field, and a");
        screen.line("new topic. In pins.yaml the three staging pins change:\n");
        screen.change(" environment: staging", "version: 1", &["version: 2"]);
        screen.line("");
        self.apply("", |_| true).await?;
        screen.line("");
        self.show().await?;
        self.count_calls();
        let expected = |view: &View| if view.environment == "staging" { 2 } else { 1 };
        self.expect(|view| view.version == expected(view), "staging alone is on version 2")
    }

    /// One tenant goes on in production.
    async fn promotion(&mut self) -> Result<(), DemoError> {
        let screen = self.screen;
        screen.heading("3. acme-corp goes to production: one row changes, the others stay");
        screen.line(
            "acme-corp has looked at version 2 in staging and wants it. In pins.yaml its production pin changes,",
        );
        screen.line("and says that it goes only where this tenant has been in staging:\n");
        let version = ["version: 2", "requires: {environment: staging}"];
        screen.change(" environment: production", "version: 1", &version);
        screen.line("");
        let calls = self.simulator.requests().len();
        self.apply("", promoted).await?;
        self.show().await?;
        self.count_calls();
        let moved = |view: &View| view.environment == "staging" || view.tenant == "acme-corp";
        let expected = |view: &View| if moved(view) { 2 } else { 1 };
        self.expect(|view| view.version == expected(view), "acme-corp alone moved")?;
        self.no_call_since(calls, "the promotion called Omni")?;
        screen.line("Going back is the same change the other way, at any time, and needs no Omni either.");
        Ok(())
    }

    fn go_on(&self) {
        let screen = self.screen;
        screen.heading("Go on from here");
        screen.line("The same by hand, in two terminals:\n");
        screen.block(
            None,
            "cargo install --locked --path .\nwavepin simulator\nwavepin apply -f examples/clinical",
        );
        screen.line("\nthen change examples/clinical/pins.yaml and apply again. On a cluster, with a simulator started\nanew:\n");
        screen.block(
            None,
            "kubectl apply -f crds/\nwavepin controller --database-url sqlite:cluster.sqlite",
        );
        screen.block(None, "kubectl apply -f examples/clinical/\nkubectl get mv,tpin");
    }

    /// Applies the example and these manifests too, as `change` leaves them; one for which it says false is not there yet.
    async fn apply(&self, too: &str, change: impl Fn(&mut Manifest) -> bool) -> Result<(), DemoError> {
        let mut reading = example::clinical();
        reading.add(Path::new("rollout.yaml"), too);
        reading.manifests.retain_mut(|manifest| {
            if manifest.kind == "OmniInstance" {
                let spec = &mut manifest.body["spec"];
                spec["baseUrl"] = Value::from(self.simulator.base_url());
                // This organisation has no budget to keep to.
                spec["requestsPerMinute"] = json!(1000);
            }
            change(manifest)
        });
        let options = CatalogOptions {
            prune: false,
            now: Timestamp::now(),
        };
        let catalog = Catalog::new(reading, &self.declared.catalog(), options);
        self.declared.replace(catalog);
        self.engine.sync();
        let ended = self.engine.run(Instant::now() + PATIENCE).await;
        let (catalog, statuses) = (self.declared.catalog(), self.engine.statuses());
        match (ended, standalone::outcome(&catalog, &statuses)) {
            // What waits for a person is where it should be; who is on which version is told and held by each chapter.
            (Ended::Settled, Outcome::Ready | Outcome::Waiting) => Ok(()),
            (ended, outcome) => {
                let table = standalone::table(&catalog, &statuses);
                Err(DemoError::Chapter { outcome, ended, table })
            }
        }
    }

    /// Asks what every tenant sees, and shows what changed.
    async fn show(&mut self) -> Result<(), DemoError> {
        let application = Application::open(&self.database).await?;
        let views = application.views(&self.simulator.state()).await?;
        let moved = if self.views.is_empty() {
            Vec::new()
        } else {
            view::moved(&self.views, &views)
        };
        let lines: Vec<_> = views
            .iter()
            .map(|view| {
                let marked = moved.contains(&(view.tenant.clone(), view.environment.clone()));
                let version = view.version.to_string();
                let opens = format!("/dashboards/{}", view.dashboard);
                (
                    marked,
                    vec![
                        view.tenant.clone(),
                        view.environment.clone(),
                        version,
                        opens,
                        view.model.clone(),
                    ],
                )
            })
            .collect();
        self.screen.table(
            &["TENANT", "ENVIRONMENT", "VERSION", "THE APPLICATION OPENS", "ON MODEL"],
            &lines,
        );
        self.screen.line("");
        if !self.views.is_empty() {
            let rows = if moved.len() == 1 { "row" } else { "rows" };
            self.screen.line(&format!(
                "Changed in the mapping: {} {rows} of tenant_version.",
                moved.len()
            ));
        }
        self.views = views;
        Ok(())
    }

    /// Says how many calls Omni had since the last time.
    fn count_calls(&mut self) {
        let requests = self.simulator.requests();
        let since = &requests[self.calls..];
        let read = since.iter().filter(|request| request.method == "GET").count();
        let text = match since.len() {
            0 => "Calls to Omni: none.".to_owned(),
            all => format!("Calls to Omni: {all}, {read} to read and {} to write.", all - read),
        };
        self.screen.line(&text);
        self.calls = requests.len();
    }

    fn no_call_since(&self, calls: usize, what: &str) -> Result<(), DemoError> {
        if self.simulator.requests().len() == calls {
            return Ok(());
        }
        Err(DemoError::Unexpected { what: what.to_owned() })
    }

    /// The story is only told where it is true.
    fn expect(&self, holds: impl Fn(&View) -> bool, what: &str) -> Result<(), DemoError> {
        if self.views.len() == 6 && self.views.iter().all(holds) {
            return Ok(());
        }
        Err(DemoError::Unexpected {
            what: format!("{what}, but it saw {:?}", self.views),
        })
    }
}

/// The production pin of one tenant as the third chapter changes it.
fn promoted(manifest: &mut Manifest) -> bool {
    if manifest.name == "acme-corp-production" {
        manifest.body["spec"]["version"] = json!(2);
        manifest.body["spec"]["requires"] = json!({"environment": "staging"});
    }
    true
}

/// Tells how far the cut is, and what a person would have to mend.
struct Telling {
    screen: Screen,
}

impl Observer for Telling {
    fn transition(&self, subject: &Subject, transition: &Transition) {
        if transition.condition == STALLED {
            eprintln!("{subject}: {}: {}", transition.reason, transition.message);
        }
    }

    fn progress(&self, subject: &Subject, ready: u32, desired: u32) {
        // What is adopted is there already.
        if subject.to_string() != "ModelVersion/clinical-v1" {
            let text = format!("    {subject}: {ready} of {desired} dashboards copied and compared");
            self.screen.styled(Style::Dim, &text);
        }
    }

    fn resting(&self, _pause: Option<Duration>) {}
}
