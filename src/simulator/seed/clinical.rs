//! The seed `clinical`.
//!
//! Connection "Clinical Snowflake" with the environments `staging` and `production`; shared model `clinical` (17
//! files); folder `clinical`, where the group `embed-viewers` has VIEWER, and in it `clinical/v1` with:
//!
//! | identifier | dashboard | what is special about it |
//! |---|---|---|
//! | `12db1a0a` | Patient Summary | a field of its own, `patients.age_band`, in its workbook model |
//! | `5e07c1d2` | Readmission Risk | a tab with a field and a query view of its own, in a QUERY model |
//! | `8a41f9b3` | Ward Capacity | a spreadsheet tile and its file |
//! | `c3d90e74` | Medication Review | links to `/dashboards/12db1a0a` and `/w/5e07c1d2` |
//! | `f16b28a5` | Billing Overview | a link to `/dashboards/9b7e4d20`, which is not in the folder |
//!
//! `9b7e4d20` is Data Dictionary in the folder `reference`, which embed users do not see. The model's field
//! `patients.mrn` links to `/dashboards/12db1a0a`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{DashboardPlan, expand};
use crate::simulator::embed_users::EmbedUser;
use crate::simulator::ids::Ids;
use crate::simulator::knobs::Knobs;
use crate::simulator::organisation::{
    Clock, Connection, ConnectionEnvironment, File, Files, Folder, Member, Model, ModelKind, Organisation, Permit,
    Principal, RoleGrant, UserGroup,
};
use crate::simulator::see::EMBED_GROUP;

const CONNECTION: &str = "c0f12353-4817-4398-bcc0-d501e6dd2f64";
const STAGING: &str = "d1a94c1e-0b52-4d0c-8a7e-5f6b3c2d1e01";
const PRODUCTION: &str = "d1a94c1e-0b52-4d0c-8a7e-5f6b3c2d1e02";
const SCHEMA_MODEL: &str = "0e5b7a90-6c1d-4f2e-9a3b-4c5d6e7f8001";
const SHARED_MODEL: &str = "3fb59130-54fc-4848-832f-d22f61933485";
const FOLDER: &str = "5a4f0a37-0c4d-4d0b-8b2d-4a9e0d9a6e10";
const FOLDER_V1: &str = "5a4f0a37-0c4d-4d0b-8b2d-4a9e0d9a6e11";
const FOLDER_REFERENCE: &str = "5a4f0a37-0c4d-4d0b-8b2d-4a9e0d9a6e12";
const EMBED_GROUP_ID: &str = "eV7kQ2mX";
const ANALYSTS_GROUP_ID: &str = "aN3pT9sL";
const TENANTS: [&str; 3] = ["acme-corp", "globex", "initech"];
const UPLOAD: &str = "b7c1d8e2-3f40-4a51-9c62-7d8390a1b2c3";

const SCHEMA: &str = include_str!("clinical/schema.yaml");
const SCHEMA_STAGING: &str = include_str!("clinical/schema.staging.yaml");
const SCHEMA_PRODUCTION: &str = include_str!("clinical/schema.production.yaml");

/// The authored files of the shared model.
const MODEL: [(&str, &str); 17] = [
    ("model", include_str!("clinical/model/model.yaml")),
    ("relationships", include_str!("clinical/model/relationships.yaml")),
    ("patients.view", include_str!("clinical/model/patients.view.yaml")),
    ("encounters.view", include_str!("clinical/model/encounters.view.yaml")),
    ("wards.view", include_str!("clinical/model/wards.view.yaml")),
    ("physicians.view", include_str!("clinical/model/physicians.view.yaml")),
    ("diagnoses.view", include_str!("clinical/model/diagnoses.view.yaml")),
    ("medications.view", include_str!("clinical/model/medications.view.yaml")),
    ("lab_results.view", include_str!("clinical/model/lab_results.view.yaml")),
    ("vitals.view", include_str!("clinical/model/vitals.view.yaml")),
    ("payers.view", include_str!("clinical/model/payers.view.yaml")),
    ("claims.view", include_str!("clinical/model/claims.view.yaml")),
    (
        "readmissions.query.view",
        include_str!("clinical/model/readmissions.query.view.yaml"),
    ),
    ("encounters.topic", include_str!("clinical/model/encounters.topic.yaml")),
    (
        "lab_results.topic",
        include_str!("clinical/model/lab_results.topic.yaml"),
    ),
    (
        "medications.topic",
        include_str!("clinical/model/medications.topic.yaml"),
    ),
    ("billing.topic", include_str!("clinical/model/billing.topic.yaml")),
];

/// The authored files of the QUERY model of Readmission Risk.
const TAB: [(&str, &str); 3] = [
    (
        "last_stay.query.view",
        include_str!("clinical/tab/last_stay.query.view.yaml"),
    ),
    ("patients.view", include_str!("clinical/tab/patients.view.yaml")),
    ("relationships", include_str!("clinical/tab/relationships.yaml")),
];

/// The workbook field of Patient Summary.
const AGE_BAND: [(&str, &str); 1] = [("patients.view", include_str!("clinical/age_band.view.yaml"))];

/// The dashboards of `clinical/v1`, by identifier.
const DASHBOARDS: [(&str, &str); 5] = [
    ("12db1a0a", include_str!("clinical/dashboards/patient-summary.json")),
    ("5e07c1d2", include_str!("clinical/dashboards/readmission-risk.json")),
    ("8a41f9b3", include_str!("clinical/dashboards/ward-capacity.json")),
    ("c3d90e74", include_str!("clinical/dashboards/medication-review.json")),
    ("f16b28a5", include_str!("clinical/dashboards/billing-overview.json")),
];

const DICTIONARY: (&str, &str) = ("9b7e4d20", include_str!("clinical/dashboards/data-dictionary.json"));

/// Which of the dashboards has a tab of its own, a workbook field, an uploaded file.
const WITH_FIELD: usize = 0;
const WITH_TAB: usize = 1;
const WITH_FILE: usize = 2;

/// Builds the organisation. Above five dashboards, variants of the five are added in turn.
pub(super) fn organisation(dashboards: usize, raw_query_columns: bool) -> Organisation {
    let mut organisation = bare();
    add_models(&mut organisation);
    add_folders(&mut organisation);
    add_embed_users(&mut organisation);
    for number in 0..dashboards {
        let plan = dashboard(&mut organisation, number, raw_query_columns);
        organisation.add_document(plan, SHARED_MODEL, CONNECTION, Some(FOLDER_V1.to_owned()));
    }
    let short = parse_json(DICTIONARY.1);
    let plan = DashboardPlan {
        name: "Data Dictionary".to_owned(),
        identifier: DICTIONARY.0.to_owned(),
        body: expand(&short, &organisation),
        workbook_files: Files::new(),
        tab_files: None,
        file_uploads: json!({}),
    };
    organisation.add_document(plan, SHARED_MODEL, CONNECTION, Some(FOLDER_REFERENCE.to_owned()));
    organisation
}

fn bare() -> Organisation {
    Organisation {
        id: "df290ed4-b721-4efe-914b-95d30ce1c5f2".to_owned(),
        owner: Member {
            membership_id: "4c8e1f6a-2b3d-4e5f-8a9b-0c1d2e3f4a5b".to_owned(),
            user_id: "c5e5b577-8c64-48d4-8840-fbe41f924ae4".to_owned(),
            name: "Blobby".to_owned(),
        },
        knobs: Knobs::default(),
        clock: Clock::default(),
        ids: Ids::default(),
        connections: vec![
            connection(CONNECTION, "Clinical Snowflake", "CLINICAL", Some("environment")),
            connection(STAGING, "Clinical Snowflake (staging)", "CLINICAL_STAGING", None),
            connection(
                PRODUCTION,
                "Clinical Snowflake (production)",
                "CLINICAL_PRODUCTION",
                None,
            ),
        ],
        environments: vec![
            environment("7a6b5c4d-3e2f-4a1b-8c9d-0e1f2a3b4c01", STAGING, "staging"),
            environment("7a6b5c4d-3e2f-4a1b-8c9d-0e1f2a3b4c02", PRODUCTION, "production"),
        ],
        attributes: ["environment", "tenant_id", "model_version"]
            .into_iter()
            .map(attribute)
            .collect(),
        groups: vec![group(EMBED_GROUP_ID, EMBED_GROUP), group(ANALYSTS_GROUP_ID, "analysts")],
        roles: vec![
            role(EMBED_GROUP_ID, "VIEWER", Some(SHARED_MODEL)),
            role(ANALYSTS_GROUP_ID, "QUERIER", None),
        ],
        models: BTreeMap::new(),
        folders: BTreeMap::new(),
        documents: BTreeMap::new(),
        redirects: BTreeMap::new(),
        embed_users: Vec::new(),
        labels: Vec::new(),
        schedules: Vec::new(),
        git: BTreeMap::new(),
        repositories: BTreeMap::new(),
        jobs: Vec::new(),
    }
}

fn connection(id: &str, name: &str, database: &str, attribute: Option<&str>) -> Connection {
    Connection {
        id: id.to_owned(),
        name: name.to_owned(),
        database: database.to_owned(),
        default_schema: "CLINICAL".to_owned(),
        base_role: "NO_ACCESS".to_owned(),
        environment_attribute: attribute.map(str::to_owned),
    }
}

fn environment(id: &str, connection_id: &str, value: &str) -> ConnectionEnvironment {
    ConnectionEnvironment {
        id: id.to_owned(),
        base_connection_id: CONNECTION.to_owned(),
        connection_id: connection_id.to_owned(),
        values: vec![value.to_owned()],
    }
}

fn attribute(name: &str) -> Value {
    json!({
        "id": name, "name": name, "label": name, "description": null, "type": "String", "multiple_values": false,
        "default_value": null, "system": false,
    })
}

fn group(mini_uuid: &str, name: &str) -> UserGroup {
    UserGroup {
        mini_uuid: mini_uuid.to_owned(),
        name: name.to_owned(),
    }
}

fn role(group: &str, role: &str, model: Option<&str>) -> RoleGrant {
    RoleGrant {
        principal: Principal::Group(group.to_owned()),
        role: role.to_owned(),
        connection_id: CONNECTION.to_owned(),
        model_id: model.map(str::to_owned),
    }
}

fn files(texts: &[(&str, &str)]) -> Files {
    let parsed = texts.iter().map(|(name, text)| {
        let file = File::new(text).expect("the seed's files are part of this program, and a test reads them all");
        ((*name).to_owned(), file)
    });
    parsed.collect()
}

fn made_in_workbook(texts: &[(&str, &str)]) -> Files {
    let mut made = files(texts);
    made.values_mut().for_each(|file| file.made_in_workbook = true);
    made
}

fn parse_json(text: &str) -> Value {
    serde_json::from_str(text).expect("the seed's dashboards are part of this program, and a test reads them all")
}

/// The schema layer: a view a table, a dimension a column, and the count that every view has.
fn schema_files(texts: &[&str]) -> Files {
    let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in texts {
        let tables: BTreeMap<String, Vec<String>> =
            serde_saphyr::from_str(text).expect("the seed's schema is part of this program, and a test reads it");
        for (table, more) in tables {
            columns.entry(table).or_default().extend(more);
        }
    }
    let views = columns.into_iter().map(|(table, columns)| {
        let dimensions: BTreeMap<&String, Value> = columns
            .iter()
            .map(|column| (column, json!({"sql": format!("\"{}\"", column.to_uppercase())})))
            .collect();
        let view = json!({
            "schema": "CLINICAL", "table_name": table.to_uppercase(), "dimensions": dimensions,
            "measures": {"count": {"aggregate_type": "count"}},
        });
        let text = crate::simulator::canonical::to_yaml(&view);
        let file = File {
            text,
            parsed: view.into(),
            made_in_workbook: false,
        };
        (format!("{table}.view"), file)
    });
    views.collect()
}

fn add_models(organisation: &mut Organisation) {
    let schema = |extra: Option<&str>| {
        let texts: Vec<&str> = std::iter::once(SCHEMA).chain(extra).collect();
        schema_files(&texts)
    };
    let staging = organisation.ids.uuid();
    let production = organisation.ids.uuid();
    let models = [
        (
            SCHEMA_MODEL.to_owned(),
            ModelKind::Schema,
            None,
            CONNECTION,
            None,
            schema(None),
        ),
        (
            staging,
            ModelKind::Schema,
            None,
            STAGING,
            None,
            schema(Some(SCHEMA_STAGING)),
        ),
        (
            production,
            ModelKind::Schema,
            None,
            PRODUCTION,
            None,
            schema(Some(SCHEMA_PRODUCTION)),
        ),
        (
            SHARED_MODEL.to_owned(),
            ModelKind::Shared,
            Some("clinical"),
            CONNECTION,
            Some(SCHEMA_MODEL.to_owned()),
            files(&MODEL),
        ),
    ];
    for (id, kind, name, connection_id, base_model_id, files) in models {
        let now = organisation.clock.stamp();
        let model = Model {
            id: id.clone(),
            kind,
            name: name.map(str::to_owned),
            connection_id: connection_id.to_owned(),
            base_model_id,
            created_at: now,
            updated_at: now,
            deleted_at: None,
            files,
            forked_from: Files::new(),
            version: 1,
        };
        organisation.models.insert(id, model);
    }
}

/// Two embed users a tenant: one to look at production, under the tenant's name, and one to look at staging.
fn add_embed_users(organisation: &mut Organisation) {
    for (suffix, environment) in [("", "production"), ("-staging", "staging")] {
        for tenant in TENANTS {
            let attributes = [("environment", environment), ("tenant_id", tenant)];
            let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let external_id = format!("{tenant}{suffix}");
            let now = organisation.clock.stamp();
            let user = EmbedUser::new(&external_id, &external_id, attributes.into(), now);
            organisation.embed_users.push(user);
        }
    }
}

fn add_folders(organisation: &mut Organisation) {
    let viewer = Permit {
        role: "VIEWER".to_owned(),
        access_boost: false,
    };
    let embed = BTreeMap::from([(Principal::Group(EMBED_GROUP_ID.to_owned()), viewer)]);
    let folders = [
        (FOLDER, "clinical", "clinical", None, embed),
        (FOLDER_V1, "v1", "clinical/v1", Some(FOLDER), BTreeMap::new()),
        (FOLDER_REFERENCE, "reference", "reference", None, BTreeMap::new()),
    ];
    for (id, name, path, parent, permits) in folders {
        let folder = Folder {
            id: id.to_owned(),
            name: name.to_owned(),
            path: path.to_owned(),
            parent_id: parent.map(str::to_owned),
            scope: "organization".to_owned(),
            created_at: organisation.clock.stamp(),
            permits,
        };
        organisation.folders.insert(id.to_owned(), folder);
    }
}

/// The n-th dashboard, from 0: one of the five, or a variant of it under a name and an identifier of its own.
fn dashboard(organisation: &mut Organisation, number: usize, raw_query_columns: bool) -> DashboardPlan {
    let (kind, round) = (number % DASHBOARDS.len(), number / DASHBOARDS.len());
    let (identifier, text) = DASHBOARDS[kind];
    let mut short = parse_json(text);
    let mut name = short["name"].as_str().unwrap_or_default().to_owned();
    let mut identifier = identifier.to_owned();
    if round > 0 {
        name = format!("{name} {}", round + 1);
        identifier = organisation.ids.identifier();
        short["tiles"][0]["description"] = json!(format!("Variant {}", round + 1));
    }
    let mut tab_files = (kind == WITH_TAB).then(|| made_in_workbook(&TAB));
    if raw_query_columns && let Some(files) = &mut tab_files {
        use_raw_columns(files);
    }
    DashboardPlan {
        name,
        identifier,
        body: expand(&short, organisation),
        workbook_files: if kind == WITH_FIELD {
            made_in_workbook(&AGE_BAND)
        } else {
            Files::new()
        },
        tab_files,
        file_uploads: if kind == WITH_FILE { bed_plan() } else { json!({}) },
    }
}

/// What a person gets who builds the query view in the workbook: raw columns in place of aliases.
fn use_raw_columns(files: &mut Files) {
    for (name, file) in files.iter_mut().filter(|(name, _)| *name != "patients.view") {
        let raw = match name.as_str() {
            "relationships" => [("${last_stay.patient_id}", "\"last_stay\".\"encounters.patient_id\""); 1].to_vec(),
            _ => vec![
                ("${last_stay.readmissions}", "\"encounters.readmitted_30d\""),
                ("${last_stay.days}", "\"encounters.bed_days\""),
            ],
        };
        let text = raw
            .iter()
            .fold(file.text.clone(), |text, (alias, column)| text.replace(alias, column));
        *file = File::new(&text).expect("a reference in place of another leaves YAML what it was");
        file.made_in_workbook = true;
    }
}

fn bed_plan() -> Value {
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode("ward,planned beds\nA,24\nB,18\nC,30\n");
    json!({UPLOAD: {
        "fileUploadId": UPLOAD, "fileName": "bed-plan.csv", "contentType": "text/csv", "data": data,
    }})
}
