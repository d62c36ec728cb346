//! What becomes of a call that waits for its place in the budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rstest::rstest;
use serde_json::json;

use super::canned::{Act, Canned, KEY, json as answer};
use crate::omni::{Limiters, OmniClient, OmniOptions, Shared};
use crate::ports::{
    Ask, Budget, Difference, MappingError, MappingErrorKind, Omni, OmniError, OmniErrorKind, Place, Return, Standing,
    Told,
};

/// What the database does when it is asked for a place, by how often it was asked before.
type Answers = Box<dyn Fn(usize) -> Result<(), MappingErrorKind> + Send + Sync>;

struct Database {
    asked: AtomicUsize,
    answers: Answers,
}

#[async_trait]
impl Budget for Database {
    async fn take_place(&self, ask: &Ask) -> Result<Place, MappingError> {
        let before = self.asked.fetch_add(1, Ordering::SeqCst);
        let action = "take a place in the request budget".to_owned();
        (self.answers)(before).map_err(|kind| MappingError { action, kind })?;
        let (id, rate) = (i64::try_from(before).unwrap(), ask.rate);
        let told = Told {
            rate,
            ..Told::default()
        };
        Ok(Place::Taken { id, told })
    }

    async fn give_back(&self, _: &Return) -> Result<(), MappingError> {
        Ok(())
    }

    async fn standing(&self, _: &str, rate: u32) -> Result<Told, MappingError> {
        Ok(Told {
            rate,
            ..Told::default()
        })
    }
}

/// A client whose places this database gives.
fn behind(server: &Canned, standing: Arc<Standing>, answers: Answers) -> (Arc<Database>, OmniClient) {
    let asked = AtomicUsize::new(0);
    let database = Arc::new(Database { asked, answers });
    let shared = Shared {
        budget: Arc::clone(&database) as _,
        request_timeout: Duration::from_secs(5),
    };
    let limiters = Limiters::new(Duration::from_millis(24));
    let limiter = limiters.limiter(&server.base_url(), &KEY.into(), 1000, Some(shared));
    let options = OmniOptions::default();
    let client = OmniClient::new(&server.base_url(), KEY.into(), limiter, &options).unwrap();
    (database, client.behind(standing))
}

fn another_organisation(standing: &Standing) {
    standing.unrecognized("another organisation");
}

fn touched(standing: &Standing) {
    standing.touch(vec![Difference {
        operation: "PUT /v1/documents/{identifier}/move",
        what: "the call is gone".to_owned(),
    }]);
}

#[rstest]
#[case::while_it_waits(0, another_organisation)]
#[case::touched_while_it_waits(0, touched)]
#[case::between_two_sends(1, another_organisation)]
#[case::touched_between_two_sends(1, touched)]
#[tokio::test]
async fn a_call_that_is_no_longer_admitted_when_its_place_comes_is_not_sent(
    #[case] places_before: usize,
    #[case] change: fn(&Standing),
) {
    let slow_down = Act::Answer(429, vec![("Retry-After", "0".to_owned())], String::new());
    let server = Canned::new([slow_down, answer(200, json!({"success": true}))]);
    let standing = Arc::new(Standing::vouched_for());
    let changed = Arc::clone(&standing);
    let answers: Answers = Box::new(move |before| {
        if before == places_before {
            change(&changed);
        }
        Ok(())
    });
    let (database, client) = behind(&server, standing, answers);
    let error = client.move_document("12db1a0a", "clinical/v2").await.unwrap_err();
    let kept_back = matches!(
        error.kind,
        OmniErrorKind::Unrecognized { .. } | OmniErrorKind::Untrusted { .. }
    );
    assert!(kept_back && !error.kind.effect_unknown(), "{error}");
    assert_eq!(server.asked().len(), places_before, "{error}");
    // What is known not to be admitted does not even take a place.
    let taken = database.asked.load(Ordering::SeqCst);
    client.move_document("12db1a0a", "clinical/v2").await.unwrap_err();
    assert_eq!(database.asked.load(Ordering::SeqCst), taken);
}

/// No place says nothing of the contract: what was known of it stays.
#[tokio::test]
async fn a_contract_that_got_no_place_is_no_contract_that_is_not_served() {
    let server = Canned::new([]);
    let why = "connection refused".to_owned();
    let answers: Answers = Box::new(move |_| Err(MappingErrorKind::Unreachable { why: why.clone() }));
    let (_, client) = behind(&server, Arc::new(Standing::vouched_for()), answers);
    let asked = client.contract().await;
    let no_place = matches!(
        asked,
        Err(OmniError {
            kind: OmniErrorKind::NoPlace { .. },
            ..
        })
    );
    assert!(no_place, "{asked:?}");
    assert!(server.asked().is_empty());
}
