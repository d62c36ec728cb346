//! Traces by OTLP over HTTP: a span a pass, and one below it for each step that it took.
//!
//! Only spans of this target are sent, and no log line: their fields are names of kinds, steps and objects, and what is
//! not a field cannot hold a secret. They do not follow the log level.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry::trace::{TraceContextExt as _, TraceId, TracerProvider as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::{Span, Subscriber, info, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

/// The target of the spans that are sent.
pub const SPANS: &str = "wavepin::trace";

/// How long one export, and the last one at the end, may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends spans to a collector until it is ended.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// To the collector at this address: `http://collector:4318`. Wants a Tokio runtime around it.
    ///
    /// # Errors
    /// The address is none; the text does not repeat it, since it may hold a password.
    pub fn to(collector: &str) -> Result<Self, String> {
        let url = Url::parse(collector).map_err(|error| format!("the collector's address is no URL: {error}"))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err("the collector's address starts with neither http:// nor https://".to_owned());
        }
        let client = OverTokio {
            http: reqwest::Client::new(),
            runtime: Handle::current(),
            failing: AtomicBool::new(false),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", collector.trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .build()
            .map_err(|_| "no traces can be sent to the collector's address".to_owned())?;
        let resource = Resource::builder()
            .with_service_name("wavepin")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build());
        Ok(Self {
            provider: provider.build(),
        })
    }

    /// What hands spans over to be sent.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let ours = Targets::new().with_target(SPANS, LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("wavepin"))
            // Lines and threads of the code say nothing to whoever reads a trace.
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_filter(ours)
    }

    /// Sends what is left.
    pub async fn end(self) {
        let sent = move || self.provider.shutdown_with_timeout(PATIENCE);
        // What could not be sent has been told where it failed.
        let _ = tokio::task::spawn_blocking(sent).await;
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Traces")
    }
}

/// The trace that a span is of; `None` where it goes to no collector.
#[must_use]
pub fn trace_id(span: &Span) -> Option<String> {
    let context = span.context();
    let id = context.span().span_context().trace_id();
    (id != TraceId::INVALID).then(|| id.to_string())
}

/// Sends from a thread of the exporter's own, which has no runtime, by the one that Wavepin runs in.
#[derive(Debug)]
struct OverTokio {
    http: reqwest::Client,
    runtime: Handle,
    /// The last export failed: told once, and once when they are taken again.
    failing: AtomicBool,
}

#[async_trait]
impl HttpClient for OverTokio {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let request = self
            .http
            .request(head.method, head.uri.to_string())
            .headers(head.headers)
            .timeout(PATIENCE)
            .body(body);
        // Begun there as well: the clock of its time-out is the runtime's.
        let sent = self.runtime.spawn(async move { request.send().await }).await?;
        let sent = sent.map_err(reqwest::Error::without_url);
        let why = match &sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(answer.status().to_string()),
            Err(error) => Some(error.to_string()),
        };
        let failed_before = self.failing.swap(why.is_some(), Ordering::SeqCst);
        match why {
            Some(why) if !failed_before => warn!(why, "the collector does not take traces; they are dropped meanwhile"),
            None if failed_before => info!("the collector takes traces again"),
            _ => {}
        }
        // What the collector says besides is of no use here, and may be long.
        let answer = sent?;
        Ok(Response::builder().status(answer.status()).body(Bytes::new())?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::routing::post;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// What a collector got of what is done while spans are sent to it.
    async fn collected(done: impl FnOnce()) -> String {
        let bodies: Arc<Mutex<Vec<u8>>> = Arc::default();
        let kept = Arc::clone(&bodies);
        let keep = async move |body: axum::body::Bytes| kept.lock().unwrap().extend_from_slice(&body);
        let router = axum::Router::new().route("/v1/traces", post(keep));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let collector = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let traces = Traces::to(&collector).unwrap();
        let subscriber = tracing_subscriber::registry().with(Some(traces.layer()));
        tracing::subscriber::with_default(subscriber, done);
        traces.end().await;
        let got = bodies.lock().unwrap();
        String::from_utf8_lossy(&got).into_owned()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn spans_of_the_target_are_sent_and_neither_others_nor_log_lines() {
        let got = collected(|| {
            let pass = tracing::info_span!(target: SPANS, "reconcile", kind = "version");
            let _in_it = pass.enter();
            let _other = tracing::info_span!("connection", url = "postgres://user:hunter2@db").entered();
            info!("a line of the log");
        })
        .await;
        assert!(got.contains("reconcile") && got.contains("version"), "{got:?}");
        for other in ["connection", "hunter2", "a line of the log"] {
            assert!(!got.contains(other), "{other} in {got:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_address_of_a_collector_is_refused_without_repeating_it() {
        for wrong in [
            "collector:4318",
            "grpc://user:hunter2@collector",
            "http://user:hunter2@co llector",
        ] {
            let why = Traces::to(wrong).unwrap_err();
            assert!(why.contains("address") && !why.contains("hunter2"), "{why}");
        }
    }
}
