//! Which call goes where.

use super::http::{Answer, Call, Reply};
use super::identity::KeyScope;
use super::organisation::Organisation;

/// Answers one call of Omni's API.
pub(super) fn answer(organisation: &mut Organisation, call: &Call, scope: KeyScope) -> Reply {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let method = call.method.as_str();
    let found = match segments.as_slice() {
        ["api", "v1", "models", id, "migrate"] if method == "POST" => Some(organisation.migrate_model(call, id, scope)),
        ["api", "v1", "models", rest @ ..] => models(organisation, call, method, rest),
        ["api", "unstable", "models", id, "yaml"] if organisation.knobs.unstable_yaml_gone => {
            Some(Err(gone("2026-07-31", &format!("/api/v1/models/{id}/yaml"))))
        }
        ["api", "unstable", "models", id, "yaml"] => models(organisation, call, method, &[id, "yaml"]),
        ["api", "v1", "folders", rest @ ..] => folders(organisation, call, method, rest),
        ["api", "v1", "documents", rest @ ..] => documents(organisation, call, method, rest),
        ["api", "v2", "documents", rest @ ..] => published(organisation, call, method, rest),
        ["api", "v1", "labels", rest @ ..] => labels(organisation, call, method, rest, scope),
        ["api", "unstable", "documents", rest @ ..] => migration(organisation, call, method, rest, scope),
        ["api", "scim", "v2", "embed", "Users" | "users"] if method == "GET" => {
            Some(organisation.list_embed_users(call, scope))
        }
        ["api", "scim", "v2", "Groups"] if method == "GET" => Some(organisation.list_groups(call, scope)),
        ["api", "v1", rest @ ..] => others(organisation, call, method, rest, scope),
        _ => None,
    };
    found.unwrap_or_else(|| Err(Answer::not_found("Not Found")))
}

/// The answer of a call that was taken away, with the path of the one that took its place.
pub(super) fn gone(sunset: &str, successor: &str) -> Answer {
    Answer::refusal(410, "Gone")
        .with_header("link", format!("<{successor}>; rel=\"successor-version\""))
        .with_header("sunset", sunset)
        .with_header("deprecation", "true")
}

fn models(organisation: &mut Organisation, call: &Call, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("GET", []) => organisation.list_models(call),
        ("POST", []) => organisation.create_model(call),
        ("GET", [id, "yaml"]) => organisation.read_yaml(call, id),
        ("POST", [id, "yaml"]) => organisation.write_yaml(call, id),
        ("DELETE", [id, "yaml"]) => organisation.delete_yaml(call, id),
        ("GET", [id, "validate"]) => organisation.validate_model(call, id),
        ("GET", [id, "content-validator"]) => organisation.validate_content(call, id),
        ("GET", [id, "git"]) => organisation.read_git(call, id),
        ("POST", [id, "git"]) => organisation.link_git(call, id),
        ("PATCH", [id, "git"]) => organisation.change_git(call, id),
        ("DELETE", [id, "git"]) => organisation.unlink_git(id),
        ("POST", [id, "git", "sync"]) => organisation.sync_git(call, id),
        ("POST", [id, "branch", name, "merge"]) => organisation.merge_branch(call, id, name),
        ("DELETE", [id, "branch", name]) => organisation.delete_branch(id, name),
        _ => return None,
    })
}

fn folders(organisation: &mut Organisation, call: &Call, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("GET", []) => organisation.list_folders(call),
        ("POST", []) => organisation.create_folder(call),
        ("DELETE", [id]) => organisation.delete_folder(call, id),
        ("GET", [id, "permissions"]) => organisation.read_permits(call, id),
        ("POST", [id, "permissions"]) => organisation.add_permits(call, id),
        ("PATCH", [id, "permissions"]) => organisation.change_permits(call, id),
        ("DELETE", [id, "permissions"]) => organisation.revoke_permits(call, id),
        _ => return None,
    })
}

fn documents(organisation: &mut Organisation, call: &Call, method: &str, rest: &[&str]) -> Option<Reply> {
    let move_method = if organisation.knobs.move_by_post { "POST" } else { "PUT" };
    Some(match (method, rest) {
        ("GET", []) => organisation.list_documents(call),
        ("GET", [identifier]) => organisation.read_document(identifier),
        ("DELETE", [identifier]) => organisation.delete_document(identifier),
        ("PUT" | "PATCH", [identifier]) => Err(gone("2026-07-31", &format!("/api/v2/documents/{identifier}/draft"))),
        ("GET", [identifier, "permissions"]) => organisation.read_document_permits(call, identifier),
        ("PUT", [identifier, "permissions"]) => organisation.set_document_settings(call, identifier),
        ("POST", [identifier, "permissions"]) => organisation.add_document_permits(call, identifier),
        ("PATCH", [identifier, "permissions"]) => organisation.change_document_permits(call, identifier),
        ("DELETE", [identifier, "permissions"]) => organisation.revoke_document_permits(call, identifier),
        ("GET", [identifier, "access-list"]) => organisation.list_document_access(call, identifier),
        ("PUT", [identifier, "favorite"]) => organisation.mark_favorite(call, identifier, true),
        ("DELETE", [identifier, "favorite"]) => organisation.mark_favorite(call, identifier, false),
        ("PATCH", [identifier, "labels"]) => organisation.change_document_labels(call, identifier),
        ("PUT", [identifier, "labels", name]) => organisation.label_document(call, identifier, name, true),
        ("DELETE", [identifier, "labels", name]) => organisation.label_document(call, identifier, name, false),
        ("GET", [identifier, "queries"]) => organisation.document_queries(identifier),
        (method, [identifier, "move"]) if method == move_method => organisation.move_document(call, identifier),
        _ => return None,
    })
}

fn published(organisation: &mut Organisation, call: &Call, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("POST", []) => organisation.create_published(call),
        ("GET", [identifier]) => organisation.read_published(call, identifier),
        _ => return None,
    })
}

fn labels(organisation: &mut Organisation, call: &Call, method: &str, rest: &[&str], scope: KeyScope) -> Option<Reply> {
    Some(match (method, rest) {
        ("GET", []) => organisation.list_labels(),
        ("POST", []) => organisation.create_label(call, scope),
        ("GET", [name]) => organisation.read_label(name),
        ("PUT", [name]) => organisation.change_label(call, scope, name),
        ("DELETE", [name]) => organisation.delete_label(call, name),
        _ => return None,
    })
}

fn migration(
    organisation: &mut Organisation,
    call: &Call,
    method: &str,
    rest: &[&str],
    scope: KeyScope,
) -> Option<Reply> {
    if scope == KeyScope::Personal {
        return Some(Err(Answer::refusal(
            403,
            "User-scoped API keys are not allowed to access content migration",
        )));
    }
    Some(match (method, rest) {
        ("GET", [identifier, "export"]) => organisation.export_document(identifier),
        ("POST", ["import"]) => organisation.import_document(call),
        _ => return None,
    })
}

fn others(organisation: &mut Organisation, call: &Call, method: &str, rest: &[&str], scope: KeyScope) -> Option<Reply> {
    Some(match (method, rest) {
        ("GET", ["whoami"]) => organisation.whoami(call, scope),
        ("GET", ["connections"]) => organisation.list_connections(call),
        ("GET", ["connection-environments"]) => organisation.list_environments(),
        ("GET", ["user-attributes"]) => organisation.list_attributes(),
        ("GET", ["schedules"]) => organisation.list_schedules(call),
        ("POST", ["query", "run"]) => organisation.run_query(call, scope),
        ("GET", ["query", "wait"]) => organisation.wait_for_queries(call),
        ("GET", ["user-groups", id, "model-roles"]) => organisation.read_roles(call, true, id),
        ("POST", ["user-groups", id, "model-roles"]) => organisation.assign_role(call, true, id),
        ("GET", ["users", id, "model-roles"]) => organisation.read_roles(call, false, id),
        ("POST", ["users", id, "model-roles"]) => organisation.assign_role(call, false, id),
        _ => return None,
    })
}
