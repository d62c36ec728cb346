//! The Omni adapter against the simulated organisation: every call once, the budget, and the faults on the way.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use wavepin::clients::{ClientOptions, ClientRegistry};
use wavepin::ports::{
    Clients, ImportRequest, KeyScope, ModelFile, ModelKind, NewModel, Object, Omni, OmniErrorKind, Reservation, Urgency,
};
use wavepin::resources::OmniInstanceSpec;
use wavepin::simulator::{Fault, FaultKind, ImportAnswer, Simulator, SimulatorOptions, ValidateAnswer};

use crate::contract::check::Held;
use crate::parts::{OneSecret, bare_instance};

const CONNECTION: &str = "c0f12353-4817-4398-bcc0-d501e6dd2f64";
const MODEL: &str = "3fb59130-54fc-4848-832f-d22f61933485";
const PATIENT_SUMMARY: &str = "12db1a0a";

fn instance(simulator: &Simulator, name: &str, requests_per_minute: u32) -> Object<OmniInstanceSpec> {
    bare_instance(name, simulator.base_url(), requests_per_minute)
}

fn registry(key: &'static str, budget_window: Duration) -> ClientRegistry {
    let options = ClientOptions {
        default_database: Some("sqlite::memory:".into()),
        budget_window,
        request_timeout: Duration::from_secs(2),
        ..ClientOptions::default()
    };
    ClientRegistry::new(Arc::new(OneSecret(key)), options)
}

/// A client as passes get it: behind a mapping that is prepared.
async fn connect(registry: &ClientRegistry, instance: &Object<OmniInstanceSpec>) -> Arc<dyn Omni> {
    let mapping = registry.mapping(instance).await.expect("the memory is there");
    mapping.prepare("all", None).await.expect("nobody else has it");
    let omni = registry
        .omni(instance, Urgency::Check)
        .await
        .expect("the Secret is there");
    // As the instance's own pass would have found.
    omni.standing().recognized(None);
    omni
}

async fn client(simulator: &Simulator) -> Arc<dyn Omni> {
    let registry = registry("omni_osk_simulator", Duration::from_millis(60));
    connect(&registry, &instance(simulator, "acme", 1000)).await
}

async fn start() -> (Held, Arc<dyn Omni>) {
    let simulator = Held::start(SimulatorOptions::default())
        .await
        .expect("a free port is there");
    let omni = client(&simulator).await;
    (simulator, omni)
}

fn shared(name: &str) -> NewModel {
    NewModel::Shared {
        connection_id: CONNECTION.to_owned(),
        name: name.to_owned(),
    }
}

#[tokio::test]
async fn a_model_is_cut_file_by_file_on_a_branch() {
    let (_simulator, omni) = start().await;
    assert_eq!(omni.identity().await.unwrap().key_scope, KeyScope::Organization);
    let connection = omni.connection(CONNECTION).await.unwrap().unwrap();
    assert_eq!(connection.environment_attribute.as_deref(), Some("environment"));
    let source = omni.model(MODEL).await.unwrap().unwrap();
    assert_eq!(
        (source.kind, source.name.as_deref()),
        (ModelKind::Shared, Some("clinical"))
    );

    let model_id = omni
        .create_model(&shared("clinical-v2"), Reservation::new(()))
        .await
        .unwrap();
    let branch = NewModel::Branch {
        connection_id: CONNECTION.to_owned(),
        base_model_id: model_id.clone(),
        name: "cut/2".to_owned(),
    };
    let branch_id = omni.create_model(&branch, Reservation::new(())).await.unwrap();
    let files = omni.model_files(MODEL, None).await.unwrap().files;
    for (name, file) in &files {
        let file = ModelFile {
            yaml: file.yaml.clone(),
            checksum: None,
        };
        omni.put_model_file(&model_id, Some(&branch_id), name, &file)
            .await
            .unwrap();
    }
    let branches = omni.model(&model_id).await.unwrap().unwrap().branches;
    assert_eq!(
        (branches[0].name.as_str(), branches[0].id.as_str()),
        ("cut/2", branch_id.as_str())
    );
    let issues = omni.validate_model(&model_id, Some(&branch_id)).await.unwrap();
    assert!(issues.iter().all(|issue| !issue.is_error), "{issues:?}");
    let merge = omni.merge_branch(&model_id, "cut/2", "Cut version 2").await.unwrap();
    assert_eq!(merge.failed_drafts, 0);
    let merged = omni.model_files(&model_id, None).await.unwrap().files;
    assert!(
        files.keys().all(|name| merged.contains_key(name)),
        "{:?}",
        merged.keys()
    );
    let again = omni
        .merge_branch(&model_id, "cut/2", "Cut version 2")
        .await
        .unwrap_err();
    assert!(matches!(again.kind, OmniErrorKind::NotFound { .. }), "{again}");
    assert_eq!(omni.shared_models(CONNECTION).await.unwrap().len(), 2);
}

#[tokio::test]
async fn findings_of_the_validation_are_the_same_in_both_of_its_answers() {
    let (simulator, omni) = start().await;
    let broken = ModelFile {
        yaml: "base_view: no_such_view\n".to_owned(),
        checksum: None,
    };
    omni.put_model_file(MODEL, None, "broken.topic", &broken).await.unwrap();
    let list = omni.validate_model(MODEL, None).await.unwrap();
    simulator.turn(|knobs| knobs.validate_answer = ValidateAnswer::Object);
    let object = omni.validate_model(MODEL, None).await.unwrap();
    let messages = |issues: &[wavepin::ports::ValidationIssue]| {
        let errors = issues.iter().filter(|issue| issue.is_error);
        errors.map(|issue| issue.message.clone()).collect::<Vec<_>>()
    };
    assert!(!messages(&list).is_empty());
    assert_eq!(messages(&list), messages(&object));
}

#[tokio::test]
async fn a_file_that_changed_in_between_is_a_conflict_with_either_status() {
    let (simulator, omni) = start().await;
    for status in [400, 409] {
        simulator.turn(|knobs| knobs.checksum_mismatch = status);
        let stale = ModelFile {
            yaml: "label: Vitals\n".to_owned(),
            checksum: Some("stale".to_owned()),
        };
        let error = omni
            .put_model_file(MODEL, None, "vitals.view", &stale)
            .await
            .unwrap_err();
        assert!(
            matches!(error.kind, OmniErrorKind::Conflict { status: told, .. } if told == status),
            "{error}"
        );
    }
    let mut fresh = omni.model_files(MODEL, None).await.unwrap().files["vitals.view"].clone();
    fresh.yaml.push_str("# seen\n");
    omni.put_model_file(MODEL, None, "vitals.view", &fresh).await.unwrap();
}

#[tokio::test]
async fn a_folder_is_made_closed_and_opened() {
    let (simulator, omni) = start().await;
    assert_eq!(omni.folder("clinical/v2").await.unwrap(), None);
    let parent = omni.folder("clinical").await.unwrap().unwrap();
    let folder = omni
        .create_folder("v2", Some(&parent.id), Reservation::new(()))
        .await
        .unwrap();
    assert_eq!(folder.path, "clinical/v2");
    assert_eq!(omni.folder("clinical/v2").await.unwrap().unwrap(), folder);
    let inherited = omni.folder_permits(&folder.id).await.unwrap();
    let group = inherited.iter().find_map(|permit| permit.user_group.clone()).unwrap();
    let role = async || {
        let permits = omni.folder_permits(&folder.id).await.unwrap();
        let mut of_group = permits
            .into_iter()
            .filter(|permit| permit.user_group.as_ref() == Some(&group));
        of_group.next().map(|permit| permit.role)
    };
    let place = Reservation::new(());
    omni.grant_folder(&folder.id, &group, "NO_ACCESS", place).await.unwrap();
    assert_eq!(role().await.as_deref(), Some("NO_ACCESS"));
    omni.revoke_folder(&folder.id, &group).await.unwrap();
    assert_eq!(role().await.as_deref(), Some("VIEWER"));

    omni.grant_role(&group, MODEL, "QUERIER").await.unwrap();
    let roles = omni.group_roles(&group).await.unwrap();
    let on_model = roles
        .iter()
        .find(|grant| grant.model_id.as_deref() == Some(MODEL))
        .unwrap();
    assert_eq!(on_model.role, "QUERIER");
    assert!(
        simulator
            .requests()
            .iter()
            .all(|request| request.status < Some(400) || request.status == Some(404))
    );
}

/// Exports a dashboard and asks for a copy of it beside it.
async fn copy_of(omni: &dyn Omni, identifier: &str) -> ImportRequest {
    let exported = omni.export(PATIENT_SUMMARY).await.expect("the seed has it");
    let exported = exported.expect("the seed has it");
    assert_eq!(exported.shared_model_id, MODEL);
    ImportRequest {
        base_model_id: MODEL.to_owned(),
        identifier: identifier.to_owned(),
        folder_path: exported.folder_path.expect("it stands in a folder"),
        body: exported.body,
    }
}

#[tokio::test]
async fn a_document_is_exported_imported_and_moved() {
    let (simulator, omni) = start().await;
    let request = copy_of(&*omni, "patient-summary-v2").await;
    let imported = omni.import(&request, Reservation::new(())).await.unwrap();
    assert_eq!(imported.identifier.as_deref(), Some("patient-summary-v2"));
    let copy = omni.export("patient-summary-v2").await.unwrap().unwrap();
    assert_eq!(imported.document_id, Some(copy.document_id));
    for by_post in [false, true] {
        simulator.turn(|knobs| knobs.move_by_post = by_post);
        let target = if by_post { "clinical/v1" } else { "clinical" };
        omni.move_document("patient-summary-v2", target).await.unwrap();
        let moved = omni.export("patient-summary-v2").await.unwrap().unwrap();
        assert_eq!(moved.folder_path.as_deref(), Some(target));
    }
    let absent = omni
        .move_document("patient-summary-v2", "no/such/folder")
        .await
        .unwrap_err();
    assert!(matches!(absent.kind, OmniErrorKind::NotFound { .. }), "{absent}");
    assert_eq!(omni.export("no-such-document").await.unwrap(), None);
}

#[tokio::test]
async fn each_answer_of_an_import_is_taken_for_what_it_is() {
    let (simulator, omni) = start().await;
    simulator.turn(|knobs| knobs.import_answer = ImportAnswer::Workbook);
    let imported = omni
        .import(&copy_of(&*omni, "copy-a").await, Reservation::new(()))
        .await
        .unwrap();
    assert_eq!(imported.identifier.as_deref(), Some("copy-a"));
    assert!(imported.dashboard_id.is_some() && !imported.tiles.is_empty());
    simulator.turn(|knobs| knobs.import_answer = ImportAnswer::Unknown);
    let imported = omni
        .import(&copy_of(&*omni, "copy-b").await, Reservation::new(()))
        .await
        .unwrap();
    assert_eq!(imported.identifier, None);
    assert!(
        omni.export("copy-b").await.unwrap().is_some(),
        "the document itself proves it"
    );
}

#[tokio::test]
async fn lists_of_documents_are_walked_to_their_end() {
    let options = SimulatorOptions {
        dashboards: 130,
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let omni = client(&simulator).await;
    let folder = omni.folder("clinical/v1").await.unwrap().unwrap();
    assert_eq!(omni.documents(&folder.id).await.unwrap().len(), 130);
    let asked = simulator.requests().len();
    assert_eq!(omni.all_documents(1).await.unwrap(), None);
    assert_eq!(simulator.requests().len(), asked + 1);
    let all = omni.all_documents(2).await.unwrap().unwrap();
    assert!(all.iter().any(|document| document.identifier == PATIENT_SUMMARY));
    assert!(all.len() >= 130);
}

#[tokio::test]
async fn two_instances_with_one_key_stay_within_a_budget_that_is_enforced() {
    let window = Duration::from_millis(300);
    let options = SimulatorOptions {
        requests_per_minute: Some(12),
        budget_window: window,
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let registry = registry("omni_osk_simulator", window);
    let acme = connect(&registry, &instance(&simulator, "acme", 12)).await;
    let other = connect(&registry, &instance(&simulator, "other", 11)).await;
    let calls = (0..40).map(|number| {
        let omni = if number % 2 == 0 { &acme } else { &other };
        async move { omni.identity().await }
    });
    for answer in futures::future::join_all(calls).await {
        answer.unwrap();
    }
    let statuses: Vec<_> = simulator.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(200); 40], "none was over the budget");
}

#[tokio::test]
async fn a_budget_that_others_use_up_too_is_waited_for() {
    let window = Duration::from_millis(120);
    let options = SimulatorOptions {
        requests_per_minute: Some(4),
        budget_window: window,
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let registry = registry("omni_osk_simulator", window);
    let omni = connect(&registry, &instance(&simulator, "acme", 20)).await;
    let calls = (0..12).map(|_| omni.identity());
    for answer in futures::future::join_all(calls).await {
        answer.unwrap();
    }
    assert!(simulator.requests().iter().any(|request| request.status == Some(429)));
}

fn fault(method: &str, path: &str, kind: FaultKind) -> Fault {
    Fault::once(method, path, kind).expect("the path is a regular expression")
}

#[tokio::test]
async fn a_create_without_an_answer_is_sent_once_and_may_have_happened() {
    for kind in [
        FaultKind::LostAnswer,
        FaultKind::Status500After,
        FaultKind::Truncated,
        FaultKind::WrongJson,
    ] {
        let (simulator, omni) = start().await;
        simulator.arm(fault("POST", "/models$", kind.clone()));
        let error = omni
            .create_model(&shared("clinical-v2"), Reservation::new(()))
            .await
            .unwrap_err();
        assert!(error.kind.effect_unknown(), "{kind:?}: {error}");
        let models = omni.shared_models(CONNECTION).await.unwrap();
        let made = models
            .iter()
            .filter(|model| model.name.as_deref() == Some("clinical-v2"));
        assert_eq!(made.count(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_on_and_the_next_call_goes_through() {
    let (simulator, omni) = start().await;
    simulator.arm(fault("GET", "/whoami$", FaultKind::Hang));
    let error = omni.identity().await.unwrap_err();
    assert!(matches!(error.kind, OmniErrorKind::AnswerLost { .. }), "{error}");
    omni.identity().await.unwrap();
}

#[tokio::test]
async fn what_only_a_person_can_mend_is_told_apart() {
    let (simulator, omni) = start().await;
    simulator.turn(|knobs| knobs.caller_attribute = None);
    let error = omni.model_files(MODEL, None).await.unwrap_err();
    assert!(
        matches!(error.kind, OmniErrorKind::CallerAttributeMissing { .. }),
        "{error}"
    );
    simulator.turn(|knobs| {
        knobs.caller_attribute = Some("staging".to_owned());
        knobs.create_model_fails_inside = true;
    });
    let error = omni
        .create_model(&shared("clinical-v2"), Reservation::new(()))
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind, OmniErrorKind::Refused { status: 200, .. }),
        "{error}"
    );

    let short = Duration::from_millis(60);
    let acme = instance(&simulator, "acme", 60);
    let wrong = connect(&registry("omni_osk_wrong", short), &acme).await;
    let error = wrong.identity().await.unwrap_err();
    assert!(matches!(error.kind, OmniErrorKind::KeyRefused { .. }), "{error}");
    let personal = connect(&registry("omni_pat_simulator", short), &acme).await;
    let KeyScope::Other(_) = personal.identity().await.unwrap().key_scope else {
        panic!("a person's key is no organisation key");
    };
    let error = personal.export(PATIENT_SUMMARY).await.unwrap_err();
    assert!(
        matches!(error.kind, OmniErrorKind::Refused { status: 403, .. }),
        "{error}"
    );
    let state: Value = simulator.state();
    assert!(!state.to_string().contains("omni_osk_wrong"));
}
