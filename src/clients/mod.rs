//! The way from an instance's spec to its adapters: Omni's client and the mapping, with the credentials as they are now.
//!
//! A credential goes only where its Secret says that it may. Adapters are kept until what they are made from changes,
//! so that a rotated key takes effect and nothing else is disturbed: a mapping made anew would take the fence anew.

mod checks;
mod credentials;
mod destination;
mod git;
mod kept;
mod notify;
mod rehearsed;

pub use rehearsed::RehearsedClients;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;

use self::checks::Probes;
use self::credentials::{Credential, Credentials};
use self::destination::{Database, Place};
use self::kept::{Kept, Origin};
use crate::mapping::{self, Connected, MappingOptions};
use crate::model_repository::{GitOptions, GitRepository};
use crate::omni::{Limiters, OmniClient, OmniOptions, Shared, budget_name, fingerprint};
use crate::ports::{
    Answer, Clients, ConnectError, Delivery, Existing, Mapping, ModelRepository, Notice, Object, Omni, Question,
    Secrets, Standing, Told, Urgency,
};
use crate::resources::conditions::Reason;
use crate::resources::{BaseUrl, Management, OmniInstanceSpec, TenantTable};
use crate::telemetry::{DatabaseLine, Measures};

/// How adapters are made.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The database of instances that name none.
    pub default_database: Option<SecretString>,
    /// The window that `requestsPerMinute` is counted in: a minute, but for tests.
    pub budget_window: Duration,
    /// How long one request to Omni may take.
    pub request_timeout: Duration,
    /// Where requests and budgets are measured.
    pub measures: Arc<Measures>,
    /// Refuses a Secret that does not say, by its annotation `wavepin.dev/hosts`, where it may be sent.
    pub require_hosts: bool,
    /// Mappings are only looked at: nothing is made, written or fenced there.
    pub read_only: bool,
    /// How repositories are used.
    pub git: GitOptions,
    /// Of mappings that are only looked at, the request budgets count all the same: for who reads from Omni.
    pub takes_places: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            default_database: None,
            budget_window: Duration::from_secs(60),
            request_timeout: Duration::from_secs(60),
            measures: Arc::default(),
            require_hosts: false,
            read_only: false,
            git: GitOptions::default(),
            takes_places: false,
        }
    }
}

/// Makes, keeps and renews the adapters of all instances of this process.
pub struct ClientRegistry {
    credentials: Credentials,
    options: ClientOptions,
    limiters: Arc<Limiters>,
    /// A client for each class of calls, under one budget.
    omnis: Kept<[Arc<OmniClient>; Urgency::ALL.len()]>,
    standings: Kept<Arc<Standing>>,
    mappings: Kept<Arc<KeptMapping>>,
    probes: Probes,
}

/// A mapping that is connected at its first use.
struct KeptMapping {
    database: OnceCell<Connected>,
    replaced: Arc<AtomicBool>,
    /// Of the database, whether or not it could be connected.
    line: Arc<DatabaseLine>,
}

impl ClientRegistry {
    /// A registry that reads credentials from these Secrets.
    #[must_use]
    pub fn new(secrets: Arc<dyn Secrets>, options: ClientOptions) -> Self {
        let limiters = Arc::new(Limiters::new(options.budget_window));
        let budgets = Arc::downgrade(&limiters);
        let read = move || {
            budgets
                .upgrade()
                .map(|limiters| limiters.measures())
                .unwrap_or_default()
        };
        options.measures.read_budgets(read);
        Self {
            credentials: Credentials::new(secrets),
            limiters,
            options,
            omnis: Kept::default(),
            standings: Kept::default(),
            mappings: Kept::default(),
            probes: Probes::default(),
        }
    }

    /// How the budget of an instance's key stands, whoever uses it. Makes no call to Omni.
    ///
    /// # Errors
    /// What keeps the key or the database from being read.
    pub async fn budget(&self, instance: &Object<OmniInstanceSpec>) -> Result<Told, ConnectError> {
        let spec = &instance.spec;
        let base_url =
            BaseUrl::parse(&spec.base_url).map_err(|why| invalid(format!("OmniInstance {}: {why}", instance.key())))?;
        let key = self
            .credentials
            .credential(&instance.namespace, &spec.api_key_secret_ref, "spec.apiKeySecretRef")
            .await?;
        let name = budget_name(&base_url.text, &key.value);
        let (connected, _) = self.connected(instance).await?;
        let read_mapping = |source| ConnectError::Database { source };
        let own = instance.key();
        let owner = spec.mapping.owner.as_deref().unwrap_or(&own);
        connected.mapping.prepare(owner, None).await.map_err(read_mapping)?;
        let standing = connected.budget.standing(&name, spec.requests_per_minute).await;
        standing.map_err(read_mapping)
    }

    /// What stands in the application's tables of an instance, whether or not there is a ledger. Makes no call to Omni, and
    /// writes nothing.
    ///
    /// # Errors
    /// What keeps the database or its tables from being read.
    pub async fn existing(
        &self,
        instance: &Object<OmniInstanceSpec>,
        tenants: Option<&TenantTable>,
    ) -> Result<Existing, ConnectError> {
        let url = self.database(instance).await?;
        let spec = &instance.spec.mapping;
        let options = MappingOptions {
            schema: spec.schema.clone(),
            management: spec.management,
            line: self.options.measures.database(),
            ..MappingOptions::default()
        };
        let existing = mapping::existing(&url, options, tenants).await;
        existing.map_err(|source| ConnectError::Database { source })
    }

    /// What is known of the organisation behind this URL and key: of each instance by itself, since what it is recognised
    /// by stands in the instance's own mapping. Nothing is known when any of these changes.
    fn standing(&self, instance: &str, base_url: &str, key: &SecretString, database: &str) -> Arc<Standing> {
        let origin = fingerprint([instance, base_url, key.expose_secret(), database]);
        let make = || Ok::<_, Infallible>(Arc::default());
        let standing = self.standings.get_or_make(instance, origin, make);
        let Ok((standing, _)) = standing;
        standing
    }

    /// Whether a credential may go to a place; `field` is what names the place.
    fn check_host(&self, credential: &Credential, place: &Place, field: &str) -> Result<(), ConnectError> {
        let (secret, host) = (&credential.secret, &place.host);
        let message = match &credential.hosts {
            None if self.options.require_hosts => format!(
                "{secret} does not say where it may be sent, which is required here. Annotate it with wavepin.dev/hosts: \
                 {host:?}"
            ),
            Some(hosts) if !place.is_named_in(hosts) => format!(
                "{secret} may not be sent to {host:?}: its annotation wavepin.dev/hosts names {:?}. Correct {field}, or \
                 add the host to the annotation",
                hosts.join(", ")
            ),
            _ => return Ok(()),
        };
        Err(ConnectError::Refused {
            reason: Reason::HostNotAllowed,
            message,
        })
    }

    /// The database URL of an instance, from its Secret or from the process.
    async fn database(&self, instance: &Object<OmniInstanceSpec>) -> Result<SecretString, ConnectError> {
        let field = "spec.mapping.urlSecretRef";
        let Some(reference) = &instance.spec.mapping.url_secret_ref else {
            return self.options.default_database.clone().ok_or_else(|| {
                invalid(format!(
                    "there is no database for the mapping: set {field} to a Secret with its URL, or start Wavepin with \
                     --database-url"
                ))
            });
        };
        let credential = self
            .credentials
            .credential(&instance.namespace, reference, field)
            .await?;
        let secret = &credential.secret;
        match destination::database(credential.value.expose_secret()) {
            Some(Database::Local) => {}
            Some(Database::Remote(places)) => {
                let in_secret = format!("the URL under the key {:?}", reference.key);
                for place in &places {
                    self.check_host(&credential, place, &in_secret)?;
                }
            }
            // Where it leads is known to the driver alone, so that no list of hosts can allow it.
            Some(Database::Unnamed) if self.options.require_hosts || credential.hosts.is_some() => {
                return Err(invalid(format!(
                    "the database URL in {secret} names no host; write it as postgres://USER:PASSWORD@HOST/DATABASE"
                )));
            }
            Some(Database::Unnamed) => {}
            None => {
                return Err(invalid(format!(
                    "the value in {secret} under the key {:?} is no database URL; write it as \
                     postgres://USER:PASSWORD@HOST/DATABASE (with special characters of the password percent-encoded) or \
                     sqlite:PATH",
                    reference.key
                )));
            }
        }
        Ok(credential.value)
    }

    /// The instance's database, connected at its first use, and what it was made from.
    async fn connected(&self, instance: &Object<OmniInstanceSpec>) -> Result<(Connected, Origin), ConnectError> {
        let url = self.database(instance).await?;
        let spec = &instance.spec.mapping;
        let management = match spec.management {
            Management::Managed => "Managed",
            Management::External => "External",
        };
        let own = instance.key();
        let owner = spec.owner.as_deref().unwrap_or(&own);
        let schema = spec.schema.as_deref().unwrap_or_default();
        // The owner is part of it, since a mapping takes the fence for one owner in its life.
        let origin = fingerprint([url.expose_secret(), schema, management, owner]);
        let make = || {
            Ok::<_, ConnectError>(Arc::new(KeptMapping {
                database: OnceCell::new(),
                replaced: Arc::default(),
                line: self.options.measures.database(),
            }))
        };
        let (kept, replaced): (Arc<KeptMapping>, _) = self.mappings.get_or_make(&own, origin, make)?;
        // Before the new one takes the fence: passes that still use the old one then know why they lost it.
        if let Some(replaced) = replaced {
            replaced.replaced.store(true, Ordering::SeqCst);
        }
        let connect = || async {
            let options = MappingOptions {
                schema: spec.schema.clone(),
                management: spec.management,
                replaced: Arc::clone(&kept.replaced),
                read_only: self.options.read_only,
                takes_places: self.options.takes_places,
                line: Arc::clone(&kept.line),
                ..MappingOptions::default()
            };
            mapping::open(&url, options).await
        };
        // Two passes at once must not make two: the second would shut out the first at the fence.
        let connected = kept.database.get_or_try_init(connect).await;
        let connected = connected.map_err(|source| ConnectError::Database { source })?;
        Ok((connected.clone(), origin))
    }

    /// The client of an instance, whose calls wait in this class.
    async fn client(
        &self,
        instance: &Object<OmniInstanceSpec>,
        urgency: Urgency,
    ) -> Result<Arc<OmniClient>, ConnectError> {
        let spec = &instance.spec;
        let base_url =
            BaseUrl::parse(&spec.base_url).map_err(|why| invalid(format!("OmniInstance {}: {why}", instance.key())))?;
        let field = "spec.apiKeySecretRef";
        let credential = self
            .credentials
            .credential(&instance.namespace, &spec.api_key_secret_ref, field)
            .await?;
        self.check_host(&credential, &Place::of(&base_url), "spec.baseUrl")?;
        let Credential { value, secret, .. } = credential;
        // Without the database no call to Omni: it keeps the budget.
        let (connected, database) = self.connected(instance).await?;
        let (own, database) = (instance.key(), hex(database));
        let standing = self.standing(&own, &base_url.text, &value, &database);
        let rate = spec.requests_per_minute;
        // The instance is part of it, since the standing is its alone.
        let parts = [
            &own,
            &base_url.text,
            value.expose_secret(),
            &rate.to_string(),
            &database,
        ];
        let origin = fingerprint(parts);
        let make = || {
            let shared = Shared {
                budget: Arc::clone(&connected.budget),
                request_timeout: self.options.request_timeout,
            };
            let limiter = self.limiters.limiter(&base_url.text, &value, rate, Some(shared));
            let options = OmniOptions {
                request_timeout: self.options.request_timeout,
                measures: Arc::clone(&self.options.measures),
                ..OmniOptions::default()
            };
            let client = OmniClient::new(&base_url.text, value.clone(), limiter, &options);
            let of_class = |client: OmniClient| {
                let client = client.behind(Arc::clone(&standing));
                Urgency::ALL.map(|urgency| Arc::new(client.at(urgency)))
            };
            client.map(of_class).map_err(|error| {
                let key = &spec.api_key_secret_ref.key;
                invalid(format!(
                    "no client for Omni with the value in {secret} under the key {key:?}: {error}"
                ))
            })
        };
        let (omni, _) = self.omnis.get_or_make(&own, origin, make)?;
        Ok(Arc::clone(&omni[urgency as usize]))
    }
}

fn hex(hash: Origin) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn invalid(message: String) -> ConnectError {
    ConnectError::Refused {
        reason: Reason::Invalid,
        message,
    }
}

#[async_trait]
impl Clients for ClientRegistry {
    async fn omni(&self, instance: &Object<OmniInstanceSpec>, urgency: Urgency) -> Result<Arc<dyn Omni>, ConnectError> {
        Ok(self.client(instance, urgency).await? as _)
    }

    async fn mapping(&self, instance: &Object<OmniInstanceSpec>) -> Result<Arc<dyn Mapping>, ConnectError> {
        Ok(self.connected(instance).await?.0.mapping)
    }

    async fn repository(
        &self,
        instance: &Object<OmniInstanceSpec>,
        address: &str,
    ) -> Result<Arc<dyn ModelRepository>, ConnectError> {
        let credential = self.git_credential(instance, address).await?;
        let repository = GitRepository::new(address, &credential, self.options.git.clone());
        let repository = repository.map_err(|source| ConnectError::Repository { source })?;
        Ok(Arc::new(repository))
    }

    async fn repository_token(&self, instance: &Object<OmniInstanceSpec>) -> Result<SecretString, ConnectError> {
        self.token_for_omni(instance).await
    }

    async fn ask_check(&self, question: &Question) -> Answer {
        self.asked(question).await
    }

    async fn notify(&self, notice: &Notice) -> Delivery {
        self.told(notice).await
    }

    fn forget_credentials(&self, instance: &Object<OmniInstanceSpec>) {
        let spec = &instance.spec;
        let names = [
            Some(&spec.api_key_secret_ref.name),
            spec.mapping.url_secret_ref.as_ref().map(|it| &it.name),
            spec.git.as_ref().map(|it| &it.secret_ref.name),
        ];
        for name in names.into_iter().flatten() {
            self.credentials.forget(&instance.namespace, name);
        }
    }
}

#[cfg(test)]
mod tests;
