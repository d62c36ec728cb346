//! What is told, in the forms that it is told in. Neither holds a secret, a tenant's name or an address.

use serde_json::json;

use crate::ports::{News, Notice};
use crate::resources::NotifyOn;

/// A CloudEvent in structured mode: all of it stands in the body, so that the signature is over all of it.
pub(super) fn cloud_event(notice: &Notice) -> String {
    let Notice {
        namespace,
        rollout,
        instance,
        environment,
        news,
        ..
    } = notice;
    let mut data = json!({
        "rollout": format!("{namespace}/{rollout}"),
        "instance": instance,
        "environment": environment,
        "version": news.version,
        "attempt": news.attempt,
        "plan": news.plan,
        "what": news.of.word(),
    });
    if let Some(wave) = &news.wave {
        data["wave"] = json!({"name": wave, "tenants": news.tenants, "moved": news.moved});
    }
    if !news.message.is_empty() {
        data["message"] = json!(news.message);
    }
    let mut event = json!({
        "specversion": "1.0",
        "id": news.id,
        "source": format!("/apis/wavepin.dev/v1alpha1/namespaces/{namespace}/versionrollouts/{rollout}"),
        "type": type_of(news.of),
        "time": news.at,
        "datacontenttype": "application/json",
        "data": data,
    });
    if let Some(wave) = &news.wave {
        event["subject"] = json!(wave);
    }
    event.to_string()
}

const fn type_of(of: NotifyOn) -> &'static str {
    match of {
        NotifyOn::Started => "dev.wavepin.rollout.started.v1",
        NotifyOn::WaveCompleted => "dev.wavepin.rollout.wave.completed.v1",
        NotifyOn::Waiting => "dev.wavepin.rollout.waiting.v1",
        NotifyOn::Stopped => "dev.wavepin.rollout.stopped.v1",
        NotifyOn::RolledBack => "dev.wavepin.rollout.rolledback.v1",
        NotifyOn::Completed => "dev.wavepin.rollout.completed.v1",
    }
}

/// A message as an incoming webhook of Slack takes it.
pub(super) fn slack(notice: &Notice) -> String {
    let Notice {
        namespace,
        rollout,
        instance,
        environment,
        news,
        ..
    } = notice;
    let mut lines = vec![format!(
        "*{}* of {}, to version {}: {}",
        escaped(environment),
        escaped(instance),
        news.version,
        escaped(&sentence(news))
    )];
    if !news.message.is_empty() {
        lines.push(format!("> {}", escaped(&news.message)));
    }
    lines.push(format!(
        "VersionRollout {namespace}/{rollout}, attempt {}",
        news.attempt
    ));
    json!({"text": lines.join("\n")}).to_string()
}

fn sentence(news: &News) -> String {
    let wave = news.wave.as_deref().unwrap_or_default();
    let of_wave = match &news.wave {
        Some(wave) => format!("wave {wave}"),
        None => "the rollout".to_owned(),
    };
    match news.of {
        NotifyOn::Started => "the rollout begins".to_owned(),
        NotifyOn::WaveCompleted => match (news.moved, news.tenants) {
            (Some(0), Some(tenants)) => format!("wave {wave} has ended; none of its {tenants} tenants moved forward"),
            (Some(moved), Some(tenants)) => {
                format!("wave {wave} has ended; {moved} tenants moved, it had {tenants} when it opened")
            }
            _ => format!("wave {wave} has ended"),
        },
        NotifyOn::Waiting => format!("wave {wave} waits for a person"),
        NotifyOn::Stopped => "the rollout was stopped; who has moved stays".to_owned(),
        NotifyOn::RolledBack => format!("{of_wave} was stopped, and who has moved goes back"),
        NotifyOn::Completed => "every wave has ended".to_owned(),
    }
}

/// Without what Slack takes for a mention, a link or an entity.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
