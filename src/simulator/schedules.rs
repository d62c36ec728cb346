//! Schedules and alerts of documents: a person's hand makes them, the API lists them.

use serde_json::{Value, json};

use super::http::{Answer, Call, Object, Reply, optional_flag, paged, required_text};
use super::organisation::Organisation;

/// What Omni sends out of a document at set times.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    id: String,
    name: String,
    /// The document's id: it stays what it is when the identifier changes.
    document_id: String,
    /// It is sent on a condition alone.
    is_alert: bool,
}

impl Organisation {
    /// Schedules a document, with an alert's condition or without.
    pub(super) fn hand_add_schedule(&mut self, body: &Object) -> Reply {
        let document_id = self.document(required_text(body, "identifier")?)?.id.clone();
        let name = required_text(body, "name")?.to_owned();
        let is_alert = optional_flag(body, "alert")?.unwrap_or(false);
        let schedule = Schedule {
            id: self.ids.uuid(),
            name,
            document_id,
            is_alert,
        };
        let answer = json!({"success": true, "id": schedule.id});
        self.schedules.push(schedule);
        Ok(Answer::ok(answer))
    }

    /// `GET /v1/schedules`: those of documents that are not in the trash.
    pub(super) fn list_schedules(&self, call: &Call) -> Reply {
        let (size, from) = call.page(20)?;
        let wanted = call.param("scheduleType");
        if let Some(other) = wanted.filter(|it| !["alert", "schedule"].contains(it)) {
            let why = format!("Invalid enum value. Received '{other}'");
            return Err(Answer::bad("scheduleType", why));
        }
        let identifier = call.param("identifier");
        let mut found: Vec<&Schedule> = self.schedules.iter().collect();
        found.retain(|it| {
            let document = self.documents.get(&it.document_id);
            let live = document.filter(|document| document.deleted_at.is_none());
            live.is_some_and(|document| identifier.is_none_or(|wanted| wanted == document.identifier))
                && wanted.is_none_or(|wanted| (wanted == "alert") == it.is_alert)
        });
        found.sort_by(|one, other| one.name.cmp(&other.name));
        if call.param("sortDirection") != Some("asc") {
            found.reverse();
        }
        let records = found.into_iter().map(|it| self.schedule_record(it)).collect();
        Ok(paged(records, size, from))
    }

    pub(super) fn schedule_record(&self, schedule: &Schedule) -> Value {
        let document = self.documents.get(&schedule.document_id);
        let mut record = json!({
            "id": schedule.id, "name": schedule.name, "content": "dashboard",
            "identifier": document.map(|it| &it.identifier), "dashboardName": document.map(|it| &it.name),
            "destinationType": "email", "format": "pdf", "recipientCount": 1, "slackRecipientType": null,
            "schedule": "0 6 ? * MON *", "timezone": "UTC", "disabledAt": null, "systemDisabledAt": null,
            "systemDisabledReason": null, "lastCompletedAt": null, "lastStatus": null,
            "ownerId": self.owner.user_id, "ownerName": self.owner.name,
        });
        if schedule.is_alert {
            record["alert"] = json!({"conditionQueryName": null, "conditionType": "RESULTS_PRESENT"});
        }
        record
    }
}
