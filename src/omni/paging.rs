//! Lists that come in pages: one hundred a page, always sorted, walked by cursor.

use std::collections::BTreeSet;

use super::OmniClient;
use super::answer::{Drift, Field};
use super::transport::Call;
use crate::ports::OmniError;

/// The most that Omni gives in one page.
pub(super) const PAGE_SIZE: usize = 100;

/// One page of a list.
pub(super) struct Page<T> {
    pub(super) records: Vec<T>,
    /// How many records there are in all, where Omni says so.
    pub(super) total: Option<u64>,
    /// Where the next page starts; `None` after the last.
    pub(super) next: Option<String>,
}

impl OmniClient {
    /// One page of the list that `call` asks for.
    pub(super) async fn page<T>(
        &self,
        call: &Call,
        cursor: Option<&str>,
        record: impl Fn(&Field<'_>) -> Result<T, Drift>,
    ) -> Result<Page<T>, OmniError> {
        self.page_of("records", call, cursor, record).await
    }

    /// One page of a list that has another name than most.
    async fn page_of<T>(
        &self,
        list: &str,
        call: &Call,
        cursor: Option<&str>,
        record: impl Fn(&Field<'_>) -> Result<T, Drift>,
    ) -> Result<Page<T>, OmniError> {
        let call = call
            .clone()
            .query("pageSize", PAGE_SIZE.to_string())
            .query_if_some("cursor", cursor);
        let answer = self.send(&call).await?;
        answer.read(&call, |root| {
            let records = root.need(list)?.items()?;
            let info = root.need("pageInfo")?;
            let next = match info.flag("hasNextPage")? {
                Some(true) => Some(info.need_text("nextCursor")?),
                Some(false) => None,
                None => return Err(Drift("pageInfo.hasNextPage".to_owned())),
            };
            Ok(Page {
                records: records.iter().map(record).collect::<Result<_, _>>()?,
                total: info.get("totalRecords").map(|total| total.as_count()).transpose()?,
                next,
            })
        })
    }

    /// The rest of a list, from a cursor on, at most `most_pages` pages of it. `None`: there are more.
    pub(super) async fn pages_from<T>(
        &self,
        call: &Call,
        cursor: Option<String>,
        most_pages: usize,
        record: impl Fn(&Field<'_>) -> Result<T, Drift>,
    ) -> Result<Option<Vec<T>>, OmniError> {
        self.pages_of("records", call, cursor, most_pages, record).await
    }

    /// Likewise, of a list that has another name than most.
    pub(super) async fn pages_of<T>(
        &self,
        list: &str,
        call: &Call,
        cursor: Option<String>,
        most_pages: usize,
        record: impl Fn(&Field<'_>) -> Result<T, Drift>,
    ) -> Result<Option<Vec<T>>, OmniError> {
        let mut records = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = Some(cursor);
        while let Some(cursor) = next.take() {
            if seen.len() >= most_pages {
                return Ok(None);
            }
            if !seen.insert(cursor.clone()) {
                return Err(call.drift("pageInfo.nextCursor", "the cursor of an earlier page again"));
            }
            let page = self.page_of(list, call, cursor.as_deref(), &record).await?;
            records.extend(page.records);
            next = page.next.map(Some);
        }
        Ok(Some(records))
    }

    /// A whole list.
    pub(super) async fn all_pages<T>(
        &self,
        call: &Call,
        record: impl Fn(&Field<'_>) -> Result<T, Drift>,
    ) -> Result<Vec<T>, OmniError> {
        let records = self.pages_from(call, None, usize::MAX, record).await?;
        Ok(records.unwrap_or_default())
    }
}
