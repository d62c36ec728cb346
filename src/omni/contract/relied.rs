//! What the client relies on, call by call; and where Omni's published description is known not to tell how Omni is.

/// One call of the client.
#[derive(Debug)]
pub(super) struct Relied {
    /// As the client names it.
    pub(super) operation: &'static str,
    /// The query parameters that it may send.
    pub(super) query: &'static [&'static str],
    /// The fields of the body that it may send.
    pub(super) sends: &'static [&'static str],
    /// What it needs of the answer. Without some of them the call ends as drift; without the others a decision would be
    /// made on nothing, which is worse. `a|b`: one of them does.
    pub(super) needs: &'static [&'static str],
    /// The fixed words that it sends, by `query NAME` or `body FIELD`.
    pub(super) words: &'static [(&'static str, &'static [&'static str])],
}

const PAGE: [&str; 2] = ["pageInfo.hasNextPage", "pageInfo.nextCursor"];
const NAME_ASCENDING: [(&str, &[&str]); 2] = [("query sortField", &["name"]), ("query sortDirection", &["asc"])];
const PERMIT_ROLES: [(&str, &[&str]); 1] = [("body role", &["NO_ACCESS", "VIEWER", "EXPLORER", "EDITOR", "MANAGER"])];

/// Every call that the client makes, in the order of `docs/omni.md`.
pub(super) const RELIED: &[Relied] = &[
    Relied {
        operation: "GET /v1/whoami",
        query: &[],
        sends: &[],
        needs: &["keyScope"],
        words: &[],
    },
    Relied {
        operation: "GET /v1/connections",
        query: &[],
        sends: &[],
        needs: &["connections[].id", "connections[].name", "connections[].deletedAt"],
        words: &[],
    },
    Relied {
        operation: "GET /v1/models",
        query: &[
            "modelKind",
            "modelId",
            "connectionId",
            "include",
            "sortField",
            "sortDirection",
            "pageSize",
            "cursor",
        ],
        sends: &[],
        needs: &[
            "records[].id",
            "records[].name",
            "records[].modelKind",
            "records[].connectionId",
            "records[].updatedAt",
            "records[].deletedAt",
            "records[].branches[].id",
            "records[].branches[].name",
            PAGE[0],
            PAGE[1],
        ],
        words: &[("query modelKind", &["SHARED"]), NAME_ASCENDING[0], NAME_ASCENDING[1]],
    },
    Relied {
        operation: "POST /v1/models",
        query: &[],
        sends: &["connectionId", "modelKind", "modelName", "baseModelId"],
        needs: &["model.id"],
        words: &[("body modelKind", &["SHARED", "BRANCH"])],
    },
    Relied {
        operation: "GET /v1/models/{id}/yaml",
        query: &["mode", "includeChecksums", "branchId"],
        sends: &[],
        needs: &["files", "checksums"],
        words: &[("query mode", &["extension", "combined"])],
    },
    Relied {
        operation: "POST /v1/models/{id}/yaml",
        query: &[],
        sends: &[
            "fileName",
            "yaml",
            "mode",
            "commitMessage",
            "branchId",
            "previousChecksum",
        ],
        needs: &[],
        words: &[("body mode", &["extension"])],
    },
    Relied {
        operation: "GET /v1/models/{id}/validate",
        query: &["branchId"],
        sends: &[],
        needs: &[
            "issues[].message|[].message",
            "issues[].severity|[].severity|[].is_warning",
        ],
        words: &[],
    },
    Relied {
        operation: "POST /v1/models/{id}/branch/{name}/merge",
        query: &[],
        sends: &["commit_message", "delete_branch"],
        needs: &["failed_drafts_count"],
        words: &[],
    },
    Relied {
        operation: "GET /v1/models/{id}/content-validator",
        query: &["content_filter_mode", "force_full_validation"],
        sends: &[],
        needs: &["content[].identifier", "content[].queries_and_issues"],
        words: &[("query content_filter_mode", &["ALL"])],
    },
    // The description speaks of another answer than the lines that instances send: nothing of it can be relied on.
    Relied {
        operation: "POST /v1/query/run",
        query: &["userId"],
        sends: &["query", "planOnly"],
        needs: &[],
        words: &[],
    },
    Relied {
        operation: "GET /v1/query/wait",
        query: &["jobIds"],
        sends: &[],
        needs: &[],
        words: &[],
    },
    Relied {
        operation: "GET /scim/v2/embed/Users",
        query: &["filter", "count"],
        sends: &[],
        needs: &["Resources[].id"],
        words: &[],
    },
    Relied {
        operation: "GET /v1/user-groups/{id}/model-roles",
        query: &[],
        sends: &[],
        needs: &["results[].roleName", "results[].modelId"],
        words: &[],
    },
    Relied {
        operation: "POST /v1/user-groups/{id}/model-roles",
        query: &[],
        sends: &["roleName", "modelId"],
        needs: &[],
        words: &[],
    },
    Relied {
        operation: "GET /v1/folders",
        query: &["path", "sortField", "sortDirection", "pageSize"],
        sends: &[],
        needs: &["records[].id", "records[].path"],
        words: &[("query sortField", &["path"]), NAME_ASCENDING[1]],
    },
    Relied {
        operation: "POST /v1/folders",
        query: &[],
        sends: &["name", "scope", "parentFolderId"],
        needs: &["id", "path"],
        words: &[("body scope", &["organization"])],
    },
    Relied {
        operation: "GET /v1/folders/{id}/permissions",
        query: &[],
        sends: &[],
        needs: &[
            "permits[].role|principals[].direct.role|[].direct.role|direct.role",
            "permits[].userGroupId|principals[].id|[].id|id",
            "permits[].userId|principals[].id|[].id|id",
        ],
        words: &[],
    },
    Relied {
        operation: "POST /v1/folders/{id}/permissions",
        query: &[],
        sends: &["role", "userGroupIds"],
        needs: &[],
        words: &PERMIT_ROLES,
    },
    Relied {
        operation: "PATCH /v1/folders/{id}/permissions",
        query: &[],
        sends: &["role", "userGroupIds"],
        needs: &[],
        words: &PERMIT_ROLES,
    },
    Relied {
        operation: "DELETE /v1/folders/{id}/permissions",
        query: &[],
        sends: &["userGroupIds"],
        needs: &[],
        words: &[],
    },
    Relied {
        operation: "GET /v1/documents",
        query: &[
            "folderId",
            "include",
            "sortField",
            "sortDirection",
            "pageSize",
            "cursor",
        ],
        sends: &[],
        needs: &[
            "records[].identifier",
            "records[].name",
            "records[].folder.path",
            "records[].updatedAt",
            "records[].deleted",
            "records[].labels",
            PAGE[0],
            PAGE[1],
        ],
        words: &NAME_ASCENDING,
    },
    Relied {
        operation: "PATCH /v1/documents/{identifier}/labels",
        query: &[],
        sends: &["add"],
        needs: &[],
        words: &[],
    },
    Relied {
        operation: "GET /unstable/documents/{identifier}/export",
        query: &[],
        sends: &[],
        needs: &[
            "exportVersion",
            "document.name",
            "document.identifier|dashboard.identifier",
            "document.documentId|document.workbookId",
            "document.dashboardId|dashboard.id",
            "document.sharedModelId|document.sharedModel.id|dashboard.model.baseModelId",
            "dashboard",
            "workbookModel",
            "queryModels",
            "fileUploads",
        ],
        words: &[],
    },
    Relied {
        operation: "POST /unstable/documents/import",
        query: &[],
        sends: &[
            "baseModelId",
            "identifier",
            "folderPath",
            "exportVersion",
            "document",
            "dashboard",
            "workbookModel",
            "queryModels",
            "fileUploads",
        ],
        needs: &[],
        words: &[],
    },
    Relied {
        operation: "GET /v2/documents/{identifier}",
        query: &[],
        sends: &[],
        needs: &["modelId", "workbookModelId", "queryPresentations"],
        words: &[],
    },
    Relied {
        operation: "POST /v2/documents",
        query: &[],
        sends: &[
            "modelId",
            "identifier",
            "folderId",
            "name",
            "description",
            "queryPresentations",
            "controls",
            "settings",
            "containers",
        ],
        needs: &[],
        words: &[],
    },
    Relied {
        operation: "PUT /v1/documents/{identifier}/move",
        query: &[],
        sends: &["folderPath"],
        needs: &[],
        words: &[],
    },
    Relied {
        operation: "POST /v1/documents/{identifier}/move",
        query: &[],
        sends: &["folderPath"],
        needs: &[],
        words: &[],
    },
];

/// Where the description that Omni published in May 2026 is not Omni as it is: the call, the difference as a comparison
/// tells it, and why it is none. An instance that serves that description still stops no work.
pub(super) const KNOWN: &[(&str, &str, &str)] = &[
    (
        "GET /v1/whoami",
        "the call is gone",
        "it stands in Omni's documentation and in Omni's own clients, and instances serve it",
    ),
    (
        "GET /v1/models/{id}/content-validator",
        "the query parameter force_full_validation is gone",
        "Omni's own command line sends it since its release 1.3.1",
    ),
    (
        "POST /v1/query/run",
        "the query parameter userId is gone",
        "Omni's documentation and its command line name the user there; the description has it in the body, its older place",
    ),
    (
        "GET /v2/documents/{identifier}",
        "the call is gone",
        "it stands in Omni's documentation and in its SDK of July 2026",
    ),
    (
        "POST /v2/documents",
        "the call is gone",
        "it stands in Omni's documentation and in its SDK of July 2026",
    ),
    (
        "PUT /v1/documents/{identifier}/move",
        "the method is gone; the path has POST",
        "Omni's documentation and Omni's own clients move by PUT, and instances serve it",
    ),
    (
        "GET /unstable/documents/{identifier}/export",
        "the answer has no document.documentId or document.workbookId",
        "exports of instances hold both; the description lists two fields of the document where there are many",
    ),
];
