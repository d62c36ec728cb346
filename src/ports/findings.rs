//! What Omni's own validations find.

use serde_json::Value;

/// One finding of Omni's model validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationIssue {
    /// Omni's words.
    pub message: String,
    /// Where, if Omni says so: a YAML path or `view.field`.
    pub place: Option<String>,
    /// Only errors block.
    pub is_error: bool,
}

/// A tile's query, to be planned or run.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryAsk {
    /// What it is called in errors: the dashboard and the tile.
    pub name: String,
    /// The query as the document holds it.
    pub query: Value,
    /// As whom, by the membership's id; `None`: as the owner of the key.
    pub user: Option<String>,
    /// Run it for one row; else only plan it.
    pub run: bool,
}

/// What came of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryAnswer {
    /// Why there is no plan, in Omni's words.
    pub failure: Option<String>,
    /// Fields that it names and that are not there: Omni leaves them out and says so only here.
    pub missing_fields: Vec<String>,
    /// Calculations that refer to what is not there.
    pub invalid_calculations: Vec<String>,
    /// The SQL that the plan comes to, where Omni shows it.
    pub sql: Option<String>,
}

/// What Omni's content validation says of one document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentFindings {
    /// What `/dashboards/<identifier>` takes.
    pub identifier: String,
    /// Each finding; none where the document is in order.
    pub issues: Vec<ContentIssue>,
}

/// One finding of Omni's content validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentIssue {
    /// The tile, by its name; `None` where the dashboard as a whole, or a filter of it, is concerned.
    pub tile: Option<String>,
    /// Omni's words.
    pub message: String,
}
