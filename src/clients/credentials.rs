//! Secrets as instances use them: one key of one Secret, read again often enough that a rotated one takes effect.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

use crate::ports::{ConnectError, SecretRecord, Secrets};
use crate::resources::SecretKeyRef;

/// How long a Secret counts as it was read.
const FRESH_FOR: Duration = Duration::from_secs(30);

/// How long a Secret that lacks what is needed counts as it was read. Short, since it is about to be applied; not
/// nothing, since every pass of every object of an instance asks.
const LACKING_FOR: Duration = Duration::from_secs(2);

/// One value of a Secret, and where it may go.
pub(super) struct Credential {
    /// The value, without white space around it: a line end after a key is a common slip.
    pub(super) value: SecretString,
    /// The hosts that the Secret's annotation names, if it has one.
    pub(super) hosts: Option<Vec<String>>,
    /// `Secret <namespace>/<name>`, for messages.
    pub(super) secret: String,
}

/// The Secrets that were read lately, by namespace and name.
pub(super) struct Credentials {
    secrets: Arc<dyn Secrets>,
    fresh_for: Duration,
    lacking_for: Duration,
    read: Mutex<HashMap<(String, String), Read>>,
    /// When a Secret was last forgotten. For a while it is read as often as one that lacks something: another pass may
    /// have read it before it was corrected.
    doubted: Mutex<HashMap<(String, String), Instant>>,
}

#[derive(Clone)]
struct Read {
    at: Instant,
    record: Option<SecretRecord>,
}

impl Credentials {
    pub(super) fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self::aging(secrets, FRESH_FOR, LACKING_FOR)
    }

    fn aging(secrets: Arc<dyn Secrets>, fresh_for: Duration, lacking_for: Duration) -> Self {
        Self {
            secrets,
            fresh_for,
            lacking_for,
            read: Mutex::default(),
            doubted: Mutex::default(),
        }
    }

    /// The value that a reference names. `field` is the reference's own place in the spec, for messages.
    pub(super) async fn credential(
        &self,
        namespace: &str,
        reference: &SecretKeyRef,
        field: &str,
    ) -> Result<Credential, ConnectError> {
        let secret = format!("Secret {namespace}/{}", reference.name);
        let missing = |message: String| ConnectError::Missing { message };
        let record = self.record(namespace, reference).await?.ok_or_else(|| {
            missing(format!(
                "{secret} is not there; {field} names it. Create it with the key {:?}",
                reference.key
            ))
        })?;
        let value = value_of(&record, &reference.key).ok_or_else(|| {
            let keys: Vec<_> = record.values.keys().map(|key| format!("{key:?}")).collect();
            let has = if keys.is_empty() {
                "nothing".to_owned()
            } else {
                keys.join(", ")
            };
            missing(format!(
                "{secret} has no text under the key {:?}, which {field} names; it has {has}. Add the key, or name another",
                reference.key
            ))
        })?;
        Ok(Credential {
            value,
            hosts: record.hosts,
            secret,
        })
    }

    /// The value under another key of the Secret that was just read, where there is one.
    pub(super) async fn beside(
        &self,
        namespace: &str,
        reference: &SecretKeyRef,
        key: &str,
    ) -> Result<Option<SecretString>, ConnectError> {
        let record = self.record(namespace, reference).await?;
        Ok(record.and_then(|record| value_of(&record, key)))
    }

    /// The Secret is read again at its next use, and often for a while.
    pub(super) fn forget(&self, namespace: &str, name: &str) {
        let name = (namespace.to_owned(), name.to_owned());
        self.read().remove(&name);
        self.doubted().insert(name, Instant::now());
    }

    async fn record(&self, namespace: &str, reference: &SecretKeyRef) -> Result<Option<SecretRecord>, ConnectError> {
        let name = (namespace.to_owned(), reference.name.clone());
        let known = self.read().get(&name).cloned();
        if let Some(Read { at, record }) = known {
            let lacks = record.as_ref().is_none_or(|it| value_of(it, &reference.key).is_none());
            let lasts = if lacks || self.is_doubted(&name) {
                self.lacking_for
            } else {
                self.fresh_for
            };
            if at.elapsed() < lasts {
                return Ok(record);
            }
        }
        // Counted from before the read: what changes during it may not be in it.
        let at = Instant::now();
        let record = self.secrets.secret(namespace, &reference.name).await;
        let record = record.map_err(|source| ConnectError::Secret { source })?;
        let mut read = self.read();
        read.retain(|_, known| known.at.elapsed() < self.fresh_for);
        let record_now = record.clone();
        read.insert(name, Read { at, record });
        Ok(record_now)
    }

    /// Whether it was forgotten lately: longer than from one refusal of its value to the next.
    fn is_doubted(&self, name: &(String, String)) -> bool {
        let mut doubted = self.doubted();
        doubted.retain(|_, at| at.elapsed() < 2 * self.fresh_for);
        doubted.contains_key(name)
    }

    fn doubted(&self) -> MutexGuard<'_, HashMap<(String, String), Instant>> {
        self.doubted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> MutexGuard<'_, HashMap<(String, String), Read>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn value_of(record: &SecretRecord, key: &str) -> Option<SecretString> {
    let value = record.values.get(key)?.expose_secret().trim();
    (!value.is_empty()).then(|| SecretString::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::tests::FakeSecrets;

    fn reference(key: &str) -> SecretKeyRef {
        SecretKeyRef {
            name: "omni".to_owned(),
            key: key.to_owned(),
        }
    }

    async fn value(credentials: &Credentials, key: &str) -> Result<String, String> {
        let credential = credentials
            .credential("default", &reference(key), "spec.apiKeySecretRef")
            .await;
        credential
            .map(|it| it.value.expose_secret().to_owned())
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_secret_is_read_once_while_it_is_fresh_and_again_when_forgotten() {
        let secrets = FakeSecrets::new([("apiKey", "one\n"), ("url", "sqlite:x")]);
        let credentials = Credentials::new(Arc::clone(&secrets) as _);
        assert_eq!(value(&credentials, "apiKey").await.unwrap(), "one");
        assert_eq!(value(&credentials, "url").await.unwrap(), "sqlite:x");
        assert_eq!(secrets.reads(), 1);
        secrets.set([("apiKey", "two")]);
        assert_eq!(value(&credentials, "apiKey").await.unwrap(), "one");
        credentials.forget("default", "omni");
        assert_eq!(value(&credentials, "apiKey").await.unwrap(), "two");
        assert_eq!(secrets.reads(), 2);
    }

    #[tokio::test]
    async fn a_secret_that_was_read_again_before_it_was_corrected_is_not_held_for_fresh() {
        let secrets = FakeSecrets::new([("apiKey", "refused")]);
        let credentials = Credentials::aging(Arc::clone(&secrets) as _, FRESH_FOR, Duration::ZERO);
        value(&credentials, "apiKey").await.unwrap();
        credentials.forget("default", "omni");
        assert_eq!(value(&credentials, "apiKey").await.unwrap(), "refused");
        secrets.set([("apiKey", "corrected")]);
        assert_eq!(value(&credentials, "apiKey").await.unwrap(), "corrected");
    }

    #[tokio::test]
    async fn a_secret_that_is_no_longer_fresh_is_read_again() {
        let secrets = FakeSecrets::new([("apiKey", "one")]);
        let credentials = Credentials::aging(Arc::clone(&secrets) as _, Duration::ZERO, Duration::ZERO);
        value(&credentials, "apiKey").await.unwrap();
        secrets.set([("apiKey", "two")]);
        assert_eq!(value(&credentials, "apiKey").await.unwrap(), "two");
    }

    #[tokio::test]
    async fn what_is_missing_is_named_and_asked_for_again_soon() {
        let secrets = FakeSecrets::new([]);
        let credentials = Credentials::aging(Arc::clone(&secrets) as _, FRESH_FOR, Duration::ZERO);
        secrets.remove();
        let told = value(&credentials, "apiKey").await.unwrap_err();
        assert!(
            told.contains("Secret default/omni is not there; spec.apiKeySecretRef"),
            "{told}"
        );
        secrets.set([("other", "x"), ("apiKey", " \n")]);
        let told = value(&credentials, "apiKey").await.unwrap_err();
        assert!(
            told.contains("no text under the key \"apiKey\"") && told.contains("\"other\""),
            "{told}"
        );
        secrets.set([("apiKey", "one")]);
        assert_eq!(value(&credentials, "apiKey").await.unwrap(), "one");
    }

    #[tokio::test]
    async fn a_hundred_passes_that_miss_a_secret_ask_once() {
        let secrets = FakeSecrets::new([]);
        let credentials = Credentials::new(Arc::clone(&secrets) as _);
        for _ in 0..100 {
            value(&credentials, "apiKey").await.unwrap_err();
        }
        assert_eq!(secrets.reads(), 1);
    }
}
