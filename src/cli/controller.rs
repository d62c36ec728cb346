//! `wavepin controller`: the operator in a cluster.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use uuid::Uuid;

use super::Exit;
use crate::clients::{ClientOptions, ClientRegistry};
use crate::cluster::{self, ClusterSecrets, ControllerOptions, LeaseOptions};
use crate::resources::HumanDuration;
use crate::telemetry::{LogLevel, Measures, Traces};

/// What the operator watches, and how it works. Of a flag that is given twice the last counts, so that what a chart sets can
/// be set otherwise behind it.
#[derive(Debug, Args)]
pub(super) struct ControllerArgs {
    /// A namespace to watch; may be given many times. Without it all are watched, which needs a ClusterRole.
    #[arg(
        long = "namespace",
        value_name = "NAMESPACE",
        env = "WAVEPIN_NAMESPACES",
        value_delimiter = ','
    )]
    namespaces: Vec<String>,
    /// Where /livez, /readyz, /metrics and /log-level answer. Only this machine reaches the default; in a Pod, where the
    /// kubelet asks, give `[::]:8080`.
    #[arg(
        long,
        overrides_with = "health_address",
        value_name = "ADDRESS",
        env = "WAVEPIN_HEALTH_ADDRESS",
        default_value = "127.0.0.1:8080"
    )]
    health_address: SocketAddr,
    /// The database of instances without `mapping.urlSecretRef`. Better given by the environment variable: others on
    /// the machine can read command lines.
    #[arg(long, overrides_with = "database_url", value_name = "URL", env = "WAVEPIN_DATABASE_URL", hide_env_values = true, value_parser = secret)]
    database_url: Option<SecretString>,
    /// Refuse Secrets without the annotation `wavepin.dev/hosts`, which says where a credential may be sent.
    #[arg(long, overrides_with = "require_hosts", env = "WAVEPIN_REQUIRE_HOSTS")]
    require_hosts: bool,
    /// How long one request to Omni may take.
    #[arg(
        long,
        overrides_with = "request_timeout",
        value_name = "DURATION",
        env = "WAVEPIN_REQUEST_TIMEOUT",
        default_value = "60s"
    )]
    request_timeout: HumanDuration,
    /// The ValidatingAdmissionPolicy, and its binding of the same name, by which nobody can approve a wave in another's name,
    /// as the chart ships it. Without it no approval is verified.
    #[arg(
        long,
        overrides_with = "approval_policy",
        value_name = "NAME",
        env = "WAVEPIN_APPROVAL_POLICY"
    )]
    approval_policy: Option<String>,
    /// The namespace of the Lease that one replica leads by. Without it, the ServiceAccount's in a Pod, and elsewhere
    /// that of the kubeconfig's context.
    #[arg(
        long,
        overrides_with = "lease_namespace",
        value_name = "NAMESPACE",
        env = "POD_NAMESPACE"
    )]
    lease_namespace: Option<String>,
    /// The name of that Lease. Operators that watch different namespaces from one namespace need one each.
    #[arg(
        long,
        overrides_with = "lease_name",
        value_name = "NAME",
        env = "WAVEPIN_LEASE_NAME",
        default_value = "wavepin-controller"
    )]
    lease_name: String,
    /// Where traces are sent, as OTLP over HTTP: `http://collector:4318`. Without it none are made. Better given by the
    /// environment variable, if it holds a password.
    #[arg(long, overrides_with = "otlp_endpoint", value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true, value_parser = secret)]
    otlp_endpoint: Option<SecretString>,
    /// How long others wait for a leader that is silent: short enough that one of them works within 20 seconds of its end,
    /// a look's pause on either side included.
    #[arg(
        long,
        overrides_with = "lease",
        value_name = "DURATION",
        default_value = "12s",
        hide = true
    )]
    lease: HumanDuration,
    /// The window that `requestsPerMinute` is counted in.
    #[arg(
        long,
        overrides_with = "budget_window",
        value_name = "DURATION",
        default_value = "60s",
        hide = true
    )]
    budget_window: HumanDuration,
    /// How long one pass over a version works before it reports and lets others go on.
    #[arg(
        long,
        overrides_with = "slice",
        value_name = "DURATION",
        default_value = "30s",
        hide = true
    )]
    slice: HumanDuration,
}

fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}

/// Runs until SIGINT or SIGTERM.
pub(super) async fn run(args: ControllerArgs, logs: LogLevel) -> Exit {
    if args.lease.0 < Duration::from_secs(1) {
        eprintln!(
            "wavepin controller: --lease {} is too short; a Lease counts whole seconds",
            args.lease
        );
        return Exit::Usage;
    }
    // A second installation is refused and changes nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let shutdown = match until_signal() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            eprintln!("wavepin controller: cannot listen for signals: {error}");
            return Exit::Failed;
        }
    };
    let client = match kube::Client::try_default().await {
        Ok(client) => client,
        Err(error) => {
            eprintln!(
                "wavepin controller: no way to a cluster: {error}; run it in a Pod with a ServiceAccount, or name a \
                 kubeconfig in KUBECONFIG"
            );
            return Exit::Failed;
        }
    };
    let (clients, options) = args.parts(client.default_namespace(), logs);
    let registry = ClientRegistry::new(Arc::new(ClusterSecrets::new(client.clone())), clients);
    info!(
        version = env!("CARGO_PKG_VERSION"),
        identity = options.lease.identity,
        "wavepin controller"
    );
    match cluster::run(client, Arc::new(registry), options, shutdown).await {
        Ok(()) => Exit::Done,
        Err(ended) => {
            let cause = std::error::Error::source(&ended).map(ToString::to_string);
            error!(cause, "{ended}");
            Exit::Failed
        }
    }
}

/// A token that is cancelled by SIGINT and SIGTERM.
fn until_signal() -> std::io::Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        token.cancel();
    });
    Ok(shutdown)
}

impl ControllerArgs {
    /// Where traces go, if anywhere.
    pub(super) fn traces(&self) -> Result<Option<Traces>, String> {
        let given = self.otlp_endpoint.as_ref().map(|it| it.expose_secret());
        let endpoint = given.filter(|endpoint| !endpoint.is_empty());
        let traces = endpoint.map(Traces::to).transpose();
        traces.map_err(|why| format!("--otlp-endpoint: {why}"))
    }

    /// `own_namespace`: the one that this process belongs to, as the cluster's client knows.
    fn parts(self, own_namespace: &str, logs: LogLevel) -> (ClientOptions, ControllerOptions) {
        let Self {
            namespaces,
            health_address,
            database_url,
            require_hosts,
            request_timeout,
            approval_policy,
            lease_namespace,
            lease_name,
            otlp_endpoint: _,
            lease,
            budget_window,
            slice,
        } = self;
        let measures = Arc::<Measures>::default();
        let clients = ClientOptions {
            // Charts set variables that have no value, too.
            default_database: database_url.filter(|url| !url.expose_secret().is_empty()),
            budget_window: budget_window.0,
            request_timeout: request_timeout.0,
            measures: Arc::clone(&measures),
            require_hosts,
            ..ClientOptions::default()
        };
        let options = ControllerOptions {
            namespaces: namespaces
                .into_iter()
                .filter(|namespace| !namespace.is_empty())
                .collect(),
            health_address,
            approval_policy: approval_policy.filter(|name| !name.is_empty()),
            lease: LeaseOptions {
                namespace: lease_namespace
                    .filter(|namespace| !namespace.is_empty())
                    .unwrap_or_else(|| own_namespace.to_owned()),
                name: lease_name,
                duration: lease.0,
                identity: identity(),
            },
            slice: slice.0,
            request_timeout: request_timeout.0,
            measures,
            logs,
        };
        (clients, options)
    }
}

/// A name unlike any other replica's: a Pod's name may come again after a restart, so chance is part of it.
fn identity() -> String {
    let host = ["POD_NAME", "HOSTNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|host| !host.is_empty())
        .unwrap_or_else(|| "wavepin".to_owned());
    format!("{host}_{}", &Uuid::new_v4().simple().to_string()[..8])
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Just {
        #[command(flatten)]
        args: ControllerArgs,
    }

    #[test]
    fn a_database_with_its_password_is_not_shown() {
        let args = Just::parse_from(["wavepin", "--database-url", "postgres://user:hunter2@db/app"]);
        assert!(!format!("{args:?}").contains("hunter2"));
        let (clients, _) = args.args.parts("own", LogLevel::default());
        assert!(clients.default_database.unwrap().expose_secret().contains("hunter2"));
    }

    #[test]
    fn namespaces_come_one_by_one_or_together_and_empty_values_are_none() {
        let args = Just::parse_from(["wavepin", "--namespace=a", "--namespace=b,c", "--database-url="]);
        let (clients, options) = args.args.parts("own", LogLevel::default());
        assert_eq!(options.namespaces, ["a", "b", "c"]);
        assert!(clients.default_database.is_none());
        assert_eq!(options.lease.duration, Duration::from_secs(12));
    }

    #[test]
    fn the_last_of_a_flag_counts_and_namespaces_add_up() {
        let args = ["wavepin", "--request-timeout=60s", "--require-hosts", "--namespace=a"];
        let more = ["--request-timeout=1s", "--require-hosts", "--namespace=b"];
        let (clients, options) = Just::parse_from(args.iter().chain(&more))
            .args
            .parts("own", LogLevel::default());
        assert_eq!(clients.request_timeout, Duration::from_secs(1));
        assert!(clients.require_hosts);
        assert_eq!(options.namespaces, ["a", "b"]);
    }

    #[test]
    fn the_lease_stands_in_the_process_s_own_namespace_unless_another_is_named() {
        let namespace = |args: &[&str]| {
            Just::parse_from(args)
                .args
                .parts("own", LogLevel::default())
                .1
                .lease
                .namespace
        };
        assert_eq!(namespace(&["wavepin", "--lease-namespace="]), "own");
        assert_eq!(namespace(&["wavepin", "--lease-namespace=another"]), "another");
    }
}
