//! Lists that were read a moment ago, for looks at many versions that need not each have their own.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::ports::{ModelRecord, OmniError};

/// Lists of models by connection, with the time when each was asked for.
#[derive(Default)]
pub(super) struct Lately {
    /// Held while a list is read, which may have to wait long for the budget.
    reading: tokio::sync::Mutex<()>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// How often all was forgotten.
    epoch: u64,
    lists: HashMap<String, (Instant, Vec<ModelRecord>)>,
}

impl Lately {
    /// The list of a connection that is no older than this, read now where there is none. Whoever comes meanwhile waits
    /// for the one that is being read.
    pub(super) async fn models(
        &self,
        connection_id: &str,
        max_age: Duration,
        read: impl Future<Output = Result<Vec<ModelRecord>, OmniError>>,
    ) -> Result<Vec<ModelRecord>, OmniError> {
        let _reading = self.reading.lock().await;
        let epoch = {
            let kept = self.kept();
            if let Some((at, models)) = kept.lists.get(connection_id)
                && at.elapsed() < max_age
            {
                return Ok(models.clone());
            }
            kept.epoch
        };
        let asked_at = Instant::now();
        let models = read.await?;
        let mut kept = self.kept();
        if kept.epoch == epoch {
            kept.lists.insert(connection_id.to_owned(), (asked_at, models.clone()));
        }
        Ok(models)
    }

    /// After a call that makes or changes a model, whatever came of it: an older list would show it as missing, and so
    /// would one that is being read. It waits for nothing: what the call made is not written down yet.
    pub(super) fn forget(&self) {
        let mut kept = self.kept();
        kept.epoch += 1;
        kept.lists.clear();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_list_serves_until_it_is_too_old() {
        let lately = Lately::default();
        let reads = Cell::new(0);
        let read = async |age| {
            let read = async {
                reads.set(reads.get() + 1);
                Ok(Vec::new())
            };
            lately.models("c", age, read).await.unwrap()
        };
        for _ in 0..3 {
            read(Duration::from_secs(60)).await;
        }
        assert_eq!(reads.get(), 1);
        read(Duration::ZERO).await;
        assert_eq!(reads.get(), 2);
        lately.forget();
        read(Duration::from_secs(60)).await;
        assert_eq!(reads.get(), 3);
    }

    /// The list that is read when a model is made may not show it; and the model is written down only after this.
    #[tokio::test]
    async fn forgetting_waits_for_no_read_and_what_was_being_read_is_not_kept() {
        let lately = Lately::default();
        let (begun, is_begun) = tokio::sync::oneshot::channel();
        let (answered, answer) = tokio::sync::oneshot::channel();
        let older = lately.models("c", Duration::from_secs(60), async {
            begun.send(()).unwrap();
            answer.await.unwrap();
            Ok(Vec::new())
        });
        let made = async {
            is_begun.await.unwrap();
            lately.forget();
            answered.send(()).unwrap();
        };
        let both = async { tokio::join!(older, made) };
        tokio::time::timeout(Duration::from_secs(10), both)
            .await
            .unwrap()
            .0
            .unwrap();
        let reads = Cell::new(0);
        let newer = async {
            reads.set(1);
            Ok(Vec::new())
        };
        lately.models("c", Duration::from_secs(60), newer).await.unwrap();
        assert_eq!(reads.get(), 1);
    }
}
