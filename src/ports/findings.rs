//! What Omni's own validations find, and what is kept of it for people.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resources::ValidationStatus;

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

/// One thing that was found in a version, as it is kept for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundLine {
    /// What was looked at: `model`, `content`, `queries` or `routing`.
    pub looked_at: String,
    /// The environment as whose tenant a query was asked.
    pub environment: Option<String>,
    /// The dashboard; none where it is the model's.
    pub slug: Option<String>,
    /// The tile, by its name.
    pub tile: Option<String>,
    /// As whom its query was asked.
    pub asked_as: Option<String>,
    /// What.
    pub message: String,
    /// It keeps the version from tenants; otherwise it was let pass.
    pub blocks: bool,
    /// Its name: the same for the same thing in the same place.
    pub fingerprint: String,
}

impl FoundLine {
    /// All of it in one line.
    #[must_use]
    pub fn told(&self) -> String {
        let weight = if self.blocks { "blocks" } else { "let pass" };
        let slug = self.slug.as_ref().map_or_else(String::new, |slug| format!(" {slug}"));
        // What was found in the content says in which tile.
        let tile = self.tile.as_ref().filter(|_| self.asked_as.is_some());
        let tile = tile.map_or_else(String::new, |tile| format!(", tile {tile:?}"));
        let asked_as = self
            .asked_as
            .as_ref()
            .map_or_else(String::new, |it| format!(", as {it}"));
        format!("{weight}, {}:{slug}{tile}{asked_as}: {}", self.looked_at, self.message)
    }
}

/// How much was found in a version when it was last validated, and the worst of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundSummary {
    /// A hash of all that was found.
    pub digest: String,
    /// How much of it keeps the version from tenants.
    pub blocking: u32,
    /// How much was let pass.
    pub passed: u32,
    /// The worst of it, a line each.
    pub first: Vec<String>,
}

impl FoundSummary {
    /// What a status tells of it.
    #[must_use]
    pub fn status(&self) -> ValidationStatus {
        ValidationStatus {
            blocking: self.blocking,
            passed: self.passed,
            first: self.first.clone(),
        }
    }
}

/// All that was found, worst first; of very much the worst.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundReport {
    /// How much it is.
    pub summary: FoundSummary,
    /// What is kept.
    pub lines: Vec<FoundLine>,
}
