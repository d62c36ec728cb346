//! The engine over files that change while it works.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

use super::super::{Catalog, CatalogOptions, Reading, Subject};
use super::*;
use crate::ports::{
    Answer, Clients, ConnectError, Delivery, Files, Mapping, ModelRepository, Notice, Object, Omni, Question,
    SystemClock, Urgency,
};
use crate::resources::OmniInstanceSpec;
use crate::resources::conditions::Transition;

struct Nobody;

impl Observer for Nobody {
    fn transition(&self, _: &Subject, _: &Transition) {}
    fn progress(&self, _: &Subject, _: u32, _: u32) {}
    fn resting(&self, _: Option<Duration>) {}
}

/// Has no Secret; the first time that it looks for one, files change.
#[derive(Default)]
struct Missing {
    engine: OnceLock<Arc<Engine>>,
    passes: AtomicUsize,
}

#[async_trait]
impl Clients for Missing {
    async fn omni(&self, _: &Object<OmniInstanceSpec>, _: Urgency) -> Result<Arc<dyn Omni>, ConnectError> {
        panic!("Omni is asked for after the mapping only")
    }
    async fn mapping(&self, _: &Object<OmniInstanceSpec>) -> Result<Arc<dyn Mapping>, ConnectError> {
        if self.passes.fetch_add(1, Ordering::SeqCst) == 0 {
            self.engine.get().unwrap().look_at_everything(true);
        }
        let message = "Secret omni is not there".to_owned();
        Err(ConnectError::Missing { message })
    }
    async fn repository(
        &self,
        _: &Object<OmniInstanceSpec>,
        _: &str,
    ) -> Result<Arc<dyn ModelRepository>, ConnectError> {
        panic!("a repository is asked for after the mapping only")
    }
    async fn repository_token(&self, _: &Object<OmniInstanceSpec>) -> Result<SecretString, ConnectError> {
        panic!("a repository is asked for after the mapping only")
    }
    async fn ask_check(&self, _: &Question) -> Answer {
        panic!("a check is asked after the mapping only")
    }
    async fn notify(&self, _: &Notice) -> Delivery {
        panic!("a channel is told after the mapping only")
    }
    fn forget_credentials(&self, _: &Object<OmniInstanceSpec>) {}
}

#[tokio::test]
async fn what_moves_during_a_pass_brings_another() {
    let instance = "apiVersion: wavepin.dev/v1alpha1\nkind: OmniInstance\nmetadata: {name: acme}\nspec:\n  \
                    baseUrl: https://acme.omniapp.co\n  apiKeySecretRef: {name: omni, key: apiKey}\n";
    let mut reading = Reading::default();
    reading.add(Path::new("instance.yaml"), instance);
    let options = CatalogOptions {
        prune: false,
        now: Timestamp::now(),
    };
    let declared = Arc::new(Declared::new(Catalog::new(reading, &Catalog::default(), options)));
    let clients = Arc::new(Missing::default());
    let world = World {
        objects: declared.clone(),
        config_maps: declared.clone(),
        secrets: declared.clone(),
        approvers: Arc::new(Files),
        clients: clients.clone(),
        clock: Arc::new(SystemClock),
        slice: Duration::from_secs(5),
        request_timeout: Duration::from_secs(5),
    };
    let stop = CancellationToken::new();
    let engine = Arc::new(Engine::new(world, declared, Arc::new(Nobody), stop, false));
    assert!(clients.engine.set(Arc::clone(&engine)).is_ok());
    let ended = engine.run(Instant::now() + Duration::from_secs(20)).await;
    assert_eq!(ended, Ended::Settled);
    assert_eq!(clients.passes.load(Ordering::SeqCst), 2);
}
