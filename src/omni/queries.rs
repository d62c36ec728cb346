//! Queries of tiles, planned or run, and the embed users as whom they are.

use serde_json::{Value, json};

use super::OmniClient;
use super::answer::{Drift, Field};
use super::transport::Call;
use crate::ports::{OmniError, OmniErrorKind, QueryAnswer, QueryAsk};

/// How often a run is waited for that does not end; Omni holds each wait for half a minute.
const WAITS: usize = 6;

/// What a run reads: enough to know that it works.
const ROWS: u32 = 1;

impl OmniClient {
    /// A success is no success yet: what a query lacks stands in the body.
    pub(super) async fn post_query(&self, ask: &QueryAsk) -> Result<QueryAnswer, OmniError> {
        let mut query = ask.query.clone();
        if ask.run {
            query["limit"] = json!(ROWS);
        }
        let body = if ask.run {
            json!({"query": query})
        } else {
            json!({"query": query, "planOnly": true})
        };
        let call = Call::new("POST /v1/query/run", ask.name.clone())
            .query_if_some("userId", ask.user.as_deref())
            .body(body)
            .lines()
            .long();
        let answer = match self.send(&call).await {
            Err(error) => return refused(error),
            Ok(answer) => answer,
        };
        let mut jobs = match answer.read(&call, job)? {
            Ok(answer) => return Ok(answer),
            Err(jobs) => jobs,
        };
        for _ in 0..WAITS {
            let wait = Call::new("GET /v1/query/wait", ask.name.clone())
                .query("jobIds", jobs.join(","))
                .lines()
                .long();
            match self.send(&wait).await?.read(&wait, job)? {
                Ok(answer) => return Ok(answer),
                Err(left) => jobs = left,
            }
        }
        Ok(failed("it does not end".to_owned()))
    }

    /// The one user with this external id. A filter that an instance does not know must not give another tenant's.
    pub(super) async fn get_embed_user(&self, external_id: &str) -> Result<Option<String>, OmniError> {
        let quoted = external_id.replace('\\', "\\\\").replace('"', "\\\"");
        let call = Call::new("GET /scim/v2/embed/Users", format!("embed user {external_id}"))
            .query("filter", format!("embedExternalId eq \"{quoted}\""))
            .query("count", "100");
        let answer = self.send(&call).await?;
        answer.read(&call, |root| {
            for user in root.need("Resources")?.items()? {
                if external_id_of(&user)?.as_deref() == Some(external_id) {
                    return user.need_text("id").map(Some);
                }
            }
            Ok(None)
        })
    }
}

/// It stands at the top, or in an extension of the schema.
fn external_id_of(user: &Field<'_>) -> Result<Option<String>, Drift> {
    for name in ["embedExternalId", "externalId"] {
        if let Some(id) = user.text(name)? {
            return Ok(Some(id));
        }
    }
    for (name, extension) in user.entries()? {
        if name.starts_with("urn:")
            && let Some(id) = extension.text("embedExternalId")?
        {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// What keeps a query from being planned is what was asked for; what keeps it from being asked is an error.
fn refused(error: OmniError) -> Result<QueryAnswer, OmniError> {
    match &error.kind {
        OmniErrorKind::Refused {
            status: 400 | 403 | 422,
            detail,
        } => Ok(failed(detail.clone())),
        OmniErrorKind::CallerAttributeMissing { detail } | OmniErrorKind::NotFound { detail } => {
            Ok(failed(detail.clone()))
        }
        _ => Err(error),
    }
}

fn failed(why: String) -> QueryAnswer {
    QueryAnswer {
        failure: Some(why),
        ..QueryAnswer::default()
    }
}

/// The one job of an answer; or the jobs that have not ended.
fn job(lines: &Field<'_>) -> Result<Result<QueryAnswer, Vec<String>>, Drift> {
    let lines = lines.items()?;
    for line in &lines {
        let Some(status) = line.text("status")? else { continue };
        let mut answer = summary(line)?;
        match status.as_str() {
            "PLANNED" | "COMPLETE" => {}
            "ERROR" | "FAILED" => {
                let words = line.text("error_message")?.or(line.text("error")?);
                answer.failure = words.or(answer.failure).or(answer.sql.take()).or(Some(status));
            }
            _ => return Err(line.need("status")?.drift()),
        }
        return Ok(Ok(answer));
    }
    for line in &lines {
        if let Some(remaining) = line.get("remaining_job_ids") {
            let jobs: Vec<String> = remaining
                .items()?
                .iter()
                .map(Field::as_text)
                .collect::<Result<_, _>>()?;
            if !jobs.is_empty() {
                return Ok(Err(jobs));
            }
        }
    }
    Err(Drift("status".to_owned()))
}

fn summary(line: &Field<'_>) -> Result<QueryAnswer, Drift> {
    let Some(summary) = line.get("summary") else {
        return Ok(QueryAnswer::default());
    };
    let sql = summary.text("display_sql")?.filter(|sql| !sql.is_empty());
    let unplanned = sql.clone().filter(|sql| sql.contains("Failed to plan query"));
    Ok(QueryAnswer {
        failure: unplanned,
        missing_fields: names(summary.get("missing_fields"))?,
        invalid_calculations: names(summary.get("invalid_calculations"))?,
        sql,
    })
}

/// Names in a list, or as the keys of an object that says more of each.
fn names(field: Option<Field<'_>>) -> Result<Vec<String>, Drift> {
    let Some(field) = field else { return Ok(Vec::new()) };
    match field.value() {
        Value::Object(entries) => Ok(entries.keys().cloned().collect()),
        _ => field.items()?.iter().map(Field::as_text).collect(),
    }
}
