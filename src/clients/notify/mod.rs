//! Telling the channels of rollouts: one message, in its time, with nothing in what is said of it that is a secret.

mod form;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};

use super::ClientRegistry;
use super::checks::webhook::{Signing, signed};
use super::checks::{broken_by, refused, said};
use crate::omni::retry_after;
use crate::ports::{Delivery, Notice};
use crate::resources::{CheckUrl, CloudEventsChannel, SecretKeyRef, SlackChannel};

/// For how long the other side may take, with all that it answers; no longer than Omni may.
const TIME: Duration = Duration::from_secs(5);

/// How much of an answer is read, in bytes: Slack's is `ok`, or a word for what is wrong.
const READ: usize = 256;

/// What came of a request.
struct Answered {
    status: StatusCode,
    wait: Option<SignedDuration>,
    /// How the answer begins.
    body: String,
}

/// Why a channel could not be told.
struct Refused {
    why: String,
    wait: Option<SignedDuration>,
    is_gone: bool,
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self {
            why,
            wait: None,
            is_gone: false,
        }
    }
}

impl ClientRegistry {
    /// Tells a channel, in its time.
    pub(super) async fn told(&self, notice: &Notice) -> Delivery {
        let telling = async {
            match (&notice.channel.cloud_events, &notice.channel.slack) {
                (Some(channel), _) => self.send_cloud_event(notice, channel).await,
                (None, Some(channel)) => self.send_to_slack(notice, channel).await,
                // Such a spec is refused.
                (None, None) => Err("it names nobody".to_owned().into()),
            }
        };
        let time = TIME.min(self.options.request_timeout);
        let told = match tokio::time::timeout(time, telling).await {
            Ok(told) => told,
            Err(_) => Err(format!("there was no whole answer within {time:?}").into()),
        };
        let form = match notice.channel.slack {
            Some(_) => "slack",
            None => "cloudEvents",
        };
        let result = match &told {
            Ok(()) => "told",
            Err(refused) if refused.is_gone => "gone",
            Err(_) => "failed",
        };
        self.options.measures.notified(form, result);
        match told {
            Ok(()) => Delivery::Told,
            Err(Refused { why, is_gone: true, .. }) => Delivery::Gone { why },
            Err(Refused { why, wait, .. }) => Delivery::Failed { why, wait },
        }
    }

    async fn send_cloud_event(&self, notice: &Notice, channel: &CloudEventsChannel) -> Result<(), Refused> {
        let url = CheckUrl::parse(&channel.url).map_err(|why| format!("cloudEvents.url {why}"))?;
        let name = &notice.channel.name;
        let secret = match &channel.secret_ref {
            Some(reference) => {
                let field = format!("cloudEvents.secretRef of channel {name}");
                let credential = self.credential_of(&notice.namespace, reference, &field).await?;
                self.may_go_to(&credential, &url, &format!("cloudEvents.url of channel {name}"))?;
                Some(credential.value)
            }
            None => None,
        };
        let signing = secret.as_ref().map(Signing::with).transpose()?;
        let body = form::cloud_event(notice);
        let request = self.probes.to(&url)?.post(url.url.clone());
        let request = request.header(CONTENT_TYPE, "application/cloudevents+json; charset=utf-8");
        let request = signed(request, &notice.news.id, signing.as_ref(), &body, Timestamp::now());
        let answered = answer(request.body(body), secret.as_ref()).await?;
        self.heed(&answered, notice, channel.secret_ref.as_ref())?;
        Ok(())
    }

    async fn send_to_slack(&self, notice: &Notice, channel: &SlackChannel) -> Result<(), Refused> {
        let reference = &channel.secret_ref;
        let name = &notice.channel.name;
        let field = format!("slack.secretRef of channel {name}");
        let credential = self.credential_of(&notice.namespace, reference, &field).await?;
        let address = &credential.value;
        // Nothing that is wrong with it is repeated: whatever it is, it is a secret.
        let url = CheckUrl::parse(address.expose_secret()).map_err(|_| {
            format!(
                "the value in {} under the key {:?} is no address of an incoming webhook; write it as Slack shows it, \
                 https://hooks.slack.com/services/...",
                credential.secret, reference.key
            )
        })?;
        let in_secret = format!("the address under the key {:?}", reference.key);
        self.may_go_to(&credential, &url, &in_secret)?;
        let request = self.probes.to(&url)?.post(url.url.clone());
        let request = request.header(CONTENT_TYPE, "application/json");
        let answered = answer(request.body(form::slack(notice)), Some(address)).await?;
        self.heed(&answered, notice, Some(reference))?;
        // A page that stands in the way answers 200 too.
        if answered.body.trim() != "ok" {
            return Err("it answers 200, and not \"ok\" as an incoming webhook of Slack does; see that the Secret holds the address of one"
                .to_owned()
                .into());
        }
        Ok(())
    }

    /// What an answer comes to.
    fn heed(&self, answered: &Answered, notice: &Notice, reference: Option<&SecretKeyRef>) -> Result<(), Refused> {
        let status = answered.status;
        if status.is_success() {
            return Ok(());
        }
        // The Secret may have been changed: it is read again before the next try.
        if let Some(reference) = reference.filter(|_| status.is_client_error()) {
            self.credentials.forget(&notice.namespace, &reference.name);
        }
        let is_gone = status == StatusCode::GONE;
        Err(Refused {
            why: refused(status),
            wait: answered.wait,
            is_gone,
        })
    }
}

/// Sends a request, and reads how the answer begins.
async fn answer(request: reqwest::RequestBuilder, secret: Option<&SecretString>) -> Result<Answered, Refused> {
    let broken = |error| Refused::from(said(&broken_by(error), secret));
    let mut response = request.send().await.map_err(broken)?;
    let wait = retry_after(response.headers()).and_then(|wait| SignedDuration::try_from(wait).ok());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        body.extend_from_slice(&chunk);
        if body.len() > READ {
            body.truncate(READ);
            break;
        }
    }
    Ok(Answered {
        status: response.status(),
        wait,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
