//! Where Omni is known to differ from the contract that it published in May 2026, and the simulator with it.

/// One known difference between Omni and its published contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Method and path as the contract writes it; where it lacks the call, with `{}` for the name of an object. `*` is
    /// every call.
    pub operation: &'static str,
    /// The part of the exchange: `call`, `query <name>`, `body <path>`, `status <number>`, `answer <path or type>`.
    pub place: &'static str,
    /// How Omni is instead.
    pub instead: &'static str,
    /// Who says so.
    pub source: &'static str,
}

const fn difference(
    operation: &'static str,
    place: &'static str,
    instead: &'static str,
    source: &'static str,
) -> Difference {
    Difference {
        operation,
        place,
        instead,
        source,
    }
}

/// Every known difference that the simulator shows or a request of Wavepin makes. A test holds that no exchange parts
/// from the contract elsewhere, and that every entry is needed.
pub const DIFFERENCES: [Difference; 27] = [
    difference(
        "*",
        "status 400",
        "refuses what it cannot use, such as a cursor that is none",
        "Omni's documentation, which has the words of these refusals",
    ),
    difference(
        "*",
        "status 403",
        "what a key gets that is not known; the contract has 401",
        "clients of live instances",
    ),
    difference(
        "*",
        "status 429",
        "what a key gets over its budget",
        "Omni's documentation of rate limits",
    ),
    difference(
        "DELETE /api/unstable/models/{}/yaml",
        "call",
        "the older path of the YAML calls still answers",
        "Omni's older documentation and its published scripts",
    ),
    difference(
        "GET /api/unstable/models/{}/yaml",
        "call",
        "the older path of the YAML calls still answers",
        "Omni's older documentation and its published scripts",
    ),
    difference(
        "POST /api/unstable/models/{}/yaml",
        "call",
        "the older path of the YAML calls still answers",
        "Omni's older documentation and its published scripts",
    ),
    difference(
        "GET /api/v1/connection-environments",
        "answer /connectionEnvironments",
        "`data`, with values in one text",
        "Omni's documentation; knob `environments_answer`",
    ),
    difference(
        "GET /api/v1/documents",
        "answer /records/*/labels/*",
        "`name` and `verified` of each; the contract has names",
        "Omni's documentation; knob `document_labels`",
    ),
    difference(
        "GET /api/v1/folders/{folderId}/permissions",
        "answer /permits",
        "`principals`, each with what is its own under `direct`",
        "Omni's documentation; knob `permissions_answer`",
    ),
    difference(
        "GET /api/v1/models/{modelId}/content-validator",
        "query force_full_validation",
        "plans the queries too, which large content else leaves out",
        "Omni's command line from 1.3.1 on",
    ),
    difference(
        "GET /api/v1/models/{modelId}/validate",
        "answer",
        "a bare list of `message`, `is_warning`, `yaml_path`",
        "Omni's documentation and clients of live instances; knob `validate_answer`",
    ),
    difference(
        "GET /api/v2/documents/{}",
        "call",
        "reads a published document in the shape in which one is created",
        "Omni's documentation and its SDK of July 2026",
    ),
    difference(
        "POST /api/v2/documents",
        "call",
        "creates and publishes a document, with folder and identifier",
        "Omni's documentation and its SDK of July 2026",
    ),
    difference(
        "GET /api/v1/whoami",
        "call",
        "tells whose key it is",
        "Omni's documentation and its SDK of July 2026",
    ),
    difference(
        "PATCH /api/v1/documents/{identifier}",
        "status 410",
        "gone since 31 July 2026",
        "Omni's documentation",
    ),
    difference(
        "PUT /api/v1/documents/{identifier}",
        "status 410",
        "gone since 31 July 2026",
        "Omni's documentation",
    ),
    difference(
        "PUT /api/v1/documents/{}/move",
        "call",
        "documents move by PUT; the contract has POST",
        "Omni's documentation, its SDK of July 2026 and its own clients; knob `move_by_post`",
    ),
    difference(
        "POST /api/unstable/documents/import",
        "status 200",
        "`dashboard`, `workbook` and `miniUuidMap`; the contract has 201 with the identifiers",
        "Omni's documentation; knob `import_answer`",
    ),
    difference(
        "POST /api/v1/models/{modelId}/yaml",
        "answer /files",
        "`success` and `fileName`",
        "Omni's documentation and its own clients; knob `yaml_answers_files`",
    ),
    difference(
        "POST /api/v1/models/{modelId}/yaml",
        "answer /version",
        "`success` and `fileName`",
        "Omni's documentation and its own clients; knob `yaml_answers_files`",
    ),
    difference(
        "POST /api/v1/query/run",
        "answer text/ndjson",
        "a line for each step, not one JSON object",
        "Omni's documentation",
    ),
    difference(
        "GET /api/scim/v2/embed/users",
        "call",
        "`users` in small letters; the contract has `Users`",
        "Omni's documentation",
    ),
    difference(
        "GET /api/v1/query/wait",
        "answer text/ndjson",
        "a line for each job, not one JSON object",
        "Omni's documentation",
    ),
    difference(
        "GET /api/v1/query/wait",
        "answer /results",
        "while no job has ended, one line alone, which names those that are left",
        "Omni's documentation",
    ),
    difference(
        "POST /api/v1/query/run",
        "body /cache",
        "`Standard`, `SkipRequery`, `SkipCache`, `SkipCacheAndRebuildExtracts`; refuses the contract's words",
        "Omni's command line from 1.3.1 on and clients of live instances",
    ),
    difference(
        "POST /api/v1/query/run",
        "query userId",
        "the user in whose name it asks; in the body it is an older way",
        "Omni's documentation",
    ),
    difference(
        "POST /api/v1/query/run",
        "body /connectionEnvironmentId",
        "looks at one environment whoever asks",
        "Omni's documentation",
    ),
];
