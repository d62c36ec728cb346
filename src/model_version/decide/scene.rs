//! Version 2, cut from version 1, at the end of its way: what tests take parts away from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::model_version::definition;
use crate::model_version::observe::Again;
use crate::ports::{
    DashboardIds, DashboardRecord, DocumentRecord, DocumentState, Evidence, FolderPermit, FolderRecord, ModelFiles,
    ModelKind, ModelRecord, ModelState, Object, RoleGrant, SourceStamp,
};
use crate::resources::{ContentMethod, ModelVersionSpec, OmniInstanceSpec};

pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
pub(super) const SLUGS: [&str; 2] = ["summary", "wards"];
pub(super) const PATH: &str = "clinical/v2";

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + seconds).unwrap()
}

pub(super) fn object<S: serde::de::DeserializeOwned>(name: &str, spec: serde_json::Value) -> Object<S> {
    Object {
        namespace: "apps".to_owned(),
        name: name.to_owned(),
        labels: BTreeMap::new(),
        requests: BTreeMap::new(),
        spec: serde_json::from_value(spec).unwrap(),
        spec_hash: "hash".to_owned(),
        first_seen: at(0),
        deleting: false,
    }
}

pub(super) fn desired() -> Desired {
    desired_by(ContentMethod::ExportImport)
}

/// Version 2, its dashboards copied by this method.
pub(super) fn desired_by(method: ContentMethod) -> Desired {
    let instance: Object<OmniInstanceSpec> = object(
        "acme",
        json!({"baseUrl": "https://acme.omniapp.co", "apiKeySecretRef": {"name": "omni", "key": "k"}, "listLag": "60s"}),
    );
    let version: Object<ModelVersionSpec> = object(
        "v2",
        json!({"instanceRef": {"name": "acme"}, "version": 2, "source": {"fromVersion": 1},
            "model": {"name": "clinical v2", "roles": [{"userGroup": "viewers", "role": "VIEWER"}],
                "edits": [{"name": "wards", "fileName": "wards.topic", "yaml": "base_view: wards"}]},
            "content": {"method": method, "folder": {"name": "v2", "parentPath": "clinical",
                "permissions": [{"userGroup": "viewers", "role": "VIEWER"}]}}}),
    );
    Desired::new(&version, &instance).unwrap()
}

pub(super) fn cut(desired: &Desired) -> &Cut {
    match &desired.origin {
        Origin::Cut(cut) => cut,
        Origin::Adopt(_) => unreachable!("version 2 is cut"),
    }
}

pub(super) fn dashboard(slug: &str, identifier: &str, source: &str) -> DashboardRecord {
    DashboardRecord {
        slug: slug.to_owned(),
        ids: DashboardIds {
            identifier: identifier.to_owned(),
            document_id: format!("document of {identifier}"),
            dashboard_id: format!("dashboard of {identifier}"),
        },
        source_identifier: source.to_owned(),
        foreign_links: Vec::new(),
        state: Some(DocumentState {
            updated_at: Some("then".to_owned()),
            name: identifier.to_owned(),
            content: "as it was".to_owned(),
        }),
        not_carried: Vec::new(),
        renames: Vec::new(),
    }
}

pub(super) fn document(identifier: &str, path: &str) -> DocumentRecord {
    DocumentRecord {
        identifier: identifier.to_owned(),
        name: identifier.to_owned(),
        folder_path: Some(path.to_owned()),
        updated_at: Some("then".to_owned()),
        has_dashboard: true,
        deleted: false,
        labels: BTreeSet::new(),
        description: None,
        favorites: 0,
    }
}

pub(super) fn model(id: &str, name: &str) -> ModelRecord {
    ModelRecord {
        id: id.to_owned(),
        name: Some(name.to_owned()),
        kind: ModelKind::Shared,
        connection_id: Some("c".to_owned()),
        base_model_id: None,
        updated_at: "then".to_owned(),
        deleted: false,
        branches: Vec::new(),
    }
}

/// The generated model of a connection. Of connection `c`, which the versions sit on, `e` is an environment, and `x` is
/// none.
pub(super) fn generated(id: &str, connection: &str) -> ModelRecord {
    ModelRecord {
        name: None,
        kind: ModelKind::Schema,
        connection_id: Some(connection.to_owned()),
        ..model(id, "")
    }
}

pub(super) fn permit(group: &str, role: &str) -> FolderPermit {
    FolderPermit {
        user_group: Some(group.to_owned()),
        user: None,
        role: role.to_owned(),
    }
}

pub(super) fn intent(seen: &mut Observed, step: IntentStep, subject: &str, opened_at: i64, result: Option<&str>) {
    let key = (step, subject.to_owned());
    let it = Intent {
        step,
        subject: subject.to_owned(),
        opened_at: at(opened_at),
        result: result.map(str::to_owned),
    };
    seen.intents.insert(key, it);
}

/// The identifier of a copy.
pub(super) fn copy_of(slug: &str) -> String {
    desired().tag("c").identifier(slug, 2)
}

/// Version 1 is complete; version 2 has everything but its definition, and the mark.
fn records(desired: &Desired) -> BTreeMap<i32, VersionRecord> {
    let documents = SLUGS.map(|slug| (format!("{slug}-1"), "then".to_owned()));
    let stamp = SourceStamp {
        model: "then".to_owned(),
        documents: documents.into(),
    };
    let first = VersionRecord {
        version: 1,
        source: "adopt:m1".to_owned(),
        connection_id: Some("c".to_owned()),
        model_id: Some("m1".to_owned()),
        folder_id: Some("f1".to_owned()),
        folder_path: Some("clinical/v1".to_owned()),
        complete_at: Some(at(-9000)),
        ..VersionRecord::default()
    };
    let second = VersionRecord {
        version: 2,
        source: desired.source(),
        holder: desired.holder.clone(),
        connection_id: Some("c".to_owned()),
        model_id: Some("m2".to_owned()),
        folder_id: Some("f2".to_owned()),
        folder_path: Some(PATH.to_owned()),
        source_stamp: Some(stamp),
        model_state: Some(ModelState {
            updated_at: "then".to_owned(),
            name: Some("clinical v2".to_owned()),
            files: definition::files_hash(&ModelFiles::default()),
        }),
        ..VersionRecord::default()
    };
    [(1, first), (2, second)].into()
}

fn folder(path: &str, id: &str) -> (String, Option<FolderRecord>) {
    let (id, path) = (id.to_owned(), path.to_owned());
    (path.clone(), Some(FolderRecord { id, path }))
}

/// What was looked at in Omni.
fn looked_at(desired: &Desired) -> Observed {
    let made = |slug: &str| dashboard(slug, &copy_of(slug), &format!("{slug}-1"));
    let source = |slug: &str| dashboard(slug, &format!("{slug}-1"), &format!("{slug}-1"));
    let role = RoleGrant {
        role: "VIEWER".to_owned(),
        model_id: Some("m2".to_owned()),
        connection_id: Some("c".to_owned()),
        is_own: true,
    };
    Observed {
        versions: records(desired),
        dashboards: SLUGS.map(|slug| (slug.to_owned(), made(slug))).into(),
        source_dashboards: SLUGS.map(|slug| (slug.to_owned(), source(slug))).into(),
        rows: Some(Vec::new()),
        key_scope: Some(Ok(())),
        models: Some(vec![model("m1", "clinical"), model("m2", "clinical v2")]),
        schemas: Some(vec![generated("s", "c"), generated("se", "e"), generated("sx", "x")]),
        environment_connections: Some(["e".to_owned()].into()),
        files: ["m1", "m2"]
            .map(|id| ((id.to_owned(), None), ModelFiles::default()))
            .into(),
        roles: [("viewers".to_owned(), Some(vec![role]))].into(),
        schedules: Some(Some(Vec::new())),
        folders: [folder("clinical", "f0"), folder(PATH, "f2")].into(),
        permits: [
            ("f0".to_owned(), vec![permit("editors", "EDITOR")]),
            ("f2".to_owned(), vec![permit("viewers", "VIEWER")]),
        ]
        .into(),
        source_documents: Some(SLUGS.map(|slug| document(&format!("{slug}-1"), "clinical/v1")).to_vec()),
        documents: Some(SLUGS.map(|slug| document(&copy_of(slug), PATH)).to_vec()),
        findings: ["m1", "m2"].map(|id| (id.to_owned(), Vec::new())).into(),
        looked_again: [Again::Models, Again::SourceDocuments, Again::Documents, Again::Permits].into(),
        ..Observed::default()
    }
}

/// Everything was done and seen, a long time ago; only the rows and the mark are not written.
pub(super) fn whole() -> Observed {
    let desired = desired();
    let mut seen = looked_at(&desired);
    let view = View {
        desired: &desired,
        seen: &seen,
        now: at(0),
        request_timeout: REQUEST_TIMEOUT,
    };
    let key = origin::definition_key(view, cut(&desired));
    record(&mut seen).definition = Some(key);
    for (step, subject, result) in [
        (IntentStep::Model, "clinical v2", "m2"),
        (IntentStep::Branch, "wavepin-v2", "merged before"),
        (IntentStep::Folder, PATH, "f2"),
        (IntentStep::Closure, PATH, "opened\neditors\nviewers"),
        (IntentStep::Identifiers, "", "listed summary wards"),
    ] {
        intent(&mut seen, step, subject, -900, Some(result));
    }
    for slug in SLUGS {
        intent(&mut seen, IntentStep::Import, slug, -800, Some(&copy_of(slug)));
    }
    validated(seen)
}

/// Likewise, with evidence for what there is now.
pub(super) fn validated(mut seen: Observed) -> Observed {
    let desired = desired();
    let view = View {
        desired: &desired,
        seen: &seen,
        now: at(0),
        request_timeout: REQUEST_TIMEOUT,
    };
    let evidence = Evidence {
        basis: evidence::basis(view, cut(&desired)),
        void: None,
        known: Some(BTreeSet::new()),
        schemas: Some(["s", "se"].map(|id| (id.to_owned(), "then".to_owned())).into()),
        ..Evidence::default()
    };
    record(&mut seen).evidence = Some(evidence);
    seen
}

pub(super) fn next(seen: &Observed, now: i64) -> Step {
    next_by(ContentMethod::ExportImport, seen, now)
}

/// The next step, after what was found is on record.
pub(super) fn next_by(method: ContentMethod, seen: &Observed, now: i64) -> Step {
    let decide = |seen: &Observed| decide(&desired_by(method), seen, at(now), REQUEST_TIMEOUT);
    match decide(seen) {
        Step::Do(Effect::RecordFound(report)) => {
            let mut seen = seen.clone();
            record(&mut seen).found = Some(report.summary);
            decide(&seen)
        }
        step => step,
    }
}

pub(super) fn record(seen: &mut Observed) -> &mut VersionRecord {
    seen.versions.get_mut(&2).unwrap()
}
