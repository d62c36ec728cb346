//! Trying out what a pass would do: the same code, over a client whose writes reach nobody.

use std::sync::Arc;

use serde_json::Value;

use super::{Mapping, ModelRepository, OmniErrorKind};

/// A request as it would be sent to Omni.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The call, as method and path pattern: `GET /v1/models/{id}/yaml`.
    pub operation: &'static str,
    /// What stands before the path: `/api`, or nothing for a path of the server.
    pub below: &'static str,
    /// What fills the pattern, in order, as it is and not percent-encoded.
    pub segments: &'a [String],
    /// The query's parameters.
    pub query: &'a [(&'static str, String)],
    /// The body, where there is one.
    pub body: Option<&'a Value>,
    /// What errors would name.
    pub object: &'a str,
    /// Its place in the budget was taken before, for a mark.
    pub placed: bool,
}

/// How a request is met that is not sent as it is.
#[derive(Debug)]
pub enum Met {
    /// With this answer; nothing is sent.
    Answered(Result<Value, OmniErrorKind>),
    /// By reading from Omni: what it asks for, or the same of something else where these fill the pattern. What comes is
    /// shown to [`Rehearsal::read`].
    Read(Option<Vec<String>>),
}

/// Stands between a client and one organisation: keeps every request in order, lets reads of what is there pass, and
/// answers as Omni would once everything that was only tried had been done.
pub trait Rehearsal: Send + Sync {
    /// A place in the budget would be taken, for a call that is written down before it is sent.
    fn reserve(&self);
    /// How a request is met. The client sends nothing but reads, whatever is said here.
    fn meet(&self, request: &Request<'_>) -> Met;
    /// What Omni answered to a read, and what is made of it.
    fn read(&self, request: &Request<'_>, answer: Result<Value, OmniErrorKind>) -> Result<Value, OmniErrorKind>;
}

/// The stages of a rehearsal: of each instance its own.
pub trait Stages: Send + Sync {
    /// What stands before the organisation of this instance, by the instance's key.
    fn omni(&self, instance: &str) -> Arc<dyn Rehearsal>;
    /// What stands before the mapping of this instance.
    fn mapping(&self, instance: &str, real: Arc<dyn Mapping>) -> Arc<dyn Mapping>;
    /// What stands before a repository of this instance's models.
    fn repository(&self, instance: &str, real: Arc<dyn ModelRepository>) -> Arc<dyn ModelRepository>;
}
