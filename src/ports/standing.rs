//! What this process knows of the organisation behind one URL and key, beside the clients that use them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::{Difference, OmniErrorKind};

/// The calls by which an organisation is recognised, and that are sent before it is.
const IDENTITY: [&str; 4] = [
    "GET /openapi.json",
    "GET /v1/whoami",
    "GET /v1/connections",
    "GET /v1/models",
];

/// The call whose answer shows the organisation's id.
const SHOWS_ID: &str = "GET /unstable/documents/{identifier}/export";

/// Which calls may be sent to one organisation. One for each instance, URL and key, shared by all its clients: the
/// instance's pass sets it, and every client asks it before it sends.
#[derive(Debug)]
pub struct Standing {
    state: watch::Sender<State>,
    turned_away: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    recognition: Recognition,
    /// The organisation's id, as it is on record.
    id: Option<String>,
    /// The organisation's id, as an export showed it.
    shown: Option<String>,
    touched: Vec<Difference>,
}

/// Whether the organisation is the one whose versions stand in the mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Recognition {
    /// Nobody has looked yet.
    #[default]
    Unlooked,
    /// It is.
    Recognized,
    /// It is not, or cannot be seen; why.
    Unrecognized(String),
}

impl Default for Standing {
    /// Of an organisation that nobody has looked at: nothing is sent but what tells which one it is.
    fn default() -> Self {
        Self {
            state: watch::Sender::default(),
            turned_away: AtomicBool::new(false),
        }
    }
}

impl Standing {
    /// Of an organisation that the caller vouches for: everything is sent.
    #[must_use]
    pub fn vouched_for() -> Self {
        let standing = Self::default();
        standing.recognized(None);
        standing
    }

    /// Whether this call may be sent now.
    ///
    /// # Errors
    /// [`OmniErrorKind::Untrusted`] and [`OmniErrorKind::Unrecognized`]: it may not, and nothing happened.
    pub fn admits(&self, operation: &str) -> Result<(), OmniErrorKind> {
        let state = self.state.borrow();
        let touched = state.touched.iter().find(|it| it.operation == operation);
        let admitted = match touched {
            Some(difference) => Err(OmniErrorKind::Untrusted {
                difference: difference.what.clone(),
            }),
            None if IDENTITY.contains(&operation) => Ok(()),
            // What showed another organisation may have come from elsewhere: the same question, once more.
            None if operation == SHOWS_ID && state.is_in_doubt() => Ok(()),
            None => state.recognition.admits(),
        };
        drop(state);
        self.remembered(admitted)
    }

    fn remembered(&self, admitted: Result<(), OmniErrorKind>) -> Result<(), OmniErrorKind> {
        if admitted.is_err() {
            self.turned_away.store(true, Ordering::SeqCst);
        }
        admitted
    }

    /// Whether nobody has looked yet which organisation it is.
    pub fn is_unlooked(&self) -> bool {
        self.state.borrow().recognition == Recognition::Unlooked
    }

    /// Whether any work was turned away since this was last asked: it waits to be called again.
    pub fn turned_away(&self) -> bool {
        self.turned_away.swap(false, Ordering::SeqCst)
    }

    /// The organisation is the one on record, whose id is this if any is.
    ///
    /// Returns whether it was not known to be so before.
    pub fn recognized(&self, id: Option<String>) -> bool {
        self.state.send_if_modified(|state| {
            state.id = id;
            let news = state.recognition != Recognition::Recognized;
            state.recognition = Recognition::Recognized;
            news
        })
    }

    /// The organisation is another one, or cannot be told from another.
    pub fn unrecognized(&self, why: &str) {
        self.state
            .send_modify(|state| state.recognition = Recognition::Unrecognized(why.to_owned()));
    }

    /// A look could not see which organisation it is: one that was recognised stays so.
    pub fn unseen(&self, why: &str) {
        self.state.send_modify(|state| {
            if state.recognition != Recognition::Recognized {
                state.recognition = Recognition::Unrecognized(why.to_owned());
            }
        });
    }

    /// These calls are no longer what the client relies on; all others are.
    ///
    /// Returns whether that is news.
    pub fn touch(&self, touched: Vec<Difference>) -> bool {
        self.state.send_if_modified(|state| {
            let news = state.touched != touched;
            state.touched = touched;
            news
        })
    }

    /// The id of the organisation, as exports show it, if one did.
    #[must_use]
    pub fn shown(&self) -> Option<String> {
        self.state.borrow().shown.clone()
    }

    /// Whether what an export showed last is another organisation than the one on record. One export may be sent to look
    /// again.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.state.borrow().is_in_doubt()
    }

    /// What exports showed is of no use any more: the organisation is told by more than that.
    pub fn forget_shown(&self) {
        self.state.send_modify(|state| state.shown = None);
    }

    /// An export shows the id of its organisation.
    ///
    /// # Errors
    /// [`OmniErrorKind::Unrecognized`] where it is another than the one on record: from then on nothing is sent.
    pub fn shows(&self, id: &str) -> Result<(), OmniErrorKind> {
        self.state.send_modify(|state| {
            if state.id.as_deref().is_some_and(|known| known != id) {
                state.recognition = Recognition::Unrecognized(format!(
                    "an export shows the organisation {id}, and the one on record is {}; see the conditions of the \
                     OmniInstance",
                    state.id.as_deref().unwrap_or_default()
                ));
            }
            state.shown = Some(id.to_owned());
        });
        let admitted = self.state.borrow().recognition.admits();
        self.remembered(admitted)
    }

    /// Waits until somebody has looked which organisation it is, but no longer than this; then says whether work may
    /// begin.
    ///
    /// # Errors
    /// [`OmniErrorKind::Unrecognized`]: it may not.
    pub async fn looked_at(&self, longest: Duration) -> Result<(), OmniErrorKind> {
        let mut state = self.state.subscribe();
        let looked = state.wait_for(|state| state.recognition != Recognition::Unlooked);
        // Whichever ends it, what counts is what is known then.
        let _ = tokio::time::timeout(longest, looked).await;
        let admitted = self.state.borrow().recognition.admits();
        self.remembered(admitted)
    }
}

impl State {
    fn is_in_doubt(&self) -> bool {
        self.id.is_some() && self.shown.is_some() && self.id != self.shown
    }
}

impl Recognition {
    fn admits(&self) -> Result<(), OmniErrorKind> {
        let why = match self {
            Self::Recognized => return Ok(()),
            Self::Unlooked => "the OmniInstance has not yet been seen to be the organisation on record".to_owned(),
            Self::Unrecognized(why) => why.clone(),
        };
        Err(OmniErrorKind::Unrecognized { why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference() -> Difference {
        Difference {
            operation: "POST /v1/folders",
            what: "the body needs ownerId".to_owned(),
        }
    }

    #[test]
    fn before_anyone_looked_only_what_tells_the_organisation_is_sent() {
        let standing = Standing::default();
        assert!(standing.admits("GET /v1/connections").is_ok());
        for operation in ["POST /v1/models", "GET /v1/folders"] {
            let refused = standing.admits(operation).unwrap_err();
            assert!(matches!(refused, OmniErrorKind::Unrecognized { .. }), "{refused}");
            assert!(!refused.effect_unknown());
        }
        assert!(standing.turned_away() && !standing.turned_away(), "told once");
        assert!(standing.recognized(None), "that is news");
        assert!(!standing.recognized(None), "and it is none the second time");
        assert!(standing.admits("POST /v1/models").is_ok());
    }

    #[test]
    fn a_look_that_saw_nothing_takes_nothing_back_and_another_organisation_everything() {
        let standing = Standing::default();
        standing.unseen("Omni cannot be reached");
        assert!(standing.admits("POST /v1/models").is_err());
        standing.recognized(None);
        standing.unseen("Omni cannot be reached");
        assert!(standing.admits("POST /v1/models").is_ok());
        standing.unrecognized("another organisation");
        assert!(standing.admits("POST /v1/models").is_err());
    }

    #[test]
    fn a_touched_call_is_kept_back_and_no_other() {
        let standing = Standing::vouched_for();
        assert!(standing.touch(vec![difference()]));
        assert!(!standing.touch(vec![difference()]));
        let refused = standing.admits("POST /v1/folders").unwrap_err();
        assert!(refused.to_string().contains("the body needs ownerId"), "{refused}");
        assert!(!refused.effect_unknown());
        assert!(standing.admits("POST /v1/models").is_ok());
        assert!(standing.touch(Vec::new()));
        assert!(standing.admits("POST /v1/folders").is_ok());
    }

    #[test]
    fn an_export_of_another_organisation_ends_all_sending() {
        let standing = Standing::default();
        standing.recognized(None);
        assert!(standing.shows("a").is_ok());
        standing.recognized(standing.shown());
        assert!(standing.shows("a").is_ok() && !standing.is_in_doubt());
        assert!(standing.shows("b").is_err());
        assert!(standing.admits("POST /v1/folders").is_err());
        // But for the question that tells whether it was a stray answer; only a look opens the way again.
        assert!(standing.is_in_doubt() && standing.admits(SHOWS_ID).is_ok());
        assert!(standing.shows("a").is_err() && !standing.is_in_doubt());
        assert!(standing.admits(SHOWS_ID).is_err());
    }

    #[tokio::test]
    async fn work_begins_when_the_look_ends_and_waits_no_longer_than_it_must() {
        let standing = std::sync::Arc::new(Standing::default());
        assert!(standing.looked_at(Duration::from_millis(5)).await.is_err());
        let waiting = tokio::spawn({
            let standing = std::sync::Arc::clone(&standing);
            async move { standing.looked_at(Duration::from_secs(3600)).await.is_ok() }
        });
        tokio::task::yield_now().await;
        standing.recognized(None);
        assert!(waiting.await.unwrap());
    }
}
