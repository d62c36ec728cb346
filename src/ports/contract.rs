//! What a comparison of Omni's own description of its API with what the client relies on has found.

/// How the description that an instance serves differs from what the client relies on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contract {
    /// What the client relies on and the description no longer has, or asks for beyond it: calls that must not be sent.
    pub touching: Vec<Difference>,
    /// How many things the description has that were not there when the client was written; none is relied on.
    pub new: usize,
    /// The first of them, by name.
    pub new_first: Vec<String>,
}

/// One difference that touches the client.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The call, as errors name it: `POST /v1/models`.
    pub operation: &'static str,
    /// What is different: `the answer has no records[].id`.
    pub what: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.operation, self.what)
    }
}
