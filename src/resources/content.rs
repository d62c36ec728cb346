//! The folder and the dashboards of a version that is cut.

use std::collections::{BTreeMap, BTreeSet};

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The folder and the dashboards of a version that is cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Content {
    /// How dashboards are copied; whichever way, a copy is compared with its source until it is whole. ExportImport: through Omni's export and import, which carry everything. DocumentsV2: through the newer documents API, which puts a copy into its folder in one call; a dashboard that this does not carry whole (a classic layout, more than 48 tiles, files, tabs with fields of their own) is refused by name before anything is written. Auto: the newer one for each dashboard that it carries, export and import for the others; `status.dashboards.methods` says which.
    #[serde(default)]
    pub method: ContentMethod,
    /// The folder that is made for this version's dashboards.
    pub folder: Folder,
    /// Which dashboards the version has; absent: exactly those of its source.
    #[serde(default)]
    pub dashboards: Dashboards,
    // No default in the schema: it would show on objects that were stored before there was this field.
    /// Names that differ between the source's model and this version's: wherever a copied dashboard names the field, the view or the topic, it names the other one. The source is not touched. All at once: what one of them gives is not looked up again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kind", "find"]))]
    pub renames: Vec<Rename>,
    // No default in the schema, as above.
    /// Source: each copy gets the permissions that its source has of its own, and the settings that Omni shows of it, before the folder is opened. It costs three calls a dashboard, and one for each role that is granted. Absent: a copy has its folder's permissions alone, and what its source has of its own is not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions_from: Option<PermissionsFrom>,
    /// What follows when other hands change the complete version in Omni. May be changed at any time. Report: it is told. Mend: besides, dashboards that were moved out are moved back, and permissions of the folder and roles on the model that were taken away are granted again; edits are told only.
    #[serde(default)]
    pub drift: DriftPolicy,
}

/// A name that differs between the source's model and this version's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("(self.kind == 'Field') == self.find.contains('.') && (self.kind == 'Field') == self.replace.contains('.')")
    .message("a Field is named by view and field, as in patients.dob; a View and a Topic by their name alone"))]
#[x_kube(validation = Rule::new("self.find != self.replace").message("find and replace are the same"))]
pub struct Rename {
    /// What is named.
    pub kind: RenameKind,
    /// Its name in the source's dashboards: `patients.dob`, or `patients`.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[A-Za-z0-9_/]+(\.[A-Za-z0-9_]+)?$"))]
    pub find: String,
    /// Its name in this version's.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[A-Za-z0-9_/]+(\.[A-Za-z0-9_]+)?$"))]
    pub replace: String,
    /// True: no dashboard need name it. Else a rename that finds nothing stops the version before tenants can see it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// What a rename is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RenameKind {
    /// A field, by view and field; with a timeframe behind it too.
    Field,
    /// A view, and the fields that are named with it. Its fields that have a rename of their own go by that one.
    View,
    /// A topic.
    Topic,
}

/// Where the permissions of single dashboards come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PermissionsFrom {
    /// From the dashboards that they are copied from.
    Source,
}

/// What follows when other hands change a complete version in Omni.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    /// It is told.
    #[default]
    Report,
    /// What can be put back without overwriting anybody's work is put back; the rest is told.
    Mend,
}

/// How dashboards are copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ContentMethod {
    /// Through Omni's export and import, then repaired and compared until the copy is whole.
    #[default]
    ExportImport,
    /// Through the newer documents API. What that does not carry is refused before anything is written.
    DocumentsV2,
    /// A dashboard at a time: through the newer documents API where that carries it whole, else by export and import.
    Auto,
}

/// The folder of a version's dashboards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Folder {
    /// The folder's name, which is also its last path segment: `v2`.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// The path of the folder that it stands in: `clinical`. Absent: the root. Missing folders are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 400), regex(pattern = r"^[a-z0-9-]+(/[a-z0-9-]+)*$"))]
    pub parent_path: Option<String>,
    /// Who may see the folder once the version is whole; until then it is closed to them.
    #[serde(default)]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["userGroup"]))]
    pub permissions: Vec<FolderPermission>,
}

/// What one user group may do in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FolderPermission {
    /// The id of the user group in Omni.
    #[schemars(length(min = 1, max = 64))]
    pub user_group: String,
    /// What it may do. NO_ACCESS: see nothing, whatever the parent folder grants. VIEWER: see. EXPLORER: see and explore. EDITOR: change. MANAGER: change, move and share.
    pub role: FolderRole,
}

/// A role on a folder, as Omni names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FolderRole {
    /// Sees nothing, whatever the parent folder grants.
    NoAccess,
    /// Sees.
    Viewer,
    /// Sees and explores.
    Explorer,
    /// Changes.
    Editor,
    /// Changes, moves and shares.
    Manager,
}

impl FolderRole {
    /// The word in Omni's API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAccess => "NO_ACCESS",
            Self::Viewer => "VIEWER",
            Self::Explorer => "EXPLORER",
            Self::Editor => "EDITOR",
            Self::Manager => "MANAGER",
        }
    }
}

/// How a version's dashboards differ from its source's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dashboards {
    /// Slugs of the source that this version does not have.
    #[serde(default)]
    #[schemars(length(max = 500), inner(length(min = 1, max = 29)), extend("x-kubernetes-list-type" = "set"))]
    pub exclude: Vec<String>,
    /// Dashboards that the source does not have: each is copied from a document on the source's model.
    #[serde(default)]
    #[schemars(length(max = 500), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["slug"]))]
    pub add: Vec<AddedDashboard>,
}

impl Dashboards {
    /// The dashboards of a version whose source has these: the source's, less `exclude`, plus `add`, by slug and each
    /// with what the caller knows it by.
    pub fn applied_to<T>(
        &self,
        source: impl IntoIterator<Item = (String, T)>,
        added: impl Fn(&AddedDashboard) -> T,
    ) -> BTreeMap<String, T> {
        let kept = source.into_iter().filter(|(slug, _)| !self.exclude.contains(slug));
        let added = self.add.iter().map(|it| (it.slug.clone(), added(it)));
        kept.chain(added).collect()
    }

    /// Their slugs alone.
    #[must_use]
    pub fn slugs(&self, source: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        let source = source.into_iter().map(|slug| (slug, ()));
        self.applied_to(source, |_| ()).into_keys().collect()
    }
}

/// A dashboard that is copied from a document outside of the source version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddedDashboard {
    /// The stable logical name of the dashboard from this version on.
    #[schemars(length(min = 1, max = 29), regex(pattern = r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$"))]
    pub slug: String,
    /// The document to copy, as `/dashboards/<identifier>` names it. It must sit on the source's model.
    #[schemars(length(min = 2, max = 64))]
    pub identifier: String,
}
