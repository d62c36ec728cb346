//! An address that is told which tenants have moved: signed as Standard Webhooks have it, and sent again while there is time.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

use super::{Broken, Received, exchange, refused, said};
use crate::clients::ClientRegistry;
use crate::ports::{Answer, Question};
use crate::resources::{CheckUrl, WebhookCheck};

/// How many tenants a request names; `tenantCount` tells of how many.
const MOST_NAMED: usize = 20_000;

/// The pauses before it is sent again.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(600),
    Duration::from_millis(1800),
];

/// What stands before a secret whose rest is base64.
const SECRET_PREFIX: &str = "whsec_";

/// What a webhook answers.
#[derive(Deserialize)]
struct Answered {
    passed: bool,
    #[serde(default)]
    failing: Vec<String>,
    #[serde(default)]
    message: String,
}

impl ClientRegistry {
    pub(super) async fn ask_webhook(&self, question: &Question, check: &WebhookCheck) -> Result<Answer, String> {
        let url = CheckUrl::parse(&check.url).map_err(|why| format!("webhook.url {why}"))?;
        let secret = self
            .secret_of(question, check.secret_ref.as_ref(), &url, "webhook")
            .await?;
        let secret = secret.map(|secret| Signing::with(&secret)).transpose()?;
        let http = self.probes.to(&url)?;
        // One id for all that is sent again: the other side can tell that it is the same question.
        let id = format!("msg_{}", Uuid::new_v4().simple());
        let body = body(question);
        let mut pauses = PAUSES.into_iter();
        loop {
            let request = http.post(url.url.clone()).header(CONTENT_TYPE, "application/json");
            let request = signed(request, &id, secret.as_ref(), &body, Timestamp::now());
            let broken = match exchange(request.body(body.clone())).await {
                Ok(received) if is_passing(received.status) => Broken {
                    why: refused(received.status),
                    again: true,
                },
                Ok(received) => {
                    self.forget_secret(question, check.secret_ref.as_ref(), received.status);
                    return read(&received, question, secret.as_ref());
                }
                Err(broken) => broken,
            };
            let pause = pauses.next().filter(|_| broken.again);
            let Some(pause) = pause else {
                return Err(broken.why);
            };
            tokio::time::sleep(pause).await;
        }
    }
}

/// What goes by itself.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status)
}

fn body(question: &Question) -> String {
    let named = &question.tenants[..question.tenants.len().min(MOST_NAMED)];
    let body = json!({
        "type": "wavepin.rollout.check",
        "rollout": question.rollout,
        "environment": question.environment,
        "plan": question.plan,
        "wave": question.wave,
        "check": question.check.name,
        "version": question.version,
        "tenantCount": question.tenants.len(),
        "tenants": named,
    });
    body.to_string()
}

/// What requests are signed with.
pub(in crate::clients) struct Signing {
    key: SecretString,
    hmac: Hmac<Sha256>,
}

impl Signing {
    pub(in crate::clients) fn with(secret: &SecretString) -> Result<Self, String> {
        let text = secret.expose_secret();
        let key = match text.strip_prefix(SECRET_PREFIX) {
            Some(coded) => STANDARD.decode(coded).map_err(|_| {
                format!("the value that secretRef names begins with {SECRET_PREFIX} and is no base64 after it")
            })?,
            None => text.as_bytes().to_vec(),
        };
        let hmac = Hmac::new_from_slice(&key).map_err(|error| error.to_string())?;
        Ok(Self {
            key: secret.clone(),
            hmac,
        })
    }

    fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let mut hmac = self.hmac.clone();
        hmac.update(format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(hmac.finalize().into_bytes()))
    }
}

/// The request with its id and time, and with its signature where there is a secret.
pub(in crate::clients) fn signed(
    request: RequestBuilder,
    id: &str,
    secret: Option<&Signing>,
    body: &str,
    now: Timestamp,
) -> RequestBuilder {
    let seconds = now.as_second();
    let request = request
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds.to_string());
    match secret {
        Some(secret) => request.header("webhook-signature", secret.sign(id, seconds, body)),
        None => request,
    }
}

fn read(received: &Received, question: &Question, secret: Option<&Signing>) -> Result<Answer, String> {
    if !received.status.is_success() {
        return Err(refused(received.status));
    }
    let answered: Answered = serde_json::from_slice(&received.body).map_err(|error| {
        let place = (error.line(), error.column());
        format!(
            "its answer is not as agreed, {{\"passed\": true or false, \"failing\": [tenants], \"message\": text}} (line {}, \
             column {})",
            place.0, place.1
        )
    })?;
    let tenants: BTreeSet<&String> = question.tenants.iter().collect();
    let foreign: Vec<&String> = answered.failing.iter().filter(|it| !tenants.contains(it)).collect();
    if let Some(first) = foreign.first() {
        let first: String = first.chars().take(64).collect();
        return Err(format!(
            "its answer names {} as failing that are not among the tenants of the wave that have moved: {first:?}",
            foreign.len()
        ));
    }
    if answered.passed && !answered.failing.is_empty() {
        return Err("its answer says that the wave passed, and names failing tenants".to_owned());
    }
    let message = said(&answered.message, secret.map(|it| &it.key));
    Ok(if answered.passed {
        Answer::passed(message)
    } else {
        Answer::failed(answered.failing.into_iter().collect(), message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's reference libraries.
    #[test]
    fn a_request_is_signed_as_standard_webhooks_have_it() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signing = Signing::with(&secret).unwrap();
        let signature = signing.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let odd = Signing::with(&SecretString::from("whsec_***"));
        let told = odd.err().unwrap();
        assert!(told.contains("no base64") && !told.contains("***"), "{told}");
    }
}
