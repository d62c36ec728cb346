//! Lists that were read a moment ago, for looks at many versions that need not each have their own.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::ports::{ModelRecord, OmniError};

/// Lists of models by connection, with the time when each was asked for.
#[derive(Default)]
pub(super) struct Lately(Mutex<HashMap<String, (Instant, Vec<ModelRecord>)>>);

impl Lately {
    /// The list of a connection that is no older than this, read now where there is none. Whoever comes meanwhile waits
    /// for the one that is being read.
    pub(super) async fn models(
        &self,
        connection_id: &str,
        max_age: Duration,
        read: impl Future<Output = Result<Vec<ModelRecord>, OmniError>>,
    ) -> Result<Vec<ModelRecord>, OmniError> {
        let mut lists = self.0.lock().await;
        if let Some((at, models)) = lists.get(connection_id)
            && at.elapsed() < max_age
        {
            return Ok(models.clone());
        }
        let asked_at = Instant::now();
        let models = read.await?;
        lists.insert(connection_id.to_owned(), (asked_at, models.clone()));
        Ok(models)
    }

    /// After a call that makes or changes a model, whatever came of it: an older list would show it as missing.
    pub(super) async fn forget(&self) {
        self.0.lock().await.clear();
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
        lately.forget().await;
        read(Duration::from_secs(60)).await;
        assert_eq!(reads.get(), 3);
    }
}
