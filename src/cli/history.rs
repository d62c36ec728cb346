//! `wavepin history`: what the ledger recorded of a tenant or a rollout.

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use super::Exit;
use super::folder::Output;
use super::look::Sources;
use super::question::wrong;
use crate::ports::{HistoryAsk, HistoryOf, Object};
use crate::resources::{HumanDuration, OmniInstanceSpec};
use crate::standalone::{self, Catalog, Unanswered};

/// Whose history, and how much of it.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    of: Whose,
    /// Only what was recorded since then: a time (RFC 3339), or how long ago, as 90m or 720h.
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// At most so many moves or steps, the newest. It is said where there are more.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    sources: Sources,
    /// How to print it.
    #[arg(long, short = 'o', value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// The tenant, as the mapping names it.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// The VersionRollout: NAME or NAMESPACE/NAME. It need not be there any more.
    #[arg(long, value_name = "ROLLOUT")]
    rollout: Option<String>,
}

/// A time, or how long ago.
fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let ago: HumanDuration = text
        .parse()
        .map_err(|_| format!("{text:?} is neither a time as 2026-01-31T00:00:00Z nor a length as 90m"))?;
    let ago = SignedDuration::try_from(ago.0).map_err(|why| why.to_string())?;
    Timestamp::now().checked_sub(ago).map_err(|why| why.to_string())
}

/// Reads it, and prints it.
pub(super) async fn run(args: HistoryArgs) -> Exit {
    let looked = match args.sources.look().await {
        Ok(looked) => looked,
        Err(exit) => return exit,
    };
    let catalog = looked.catalog();
    let instance = match standalone::instance(&catalog, args.sources.instance.as_deref()) {
        Ok(instance) => instance,
        Err(why) => return wrong(&why),
    };
    let of = match (args.of.tenant, args.of.rollout) {
        (Some(tenant), _) => HistoryOf::Tenant(tenant),
        (None, rollout) => HistoryOf::Rollout(key(&catalog, &instance, &rollout.unwrap_or_default())),
    };
    let ask = HistoryAsk {
        of,
        environment: args.sources.environment.clone(),
        since: args.since,
        most: args.limit,
    };
    match standalone::history(&looked.world, &instance, &ask).await {
        Ok(history) => {
            let text = || standalone::history_table(&history, &ask);
            args.output.print(text, || standalone::history_json(&history, &ask));
            if looked.refused() { Exit::Usage } else { Exit::Done }
        }
        Err(failure) => looked.unanswered(&Unanswered::Failed(failure)),
    }
}

/// How the ledger names a rollout; one that is not declared any more is of the instance's namespace.
fn key(catalog: &Catalog, instance: &Object<OmniInstanceSpec>, name: &str) -> String {
    if name.contains('/') {
        return name.to_owned();
    }
    let declared = catalog
        .rollouts()
        .find(|it| it.name == name && it.spec.instance_ref.name == instance.name && it.namespace == instance.namespace);
    declared.map_or_else(|| format!("{}/{name}", instance.namespace), |it| it.key())
}
