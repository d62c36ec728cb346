//! What Omni's own validations find.

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
