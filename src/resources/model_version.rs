//! `ModelVersion`: one numbered version: an Omni model, its dashboards and their folder, a unit.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Content, ContentMethod, EditsFrom, Migrate, ModelGit, Validation};

/// One numbered version of an Omni model together with its dashboards, adopted or cut from another version.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "wavepin.dev",
    version = "v1alpha1",
    kind = "ModelVersion",
    plural = "modelversions",
    shortname = "mv",
    category = "wavepin",
    namespaced,
    doc = "One numbered version of an Omni model together with its dashboards, adopted or cut from another version.",
    status = "ModelVersionStatus",
    derive = "PartialEq",
    selectable = ".spec.instanceRef.name",
    selectable = ".spec.version",
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.sealed) || !oldSelf.status.sealed || (has(self.spec.model) == has(oldSelf.spec.model) && (!has(self.spec.model) || self.spec.model == oldSelf.spec.model))")
        .message("the version is complete and sealed: model cannot be changed; cut a new version from it"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.sealed) || !oldSelf.status.sealed || (has(self.spec.content) == has(oldSelf.spec.content) && (!has(self.spec.content) || (self.spec.content.method == oldSelf.spec.content.method && self.spec.content.folder == oldSelf.spec.content.folder && has(self.spec.content.permissionsFrom) == has(oldSelf.spec.content.permissionsFrom) && (!has(self.spec.content.permissionsFrom) || self.spec.content.permissionsFrom == oldSelf.spec.content.permissionsFrom) && has(self.spec.content.renames) == has(oldSelf.spec.content.renames) && (!has(self.spec.content.renames) || self.spec.content.renames == oldSelf.spec.content.renames) && self.spec.content.dashboards.exclude == oldSelf.spec.content.dashboards.exclude && oldSelf.spec.content.dashboards.add.all(was, was in self.spec.content.dashboards.add))))")
        .message("the version is complete and sealed: of content only drift may change and dashboards.add may grow; cut a new version for anything else"),
    printcolumn(name = "Version", type_ = "integer", json_path = ".spec.version", description = "The number in the mapping"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "Complete and, as far as can be seen, still so"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", description = "The reason behind Ready"),
    printcolumn(name = "Dashboards", type_ = "string", json_path = ".status.dashboards.progress", description = "Dashboards whole of desired"),
    printcolumn(name = "In use", type_ = "string", json_path = ".status.conditions[?(@.type==\"InUse\")].status", description = "Whether rows of tenants point here"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", description = "What a person can do", priority = 1)
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.source.adopt) || (has(self.model) && has(self.content))")
    .message("a version that is cut with source.fromVersion needs model and content"))]
#[x_kube(validation = Rule::new("has(self.source.fromVersion) || (!has(self.model) && !has(self.content) && !has(self.validation))")
    .message("an adopted version is taken as it is: model, content and validation belong to versions with source.fromVersion"))]
#[x_kube(validation = Rule::new("!has(self.source.fromVersion) || self.source.fromVersion != self.version")
    .message("source.fromVersion must be another version than this one"))]
pub struct ModelVersionSpec {
    /// The OmniInstance that the version lives in. Cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("instanceRef cannot be changed; make another ModelVersion"))]
    pub instance_ref: InstanceRef,
    /// The number that stands in `model_version_id`. It belongs for ever to the source first recorded for it. Cannot be changed.
    #[schemars(range(min = 1))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("version cannot be changed; make another ModelVersion"))]
    pub version: i32,
    /// Where the version comes from: exactly one of `fromVersion` and `adopt`. Cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("source cannot be changed; make another ModelVersion"))]
    #[x_kube(validation = Rule::new("has(self.fromVersion) != has(self.adopt)").message("exactly one of fromVersion and adopt must be given"))]
    pub source: Source,
    /// The new model of a version that is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    /// The folder and dashboards of a version that is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// What must hold before a version that is cut is complete, and again before tenants move to it once something that it rests on has moved. May be changed at any time; absent: its defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    /// What becomes of the version in Omni when this object is deleted. Orphan: Omni and the rows stay as they are; the same manifest applied again takes them up.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// True: nothing more is done for this version until it is false again.
    #[serde(default)]
    pub suspend: bool,
}

/// An OmniInstance in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstanceRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Where a version comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// Cut from this version: its model is copied and edited, its dashboards are copied onto the new model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub from_version: Option<i32>,
    /// Take a hand-made model and its dashboards as they are. Nothing is written to Omni.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,
}

/// A hand-made model and its dashboards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Adopt {
    /// The id of the shared model.
    #[schemars(length(min = 1, max = 64))]
    pub model_id: String,
    /// The path of the folder that holds the dashboards: `clinical/v1`.
    #[schemars(length(min = 1, max = 512))]
    pub folder_path: String,
    /// The dashboards of the version, each with the stable name that the application asks for.
    #[schemars(length(min = 1, max = 500), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["slug"]))]
    pub dashboards: Vec<AdoptedDashboard>,
}

/// One dashboard of an adopted version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdoptedDashboard {
    /// The stable logical name in every version: `patient-summary`.
    #[schemars(length(min = 1, max = 29), regex(pattern = r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$"))]
    pub slug: String,
    /// What Omni's `/dashboards/<identifier>` takes.
    #[schemars(length(min = 2, max = 64))]
    pub identifier: String,
}

/// The new model of a version that is cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("self.copy != 'Git' || has(self.git)").message("copy: Git needs git, with the directory to copy to"))]
#[x_kube(validation = Rule::new("self.copy == 'Migrate' || !has(self.migrate)").message("migrate goes with copy: Migrate"))]
#[x_kube(validation = Rule::new("self.copy == 'Git' || !has(self.git) || !((has(self.git.propose) && self.git.propose) || has(self.git.fallback) || has(self.git.author) || has(self.git.message))")
    .message("git.propose, git.fallback, git.author and git.message go with copy: Git; with another copy Omni writes the directory"))]
pub struct Model {
    /// The model's name in Omni. No other model of the connection may have it.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// How the definition is copied. Yaml: file by file through Omni's YAML API, on a branch that is then merged. Git: as a directory of the repository of the source's model, which Omni then reads. Migrate: by Omni's own migration, at a commit of that repository. What Omni holds afterwards is compared with the source, whichever way.
    #[serde(default)]
    pub copy: ModelCopy,
    // Neither has a default in the schema: it would show on objects that were stored before there were these fields.
    /// The directory that the model is kept in. Absent: the model has no repository. With copy: Yaml and Migrate Omni writes it there once it is as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<ModelGit>,
    /// With copy: Migrate. Absent: its defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrate: Option<Migrate>,
    /// Who may use the model. A new model starts with the connection's base role for everyone.
    #[serde(default)]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["userGroup"]))]
    pub roles: Vec<ModelRole>,
    // Neither this nor the next has a default in the schema: it would show on objects that were stored before.
    /// Source: besides, every user group gets the role that it has on the source's model when the version is cut; a group that `roles` names gets the one that stands there. Roles of single users are not looked at. Absent: `roles` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles_from: Option<RolesFrom>,
    /// How people come to see the model. Groups, which is also meant where it is absent: by the connection's base role or the role of a user group; a version that nobody could see stays unready. ConnectionRoles: the application sends `connectionRoles` or `modelRoles` with each embed session, and nothing is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_by: Option<AccessBy>,
    /// What differs from the source's model.
    #[serde(default)]
    #[schemars(length(max = 200), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub edits: Vec<Edit>,
    // No default in the schema: it would show on objects that were stored before there was this field.
    /// ConfigMaps and Secrets with more edits, which stand behind those of `edits`: object by object in the order of this list, key by key in the order of the alphabet. They count as they are when the version becomes complete; what becomes of the objects after that changes nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub edits_from: Vec<EditsFrom>,
}

/// How a model's definition is copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ModelCopy {
    /// File by file through Omni's YAML API, on a branch that is then merged.
    #[default]
    Yaml,
    /// As a directory of the repository of the source's model, which Omni then reads.
    Git,
    /// By Omni's own migration, at a commit of that repository.
    Migrate,
}

/// Where user groups' roles on the new model come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RolesFrom {
    /// From the model that the version is copied from.
    Source,
}

/// How people come to see a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AccessBy {
    /// By the connection's base role, or the role of a user group.
    Groups,
    /// By the roles that the application sends with each embed session.
    ConnectionRoles,
}

/// A role on the new model for one user group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelRole {
    /// The id of the user group in Omni.
    #[schemars(length(min = 1, max = 64))]
    pub user_group: String,
    /// Omni's name of the role: `VIEWER`, `QUERY_TOPICS`, `QUERIER`, `MODELER`, or one of your own.
    #[schemars(length(min = 1, max = 64))]
    pub role: String,
}

/// One change to the model's files: a whole file (`fileName` with one of `yaml`, `patch`, `deleteFile`), or something in one (`view`, `topic`, or `view` and `field`, with `ignore`; `view` and `field` with `yaml`). Whole files come first, then the rest in the order of the list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.fileName) != (has(self.view) || has(self.topic)) && !(has(self.view) && has(self.topic))")
    .message("an edit names one place: fileName, view or topic"))]
#[x_kube(validation = Rule::new("!has(self.field) || has(self.view)").message("field needs the view that it is in"))]
#[x_kube(validation = Rule::new("[has(self.yaml), has(self.patch), has(self.deleteFile) && self.deleteFile, has(self.ignore) && self.ignore].filter(it, it).size() == 1")
    .message("an edit says one thing: yaml, patch, deleteFile or ignore"))]
#[x_kube(validation = Rule::new("!has(self.fileName) || !has(self.ignore) || !self.ignore").message("ignore goes with view, topic, or view and field; a file is deleted with deleteFile"))]
#[x_kube(validation = Rule::new("has(self.fileName) || !(has(self.patch) || (has(self.deleteFile) && self.deleteFile))").message("patch and deleteFile go with fileName"))]
#[x_kube(validation = Rule::new("has(self.fileName) || has(self.field) || !has(self.yaml)").message("yaml goes with fileName, or with view and field"))]
pub struct Edit {
    /// The edit's own name, unique in the version.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// The file in the model, as Omni names it: `patients.view`, `wards.topic`, `relationships`, `model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 200),
        regex(pattern = r"^(model|relationships|[A-Za-z0-9_./-]+\.(view|topic|composite_topic))$")
    )]
    pub file_name: Option<String>,
    /// The view, by its name: `patients`, or `clinical__patients` where its file stands in a schema's folder. The source must have it, its own or the schema's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[A-Za-z0-9_/]+$"))]
    pub view: Option<String>,
    /// The topic, by its name. The source must have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[A-Za-z0-9_/]+$"))]
    pub topic: Option<String>,
    /// The field of the view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[A-Za-z0-9_]+$"))]
    pub field: Option<String>,
    /// With `fileName` the whole file, with `field` the whole field, as YAML. A new field with `aggregate_type` is a measure. All edits of this list together may hold 200 KiB; `editsFrom` takes more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 204_800))]
    pub yaml: Option<String>,
    /// What changes in the file, as YAML: maps are gone into, `null` takes out, everything else takes the place of what was there. The rest of the file stays as its author wrote it, comments included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 204_800))]
    pub patch: Option<String>,
    // Neither flag has a default in the schema: it would show on objects that were stored before there were these fields.
    /// True: the version does not have the file, and what the schema has of it shows again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete_file: bool,
    /// True: the view, the topic or the field is there and nobody sees it. What refers to it breaks: Omni's validation says where.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore: bool,
}

/// What becomes of a version in Omni when its object is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Omni and the rows stay as they are; the same manifest applied again takes them up without a write.
    #[default]
    Orphan,
}

/// What was seen of the version.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelVersionStatus {
    /// The generation that this status speaks of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The value of the annotation `wavepin.dev/reconcile-requested-at` that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The id of the version's model in Omni.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    /// The path of the version's folder in Omni.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// True once the version is complete: model and content cannot be changed any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<bool>,
    /// A hash of what the version is made from: source, model, content. With `model.editsFrom`, once those objects were read, behind a hyphen one of the edits of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The commit of the repository that the model's files were copied at, where they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_commit: Option<String>,
    /// How far the dashboards are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dashboards: Option<DashboardsStatus>,
    /// Links in the version's dashboards that lead to documents outside of it: at most 20, as `<slug>: <link>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_links: Vec<String>,
    /// What the source's dashboards have and this version's do not: at most 20, as `<slug>: <what>`. Descriptions, and counted: favourites, schedules, alerts, and where `content.permissionsFrom` is Source AccessBoosts; besides, what Omni refused to the key. Without `permissionsFrom` permissions of single dashboards are not looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_carried: Vec<String>,
    /// Accepted, ModelReady, ContentReady, Validated, Mapped, InUse, Ready; Reconciling and Stalled while they are true.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// How far a version's dashboards are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DashboardsStatus {
    /// How many dashboards the version has when it is complete.
    pub desired: u32,
    /// How many are there, whole.
    pub ready: u32,
    /// `ready/desired`, for people.
    pub progress: String,
    /// Dashboards that cannot be copied as they are: at most 20, as `<slug>: <why>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<String>,
    /// By which method dashboards were copied, or are about to be, where `content.method` is not ExportImport.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["method"]))]
    pub methods: Vec<CopiedBy>,
}

/// The dashboards that are copied by one method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CopiedBy {
    /// The method: ExportImport or DocumentsV2.
    pub method: ContentMethod,
    /// How many dashboards.
    pub count: u32,
    /// Their slugs: at most 20.
    pub slugs: Vec<String>,
}
