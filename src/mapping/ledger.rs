//! What both dialects share: the ledger's words, and its rows as they are read.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::lines::read_by_name;
use crate::ports::{
    Cause, Claim, DashboardIds, DashboardRecord, EnvironmentView, FoundLine, Intent, IntentStep, MappingErrorKind,
    Organization, PinEvent, PinEventKind, VersionRecord, WaveOfFlip,
};
use crate::resources::PinDeletionPolicy;

/// Why something was not done, before the action is named and the driver's codes are told apart.
#[derive(Debug)]
pub(super) enum Failure {
    /// Found by ourselves.
    Kind(MappingErrorKind),
    /// Told by the driver.
    Sql(sqlx::Error),
}

impl From<MappingErrorKind> for Failure {
    fn from(kind: MappingErrorKind) -> Self {
        Self::Kind(kind)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(source: sqlx::Error) -> Self {
        Self::Sql(source)
    }
}

/// A row of the version table; the columns of the queries carry these names, times are microseconds.
#[derive(Debug)]
pub(super) struct VersionLine {
    version: i32,
    source: String,
    holder: String,
    connection_id: Option<String>,
    model_id: Option<String>,
    definition: Option<String>,
    folder_id: Option<String>,
    folder_path: Option<String>,
    source_stamp: Option<String>,
    plan: Option<String>,
    complete_at: Option<i64>,
    retired_at: Option<i64>,
    model_state: Option<String>,
    evidence: Option<String>,
    environments: Option<String>,
    found: Option<String>,
}

read_by_name!(VersionLine { version, source, holder, connection_id, model_id, definition, folder_id, folder_path, source_stamp, plan, complete_at, retired_at, model_state, evidence, environments, found } from PgRow, SqliteRow);

impl VersionLine {
    pub(super) fn record(self) -> Result<VersionRecord, MappingErrorKind> {
        let version = self.version;
        let source_stamp = read_json(self.source_stamp, || format!("the source stamp of version {version}"))?;
        let model_state = read_json(self.model_state, || format!("the model of version {version}"))?;
        let evidence = read_json(self.evidence, || format!("the evidence of version {version}"))?;
        let environments = read_json(self.environments, || {
            format!("the environments' evidence of version {version}")
        })?;
        let found = read_json(self.found, || format!("what was found in version {version}"))?;
        Ok(VersionRecord {
            version: self.version,
            source: self.source,
            holder: self.holder,
            connection_id: self.connection_id,
            model_id: self.model_id,
            definition: self.definition,
            folder_id: self.folder_id,
            folder_path: self.folder_path,
            source_stamp,
            plan: self.plan,
            complete_at: self.complete_at.map(time).transpose()?,
            retired_at: self.retired_at.map(time).transpose()?,
            model_state,
            evidence,
            environments: environments.unwrap_or_default(),
            found,
        })
    }
}

/// What a column holds as JSON, if it holds anything.
fn read_json<T: DeserializeOwned>(
    text: Option<String>,
    what: impl FnOnce() -> String,
) -> Result<Option<T>, MappingErrorKind> {
    let read = text.map(|text| serde_json::from_str(&text)).transpose();
    read.map_err(|source| unreadable(&what(), &source.to_string()))
}

/// A row of the table of findings.
#[derive(Debug)]
pub(super) struct FindingLine {
    looked_at: String,
    environment: Option<String>,
    slug: Option<String>,
    tile: Option<String>,
    asked_as: Option<String>,
    message: String,
    blocks: bool,
    fingerprint: String,
}

read_by_name!(FindingLine { looked_at, environment, slug, tile, asked_as, message, blocks, fingerprint } from PgRow, SqliteRow);

impl From<FindingLine> for FoundLine {
    fn from(line: FindingLine) -> Self {
        Self {
            looked_at: line.looked_at,
            environment: line.environment,
            slug: line.slug,
            tile: line.tile,
            asked_as: line.asked_as,
            message: line.message,
            blocks: line.blocks,
            fingerprint: line.fingerprint,
        }
    }
}

/// A row of the intent table.
#[derive(Debug)]
pub(super) struct IntentLine {
    step: String,
    subject: String,
    opened_at: i64,
    result: Option<String>,
}

read_by_name!(IntentLine { step, subject, opened_at, result } from PgRow, SqliteRow);

impl IntentLine {
    pub(super) fn intent(self) -> Result<Intent, MappingErrorKind> {
        let step = STEPS.iter().find(|(_, word)| *word == self.step);
        let (step, _) = step.ok_or_else(|| unreadable("an intent", &format!("its step is {:?}", self.step)))?;
        Ok(Intent {
            step: *step,
            subject: self.subject,
            opened_at: time(self.opened_at)?,
            result: self.result,
        })
    }
}

/// A row of the dashboard table; `foreign_links`, `renames` and `not_carried` are JSON lists, `state` a JSON object.
#[derive(Debug)]
pub(super) struct DashboardLine {
    slug: String,
    identifier: String,
    document_id: String,
    dashboard_id: String,
    source_identifier: String,
    foreign_links: String,
    state: Option<String>,
    renames: Option<String>,
    not_carried: Option<String>,
}

read_by_name!(DashboardLine { slug, identifier, document_id, dashboard_id, source_identifier, foreign_links, state, renames, not_carried } from PgRow, SqliteRow);

impl DashboardLine {
    pub(super) fn record(self) -> Result<DashboardRecord, MappingErrorKind> {
        let foreign_links = serde_json::from_str(&self.foreign_links)
            .map_err(|source| unreadable(&format!("the links of dashboard {:?}", self.slug), &source.to_string()))?;
        let state = read_json(self.state, || format!("the state of dashboard {:?}", self.slug))?;
        let renames = read_json(self.renames, || format!("the renames of dashboard {:?}", self.slug))?;
        let not_carried = read_json(self.not_carried, || {
            format!("what dashboard {:?} does not carry", self.slug)
        })?;
        Ok(DashboardRecord {
            slug: self.slug,
            ids: DashboardIds {
                identifier: self.identifier,
                document_id: self.document_id,
                dashboard_id: self.dashboard_id,
            },
            source_identifier: self.source_identifier,
            foreign_links,
            state,
            not_carried: not_carried.unwrap_or_default(),
            renames: renames.unwrap_or_default(),
        })
    }
}

/// A row of the claim table.
#[derive(Debug)]
pub(super) struct ClaimLine {
    tenant: String,
    holder: String,
    deletion: String,
}

read_by_name!(ClaimLine { tenant, holder, deletion } from PgRow, SqliteRow);

impl ClaimLine {
    pub(super) fn claim(self) -> Result<Claim, MappingErrorKind> {
        let deletion = match self.deletion.as_str() {
            "Retain" => PinDeletionPolicy::Retain,
            "Delete" => PinDeletionPolicy::Delete,
            other => return Err(unreadable("a claim", &format!("its deletion policy is {other:?}"))),
        };
        Ok(Claim {
            tenant: self.tenant,
            holder: self.holder,
            deletion,
        })
    }
}

/// A row of the event table: one batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventBatch {
    pub(super) at: i64,
    pub(super) environment: String,
    pub(super) kind: String,
    pub(super) tenants: Vec<String>,
    pub(super) from: Vec<Option<i32>>,
    pub(super) to: Option<i32>,
    pub(super) wanted_version: i32,
    pub(super) attempt: Option<i32>,
    pub(super) wave: Option<String>,
    pub(super) reason: String,
}

impl EnvironmentView {
    /// Takes in the rows of `tenant_version`; what can be no version is kept apart.
    pub(super) fn add_rows(&mut self, rows: Vec<(String, Option<i64>)>) {
        for (tenant, held) in rows {
            match held.map(i32::try_from) {
                Some(Ok(version)) => drop(self.rows.insert(tenant, version)),
                _ => drop(self.odd_rows.insert(tenant, held)),
            }
        }
    }

    /// Puts batches, oldest first, into the lists of their tenants.
    pub(super) fn add_events(&mut self, environment: &str, batches: Vec<EventBatch>) -> Result<(), MappingErrorKind> {
        for batch in batches {
            let kind = event_kind(&batch.kind)?;
            let at = time(batch.at)?;
            let wave = batch.attempt.zip(batch.wave);
            let cause = Arc::new(Cause {
                reason: batch.reason,
                wave: wave.map(|(attempt, wave)| WaveOfFlip { attempt, wave }),
            });
            let lists = if batch.environment == environment {
                &mut self.events
            } else {
                self.evidence.entry(batch.environment).or_default()
            };
            for (tenant, from) in batch.tenants.into_iter().zip(batch.from) {
                lists.entry(tenant).or_default().push(PinEvent {
                    at,
                    kind,
                    from,
                    to: batch.to,
                    wanted_version: batch.wanted_version,
                    cause: Arc::clone(&cause),
                });
            }
        }
        Ok(())
    }
}

const STEPS: [(IntentStep, &str); 13] = [
    (IntentStep::Model, "model"),
    (IntentStep::Branch, "branch"),
    (IntentStep::Git, "git"),
    (IntentStep::Folder, "folder"),
    (IntentStep::Closure, "closure"),
    (IntentStep::Identifiers, "identifiers"),
    (IntentStep::Import, "import"),
    (IntentStep::Labels, "labels"),
    (IntentStep::Queries, "queries"),
    (IntentStep::Roles, "roles"),
    (IntentStep::Access, "access"),
    (IntentStep::Method, "method"),
    (IntentStep::Tenant, "tenant"),
];

const KINDS: [(PinEventKind, &str); 3] = [
    (PinEventKind::Flip, "flip"),
    (PinEventKind::Outside, "outside"),
    (PinEventKind::Delete, "delete"),
];

/// The ledger's word for a step.
pub(super) fn step_word(step: IntentStep) -> &'static str {
    STEPS
        .iter()
        .find(|(known, _)| *known == step)
        .map(|(_, word)| *word)
        .expect("every step has a word")
}

/// The ledger's word for a kind of event.
pub(super) fn event_word(kind: PinEventKind) -> &'static str {
    KINDS
        .iter()
        .find(|(known, _)| *known == kind)
        .map(|(_, word)| *word)
        .expect("every kind has a word")
}

/// The other way.
pub(super) fn event_kind(word: &str) -> Result<PinEventKind, MappingErrorKind> {
    let known = KINDS.iter().find(|(_, known)| *known == word);
    let known = known.map(|(kind, _)| *kind);
    known.ok_or_else(|| unreadable("an event", &format!("its kind is {word:?}")))
}

/// The ledger's word for a policy, which is the API's.
pub(super) const fn deletion_word(deletion: PinDeletionPolicy) -> &'static str {
    match deletion {
        PinDeletionPolicy::Retain => "Retain",
        PinDeletionPolicy::Delete => "Delete",
    }
}

/// A time of the ledger.
pub(super) fn time(microseconds: i64) -> Result<Timestamp, MappingErrorKind> {
    Timestamp::from_microsecond(microseconds).map_err(|source| unreadable("a time", &source.to_string()))
}

/// The error for something in the ledger that this version of Wavepin cannot read.
pub(super) fn unreadable(what: &str, why: &str) -> MappingErrorKind {
    MappingErrorKind::Schema {
        what: format!(
            "the ledger holds something that this version of Wavepin cannot read: {what}: {why}; \
             run the version of Wavepin that wrote it, or a newer one"
        ),
    }
}

/// The error for a call that speaks of a version without a record.
pub(super) fn not_recorded(version: i32) -> MappingErrorKind {
    MappingErrorKind::Refused {
        why: format!("version {version} is not recorded in the ledger"),
    }
}

/// The error for a call on a mapping that was not prepared.
pub(super) fn not_prepared() -> MappingErrorKind {
    MappingErrorKind::Refused {
        why: "the mapping is not prepared; it has to be before anything else is asked of it".to_owned(),
    }
}

/// The error for a version that is retired.
pub(super) fn retired(version: i32) -> MappingErrorKind {
    MappingErrorKind::Refused {
        why: format!("version {version} is retired, and that is final; use another number"),
    }
}

/// The error for a ledger that is only looked at, and was made by an older Wavepin.
pub(super) fn older_ledger(done: i64, newest: i64) -> MappingErrorKind {
    MappingErrorKind::Schema {
        what: format!(
            "the ledger's tables are at step {done}, and this version of Wavepin reads step {newest}; they are brought \
             there by its controller, or by wavepin apply"
        ),
    }
}

/// The error for a ledger that a newer Wavepin has changed.
pub(super) fn newer_ledger(done: i64, newest: i64) -> MappingErrorKind {
    MappingErrorKind::Schema {
        what: format!(
            "the ledger's tables are at step {done}, and this version of Wavepin knows them up to step {newest}; \
             run the version that changed them, or a newer one"
        ),
    }
}

/// What an organisation is recognised by, as the ledger keeps it.
pub(super) fn organization_text(organization: &Organization) -> String {
    serde_json::to_string(organization).expect("texts and a number are JSON")
}

/// The other way.
pub(super) fn organization(text: &str) -> Result<Organization, MappingErrorKind> {
    serde_json::from_str(text)
        .map_err(|source| unreadable("what the organisation is recognised by", &source.to_string()))
}

/// A source stamp, or a state, as the ledger keeps it.
pub(super) fn json_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("maps and structs of strings are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_ledger_is_read_as_it_was_written() {
        for (step, word) in STEPS {
            assert_eq!(step_word(step), word);
        }
        for deletion in [PinDeletionPolicy::Retain, PinDeletionPolicy::Delete] {
            let line = ClaimLine {
                tenant: "a".to_owned(),
                holder: "ns/a".to_owned(),
                deletion: deletion_word(deletion).to_owned(),
            };
            assert_eq!(line.claim().unwrap().deletion, deletion);
        }
        let line = IntentLine {
            step: "dance".to_owned(),
            subject: String::new(),
            opened_at: 0,
            result: None,
        };
        let refusal = line.intent().unwrap_err().to_string();
        assert!(
            refusal.contains("dance") && refusal.contains("cannot read"),
            "{refusal}"
        );
    }
}
