//! Kubernetes events: what moved, told once.
//!
//! Events inform; nothing waits for them. Where more come than can be told, the rest is left out and counted in
//! the log: the statuses hold it all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_controller::events::{Event, EventRecorder, EventType, Reporter};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ObjectMeta, PartialObjectMeta};
use kube::core::PartialObjectMetaExt;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::kind::{KindName, ObjectName};
use crate::resources::conditions::{
    ACCEPTED, COMPLETE, PINNED, READY, RECONCILING, STALLED, Transition, WAITING, transitions,
};
use crate::resources::{ModelVersion, OmniInstance, TenantPin, VersionRollout, WaveApproval};

/// How many events may wait. A flip of thousands of pins would bring as many; the API server has better to do.
const WAITING_EVENTS: usize = 256;

/// One transition of one object.
#[derive(Debug)]
struct Telling {
    kind: KindName,
    metadata: ObjectMeta,
    transition: Transition,
}

/// Takes transitions and never waits.
#[derive(Debug)]
pub(super) struct Teller {
    tellings: mpsc::Sender<Telling>,
    left_out: AtomicU64,
}

/// Sends them to the API server.
pub(super) struct Publisher {
    recorder: EventRecorder,
    tellings: mpsc::Receiver<Telling>,
}

/// Both ends; `instance` names this process.
pub(super) fn events(client: kube::Client, instance: &str) -> (Teller, Publisher) {
    let (tellings, inbox) = mpsc::channel(WAITING_EVENTS);
    let reporter = Reporter {
        controller: "wavepin.dev/controller".to_owned(),
        instance: Some(instance.to_owned()),
    };
    let teller = Teller {
        tellings,
        left_out: AtomicU64::new(0),
    };
    let publisher = Publisher {
        recorder: EventRecorder::new(client, reporter).with_timeout(Duration::from_secs(5)),
        tellings: inbox,
    };
    (teller, publisher)
}

impl Teller {
    /// Tells what moved between two states of an object's conditions.
    pub(super) fn tell(&self, kind: KindName, name: ObjectName, uid: &str, before: &[Condition], after: &[Condition]) {
        for transition in transitions(before, after) {
            if !is_news(kind, &transition, after) {
                continue;
            }
            let metadata = ObjectMeta {
                name: Some(name.name.clone()),
                namespace: Some(name.namespace.clone()),
                uid: Some(uid.to_owned()),
                ..ObjectMeta::default()
            };
            let telling = Telling {
                kind,
                metadata,
                transition,
            };
            if self.tellings.try_send(telling).is_err() {
                let left_out = self.left_out.fetch_add(1, Ordering::Relaxed) + 1;
                if left_out.is_power_of_two() {
                    debug!(left_out, "more events than can be told; conditions have them all");
                }
            }
        }
    }
}

/// What people want to be told: what became true, and what they should look at. That something is not true yet, or
/// goes on, is what they expect of a new object.
fn is_news(kind: KindName, transition: &Transition, after: &[Condition]) -> bool {
    let condition = transition.condition.as_str();
    let mut conditions = after.iter();
    let holds = conditions.any(|now| now.type_ == condition && now.status == "True");
    match (kind, condition) {
        (_, STALLED | WAITING) => true,
        // Progress is no failure; a stall has its own condition.
        (_, ACCEPTED | RECONCILING) => false,
        // `Pinned` says the same, with the version.
        (KindName::TenantPin, READY) => false,
        // `Complete` says at which wave it is, whether that is the last or not.
        (KindName::VersionRollout, READY) => false,
        (KindName::VersionRollout, COMPLETE) => true,
        (_, READY) => {
            holds || transition.warning && !after.iter().any(|now| now.type_ == STALLED || now.type_ == RECONCILING)
        }
        (KindName::TenantPin, PINNED) => holds,
        _ => holds,
    }
}

/// What was being done, as events name it.
const fn action(kind: KindName) -> &'static str {
    match kind {
        KindName::OmniInstance => "Connect",
        KindName::ModelVersion => "MakeVersion",
        KindName::TenantPin => "Pin",
        KindName::VersionRollout => "RollOut",
        KindName::WaveApproval => "Approve",
    }
}

impl Publisher {
    /// Publishes until nobody tells any more.
    pub(super) async fn work(mut self) {
        while let Some(telling) = self.tellings.recv().await {
            let Telling {
                kind,
                metadata,
                transition,
            } = telling;
            let name = format!(
                "{}/{}",
                metadata.namespace.as_deref().unwrap_or_default(),
                metadata.name.as_deref().unwrap_or_default()
            );
            let event = Event {
                type_: if transition.warning {
                    EventType::Warning
                } else {
                    EventType::Normal
                },
                reason: transition.reason,
                action: action(kind).to_owned(),
                note: Some(transition.message),
                related: None,
            };
            let published = match kind {
                KindName::OmniInstance => self.publish::<OmniInstance>(metadata, &event).await,
                KindName::ModelVersion => self.publish::<ModelVersion>(metadata, &event).await,
                KindName::TenantPin => self.publish::<TenantPin>(metadata, &event).await,
                KindName::VersionRollout => self.publish::<VersionRollout>(metadata, &event).await,
                KindName::WaveApproval => self.publish::<WaveApproval>(metadata, &event).await,
            };
            if let Err(error) = published {
                warn!(kind = kind.as_str(), name, reason = event.reason, %error, "failed to publish an event");
            }
        }
    }

    async fn publish<K: kube::Resource<DynamicType = ()>>(
        &self,
        metadata: ObjectMeta,
        event: &Event,
    ) -> Result<(), k8s_controller::events::PublishError> {
        let about: PartialObjectMeta<K> = metadata.into_response_partial();
        self.recorder.publish(&about, event).await
    }
}
