//! A replica that waits: ready to take the lead only while another has it, or could be seen to.
//!
//! The election itself goes on trying whatever happens, and says so in the log alone. A replica that can never lead, for a
//! right that is missing, must not look ready beside a Lease that nobody holds.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use tokio::time::{Instant, sleep};

use super::health::Gates;
use super::lead::LeaseOptions;
use super::status::{CallError, within};

/// What one look at the Lease showed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Look {
    /// Somebody holds it; the version moves with each renewal.
    Held(Option<String>),
    /// Nobody holds it, or it is not there yet.
    Free,
    /// It may not be read.
    Forbidden(String),
    /// The API server did not answer.
    Unanswered(String),
}

/// Looks every `period`, and tells the gates what keeps this replica from being of use. Never ends by itself.
pub(super) async fn look_out(client: kube::Client, lease: &LeaseOptions, period: Duration, gates: &Gates) {
    let leases: Api<Lease> = Api::namespaced(client, &lease.namespace);
    let mut last: Option<(Look, Instant)> = None;
    loop {
        let look = match within(leases.get_opt(&lease.name)).await {
            Ok(found) => Look::of(found),
            Err(CallError::Api(kube::Error::Api(status))) if status.is_forbidden() => Look::Forbidden(status.message),
            Err(error) => Look::Unanswered(error.to_string()),
        };
        let since = match &last {
            Some((before, since)) if *before == look => *since,
            _ => Instant::now(),
        };
        gates.standby(trouble(&look, since.elapsed(), lease));
        last = Some((look, since));
        sleep(period).await;
    }
}

impl Look {
    fn of(lease: Option<Lease>) -> Self {
        let Some(lease) = lease else { return Self::Free };
        let holder = lease.spec.and_then(|spec| spec.holder_identity);
        match holder {
            Some(holder) if !holder.is_empty() => Self::Held(lease.metadata.resource_version),
            _ => Self::Free,
        }
    }
}

/// Why this replica is of no use, if it has looked like this for so long. A Lease that is free, or that is not renewed, is
/// taken by whoever waits within its duration; twice that is no matter of time any more.
fn trouble(look: &Look, since: Duration, lease: &LeaseOptions) -> Option<String> {
    let grant = format!(
        "grant Wavepin's ServiceAccount get, create and update on leases.coordination.k8s.io in namespace {}",
        lease.namespace
    );
    match look {
        Look::Forbidden(why) => Some(format!("{why}; {grant}")),
        Look::Unanswered(why) => Some(format!("the Lease {lease} cannot be read: {why}")),
        Look::Held(_) | Look::Free if since > lease.duration * 2 => {
            Some(format!("nobody leads, and the Lease {lease} cannot be taken: {grant}"))
        }
        Look::Held(_) | Look::Free => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lease_that_stands_still_or_cannot_be_read_is_trouble() {
        let lease = LeaseOptions {
            namespace: "home".to_owned(),
            name: "wavepin".to_owned(),
            duration: Duration::from_secs(15),
            identity: "me".to_owned(),
        };
        let told = |look: &Look, seconds| trouble(look, Duration::from_secs(seconds), &lease);
        for look in [Look::Held(Some("7".to_owned())), Look::Free] {
            assert_eq!(told(&look, 30), None, "{look:?}");
            let told = told(&look, 31).unwrap();
            assert!(told.contains("the Lease home/wavepin cannot be taken") && told.contains("create and update"));
        }
        let forbidden = told(&Look::Forbidden("leases is forbidden".to_owned()), 0).unwrap();
        assert!(forbidden.starts_with("leases is forbidden; grant"), "{forbidden}");
        assert!(told(&Look::Unanswered("refused".to_owned()), 0).is_some());
    }

    #[test]
    fn a_lease_without_a_holder_is_free() {
        let held = |holder: Option<&str>| {
            let mut lease = Lease::default();
            lease.spec.get_or_insert_default().holder_identity = holder.map(str::to_owned);
            Look::of(Some(lease))
        };
        assert_eq!(held(Some("other")), Look::Held(None));
        assert_eq!((held(Some("")), held(None)), (Look::Free, Look::Free));
        assert_eq!(Look::of(None), Look::Free);
    }
}
