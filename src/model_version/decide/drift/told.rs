//! What is told of a version that other hands changed, one thing at a time.

use sha2::{Digest, Sha256};

use crate::model_version::act::Effect;
use crate::resources::conditions::Reason;

/// One thing that is told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) kind: Kind,
    /// It is about the model.
    pub(super) model: bool,
    /// The object and what became of it.
    pub(super) what: String,
    /// What a person accepts who takes it as it is now, and what is kept then.
    pub(super) accepts: Option<(String, Box<Effect>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Gone,
    Moved,
    Edited,
    Unknown,
}

impl Kind {
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::Gone => Reason::Missing,
            Self::Moved => Reason::MovedInOmni,
            Self::Edited => Reason::EditedInOmni,
            Self::Unknown => Reason::UnknownInOmni,
        }
    }

    pub(super) const fn way_out(self) -> &'static str {
        match self {
            Self::Gone => "restore it from Omni's trash, or cut a new version",
            Self::Moved => "put it back as it was in Omni",
            Self::Edited => "put it back by its history in Omni, or cut a new version with the change",
            Self::Unknown => "it is left alone; move it elsewhere if it does not belong there",
        }
    }
}

impl Told {
    pub(super) fn new(kind: Kind, what: String) -> Self {
        let (model, accepts) = (false, None);
        Self {
            kind,
            model,
            what,
            accepts,
        }
    }

    pub(super) fn of_model(mut self) -> Self {
        self.model = true;
        self
    }

    pub(super) fn accepting(mut self, what: String, keep: Effect) -> Self {
        self.accepts = Some((what, Box::new(keep)));
        self
    }
}

/// A word for exactly what there is to accept, so that an annotation left in git accepts nothing later.
pub(super) fn token(told: &[Told]) -> Option<String> {
    let mut parts: Vec<&str> = told
        .iter()
        .filter_map(|it| it.accepts.as_ref())
        .map(|(what, _)| what.as_str())
        .collect();
    if parts.is_empty() {
        return None;
    }
    parts.sort_unstable();
    let digest = Sha256::digest(parts.join("\n"));
    Some(digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect())
}
