//! Whole passes over a real SQLite file and a simulated organisation.

mod contract;
mod identity;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rstest::rstest;
use tempfile::TempDir;

use super::{InstancePass, decide, recognized, reconcile};
use crate::mapping::{MappingOptions, connect};
use crate::omni::{Limiter, OmniClient, OmniOptions};
use crate::ports::fakes::{Declared, Stage, Wired, instance};
use crate::ports::{
    CREDENTIAL_PACE, ConnectError, DashboardIds, DashboardRecord, LOOK_AGAIN, Mapping, MappingError, MappingErrorKind,
    Next, Object, Organization, Standing, Urgency, VersionChange,
};
use crate::resources::OmniInstanceSpec;
use crate::resources::conditions::{
    ACCEPTED, CONTRACT_KNOWN, Finding, MAPPING_READY, REACHABLE, READY, RECONCILING, Reason, SAME_ORGANIZATION,
    STALLED, Verdict,
};
use crate::simulator::{DEFAULT_API_KEY, Fault, FaultKind, OpenapiDocument, Simulator, SimulatorOptions};

struct House {
    stage: Stage,
    simulator: Simulator,
    /// What this process knows of the organisation; another one knows nothing.
    standing: Arc<Mutex<Arc<Standing>>>,
    /// Kept, since the database lives in it.
    _folder: TempDir,
}

impl House {
    async fn new(api_key: &'static str) -> Self {
        let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}?mode=rwc", folder.path().join("mapping.db").display());
        let mapping = connect(&url.into(), MappingOptions::default()).await.unwrap();
        let stage = Stage::new(Declared::default(), Wired::to(mapping), jiff::Timestamp::now());
        let base_url = simulator.base_url().to_owned();
        let standing = Arc::new(Mutex::new(Arc::<Standing>::default()));
        let known = Arc::clone(&standing);
        *stage.wired.omni.lock().unwrap() = Box::new(move || {
            let limiter = Limiter::new(60, Duration::from_secs(60));
            let client = OmniClient::new(&base_url, api_key.into(), limiter, &OmniOptions::default());
            Ok(Arc::new(client.unwrap().behind(Arc::clone(&known.lock().unwrap()))))
        });
        stage.declared.instance(declared());
        Self {
            stage,
            simulator,
            standing,
            _folder: folder,
        }
    }

    async fn pass(&self) -> InstancePass {
        reconcile(&self.stage.world, "apps", "omni").await.unwrap()
    }

    fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.lock().unwrap())
    }

    /// What another process, or another URL or key, starts with.
    fn forget_standing(&self) {
        *self.standing.lock().unwrap() = Arc::default();
    }

    fn confirm(&self, name: &str) {
        let mut confirmed = declared();
        confirmed
            .requests
            .insert("confirm-identity".to_owned(), name.to_owned());
        self.stage.declared.instance(confirmed);
    }

    fn calls(&self) -> Vec<String> {
        let requests = self.simulator.requests();
        requests
            .iter()
            .map(|request| format!("{} {}", request.method, request.path))
            .collect()
    }

    fn forgotten(&self) -> usize {
        *self.stage.wired.forgotten.lock().unwrap()
    }
}

fn declared() -> Object<OmniInstanceSpec> {
    instance(serde_json::json!({
        "baseUrl": "https://acme.omniapp.co",
        "apiKeySecretRef": {"name": "omni", "key": "apiKey"},
    }))
}

fn said<'p>(pass: &'p InstancePass, condition: &str) -> Option<&'p Finding> {
    pass.findings.iter().find(|finding| finding.condition == condition)
}

fn verdict(pass: &InstancePass, condition: &str) -> Option<(Verdict, Reason)> {
    said(pass, condition).map(|finding| (finding.verdict, finding.reason))
}

fn ready(pass: &InstancePass) -> &str {
    &said(pass, READY).unwrap().message
}

#[tokio::test]
async fn an_organisation_that_answers_and_a_mapping_that_is_ours_are_ready() {
    let house = House::new(DEFAULT_API_KEY).await;
    let pass = house.pass().await;
    assert_eq!(verdict(&pass, ACCEPTED), Some((Verdict::True, Reason::Valid)));
    assert_eq!(verdict(&pass, MAPPING_READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(verdict(&pass, REACHABLE), Some((Verdict::True, Reason::OmniReachable)));
    assert_eq!(verdict(&pass, READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(pass.next, Next::After(Duration::from_secs(300)));
    assert_eq!(pass.spec_hash, "instance");
    assert_eq!(house.pass().await, pass);
    let look = ["GET /api/v1/whoami", "GET /openapi.json", "GET /api/v1/connections"];
    assert_eq!(house.calls(), [look, look].concat(), "three calls a pass");
    assert_eq!(
        verdict(&pass, SAME_ORGANIZATION),
        Some((Verdict::True, Reason::OrganizationRecognized))
    );
    assert_eq!(
        verdict(&pass, CONTRACT_KNOWN),
        Some((Verdict::True, Reason::ContractFits))
    );
}

#[tokio::test]
async fn no_object_gives_no_pass() {
    let house = House::new(DEFAULT_API_KEY).await;
    assert_eq!(reconcile(&house.stage.world, "apps", "another").await, None);
}

#[rstest]
#[case::not_known("omni_osk_revoked", Reason::KeyRefused)]
#[case::a_persons("omni_pat_simulator", Reason::NotOrganizationKey)]
#[tokio::test]
async fn a_key_that_does_not_do_is_told_forgotten_and_tried_soon(#[case] key: &'static str, #[case] reason: Reason) {
    let house = House::new(key).await;
    let pass = house.pass().await;
    assert_eq!(verdict(&pass, STALLED), Some((Verdict::True, reason)));
    assert_eq!(verdict(&pass, REACHABLE), Some((Verdict::False, reason)));
    assert_eq!(verdict(&pass, MAPPING_READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(pass.next, Next::After(CREDENTIAL_PACE));
    assert_eq!(house.forgotten(), 1);
    for finding in &pass.findings {
        assert!(!finding.message.contains(key), "{finding:?}");
    }
}

#[rstest]
#[case::an_answer_without_the_field(FaultKind::WrongJson, STALLED, Reason::ContractDrift, Next::After(LOOK_AGAIN))]
#[case::no_answer(FaultKind::LostAnswer, RECONCILING, Reason::OmniUnreachable, Next::Backoff { after: None })]
#[tokio::test]
async fn what_omni_does_wrong_is_told(
    #[case] kind: FaultKind,
    #[case] condition: &str,
    #[case] reason: Reason,
    #[case] next: Next,
) {
    let house = House::new(DEFAULT_API_KEY).await;
    let fault = Fault {
        times: 9,
        ..Fault::once("GET", "whoami", kind).unwrap()
    };
    house.simulator.arm(fault);
    let pass = house.pass().await;
    assert_eq!(
        verdict(&pass, condition),
        Some((Verdict::True, reason)),
        "{}",
        ready(&pass)
    );
    assert_eq!(pass.next, next);
    assert!(ready(&pass).contains("GET /v1/whoami"), "{}", ready(&pass));
    if reason == Reason::ContractDrift {
        assert!(
            ready(&pass).contains("keyScope"),
            "the field is named: {}",
            ready(&pass)
        );
    }
    house.simulator.disarm();
    assert_eq!(
        verdict(&house.pass().await, READY),
        Some((Verdict::True, Reason::Converged))
    );
}

#[tokio::test]
async fn without_the_database_omni_is_not_called() {
    let house = House::new(DEFAULT_API_KEY).await;
    *house.stage.wired.mapping.lock().unwrap() = Box::new(|| {
        let kind = MappingErrorKind::Unreachable {
            why: "connection refused".to_owned(),
        };
        let action = "connect to the mapping database".to_owned();
        Err(ConnectError::Database {
            source: MappingError { action, kind },
        })
    });
    let pass = house.pass().await;
    assert_eq!(
        verdict(&pass, RECONCILING),
        Some((Verdict::True, Reason::MappingUnreachable))
    );
    assert_eq!(
        verdict(&pass, READY),
        Some((Verdict::Unknown, Reason::MappingUnreachable))
    );
    assert_eq!(
        verdict(&pass, REACHABLE),
        Some((Verdict::Unknown, Reason::MappingUnreachable))
    );
    assert!(house.simulator.requests().is_empty());
}

#[tokio::test]
async fn an_absent_secret_is_waited_for() {
    let house = House::new(DEFAULT_API_KEY).await;
    *house.stage.wired.omni.lock().unwrap() = Box::new(|| {
        let message = "Secret apps/omni is not there (yet); apply it".to_owned();
        Err(ConnectError::Missing { message })
    });
    let pass = house.pass().await;
    assert_eq!(
        verdict(&pass, RECONCILING),
        Some((Verdict::True, Reason::SecretMissing))
    );
    assert_eq!(verdict(&pass, STALLED), None);
    assert!(ready(&pass).contains("apps/omni"), "{}", ready(&pass));
}

#[tokio::test]
async fn a_suspended_instance_asks_nobody() {
    let house = House::new(DEFAULT_API_KEY).await;
    let mut suspended = declared();
    suspended.spec.suspend = true;
    house.stage.declared.instance(suspended);
    *house.stage.wired.mapping.lock().unwrap() = Box::new(|| panic!("the mapping is asked for"));
    let pass = house.pass().await;
    assert_eq!(verdict(&pass, READY), Some((Verdict::False, Reason::Suspended)));
    assert_eq!((verdict(&pass, STALLED), verdict(&pass, RECONCILING)), (None, None));
    assert!(house.simulator.requests().is_empty());
}

#[tokio::test]
async fn a_refused_spec_sends_its_credentials_nowhere() {
    let house = House::new(DEFAULT_API_KEY).await;
    let mut plain = declared();
    plain.spec.base_url = "http://acme.omniapp.co".to_owned();
    house.stage.declared.instance(plain);
    *house.stage.wired.mapping.lock().unwrap() = Box::new(|| panic!("the mapping is asked for"));
    let pass = house.pass().await;
    assert_eq!(verdict(&pass, ACCEPTED), Some((Verdict::False, Reason::Invalid)));
    assert_eq!(verdict(&pass, STALLED), Some((Verdict::True, Reason::Invalid)));
    assert!(ready(&pass).contains("OmniInstance apps/omni: spec.baseUrl is plain http to acme.omniapp.co"));
    assert!(house.simulator.requests().is_empty());
}

#[rstest]
#[case::an_address(|spec: &mut OmniInstanceSpec| spec.base_url = "ftp://acme".to_owned(), "spec.baseUrl must be https")]
#[case::no_requests(|spec: &mut OmniInstanceSpec| spec.requests_per_minute = 0, "spec.requestsPerMinute is 0")]
#[case::too_many(|spec: &mut OmniInstanceSpec| spec.requests_per_minute = 1001, "spec.requestsPerMinute is 1001")]
#[case::no_pause(|spec: &mut OmniInstanceSpec| spec.interval.0 = Duration::ZERO, "spec.interval is 0s")]
#[case::no_secret(|spec: &mut OmniInstanceSpec| spec.api_key_secret_ref.key.clear(), "spec.apiKeySecretRef")]
#[case::a_table_of_tenants_with_a_quote(
    |spec: &mut OmniInstanceSpec| spec.mapping.tenant_tables = serde_json::from_value(serde_json::json!(
        {"main": {"table": "a\"b", "tenantColumn": "id", "columns": ["tier"]}})).unwrap(),
    "spec.mapping.tenantTables.main.table must be a name"
)]
#[case::a_schema_with_a_quote(
    |spec: &mut OmniInstanceSpec| spec.mapping.schema = Some("app\"; drop".to_owned()), "spec.mapping.schema"
)]
fn what_the_schema_refuses_is_refused_here_too(#[case] change: fn(&mut OmniInstanceSpec), #[case] names: &str) {
    let mut spec = declared().spec;
    change(&mut spec);
    let refusal = decide::refusal(&spec).unwrap();
    assert!(refusal.contains(names), "{refusal}");
}
