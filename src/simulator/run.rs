//! `POST /v1/query/run` and `GET /v1/query/wait`: plans, and runs whose rows are made up.

use serde_json::{Value, json};

use super::embed_users::EmbedUser;
use super::http::{Answer, Call, Object, Reply, kind_of, optional_flag, optional_text, uuid};
use super::identity::KeyScope;
use super::organisation::{ModelKind, Organisation};
use super::query::{Plan, plan, split};
use super::see::EMBED_GROUP;
use super::viewpoint::{Environment, Viewpoint};

const RUN_KEYS: [&str; 10] = [
    "query",
    "branchId",
    "cache",
    "connectionEnvironmentId",
    "formatResults",
    "planOnly",
    "resultType",
    "timezone",
    "userId",
    "workbookUrl",
];

/// What Omni takes; the words of its contract are refused.
const CACHES: [&str; 4] = ["Standard", "SkipRequery", "SkipCache", "SkipCacheAndRebuildExtracts"];

/// The largest limit of rows.
const MOST_ROWS: u64 = 75_000;

/// The limit of rows of a query that names none.
const USUAL_ROWS: u64 = 1_000;

/// The most rows that are made up.
const MADE_UP_ROWS: u64 = 10;

/// An Arrow stream that ends at once, in base64.
const RESULT: &str = "/////wAAAAA=";

/// A run that timed out and is waited for.
#[derive(Debug)]
pub(super) struct Job {
    id: String,
    line: Value,
    /// How often it still times out.
    timeouts: u32,
}

/// A body that was read and found right.
struct Run {
    query: Object,
    model_id: String,
    branch_id: Option<String>,
    environment: Option<String>,
    plan_only: bool,
    result_type: Option<String>,
}

impl Organisation {
    pub(super) fn run_query(&mut self, call: &Call, scope: KeyScope) -> Reply {
        let body = call.body(&RUN_KEYS)?;
        let run = read_run(&body)?;
        let user = self.acting_user(call, &body, scope)?;
        if let Some(user) = &user {
            self.check_may_query(user, &run)?;
        }
        let owner_routes = user.is_some() && !self.knobs.query_user_routes;
        let viewpoint = user
            .as_ref()
            .map_or(Viewpoint::CALLER, |it| Viewpoint::of(&it.attributes));
        let viewpoint = match &run.environment {
            Some(id) => viewpoint.in_environment(Environment::Id(id)),
            None if owner_routes => viewpoint.in_environment(Environment::OfOwner),
            None => viewpoint,
        };
        let layers = self.layers_of_query(&run.model_id, &run.query, run.branch_id.as_deref(), viewpoint)?;
        let plan = plan(&layers, &run.query);
        if let Plan::Refused(reason) = plan {
            return Err(Answer::refusal(400, reason));
        }
        let (job, client) = (self.ids.uuid(), self.ids.uuid());
        let measure = |field: &str| {
            let definition = split(field).and_then(|(view, name)| layers.field(view, name));
            definition.is_some_and(|definition| definition.get("aggregate_type").is_some())
        };
        let rows = rows(&run.query, &measure);
        let line = line_of(&job, &client, &plan, (!run.plan_only).then_some(rows));
        let runs = !run.plan_only && matches!(plan, Plan::Planned { .. });
        let timed_out = runs && self.knobs.run_timeouts > 0;
        if timed_out {
            let timeouts = self.knobs.run_timeouts - 1;
            let (id, line) = (job.clone(), line.clone());
            self.jobs.push(Job { id, line, timeouts });
        }
        match run.result_type.as_deref().filter(|_| runs) {
            Some(_) if timed_out => Err(Answer::json(
                408,
                json!({"detail": "Query timed out", "remaining_job_ids": [job], "timed_out": true}),
            )),
            Some(kind) => Ok(table(kind, &run.query, rows)),
            None if timed_out => Ok(Answer::lines(&[
                json!({"jobs_submitted": {&job: &client}}),
                json!({"remaining_job_ids": [job], "timed_out": "true"}),
            ])),
            None => Ok(Answer::lines(&[
                json!({"jobs_submitted": {&job: &client}}),
                line,
                json!({"remaining_job_ids": [], "timed_out": "false"}),
            ])),
        }
    }

    /// The embed user in whose name a query is asked; none is the key's owner.
    fn acting_user(&self, call: &Call, body: &Object, scope: KeyScope) -> Result<Option<EmbedUser>, Answer> {
        let of_body = optional_text(body, "userId")?;
        let user = match (call.param("userId"), of_body) {
            (Some(_), Some(_)) => {
                return Err(Answer::bad("userId", "Cannot be provided in both query and body"));
            }
            (of_query, of_body) => of_query.or(of_body),
        };
        let Some(id) = user.filter(|id| *id != self.owner.membership_id) else {
            return Ok(None);
        };
        uuid("userId", id)?;
        if scope == KeyScope::Personal {
            return Err(Answer::refusal(
                403,
                "User-scoped API keys cannot act on behalf of other users",
            ));
        }
        let missing = || Answer::not_found(format!("User with id {id} does not exist"));
        self.embed_user(id).cloned().map(Some).ok_or_else(missing)
    }

    /// Refuses a user whose groups have no role on the shared model below the query's.
    fn check_may_query(&self, user: &EmbedUser, run: &Run) -> Result<(), Answer> {
        let mut model = self.model(&run.model_id)?;
        while !matches!(model.kind, ModelKind::Shared | ModelKind::SharedExtension) {
            match model.base_model_id.as_ref().and_then(|id| self.models.get(id)) {
                Some(base) => model = base,
                None => return Ok(()),
            }
        }
        let group = self.group_named(EMBED_GROUP).map(|group| group.mini_uuid.as_str());
        let may = user.active && group.is_some_and(|group| self.group_may_view(group, &model.id));
        may.then_some(())
            .ok_or_else(|| Answer::refusal(403, "Permission denied"))
    }

    pub(super) fn wait_for_queries(&mut self, call: &Call) -> Reply {
        let ids = wanted_jobs(call)?;
        if let Some(unknown) = ids.iter().find(|id| !self.jobs.iter().any(|job| job.id == **id)) {
            return Err(Answer::not_found(format!("Job with id {unknown} does not exist")));
        }
        let (mut lines, mut remaining) = (Vec::new(), Vec::new());
        for id in ids {
            let Some(at) = self.jobs.iter().position(|job| job.id == id) else {
                continue;
            };
            match self.jobs[at].timeouts.checked_sub(1) {
                Some(left) => {
                    self.jobs[at].timeouts = left;
                    remaining.push(id);
                }
                // Results appear once.
                None => lines.push(self.jobs.remove(at).line),
            }
        }
        let timed_out = !remaining.is_empty();
        lines.push(json!({"remaining_job_ids": remaining, "timed_out": timed_out.to_string()}));
        Ok(Answer::lines(&lines))
    }
}

fn read_run(body: &Object) -> Result<Run, Answer> {
    let Some(Value::Object(query)) = body.get("query") else {
        return Err(Answer::bad("query", "Required"));
    };
    if !query.contains_key("fields") {
        return Err(Answer::bad("query.fields", "Required"));
    }
    check_enum(body, "cache", &CACHES)?;
    check_enum(body, "resultType", &["csv", "json", "xlsx"])?;
    if body.get("resultType").is_some_and(|kind| kind == "xlsx") {
        return Err(Answer::bad("resultType", "this organisation writes no xlsx"));
    }
    optional_flag(body, "formatResults")?;
    optional_text(body, "timezone")?;
    match query.get("limit") {
        None | Some(Value::Null) => {}
        Some(limit) => match limit.as_u64() {
            Some(1..=MOST_ROWS) => {}
            Some(0) => return Err(Answer::bad("query.limit", "Number must be greater than 0")),
            Some(_) => {
                let why = format!("Number must be less than or equal to {MOST_ROWS}");
                return Err(Answer::bad("query.limit", why));
            }
            None => {
                let why = format!("Expected number, received {}", kind_of(limit));
                return Err(Answer::bad("query.limit", why));
            }
        },
    }
    let text = |field| optional_text(body, field).map(|text| text.map(str::to_owned));
    let model_id = optional_text(query, "modelId")?.ok_or_else(|| Answer::bad("query.modelId", "Required"))?;
    uuid("modelId", model_id)?;
    Ok(Run {
        query: query.clone(),
        model_id: model_id.to_owned(),
        branch_id: text("branchId")?,
        environment: text("connectionEnvironmentId")?,
        plan_only: optional_flag(body, "planOnly")?.unwrap_or(false),
        result_type: text("resultType")?,
    })
}

fn check_enum(body: &Object, field: &str, known: &[&str]) -> Result<(), Answer> {
    match optional_text(body, field)?.filter(|text| !known.contains(text)) {
        Some(other) => {
            let known: Vec<String> = known.iter().map(|it| format!("'{it}'")).collect();
            let why = format!("Invalid enum value. Expected {}, received '{other}'", known.join(" | "));
            Err(Answer::bad(field, why))
        }
        None => Ok(()),
    }
}

/// The jobs that a call waits for: a list with commas, or as JSON in the parameter of Omni's documentation.
fn wanted_jobs(call: &Call) -> Result<Vec<String>, Answer> {
    match (call.param("jobIds"), call.param("job_ids")) {
        (Some(list), _) => Ok(list.split(',').map(|id| id.trim().to_owned()).collect()),
        (None, Some(list)) => serde_json::from_str(list).map_err(|_| Answer::bad("job_ids", "Expected array")),
        (None, None) => Err(Answer::bad("jobIds", "Required")),
    }
}

fn columns(query: &Object) -> Vec<&str> {
    let fields = query.get("fields").and_then(Value::as_array).into_iter().flatten();
    fields.filter_map(Value::as_str).collect()
}

/// How many rows are made up: one where only measures are asked for.
fn rows(query: &Object, measure: &impl Fn(&str) -> bool) -> u64 {
    let limit = query.get("limit").and_then(Value::as_u64).unwrap_or(USUAL_ROWS);
    match columns(query).iter().all(|field| measure(field)) {
        true => 1,
        false => limit.min(MADE_UP_ROWS),
    }
}

/// A table without values.
fn table(kind: &str, query: &Object, rows: u64) -> Answer {
    let columns = columns(query);
    if kind == "json" {
        let row: Object = columns.iter().map(|field| ((*field).to_owned(), Value::Null)).collect();
        return Answer::ok((0..rows).map(|_| Value::Object(row.clone())).collect());
    }
    let empty = ",".repeat(columns.len().saturating_sub(1));
    let lines = std::iter::once(columns.join(",")).chain((0..rows).map(|_| empty.clone()));
    Answer {
        content_type: "text/csv",
        body: lines.map(|line| line + "\r\n").collect(),
        ..Answer::ok(Value::Null)
    }
}

/// The line of a job; with `rows` where it is run.
fn line_of(job: &str, client: &str, plan: &Plan, rows: Option<u64>) -> Value {
    match plan {
        Plan::Planned {
            missing,
            invalid_calculations,
            sql,
        } => {
            let invalid: Object = invalid_calculations
                .iter()
                .map(|name| (name.clone(), json!("references a missing field")))
                .collect();
            let mut line = json!({
                "job_id": job, "client_result_id": client, "status": "PLANNED",
                "summary": {"display_sql": sql, "missing_fields": missing, "invalid_calculations": invalid},
            });
            if let Some(rows) = rows {
                line["status"] = json!("COMPLETE");
                line["result"] = json!(RESULT);
                line["cache_metadata"] = json!({"num_rows": rows});
            }
            line
        }
        Plan::Failed(reason) | Plan::Unscoped(reason) | Plan::Refused(reason) => json!({
            "job_id": job, "client_result_id": client, "status": "ERROR", "error_message": reason,
            "summary": {"display_sql": reason, "missing_fields": [], "invalid_calculations": {}},
        }),
    }
}
