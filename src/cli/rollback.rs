//! `wavepin rollback`: takes a rollout, a wave or a tenant back, with nothing but the database.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior};

use super::Exit;
use super::database::DatabaseUrl;
use super::folder::Output;
use crate::environment::orders::{Preview, carry_out, is_heeded, preview};
use crate::mapping::{MappingOptions, connect};
use crate::ports::{Command, EnvironmentView, Mapping, MappingError, MappingErrorKind, Ordered, Scope, VersionRecord};
use crate::resources::{HumanDuration, Management};

/// What goes back, and where that stands.
#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    /// The environment, as the mapping names it.
    #[arg(long, short = 'e', value_name = "NAME")]
    environment: String,
    /// Only what this wave of the rollout moved. Without this and --tenant: all that the rollout moved.
    #[arg(long, value_name = "NAME", conflicts_with = "tenant")]
    wave: Option<String>,
    /// Only this tenant, by whatever it was moved.
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Lift the order of this number, so that what is declared counts again; nobody is moved by that alone.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["tenant", "wave", "take_over"])]
    lift: Option<i64>,
    /// Why, for whoever asks later.
    #[arg(long, value_name = "TEXT", value_parser = short_text)]
    reason: String,
    /// Who orders it.
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true, default_value = "somebody", value_parser = short_text)]
    by: String,
    /// Do it. Without this it is only told who would go where.
    #[arg(long)]
    yes: bool,
    /// How long to wait for whoever leads.
    #[arg(long, value_name = "TIME", default_value = "60s")]
    wait: HumanDuration,
    /// Carry it out here where nobody did in that time. A controller that is there all the same stops writing, and says so.
    #[arg(long)]
    take_over: bool,
    #[command(flatten)]
    database: DatabaseUrl,
    /// The PostgreSQL schema of the two tables, where the connection's search path does not find them.
    #[arg(long, value_name = "NAME")]
    schema: Option<String>,
    /// Who made the two tables.
    #[arg(long, value_enum, default_value = "managed")]
    management: Made,
    /// How to print it.
    #[arg(long, short = 'o', value_enum, default_value = "table")]
    output: Output,
}

/// Who made the application's two tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Made {
    /// Wavepin.
    Managed,
    /// The application.
    External,
}

/// What stands in the ledger for ever is short, and prints.
fn short_text(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if !(1..=256).contains(&length) {
        return Err(format!("it has {length} characters; give it 1 to 256"));
    }
    match text.chars().any(char::is_control) {
        true => Err("it has control characters; take them out".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// Takes back what is asked for.
pub(super) async fn run(args: RollbackArgs) -> Exit {
    match args.carry_out().await {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("wavepin: {error}");
            Exit::Failed
        }
    }
}

/// What is seen of an environment.
struct Seen {
    view: EnvironmentView,
    versions: BTreeMap<i32, VersionRecord>,
}

impl RollbackArgs {
    /// 1. Look, without the fence: whoever leads goes on.
    /// 2. Tell who would go where, and who cannot. Without `--yes` that is all.
    /// 3. Put the order on record.
    /// 4. Wait until whoever leads has carried it out.
    /// 5. Where nobody did in time and `--take-over` says so: take the fence and carry it out.
    async fn carry_out(&self) -> Result<Exit, MappingError> {
        let mapping = self.look_on().await?;
        let seen = self.look(&*mapping).await?;
        if let Some(number) = self.lift {
            return self.lift(&*mapping, &seen, number).await;
        }
        let scope = match self.scope(&seen) {
            Ok(scope) => scope,
            Err(why) => {
                eprintln!("wavepin: {why}");
                return Ok(Exit::Usage);
            }
        };
        let goes = preview(&seen.view, &seen.versions, &scope);
        if !self.yes {
            self.output.print(|| table(&goes, None), || to_json(&goes, None));
            eprintln!("nothing was ordered; --yes orders it");
            return Ok(Exit::Waiting);
        }
        let number = mapping
            .give_command(&self.command(Ordered::RollBack(scope.clone())))
            .await?;
        self.output
            .print(|| table(&goes, Some(number)), || to_json(&goes, Some(number)));
        self.see_it_through(&*mapping, &scope, number).await
    }

    /// The steps from 4 on.
    async fn see_it_through(&self, mapping: &dyn Mapping, scope: &Scope, number: i64) -> Result<Exit, MappingError> {
        let deadline = Instant::now() + Duration::from(self.wait);
        let mut ticks = tokio::time::interval(Duration::from_millis(250));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (left, heeded) = loop {
            ticks.tick().await;
            let seen = self.look(mapping).await?;
            let left = preview(&seen.view, &seen.versions, scope).moves.len();
            let heeded = is_heeded(&seen.view, scope);
            if left == 0 && (heeded || matches!(scope, Scope::Tenant(_))) {
                eprintln!("done: whoever was to go back has; order {number} stands until it is lifted");
                return Ok(Exit::Done);
            }
            if Instant::now() >= deadline {
                break (left, heeded);
            }
        };
        if heeded {
            eprintln!(
                "{left} rows did not go back: a hold keeps their pins, or they could not be written; the conditions of \
                 the pins say which. Order {number} stands, and is tried again"
            );
            return Ok(Exit::Waiting);
        }
        if let (Scope::Tenant(tenant), false) = (scope, self.take_over) {
            eprintln!(
                "tenant {tenant} did not go back within {}: its pin is on hold, its row cannot be written, or no controller leads; \
                 the conditions of its pin tell which. Order {number} stands, and is tried again. Only where no controller \
                 runs, --take-over does it here: one that runs writes no more after that until it is started again",
                self.wait
            );
            return Ok(Exit::Failed);
        }
        if !self.take_over {
            eprintln!(
                "nobody carried order {number} out within {}: no controller leads. It stands, and is carried out by the \
                 next one; --take-over does it here",
                self.wait
            );
            return Ok(Exit::Failed);
        }
        let went = self.take_over(scope).await?;
        eprintln!("done here: {went} rows went back; order {number} stands until it is lifted");
        Ok(Exit::Done)
    }

    /// Takes the fence in its owner's name, which shuts a leader out that is there all the same.
    async fn take_over(&self, scope: &Scope) -> Result<usize, MappingError> {
        let mapping = connect(&self.database.database_url, self.options()).await?;
        let prepared = mapping.prepare("wavepin rollback", None).await;
        if let Err(MappingError {
            kind: MappingErrorKind::Owned { owner },
            ..
        }) = prepared
        {
            mapping.prepare(&owner, None).await?;
        } else {
            prepared?;
        }
        let why = format!("{}: {}", self.by, self.reason);
        Ok(carry_out(&*mapping, &self.environment, scope, &why).await?.len())
    }

    async fn lift(&self, mapping: &dyn Mapping, seen: &Seen, number: i64) -> Result<Exit, MappingError> {
        let standing: Vec<i64> = seen.view.orders.iter().map(|order| order.number).collect();
        if !standing.contains(&number) {
            eprintln!(
                "wavepin: no order {number} stands for environment {}; these do: {standing:?}",
                self.environment
            );
            return Ok(Exit::Usage);
        }
        if !self.yes {
            eprintln!("nothing was lifted; --yes lifts order {number}");
            return Ok(Exit::Waiting);
        }
        mapping.give_command(&self.command(Ordered::Lift(number))).await?;
        eprintln!(
            "order {number} is lifted. A pin's own version counts again; a rollout that was taken back is started again \
             by another version, or by the annotation that its status tells"
        );
        Ok(Exit::Done)
    }

    fn scope(&self, seen: &Seen) -> Result<Scope, String> {
        let environment = &self.environment;
        if let Some(tenant) = &self.tenant {
            return match seen.view.rows.contains_key(tenant) {
                true => Ok(Scope::Tenant(tenant.clone())),
                false => Err(format!("tenant {tenant} has no row in environment {environment}")),
            };
        }
        let Some(attempt) = &seen.view.rollouts.attempt else {
            return Err(format!("no rollout is on record for environment {environment}"));
        };
        let Some(wave) = &self.wave else {
            return Ok(Scope::Rollout {
                attempt: attempt.number,
            });
        };
        if !attempt.waves.contains_key(wave) {
            let opened: Vec<&String> = attempt.waves.keys().collect();
            return Err(format!("no wave {wave} has opened; these have: {opened:?}"));
        }
        Ok(Scope::Wave {
            attempt: attempt.number,
            wave: wave.clone(),
        })
    }

    fn command(&self, what: Ordered) -> Command {
        Command {
            environment: self.environment.clone(),
            what,
            by: self.by.clone(),
            reason: self.reason.clone(),
        }
    }

    async fn look(&self, mapping: &dyn Mapping) -> Result<Seen, MappingError> {
        Ok(Seen {
            versions: mapping.versions().await?,
            view: mapping.environment(&self.environment, &[], None).await?,
        })
    }

    async fn look_on(&self) -> Result<std::sync::Arc<dyn Mapping>, MappingError> {
        let options = MappingOptions {
            read_only: true,
            takes_commands: true,
            ..self.options()
        };
        let mapping = connect(&self.database.database_url, options).await?;
        mapping.prepare("wavepin rollback", None).await?;
        Ok(mapping)
    }

    fn options(&self) -> MappingOptions {
        MappingOptions {
            schema: self.schema.clone(),
            management: match self.management {
                Made::Managed => Management::Managed,
                Made::External => Management::External,
            },
            ..MappingOptions::default()
        }
    }
}

/// How many of a list are named to people.
const NAMED: usize = 20;

/// For people: how many go from where to where, and who cannot.
fn table(goes: &Preview, order: Option<i64>) -> String {
    let mut ways: BTreeMap<(i32, i32), Vec<&str>> = BTreeMap::new();
    for one in &goes.moves {
        let way = (one.from.unwrap_or_default(), one.to);
        ways.entry(way).or_default().push(&one.tenant);
    }
    let mut text = String::new();
    if let Some(number) = order {
        text += &format!("order {number}\n");
    }
    for ((from, to), tenants) in &ways {
        text += &format!("{from} -> {to}  {} tenants: {}\n", tenants.len(), named(tenants));
    }
    if ways.is_empty() {
        text += "nobody is to go back\n";
    }
    for (tenant, why) in goes.left_out.iter().take(NAMED) {
        text += &format!("stays    {tenant}: {why}\n");
    }
    if let Some(more) = goes.left_out.len().checked_sub(NAMED + 1) {
        text += &format!("stays    and {} more\n", more + 1);
    }
    text
}

fn named(tenants: &[&str]) -> String {
    let shown = tenants.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match tenants.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn to_json(goes: &Preview, order: Option<i64>) -> Value {
    let moves = goes
        .moves
        .iter()
        .map(|one| json!({"tenant": one.tenant, "from": one.from, "to": one.to}));
    let left_out = goes
        .left_out
        .iter()
        .map(|(tenant, why)| json!({"tenant": tenant, "why": why}));
    json!({
        "order": order,
        "moves": moves.collect::<Vec<_>>(),
        "leftOut": left_out.collect::<Vec<_>>(),
    })
}
