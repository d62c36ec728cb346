//! Traces as a collector gets them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::routing::post;
use regex::Regex;

use super::run::{Bed, FILES, KEY, is_well};
use crate::cluster::{eventually, example};

/// A collector on the loopback: it keeps what is sent to it.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Bytes>>>);

impl Collector {
    async fn start(&self) -> String {
        let kept = Arc::clone(&self.0);
        let keep = async move |headers: HeaderMap, body: Bytes| {
            assert_eq!(headers[CONTENT_TYPE], "application/x-protobuf");
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        };
        let router = Router::new().route("/v1/traces", post(keep));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    /// All that came, one after the other. Texts stand in it as they are, each after its length.
    fn got(&self) -> Vec<u8> {
        self.0.lock().unwrap().concat()
    }
}

/// How often a text is the value of an attribute: a field of type 1, its length, itself.
fn values(got: &[u8], text: &str) -> usize {
    let value = [&[0x0a, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    got.windows(value.len()).filter(|window| *window == value).count()
}

fn holds(got: &[u8], text: &str) -> bool {
    got.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_a_span_a_step_and_no_secret() {
    let (bed, collector) = (Bed::new().await, Collector::default());
    let endpoint = collector.start().await;
    let traced = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    let controller = bed.start("controller", &traced);
    for file in FILES {
        bed.cluster.apply(&example(file, bed.simulator.base_url(), KEY));
    }
    let well = bed.scrape_once("controller", "all is well", is_well).await;
    let metrics = format!("http://{}/metrics", bed.probes("controller").unwrap());
    let asked = reqwest::Client::new()
        .get(metrics)
        .header(ACCEPT, "application/openmetrics-text")
        .send();
    let measures = asked.await.unwrap().text().await.unwrap();
    let exemplar =
        Regex::new("wavepin_reconcile_duration_seconds_bucket.* # \\{trace_id=\"([0-9a-f]{32})\"\\}").unwrap();
    let trace = exemplar
        .captures(&measures)
        .unwrap_or_else(|| panic!("no trace in\n{measures}"))[1]
        .to_owned();
    // Spans are sent in batches, and what is left at the end.
    bed.cluster.end("controller", controller);
    eventually("spans came", Duration::from_secs(10), || !collector.got().is_empty());
    let got = collector.got();
    for step in ["import", "create_model", "merge", "create_folder", "complete"] {
        let steps = [("step", step), ("outcome", "done")];
        let done = well.sum("wavepin_steps_total", &steps).unwrap_or_default();
        assert!(done > 0.0 && values(&got, step) as f64 >= done, "{step}: {done}");
    }
    assert_eq!(values(&got, "import"), 5, "a span for each dashboard that was imported");
    for text in [
        "reconcile",
        "settled",
        "environment",
        "flip",
        "service.version",
        "wavepin",
    ] {
        assert!(holds(&got, text), "no {text:?} was sent");
    }
    let bytes: Vec<u8> = (0..32)
        .step_by(2)
        .map(|at| u8::from_str_radix(&trace[at..at + 2], 16).unwrap())
        .collect();
    assert!(
        got.windows(16).any(|window| window == bytes),
        "the collector knows no trace {trace}"
    );
    let url = url::Url::parse(&bed.database.url).unwrap();
    for secret in [KEY, bed.database.url.as_str(), url.password().unwrap_or(KEY)] {
        assert!(!holds(&got, secret), "a secret was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_stops_nothing_and_is_told_of_once() {
    let bed = Bed::new().await;
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let controller = bed.start("controller", &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())]);
    for file in FILES {
        bed.cluster.apply(&example(file, bed.simulator.base_url(), KEY));
    }
    bed.scrape_once("controller", "all is well", is_well).await;
    bed.cluster.end("controller", controller);
    let told = bed.cluster.log("controller").matches("does not take traces").count();
    assert_eq!(told, 1);
}
