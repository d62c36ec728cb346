//! Schedules and alerts: looked at, never made.

use super::OmniClient;
use super::answer::{Drift, Field};
use super::transport::Call;
use crate::ports::{OmniError, Scheduled};

impl OmniClient {
    pub(super) async fn list_schedules(&self, most_pages: usize) -> Result<Option<Vec<Scheduled>>, OmniError> {
        let call = Call::new("GET /v1/schedules", "the organisation")
            .query("sortField", "scheduleName")
            .query("sortDirection", "asc");
        self.pages_from(&call, None, most_pages, record).await
    }
}

fn record(schedule: &Field<'_>) -> Result<Scheduled, Drift> {
    Ok(Scheduled {
        identifier: schedule.need_text("identifier")?,
        is_alert: schedule.get("alert").is_some(),
    })
}
