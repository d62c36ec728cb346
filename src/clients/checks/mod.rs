//! Asking the checks of rollouts: one question, in its time, with an answer that is never longer than it may be.
//!
//! Whatever goes wrong is an answer too: that it is unknown how the tenants fare, and why. Nothing of an answer that was not
//! understood is repeated: who may write a rollout would else read through Wavepin what only Wavepin can reach.

mod prometheus;
#[cfg(test)]
pub(super) mod tests;
pub(super) mod webhook;

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use secrecy::SecretString;

use super::ClientRegistry;
use super::credentials::Credential;
use super::destination::Place;
use crate::omni::redact;
use crate::ports::{Answer, CheckOutcome, Question};
use crate::resources::{CheckUrl, SecretKeyRef};

/// The longest answer that is taken, in bytes: a sample for each of 20,000 tenants.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

/// The HTTP clients, made at their first use: to read the machine's certificates takes a while.
#[derive(Default)]
pub(super) struct Probes {
    encrypted: OnceLock<Result<reqwest::Client, String>>,
    plain: OnceLock<Result<reqwest::Client, String>>,
}

impl Probes {
    /// The client for an address. It follows no redirect, which would carry a token, or tenants' names, elsewhere.
    pub(super) fn to(&self, url: &CheckUrl) -> Result<&reqwest::Client, String> {
        let kept = if url.is_plain { &self.plain } else { &self.encrypted };
        let client = kept.get_or_init(|| {
            let http = reqwest::Client::builder()
                .user_agent(concat!("wavepin/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .pool_idle_timeout(Duration::from_secs(20));
            // Plain HTTP goes to this machine or stays in the cluster, where a proxy has no place.
            let http = if url.is_plain {
                http.no_proxy().tls_certs_only([])
            } else {
                http
            };
            let made = http.build();
            made.map_err(|error| format!("no HTTP client can be made here: {error}"))
        });
        client.as_ref().map_err(Clone::clone)
    }
}

/// What was received whole.
struct Received {
    status: StatusCode,
    body: Vec<u8>,
}

/// Why there is nothing whole, and whether the same may be tried again.
struct Broken {
    why: String,
    again: bool,
}

/// What broke a request, without its address, which may be a secret.
pub(super) fn broken_by(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        why = format!("{why}: {error}");
        cause = error.source();
    }
    why
}

/// Sends a request, and reads what comes to its end.
async fn exchange(request: RequestBuilder) -> Result<Received, Broken> {
    let broken = |error| Broken {
        why: broken_by(error),
        again: true,
    };
    let too_long = || Broken {
        why: format!("its answer is longer than {ANSWER_LIMIT} bytes"),
        again: false,
    };
    let mut response = request.send().await.map_err(broken)?;
    if response
        .content_length()
        .is_some_and(|length| length > ANSWER_LIMIT as u64)
    {
        return Err(too_long());
    }
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Received { status, body })
}

impl ClientRegistry {
    /// Asks a check, in its time.
    pub(super) async fn asked(&self, question: &Question) -> Answer {
        let check = &question.check;
        let answer = async {
            match (&check.prometheus, &check.webhook) {
                (Some(prometheus), _) => self.ask_prometheus(question, prometheus).await,
                (None, Some(webhook)) => self.ask_webhook(question, webhook).await,
                // Such a spec is refused.
                (None, None) => Err("it asks nothing".to_owned()),
            }
        };
        let answer = match tokio::time::timeout(check.timeout.into(), answer).await {
            Ok(answer) => answer.unwrap_or_else(Answer::unknown),
            Err(_) => Answer::unknown(format!("there was no whole answer within {}", check.timeout)),
        };
        let kind = if check.prometheus.is_some() {
            "prometheus"
        } else {
            "webhook"
        };
        let result = match answer.outcome {
            CheckOutcome::Passed => "passed",
            CheckOutcome::Failed => "failed",
            CheckOutcome::Unknown => "unknown",
        };
        self.options.measures.checked(kind, result);
        answer
    }

    /// What a check needs of its Secret, where it names one and the address may have it.
    async fn secret_of(
        &self,
        question: &Question,
        reference: Option<&SecretKeyRef>,
        url: &CheckUrl,
        kind: &str,
    ) -> Result<Option<SecretString>, String> {
        let Some(reference) = reference else {
            return Ok(None);
        };
        let name = &question.check.name;
        let field = format!("secretRef of check {name}");
        let credential = self.credential_of(&question.namespace, reference, &field).await?;
        self.may_go_to(&credential, url, &format!("{kind}.url of check {name}"))?;
        Ok(Some(credential.value))
    }

    /// What a Secret beside a rollout holds.
    pub(super) async fn credential_of(
        &self,
        namespace: &str,
        reference: &SecretKeyRef,
        field: &str,
    ) -> Result<Credential, String> {
        let credential = self.credentials.credential(namespace, reference, field).await;
        credential.map_err(|error| error.to_string())
    }

    /// Refuses an address that a credential may not be sent to; `field` is what names the address.
    pub(super) fn may_go_to(&self, credential: &Credential, url: &CheckUrl, field: &str) -> Result<(), String> {
        let place = Place {
            host: url.host.clone(),
            port: url.port,
        };
        let allowed = self.check_host(credential, &place, field);
        allowed.map_err(|error| error.to_string())
    }

    /// A refused credential is read again before the next use: it may have been rotated.
    fn forget_secret(&self, question: &Question, reference: Option<&SecretKeyRef>, status: StatusCode) {
        if let Some(reference) = reference
            && [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status)
        {
            self.credentials.forget(&question.namespace, &reference.name);
        }
    }
}

/// What the other side says, without the secret and of one length.
pub(super) fn said(text: &str, secret: Option<&SecretString>) -> String {
    let none = SecretString::from(String::new());
    redact(text, secret.unwrap_or(&none), Answer::LONGEST)
}

/// What a status means that is no success.
pub(super) fn refused(status: StatusCode) -> String {
    match status.as_u16() {
        300..=399 => format!("it answers {status}, and no redirect is followed; name the address that it leads to"),
        401 | 403 => format!("it answers {status}; see that secretRef names what it takes"),
        _ => format!("it answers {status}"),
    }
}
