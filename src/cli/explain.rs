//! `wavepin explain`: why a tenant is on its version, and where a rollout stands.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Exit;
use super::folder::Output;
use super::look::Sources;
use crate::environment::{Asked, Explanation, Outlook};
use crate::standalone;

/// What to explain.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Why a tenant is on its version and not on another
    Tenant(OfTenant),
    /// Where a VersionRollout stands, and what it waits for
    Rollout(OfRollout),
}

#[derive(Debug, Args)]
struct OfTenant {
    /// The tenant, as the mapping and spec.tenant name it.
    #[arg(value_name = "TENANT")]
    tenant: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct OfRollout {
    /// The VersionRollout: NAME or NAMESPACE/NAME.
    #[arg(value_name = "ROLLOUT")]
    rollout: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    sources: Sources,
    /// How to print it.
    #[arg(long, short = 'o', value_enum, default_value = "table")]
    output: Output,
}

/// Explains, and prints the chain of causes.
pub(super) async fn run(args: ExplainArgs) -> Exit {
    let (asked, common) = match args.what {
        What::Tenant(of) => (Asked::Tenant(of.tenant), of.common),
        What::Rollout(of) => (Asked::Rollout(of.rollout), of.common),
    };
    let looked = match common.sources.look().await {
        Ok(looked) => looked,
        Err(exit) => return exit,
    };
    let within = common.sources.within();
    match standalone::explain(&looked.world, &looked.catalog(), &asked, &within).await {
        Ok(explanations) => {
            let texts = || {
                explanations
                    .iter()
                    .map(Explanation::text)
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            common.output.print(texts, || json!({"explanations": explanations}));
            exit(&explanations, looked.refused())
        }
        Err(why) => looked.unanswered(&why),
    }
}

/// How to end: everything is as it shall be, or something waits.
pub(super) fn exit(explanations: &[Explanation], refused: bool) -> Exit {
    match () {
        () if refused => Exit::Usage,
        () if explanations.iter().all(|it| it.outlook == Outlook::AsWished) => Exit::Done,
        () => Exit::Waiting,
    }
}
