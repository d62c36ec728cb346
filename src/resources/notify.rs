//! Who is told what happens to a rollout, and of what.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check_url::CheckUrl;
use super::{SecretKeyRef, VersionRolloutSpec};

/// Somebody outside that is told what happens to the rollout, once a wave. Give exactly one of `cloudEvents` and `slack`. It gates nothing: who cannot be told holds nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.cloudEvents) != has(self.slack)").message("a channel of notify has exactly one of cloudEvents and slack"))]
pub struct NotifyChannel {
    /// Its name, unique in the rollout. A new name is a new channel, which is told what happens from then on.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// What it is told of. Absent: of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6), extend("x-kubernetes-list-type" = "set"))]
    pub events: Vec<NotifyOn>,
    /// An address that takes CloudEvents 1.0 over HTTP, in structured mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_events: Option<CloudEventsChannel>,
    /// An incoming webhook of Slack, or of what takes the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<SlackChannel>,
}

/// What a channel is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum NotifyOn {
    /// A rollout begins: another target or plan, or a person retries.
    Started,
    /// A wave has ended that had tenants.
    WaveCompleted,
    /// A person is awaited: an approval, or a wave of which nobody may move.
    Waiting,
    /// It was stopped; who has moved stays.
    Stopped,
    /// It was stopped, by its checks or by a person, and who has moved goes back.
    RolledBack,
    /// Every wave has ended.
    Completed,
}

impl NotifyOn {
    /// As people and schemas have it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::WaveCompleted => "WaveCompleted",
            Self::Waiting => "Waiting",
            Self::Stopped => "Stopped",
            Self::RolledBack => "RolledBack",
            Self::Completed => "Completed",
        }
    }
}

impl NotifyChannel {
    /// Whether it is told of this.
    #[must_use]
    pub fn hears(&self, of: NotifyOn) -> bool {
        self.events.is_empty() || self.events.contains(&of)
    }
}

/// Where CloudEvents are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloudEventsChannel {
    /// Where they are sent. https; http only to this machine and to Services of the cluster.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("self.startsWith('https://') || self.matches('^http://(localhost|127[.][0-9.]+|\\\\[::1\\\\]|[a-z0-9.-]+[.]svc|[a-z0-9.-]+[.]svc[.]cluster[.]local)(:[0-9]+)?([/?].*)?$')").message("url must be https; http is for this machine and for names that end in .svc or .svc.cluster.local"))]
    pub url: String,
    /// The Secret with what requests are signed with, as Standard Webhooks have it. Absent: they are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
}

/// Where messages are sent in Slack's form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlackChannel {
    /// The Secret with the webhook's address: whoever knows it may write to the channel.
    pub secret_ref: SecretKeyRef,
}

/// How a channel of `notify` fares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelStatus {
    /// Its name.
    pub name: String,
    /// Since when it could not be told what happened (RFC 3339); absent where it could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub failing_since: Option<Timestamp>,
    /// What was wrong with the last try; absent where it could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many notifications were given up since the channel began; absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<u32>,
}

/// What is wrong with the channels of a rollout as they stand, if anything.
pub(super) fn refusal(spec: &VersionRolloutSpec) -> Option<String> {
    let mut names = BTreeSet::new();
    for (place, channel) in spec.notify.iter().enumerate() {
        let name = &channel.name;
        if !names.insert(name) {
            return Some(format!(
                "spec.notify has {name:?} twice; give each channel a name of its own"
            ));
        }
        if let Err(why) = refusal_of(channel) {
            return Some(format!("spec.notify[{place}]{why} (channel {name})"));
        }
    }
    None
}

fn refusal_of(channel: &NotifyChannel) -> Result<(), String> {
    match (&channel.cloud_events, &channel.slack) {
        (Some(channel), None) => {
            let url = CheckUrl::parse(&channel.url);
            url.map(drop).map_err(|why| format!(".cloudEvents.url {why}"))
        }
        (None, Some(_)) => Ok(()),
        (None, None) => Err(" tells nobody; give it cloudEvents or slack".to_owned()),
        (Some(_), Some(_)) => Err(" has both cloudEvents and slack; make two channels of it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::resources::{rollout_plan, rollout_refusal};

    fn spec(notify: Value) -> VersionRolloutSpec {
        let spec = json!({
            "instanceRef": {"name": "acme"}, "environment": "production", "version": 2, "waves": [{"name": "all"}],
            "notify": notify,
        });
        serde_json::from_value(spec).unwrap()
    }

    #[rstest]
    #[case(json!([{"name": "a", "slack": {"secretRef": {"name": "s", "key": "url"}}}, {"name": "a", "slack": {"secretRef": {"name": "s", "key": "url"}}}]), "\"a\" twice")]
    #[case(json!([{"name": "a"}]), "spec.notify[0] tells nobody")]
    #[case(json!([{"name": "a", "cloudEvents": {"url": "https://x.example"}, "slack": {"secretRef": {"name": "s", "key": "url"}}}]), "both cloudEvents and slack")]
    #[case(json!([{"name": "a", "cloudEvents": {"url": "http://x.example"}}]), "spec.notify[0].cloudEvents.url is plain http")]
    #[case(json!([{"name": "a", "cloudEvents": {"url": "https://me:hunter2@x.example"}}]), "a user or a password")]
    fn what_can_tell_nobody_is_refused_with_the_field_and_a_way_out(#[case] notify: Value, #[case] told: &str) {
        let refusal = rollout_refusal(&spec(notify)).unwrap();
        assert!(refusal.contains(told) && !refusal.contains("hunter2"), "{refusal}");
    }

    #[test]
    fn a_channel_hears_of_all_unless_it_names_what() {
        let mut of = spec(json!([{"name": "a", "cloudEvents": {"url": "https://x.example"}}]));
        assert_eq!(rollout_refusal(&of), None);
        assert!(of.notify[0].hears(NotifyOn::Started) && of.notify[0].hears(NotifyOn::Waiting));
        of.notify[0].events = vec![NotifyOn::Waiting];
        assert!(!of.notify[0].hears(NotifyOn::Started) && of.notify[0].hears(NotifyOn::Waiting));
    }

    #[test]
    fn who_is_told_is_no_part_of_what_a_rollout_is() {
        let told = spec(json!([{"name": "a", "cloudEvents": {"url": "https://x.example"}}]));
        assert_eq!(rollout_plan(&told), rollout_plan(&spec(json!([]))));
    }
}
