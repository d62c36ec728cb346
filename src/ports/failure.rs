//! The one place that turns an error of a port into what is said of it and when it is tried again.
//!
//! Every reconciler uses it for the errors that it has no better word for, so that the same fault reads the same on
//! every object that it touches.

use std::time::Duration;

use super::{
    ConnectError, MappingError, MappingErrorKind, Next, OmniError, OmniErrorKind, RepositoryError, RepositoryErrorKind,
};
use crate::resources::conditions::{Finding, RECONCILING, Reason, STALLED, Verdict};

/// How often that is read again which only a person can mend, so that the mending is noticed.
pub const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// How often a refused credential is tried again: Secrets are not watched, and a rotated one may come at any time.
pub const CREDENTIAL_PACE: Duration = Duration::from_secs(30);

/// How often an absent Secret is asked for. Short, since objects that are applied together arrive within seconds; the
/// keeper of the clients bounds what this costs.
pub const SECRET_PACE: Duration = Duration::from_secs(5);

/// An error of a port, as conditions tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Only a person can mend it; otherwise it may pass by itself.
    pub stalled: bool,
    /// The world could not be seen, so that nothing is known of what depends on it: `Unknown`, not `False`.
    pub unseen: bool,
    /// The credential may be the cause: [`super::Clients::forget_credentials`] before the next try.
    pub credential: bool,
    /// The reason for the conditions.
    pub reason: Reason,
    /// What went wrong, with which object, and what a person can do.
    pub message: String,
    /// The same in place of the message where nothing may be told that Omni says; `None` where it says nothing.
    pub wordless: Option<String>,
    /// When to try again.
    pub next: Next,
}

impl Failure {
    /// Something that may pass by itself, retried with growing pauses.
    pub fn passing(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            stalled: false,
            unseen: false,
            credential: false,
            reason,
            message: message.into(),
            wordless: None,
            next: Next::Backoff { after: None },
        }
    }

    /// Something that only a person can mend, looked at again every [`LOOK_AGAIN`].
    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            stalled: true,
            next: Next::After(LOOK_AGAIN),
            ..Self::passing(reason, message)
        }
    }

    /// The same, where it also means that the world could not be seen.
    #[must_use]
    pub fn unseen(mut self) -> Self {
        self.unseen = true;
        self
    }

    /// The same, tried again at another time.
    #[must_use]
    pub fn next(mut self, next: Next) -> Self {
        self.next = next;
        self
    }

    /// The same, where a credential may be the cause.
    #[must_use]
    pub fn credential(mut self) -> Self {
        self.credential = true;
        self
    }

    /// The same without Omni's words, which may quote what was sent to it.
    #[must_use]
    pub fn without_words(mut self) -> Self {
        if let Some(wordless) = self.wordless.take() {
            self.message = wordless;
        }
        self
    }

    /// What it means for a condition that needs the failed part, `Ready` among them.
    #[must_use]
    pub fn against(&self, condition: &'static str) -> Finding {
        Finding {
            condition,
            verdict: if self.unseen { Verdict::Unknown } else { Verdict::False },
            reason: self.reason,
            message: self.message.clone(),
        }
    }

    /// `Stalled` or `Reconciling`, whichever it is.
    #[must_use]
    pub fn abnormal(&self) -> Finding {
        let condition = if self.stalled { STALLED } else { RECONCILING };
        Finding::holds(condition, self.reason, self.message.clone())
    }
}

impl From<&OmniError> for Failure {
    fn from(error: &OmniError) -> Self {
        Self {
            wordless: wordless(error),
            ..Self::of_omni(error)
        }
    }
}

/// What is said of an error without the words that came with it, where some did.
fn wordless(error: &OmniError) -> Option<String> {
    let (operation, object) = (error.operation, &error.object);
    let status = match &error.kind {
        OmniErrorKind::Refused { status, .. } | OmniErrorKind::Conflict { status, .. } => format!(" ({status})"),
        OmniErrorKind::AnswerLost { .. }
        | OmniErrorKind::NotFound { .. }
        | OmniErrorKind::CallerAttributeMissing { .. }
        | OmniErrorKind::ContractDrift { .. } => String::new(),
        _ => return None,
    };
    Some(format!(
        "{operation} ({object}) failed{status}; what Omni says is not shown here, since edits of the version stand in a Secret. Omni's own model editor shows what it thinks of them"
    ))
}

impl Failure {
    fn of_omni(error: &OmniError) -> Self {
        let text = error.to_string();
        match &error.kind {
            OmniErrorKind::NoPlace { source } => Self {
                message: format!(
                    "{} ({}): not sent: {}",
                    error.operation,
                    error.object,
                    Self::from(source).message
                ),
                ..Self::from(source)
            },
            OmniErrorKind::Unreachable { .. } | OmniErrorKind::AnswerLost { .. } => {
                Self::passing(Reason::OmniUnreachable, text).unseen()
            }
            OmniErrorKind::RateLimited { retry_after } => {
                Self::passing(Reason::RateLimited, text).next(Next::Backoff { after: *retry_after })
            }
            OmniErrorKind::KeyRefused { .. } => Self::stalled(
                Reason::KeyRefused,
                format!("{text}. Put a valid organisation API key into the Secret that apiKeySecretRef names"),
            )
            .credential()
            .next(Next::After(CREDENTIAL_PACE)),
            OmniErrorKind::NotFound { .. } | OmniErrorKind::Refused { .. } => Self::stalled(Reason::OmniRefused, text),
            OmniErrorKind::Conflict { .. } => Self::passing(Reason::Progressing, text),
            OmniErrorKind::CallerAttributeMissing { .. } => Self::stalled(
                Reason::CallerAttributeMissing,
                format!(
                    "{text}. Give the key's owner a value for the user attribute that picks the connection environment"
                ),
            ),
            OmniErrorKind::ContractDrift { .. } => Self::stalled(
                Reason::ContractDrift,
                format!(
                    "{text}. Wavepin does not know this answer and stopped rather than guess; update Wavepin, or report it"
                ),
            ),
            OmniErrorKind::Gone { .. } | OmniErrorKind::Untrusted { .. } => {
                Self::stalled(Reason::ContractDrift, format!("{text}. {}", newer_release()))
            }
            OmniErrorKind::Unrecognized { .. } => {
                Self::passing(Reason::InstanceNotReady, text).next(Next::After(LOOK_AGAIN))
            }
        }
    }
}

/// Which release knows what this one does not.
#[must_use]
pub fn newer_release() -> String {
    format!(
        "This is Wavepin {}; install a newer release, which knows Omni as it is now. What does not need this call goes on",
        env!("CARGO_PKG_VERSION")
    )
}

impl From<&MappingError> for Failure {
    fn from(error: &MappingError) -> Self {
        let text = error.to_string();
        match &error.kind {
            // A changed password breaks a connection as a lost network does.
            MappingErrorKind::Unreachable { .. } => {
                Self::passing(Reason::MappingUnreachable, text).unseen().credential()
            }
            MappingErrorKind::Refused { .. } => Self::passing(Reason::MappingUnreachable, text),
            MappingErrorKind::Locked { .. } => Self::passing(Reason::Progressing, text),
            MappingErrorKind::Rights { .. } => Self::stalled(Reason::MappingRights, text),
            MappingErrorKind::Schema { .. } => Self::stalled(Reason::MappingSchema, text),
            MappingErrorKind::Owned { .. } => Self::stalled(Reason::MappingOwned, text),
            MappingErrorKind::Contended => Self::stalled(
                Reason::MappingContended,
                format!("{text}. End one of the two writers, or give one another mapping.owner; then restart this one"),
            ),
            MappingErrorKind::Invalid { .. } => Self::stalled(Reason::Invalid, text).next(Next::After(CREDENTIAL_PACE)),
            MappingErrorKind::Superseded => Self::passing(Reason::Progressing, text),
            MappingErrorKind::Ambiguous { .. } => Self::stalled(Reason::MappingAmbiguous, text),
            MappingErrorKind::Conflict { .. } => Self::stalled(Reason::MappingConflict, text),
        }
    }
}

impl From<&RepositoryError> for Failure {
    fn from(error: &RepositoryError) -> Self {
        use RepositoryErrorKind as Kind;
        let text = error.to_string();
        match &error.kind {
            Kind::Unreachable { .. } | Kind::TimedOut { .. } | Kind::Outrun { .. } => {
                Self::passing(Reason::GitUnreachable, text).unseen()
            }
            Kind::CredentialInvalid { .. }
            | Kind::CredentialRefused { .. }
            | Kind::HostUnknown { .. }
            | Kind::HostKeyChanged { .. }
            | Kind::NoRepository { .. } => Self::stalled(Reason::GitRefused, text)
                .credential()
                .next(Next::After(CREDENTIAL_PACE)),
            // The credential's kind decides which addresses go with it.
            Kind::Address { .. } => Self::stalled(Reason::GitRefused, text).credential(),
            Kind::Refused { .. } | Kind::Unsupported { .. } | Kind::NotGit { .. } => {
                Self::stalled(Reason::GitRefused, text)
            }
            Kind::Protected { .. } => Self::stalled(
                Reason::GitProtected,
                format!(
                    "{text}. With model.git.propose: true it is pushed to a branch of its own, for people to merge"
                ),
            ),
            Kind::DirectoryTaken { .. } | Kind::BranchTaken { .. } => Self::stalled(Reason::GitDirectoryTaken, text),
            Kind::NoBranch { .. }
            | Kind::NoCommit { .. }
            | Kind::NoDirectory { .. }
            | Kind::NotDirectory { .. }
            | Kind::Name { .. }
            | Kind::Entry { .. }
            | Kind::FileName { .. }
            | Kind::NotText { .. }
            | Kind::TooLarge { .. } => Self::stalled(Reason::GitUnfit, text),
        }
    }
}

impl From<&ConnectError> for Failure {
    fn from(error: &ConnectError) -> Self {
        match error {
            ConnectError::Missing { message } => {
                Self::passing(Reason::SecretMissing, message).next(Next::After(SECRET_PACE))
            }
            // What is to be corrected stands in the Secret more often than in the spec.
            ConnectError::Refused { reason, message } => Self::stalled(*reason, message)
                .credential()
                .next(Next::After(CREDENTIAL_PACE)),
            ConnectError::Repository { source } => Self::from(source).next(Next::After(CREDENTIAL_PACE)),
            ConnectError::Secret { source } => Self::passing(Reason::SecretMissing, source.to_string()).unseen(),
            // The URL may be what is refused.
            ConnectError::Database { source } if matches!(source.kind, MappingErrorKind::Refused { .. }) => {
                Self::from(source).credential()
            }
            ConnectError::Database { source } => Self::from(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn omni(kind: OmniErrorKind) -> Failure {
        Failure::from(&OmniError {
            operation: "GET /v1/whoami",
            object: "acme".to_owned(),
            kind,
        })
    }

    fn mapping(kind: MappingErrorKind) -> Failure {
        Failure::from(&MappingError {
            action: "read the versions".to_owned(),
            kind,
        })
    }

    #[test]
    fn a_refused_key_is_for_a_person_but_tried_at_the_pace_of_secrets() {
        let failure = omni(OmniErrorKind::KeyRefused {
            status: 401,
            detail: "bad key".to_owned(),
        });
        assert!(failure.stalled && failure.credential);
        assert_eq!(failure.next, Next::After(CREDENTIAL_PACE));
        assert!(failure.message.contains("GET /v1/whoami") && failure.message.contains("apiKeySecretRef"));
        assert_eq!(failure.abnormal().condition, STALLED);
    }

    #[test]
    fn a_secret_that_forbids_its_use_is_read_again_at_the_next_try() {
        let failure = Failure::from(&ConnectError::Refused {
            reason: Reason::HostNotAllowed,
            message: "not to this host".to_owned(),
        });
        assert!(failure.stalled && failure.credential);
        assert_eq!(failure.next, Next::After(CREDENTIAL_PACE));
    }

    #[test]
    fn what_may_pass_is_never_stalled() {
        let why = || "timed out".to_owned();
        for failure in [
            omni(OmniErrorKind::Unreachable { why: why() }),
            omni(OmniErrorKind::AnswerLost { why: why() }),
            omni(OmniErrorKind::RateLimited { retry_after: None }),
            mapping(MappingErrorKind::Unreachable { why: why() }),
            mapping(MappingErrorKind::Refused { why: why() }),
            mapping(MappingErrorKind::Superseded),
            Failure::from(&ConnectError::Missing { message: why() }),
        ] {
            assert!(!failure.stalled, "{failure:?}");
            assert_eq!(failure.abnormal().condition, RECONCILING);
        }
    }

    #[test]
    fn a_call_that_got_no_place_in_the_budget_fails_as_the_mapping_does() {
        let no_place = |kind| {
            omni(OmniErrorKind::NoPlace {
                source: MappingError {
                    action: "take a place in the request budget".to_owned(),
                    kind,
                },
            })
        };
        let gone = no_place(MappingErrorKind::Unreachable { why: "no".to_owned() });
        assert_eq!(
            (gone.reason, gone.stalled, gone.unseen),
            (Reason::MappingUnreachable, false, true)
        );
        assert!(gone.message.contains("GET /v1/whoami"), "{}", gone.message);
        let shut_out = no_place(MappingErrorKind::Contended);
        assert_eq!((shut_out.reason, shut_out.stalled), (Reason::MappingContended, true));
        assert!(shut_out.message.contains("restart this one"), "{}", shut_out.message);
    }

    #[test]
    fn omnis_own_wait_is_kept() {
        let wait = Some(Duration::from_secs(17));
        assert_eq!(
            omni(OmniErrorKind::RateLimited { retry_after: wait }).next,
            Next::Backoff { after: wait }
        );
    }

    #[test]
    fn a_call_that_is_gone_says_its_successor_and_which_release_knows_it() {
        let failure = omni(OmniErrorKind::Gone {
            successor: Some("/api/v2/whoami".to_owned()),
        });
        assert!(failure.stalled && failure.reason == Reason::ContractDrift);
        for part in ["/api/v2/whoami", "a newer release", env!("CARGO_PKG_VERSION")] {
            assert!(failure.message.contains(part), "{}", failure.message);
        }
    }

    #[test]
    fn what_is_kept_back_for_want_of_recognition_waits_for_the_instance() {
        let failure = omni(OmniErrorKind::Unrecognized {
            why: "not yet".to_owned(),
        });
        assert!(!failure.stalled && !failure.unseen);
        assert_eq!(failure.reason, Reason::InstanceNotReady);
    }

    #[test]
    fn what_could_not_be_seen_is_unknown_and_what_is_refused_is_false() {
        let unseen = mapping(MappingErrorKind::Unreachable { why: "no".to_owned() });
        assert_eq!(unseen.against("Ready").verdict, Verdict::Unknown);
        let rights = mapping(MappingErrorKind::Rights {
            why: "no".to_owned(),
            grants: "GRANT USAGE ON SCHEMA wavepin TO app".to_owned(),
        });
        assert_eq!(rights.against("Ready").verdict, Verdict::False);
        assert_eq!(rights.reason, Reason::MappingRights);
        assert!(rights.message.contains("GRANT USAGE"), "{}", rights.message);
    }
}
