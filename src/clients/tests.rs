//! The registry against Secrets in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use jiff::Timestamp;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::ports::{Failure, SecretError, SecretRecord};

/// One Secret in memory, whatever its name, and how often it was read.
pub(super) struct FakeSecrets(Mutex<(Option<SecretRecord>, usize)>);

impl FakeSecrets {
    pub(super) fn new<const N: usize>(values: [(&str, &str); N]) -> Arc<Self> {
        let secrets = Arc::new(Self(Mutex::default()));
        secrets.set(values);
        secrets
    }

    pub(super) fn set<const N: usize>(&self, values: [(&str, &str); N]) {
        let values = values.map(|(key, value)| (key.to_owned(), SecretString::from(value)));
        let mut secret = self.0.lock().unwrap();
        let hosts = secret.0.take().and_then(|record| record.hosts);
        let values = BTreeMap::from(values);
        secret.0 = Some(SecretRecord {
            values,
            binary: BTreeSet::new(),
            hosts,
        });
    }

    pub(super) fn allow(&self, hosts: &[&str]) {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        self.0.lock().unwrap().0.as_mut().unwrap().hosts = Some(hosts);
    }

    pub(super) fn remove(&self) {
        self.0.lock().unwrap().0 = None;
    }

    pub(super) fn reads(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

#[async_trait]
impl Secrets for FakeSecrets {
    async fn secret(&self, _: &str, _: &str) -> Result<Option<SecretRecord>, SecretError> {
        let mut secret = self.0.lock().unwrap();
        secret.1 += 1;
        Ok(secret.0.clone())
    }
}

const SECRET: &str = "hunter2-hunter2";

fn instance(name: &str, spec: serde_json::Value) -> Object<OmniInstanceSpec> {
    let mut whole = json!({
        "baseUrl": "https://acme.omniapp.co",
        "apiKeySecretRef": {"name": "omni", "key": "apiKey"},
    });
    for (field, value) in spec.as_object().unwrap() {
        whole[field] = value.clone();
    }
    Object {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        labels: BTreeMap::new(),
        requests: BTreeMap::new(),
        spec: serde_json::from_value(whole).unwrap(),
        spec_hash: String::new(),
        first_seen: Timestamp::UNIX_EPOCH,
        deleting: false,
    }
}

fn registry(secrets: &Arc<FakeSecrets>, options: ClientOptions) -> ClientRegistry {
    ClientRegistry::new(Arc::clone(secrets) as _, options)
}

/// With a database of its own for the budget.
fn with_memory() -> ClientOptions {
    ClientOptions {
        default_database: Some("sqlite::memory:".into()),
        ..ClientOptions::default()
    }
}

fn same<T: ?Sized>(one: &Arc<T>, other: &Arc<T>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

/// The reason and message of a refusal, which must hold no secret.
fn refusal<T>(result: Result<T, ConnectError>) -> (Reason, String) {
    match result {
        Err(ConnectError::Refused { reason, message }) => {
            assert!(!message.contains("hunter2"), "{message}");
            (reason, message)
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[tokio::test]
async fn a_client_is_kept_until_its_key_its_address_or_its_rate_changes() {
    let secrets = FakeSecrets::new([("apiKey", SECRET)]);
    let registry = registry(&secrets, with_memory());
    let acme = instance("acme", json!({}));
    let first = registry.omni(&acme, Urgency::Check).await.unwrap();
    assert!(same(&first, &registry.omni(&acme, Urgency::Check).await.unwrap()));

    secrets.set([("apiKey", "rotated-rotated")]);
    assert!(
        same(&first, &registry.omni(&acme, Urgency::Check).await.unwrap()),
        "the Secret is fresh"
    );
    registry.forget_credentials(&acme);
    let second = registry.omni(&acme, Urgency::Check).await.unwrap();
    assert!(!same(&first, &second), "the rotated key takes effect");

    let slower = instance("acme", json!({"requestsPerMinute": 10}));
    let third = registry.omni(&slower, Urgency::Check).await.unwrap();
    assert!(!same(&second, &third));
    let moved = instance("acme", json!({"baseUrl": "https://acme.eu.omniapp.co"}));
    assert!(!same(&third, &registry.omni(&moved, Urgency::Check).await.unwrap()));
}

#[tokio::test]
async fn a_missing_secret_is_waited_for() {
    let secrets = FakeSecrets::new([]);
    let error = registry(&secrets, ClientOptions::default())
        .omni(&instance("acme", json!({})), Urgency::Check)
        .await;
    assert!(matches!(error.err(), Some(ConnectError::Missing { .. })));
}

#[rstest]
#[case::http_elsewhere("http://acme.omniapp.co")]
#[case::with_a_path("https://acme.omniapp.co/api")]
#[tokio::test]
async fn an_address_that_a_schema_would_refuse_is_refused_here_too(#[case] base_url: &str) {
    let secrets = FakeSecrets::new([("apiKey", SECRET)]);
    let acme = instance("acme", json!({"baseUrl": base_url}));
    let (reason, message) = refusal(
        registry(&secrets, ClientOptions::default())
            .omni(&acme, Urgency::Check)
            .await,
    );
    assert_eq!(reason, Reason::Invalid);
    assert!(message.contains("OmniInstance default/acme: spec.baseUrl"), "{message}");
}

#[tokio::test]
async fn a_key_goes_only_to_the_hosts_that_its_secret_names() {
    let secrets = FakeSecrets::new([("apiKey", SECRET)]);
    let acme = instance("acme", json!({}));
    secrets.allow(&["other.omniapp.co"]);
    let (reason, message) = refusal(
        registry(&secrets, ClientOptions::default())
            .omni(&acme, Urgency::Check)
            .await,
    );
    assert_eq!(reason, Reason::HostNotAllowed);
    assert!(
        message.contains("Secret default/omni") && message.contains("acme.omniapp.co"),
        "{message}"
    );
    secrets.allow(&["other.omniapp.co", "acme.omniapp.co"]);
    registry(&secrets, with_memory())
        .omni(&acme, Urgency::Check)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_secret_must_name_its_hosts_where_that_is_required() {
    let secrets = FakeSecrets::new([("apiKey", SECRET)]);
    let options = ClientOptions {
        require_hosts: true,
        ..ClientOptions::default()
    };
    let (reason, message) = refusal(
        registry(&secrets, options)
            .omni(&instance("acme", json!({})), Urgency::Check)
            .await,
    );
    assert_eq!(reason, Reason::HostNotAllowed);
    assert!(message.contains("wavepin.dev/hosts: \"acme.omniapp.co\""), "{message}");
}

#[tokio::test]
async fn a_key_that_no_header_can_carry_is_told_without_it() {
    let secrets = FakeSecrets::new([("apiKey", "hunter2\nhunter2")]);
    let (reason, message) = refusal(
        registry(&secrets, with_memory())
            .omni(&instance("acme", json!({})), Urgency::Check)
            .await,
    );
    assert_eq!(reason, Reason::Invalid);
    assert!(
        message.contains("Secret default/omni under the key \"apiKey\""),
        "{message}"
    );
}

fn with_database(name: &str) -> Object<OmniInstanceSpec> {
    instance(name, json!({"mapping": {"urlSecretRef": {"name": "db", "key": "url"}}}))
}

fn sqlite_url(folder: &tempfile::TempDir) -> String {
    format!("sqlite:{}", folder.path().join("mapping.db").display())
}

#[tokio::test]
async fn a_mapping_is_kept_and_shared_by_instances_of_one_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = FakeSecrets::new([("url", sqlite_url(&folder).as_str())]);
    let registry = registry(&secrets, ClientOptions::default());
    let (acme, other) = (with_database("acme"), with_database("other"));
    let (first, again) = tokio::join!(registry.mapping(&acme), registry.mapping(&acme));
    let first = first.unwrap();
    assert!(same(&first, &again.unwrap()), "two passes at once get one");
    assert!(
        !same(&first, &registry.mapping(&other).await.unwrap()),
        "another owner has its own fence"
    );

    let mut owned = with_database("owned");
    owned.spec.mapping.owner = Some("default/acme".to_owned());
    assert!(
        same(&first, &registry.mapping(&owned).await.unwrap()),
        "one owner, one fence"
    );
}

#[tokio::test]
async fn a_rotated_database_url_is_no_contest_with_the_pass_that_still_has_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite_url(&folder);
    let secrets = FakeSecrets::new([("url", url.as_str())]);
    let registry = registry(&secrets, ClientOptions::default());
    let acme = with_database("acme");
    let running = registry.mapping(&acme).await.unwrap();
    running.prepare("default/acme", None).await.unwrap();
    secrets.set([("url", format!("{url}?mode=rwc").as_str())]);
    registry.forget_credentials(&acme);
    let renewed = registry.mapping(&acme).await.unwrap();
    renewed.prepare("default/acme", None).await.unwrap();
    let lost = async |mapping: &dyn Mapping| {
        let written = mapping.record_version(1, "adopt", "holder").await.unwrap_err();
        let failure = Failure::from(&written);
        (failure.stalled, failure.reason)
    };
    assert_eq!(lost(&*running).await, (false, Reason::Progressing));
    assert!(!Failure::from(&running.prepare("default/acme", None).await.unwrap_err()).stalled);

    let options = MappingOptions::default();
    let other_program = mapping::connect(&url.into(), options).await.unwrap();
    other_program.prepare("default/acme", None).await.unwrap();
    assert_eq!(lost(&*renewed).await, (true, Reason::MappingContended));
}

#[tokio::test]
async fn an_instance_without_a_database_has_the_one_of_the_process_or_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = FakeSecrets::new([]);
    let acme = instance("acme", json!({}));
    let (reason, message) = refusal(registry(&secrets, ClientOptions::default()).mapping(&acme).await);
    assert_eq!(reason, Reason::Invalid);
    assert!(
        message.contains("spec.mapping.urlSecretRef") && message.contains("--database-url"),
        "{message}"
    );
    let options = ClientOptions {
        default_database: Some(SecretString::from(sqlite_url(&folder))),
        ..ClientOptions::default()
    };
    registry(&secrets, options).mapping(&acme).await.unwrap();
}

#[rstest]
#[case::no_url("hunter2", Reason::Invalid, "is no database URL")]
#[case::another_database("mysql://u:hunter2@db.example/app", Reason::Invalid, "is no database URL")]
#[case::no_host("postgres:///app?password=hunter2", Reason::Invalid, "names no host")]
#[case::other_host("postgres://u:hunter2@evil.example/app", Reason::HostNotAllowed, "evil.example")]
#[case::host_in_the_parameters(
    "postgres://u:hunter2@db.example/app?host=evil.example",
    Reason::HostNotAllowed,
    "evil.example"
)]
#[tokio::test]
async fn a_database_url_goes_only_where_its_secret_says(#[case] url: &str, #[case] reason: Reason, #[case] told: &str) {
    let secrets = FakeSecrets::new([("url", url)]);
    secrets.allow(&["db.example"]);
    let refused = refusal(
        registry(&secrets, ClientOptions::default())
            .mapping(&with_database("acme"))
            .await,
    );
    assert_eq!(refused.0, reason);
    assert!(refused.1.contains(told), "{}", refused.1);
}
