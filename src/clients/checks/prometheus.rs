//! An instant query: what its samples say of the tenants that have moved.

use std::collections::BTreeSet;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use super::{Received, exchange, refused, said};
use crate::clients::ClientRegistry;
use crate::ports::{Answer, Question};
use crate::resources::{CheckUrl, PrometheusCheck};

/// What `/api/v1/query` answers.
#[derive(Deserialize)]
struct Answered {
    status: String,
    data: Option<Data>,
    error: Option<String>,
    /// What is not whole: Thanos answers so when a store is away.
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Value,
}

/// One sample of a vector.
#[derive(Deserialize)]
struct Sample {
    metric: std::collections::BTreeMap<String, String>,
    value: (f64, String),
}

impl ClientRegistry {
    pub(super) async fn ask_prometheus(&self, question: &Question, check: &PrometheusCheck) -> Result<Answer, String> {
        let url = CheckUrl::parse(&check.url).map_err(|why| format!("prometheus.url {why}"))?;
        let address = url.instant_query().map_err(|why| format!("prometheus.url {why}"))?;
        let reference = check.secret_ref.as_ref();
        let token = self.secret_of(question, reference, &url, "prometheus").await?;
        let mut request = self.probes.to(&url)?.get(address).query(&[("query", &check.query)]);
        if let Some(token) = &token {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
            let mut value = value.map_err(|_| "the value that secretRef names holds characters that no header can carry; it must be the token's text alone".to_owned())?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let received = exchange(request)
            .await
            .map_err(|broken| said(&broken.why, token.as_ref()))?;
        self.forget_secret(question, reference, received.status);
        read(&received, question, check).map_err(|why| said(&why, token.as_ref()))
    }
}

fn read(received: &Received, question: &Question, check: &PrometheusCheck) -> Result<Answer, String> {
    let answered = serde_json::from_slice::<Answered>(&received.body);
    let answered = match answered {
        Ok(answered) => answered,
        Err(_) if !received.status.is_success() => return Err(refused(received.status)),
        Err(_) => return Err("its answer is none of Prometheus's; see that prometheus.url leads to one".to_owned()),
    };
    let data = match (answered.status.as_str(), answered.data) {
        ("success", Some(data)) if received.status.is_success() => data,
        _ => {
            let error = answered.error.unwrap_or_else(|| refused(received.status));
            return Err(format!("Prometheus cannot answer the query: {error}"));
        }
    };
    if let Some(first) = answered.warnings.first() {
        return Err(format!("its answer is perhaps not whole, as it says itself: {first}"));
    }
    let odd = |_| "its answer is none of Prometheus's: a result of another shape than its type".to_owned();
    match data.result_type.as_str() {
        "scalar" => {
            let (_, value): (f64, String) = serde_json::from_value(data.result).map_err(odd)?;
            of_one(number(&value)?, check)
        }
        "vector" => {
            let samples: Vec<Sample> = serde_json::from_value(data.result).map_err(odd)?;
            of_samples(&samples, question, check)
        }
        other => Err(format!(
            "the query gives a {other}; write one that gives a scalar or a vector"
        )),
    }
}

fn number(text: &str) -> Result<f64, String> {
    // As Prometheus writes them; Rust reads the same words.
    text.parse()
        .map_err(|_| "its answer is none of Prometheus's: a sample is no number".to_owned())
}

/// What one number says of the whole wave.
fn of_one(value: f64, check: &PrometheusCheck) -> Result<Answer, String> {
    let max = check.max;
    if value.is_nan() {
        return Err("the query gives no number (NaN): there is nothing to go by".to_owned());
    }
    Ok(if value > max {
        Answer::failed(BTreeSet::new(), format!("a sample is above {max}"))
    } else {
        Answer::passed(String::new())
    })
}

/// What samples say: those with the label of the tenants that they name, those without it of the whole wave. Tenants that have
/// not moved are not looked at.
fn of_samples(samples: &[Sample], question: &Question, check: &PrometheusCheck) -> Result<Answer, String> {
    let tenants: BTreeSet<&String> = question.tenants.iter().collect();
    let (mut failing, mut all_fail) = (BTreeSet::new(), false);
    let (mut says_something, mut is_doubtful) = (false, false);
    for sample in samples {
        let tenant = sample.metric.get(check.tenant_label());
        let of_wave = tenant.is_none_or(|tenant| tenants.contains(tenant));
        if !of_wave && tenant.is_none_or(|tenant| !question.others.contains(tenant)) {
            continue;
        }
        let value = number(&sample.value.1)?;
        says_something |= of_wave;
        is_doubtful |= value.is_nan();
        if value > check.max {
            match tenant {
                Some(tenant) => drop(failing.insert(tenant.clone())),
                None => all_fail = true,
            }
        }
    }
    let max = check.max;
    if all_fail {
        return Ok(Answer::failed(
            BTreeSet::new(),
            format!("a sample without the label {} is above {max}", check.tenant_label()),
        ));
    }
    if !failing.is_empty() {
        return Ok(Answer::failed(failing, format!("samples are above {max}")));
    }
    if !says_something {
        return Err("the query gives no sample for a tenant of the wave: there is nothing to go by".to_owned());
    }
    if is_doubtful {
        return Err(
            "the query gives no number (NaN) for a tenant that has moved; leave such samples out of it".to_owned(),
        );
    }
    Ok(Answer::passed(String::new()))
}
