//! The hash of what is sealed once a version is complete.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::Origin;
use crate::resources::{Content, Model};

/// What later releases have to say, and said alone: a version that was sealed without it keeps its hash.
fn said_later(model: &Model, content: &Content) -> String {
    let said = [
        model.roles_from.map(|it| format!(" rolesFrom {it:?}")),
        model.access_by.map(|it| format!(" accessBy {it:?}")),
        content.permissions_from.map(|it| format!(" permissionsFrom {it:?}")),
        (!model.edits_from.is_empty()).then(|| format!(" editsFrom {}", json!(model.edits_from))),
    ];
    said.into_iter().flatten().collect()
}

/// The hash of what is sealed: the source, and of model and content all but `dashboards.add`, which may grow.
pub(super) fn plan(version: i32, origin: &Origin) -> String {
    let text = match origin {
        Origin::Adopt(adopt) => {
            let mut dashboards: Vec<_> = adopt.dashboards.iter().map(|it| (&it.slug, &it.identifier)).collect();
            dashboards.sort();
            format!(
                "1 {version} adopt {:?} {:?} {dashboards:?}",
                adopt.model_id, adopt.folder_path
            )
        }
        Origin::Cut(cut) => {
            let (model, content) = (&cut.model, &cut.content);
            let mut roles: Vec<_> = model.roles.iter().map(|it| (&it.user_group, &it.role)).collect();
            roles.sort();
            // Sealed versions keep the hash that they have: what the first release knew is written as it wrote it. The order
            // of whole files does not count, that of what is applied on top of them does.
            let mut edits: Vec<_> = model
                .edits
                .iter()
                .filter_map(|it| Some((&it.name, it.file_name.as_ref()?, it.yaml.as_ref()?)))
                .collect();
            edits.sort();
            let on_top = model
                .edits
                .iter()
                .filter(|it| it.file_name.is_none() || it.yaml.is_none());
            // As JSON, which leaves out what is not said: a field that a later release adds changes no hash.
            let on_top: String = on_top.map(|it| format!(" {}", json!(it))).collect();
            // Their order does not count: they are applied all at once.
            let mut renames: Vec<String> = content
                .renames
                .iter()
                .map(|it| format!(" rename {}", json!(it)))
                .collect();
            renames.sort();
            let renames = renames.concat();
            let git = model.git.as_ref().map(|it| format!(" git {}", json!(it)));
            let migrate = model.migrate.as_ref().map(|it| format!(" migrate {}", json!(it)));
            let git = git.unwrap_or_default() + &migrate.unwrap_or_default();
            let mut permissions: Vec<_> = content
                .folder
                .permissions
                .iter()
                .map(|it| (&it.user_group, it.role.as_str()))
                .collect();
            permissions.sort();
            let mut exclude: Vec<_> = content.dashboards.exclude.iter().collect();
            exclude.sort();
            let later = said_later(model, content);
            format!(
                "1 {version} cut {} {:?} {:?} {roles:?} {edits:?} {:?} {:?} {permissions:?} {exclude:?}{on_top}{renames}{later}{git}",
                cut.from,
                model.name,
                model.copy,
                content.method,
                cut.folder_path()
            )
        }
    };
    Sha256::digest(text)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
