//! What both dialects share: the ledger's words, its rows as they are read, and the comparisons made before a write.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use uuid::Uuid;

use crate::ports::{
    Claim, CompleteVersion, DashboardIds, DashboardRecord, DashboardRow, EnvironmentView, Flip, Intent, IntentStep,
    MappingErrorKind, PinEvent, PinEventKind, RowRemoval, SourceStamp, VersionChange, VersionRecord,
};
use crate::resources::PinDeletionPolicy;

/// How many slugs or ids a message names: enough to start with, short enough for a condition.
const NAMED: usize = 5;

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
#[derive(Debug, sqlx::FromRow)]
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
}

impl VersionLine {
    pub(super) fn record(self) -> Result<VersionRecord, MappingErrorKind> {
        let source_stamp = match self.source_stamp {
            Some(text) => Some(serde_json::from_str(&text).map_err(|source| {
                unreadable(
                    &format!("the source stamp of version {}", self.version),
                    &source.to_string(),
                )
            })?),
            None => None,
        };
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
        })
    }
}

/// A row of the intent table.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct IntentLine {
    step: String,
    subject: String,
    opened_at: i64,
    result: Option<String>,
}

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

/// A row of the dashboard table; `foreign_links` is a JSON list.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct DashboardLine {
    slug: String,
    identifier: String,
    document_id: String,
    dashboard_id: String,
    source_identifier: String,
    foreign_links: String,
}

impl DashboardLine {
    pub(super) fn record(self) -> Result<DashboardRecord, MappingErrorKind> {
        let foreign_links = serde_json::from_str(&self.foreign_links)
            .map_err(|source| unreadable(&format!("the links of dashboard {:?}", self.slug), &source.to_string()))?;
        Ok(DashboardRecord {
            slug: self.slug,
            ids: DashboardIds {
                identifier: self.identifier,
                document_id: self.document_id,
                dashboard_id: self.dashboard_id,
            },
            source_identifier: self.source_identifier,
            foreign_links,
        })
    }
}

/// A row of the claim table.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct ClaimLine {
    tenant: String,
    holder: String,
    deletion: String,
}

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
    pub(super) wish: i32,
}

impl EnvironmentView {
    /// Puts batches, oldest first, into the lists of their tenants.
    pub(super) fn add_events(&mut self, environment: &str, batches: Vec<EventBatch>) -> Result<(), MappingErrorKind> {
        for batch in batches {
            let known = KINDS.iter().find(|(_, word)| *word == batch.kind);
            let (kind, _) = known.ok_or_else(|| unreadable("an event", &format!("its kind is {:?}", batch.kind)))?;
            let at = time(batch.at)?;
            let lists = if batch.environment == environment {
                &mut self.events
            } else {
                self.evidence.entry(batch.environment).or_default()
            };
            for (tenant, from) in batch.tenants.into_iter().zip(batch.from) {
                lists.entry(tenant).or_default().push(PinEvent {
                    at,
                    kind: *kind,
                    from,
                    to: batch.to,
                    wish: batch.wish,
                });
            }
        }
        Ok(())
    }
}

const STEPS: [(IntentStep, &str); 6] = [
    (IntentStep::Model, "model"),
    (IntentStep::Branch, "branch"),
    (IntentStep::Folder, "folder"),
    (IntentStep::Closure, "closure"),
    (IntentStep::Identifiers, "identifiers"),
    (IntentStep::Import, "import"),
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

/// The first few of a list, and how many more there are.
pub(super) fn some_of(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Whether two texts are the same id: UUIDs are compared as such, since they may be written in several ways.
fn same_id(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    match (Uuid::parse_str(one), Uuid::parse_str(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// An error if a slug stands in more than one of the rows of a version.
pub(super) fn check_single(version: i32, rows: &[DashboardRow]) -> Result<(), MappingErrorKind> {
    let mut by_slug: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in rows {
        by_slug.entry(&row.slug).or_default().push(&row.dashboard_id);
    }
    let doubles: Vec<String> = by_slug
        .into_iter()
        .filter(|(_, ids)| ids.len() > 1)
        .map(|(slug, ids)| format!("{slug:?} ({})", ids.join(", ")))
        .collect();
    if doubles.is_empty() {
        return Ok(());
    }
    Err(MappingErrorKind::Ambiguous {
        what: format!(
            "dashboard_model has more than one row of version {version} for {}; delete all but the right one",
            some_of(&doubles)
        ),
    })
}

/// An error if a dashboard of a version has no row, or more than one: a tenant moved there would see nothing, or
/// whichever the database returns first.
pub(super) fn check_whole(
    version: i32,
    slugs: &BTreeSet<String>,
    rows: &[DashboardRow],
) -> Result<(), MappingErrorKind> {
    check_single(version, rows)?;
    let mapped: BTreeSet<&str> = rows.iter().map(|row| row.slug.as_str()).collect();
    let unmapped: Vec<String> = slugs
        .iter()
        .filter(|slug| !mapped.contains(slug.as_str()))
        .map(|slug| format!("{slug:?}"))
        .collect();
    if unmapped.is_empty() {
        return Ok(());
    }
    Err(MappingErrorKind::Ambiguous {
        what: format!(
            "dashboard_model has no row of version {version} for {}; no tenant is moved there before it is mended",
            some_of(&unmapped)
        ),
    })
}

/// The rows that are to be inserted so that a version has all of its own.
pub(super) fn missing_rows(
    complete: &CompleteVersion,
    present: &[DashboardRow],
) -> Result<Vec<DashboardRow>, MappingErrorKind> {
    check_single(complete.version, present)?;
    let mut known: BTreeMap<&str, &str> = present
        .iter()
        .map(|row| (row.slug.as_str(), row.dashboard_id.as_str()))
        .collect();
    let mut missing = Vec::new();
    for row in &complete.rows {
        match known.get(row.slug.as_str()) {
            None => {
                known.insert(&row.slug, &row.dashboard_id);
                missing.push(row.clone());
            }
            Some(held) if same_id(held, &row.dashboard_id) => {}
            Some(held) => {
                return Err(MappingErrorKind::Conflict {
                    what: format!(
                        "dashboard_model holds {held:?} for {:?} of version {}, and {:?} is to stand there; the row is \
                         left as it is: delete it, or set it to the right id",
                        row.slug, complete.version, row.dashboard_id
                    ),
                });
            }
        }
    }
    Ok(missing)
}

/// The writes of a flip, in the order of the tenants.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FlipPlan {
    /// Tenants without a row.
    pub(super) inserts: Vec<String>,
    /// Tenants whose row changes.
    pub(super) updates: Vec<String>,
    /// Both, for the event.
    pub(super) tenants: Vec<String>,
    /// What each of them had.
    pub(super) from: Vec<Option<i32>>,
}

/// Compares a flip with the rows that are there (and locked). The tenants that moved meanwhile are the error.
/// A row that holds the version already is left alone.
pub(super) fn plan_flip(flip: &Flip, found: &BTreeMap<String, i32>) -> Result<FlipPlan, Vec<String>> {
    let presumed: BTreeMap<&String, Option<i32>> = flip.moves.iter().map(|it| (&it.tenant, it.from)).collect();
    let moved: BTreeSet<&String> = flip
        .moves
        .iter()
        .filter(|it| found.get(&it.tenant).copied() != it.from)
        .map(|it| &it.tenant)
        .collect();
    if !moved.is_empty() {
        return Err(moved.into_iter().cloned().collect());
    }
    let mut plan = FlipPlan::default();
    for (tenant, from) in presumed {
        match from {
            Some(version) if version == flip.version => continue,
            Some(_) => plan.updates.push(tenant.clone()),
            None => plan.inserts.push(tenant.clone()),
        }
        plan.tenants.push(tenant.clone());
        plan.from.push(from);
    }
    Ok(plan)
}

/// Rows changed by another hand, gathered into as few events as their columns allow: by what the row holds and by
/// the wish.
pub(super) type OutsideGroups = BTreeMap<(Option<i32>, i32), (Vec<String>, Vec<Option<i32>>)>;

/// Gathers changes of the same kind.
pub(super) fn group_outside(changes: &[(String, Option<i32>, Option<i32>, i32)]) -> OutsideGroups {
    let mut groups = OutsideGroups::new();
    for (tenant, from, to, wish) in changes {
        let (tenants, froms) = groups.entry((*to, *wish)).or_default();
        tenants.push(tenant.clone());
        froms.push(*from);
    }
    groups
}

/// The claims that are not in the ledger as they are asked for.
pub(super) fn changed_claims<'c>(wanted: &'c [Claim], present: &BTreeMap<String, Claim>) -> Vec<&'c Claim> {
    // The last one counts where a tenant is named twice: one statement may not touch a row twice.
    let wanted: BTreeMap<&String, &Claim> = wanted.iter().map(|claim| (&claim.tenant, claim)).collect();
    wanted
        .into_values()
        .filter(|claim| present.get(&claim.tenant) != Some(*claim))
        .collect()
}

/// The tenants whose row may go, by what the row holds.
pub(super) fn group_removed(rows: &[RowRemoval], found: &BTreeMap<String, i32>) -> BTreeMap<i32, Vec<String>> {
    let mut groups: BTreeMap<i32, BTreeSet<String>> = BTreeMap::new();
    for row in rows.iter().filter(|row| found.get(&row.tenant) == Some(&row.holds)) {
        groups.entry(row.holds).or_default().insert(row.tenant.clone());
    }
    let groups = groups.into_iter();
    groups
        .map(|(held, tenants)| (held, tenants.into_iter().collect()))
        .collect()
}

/// The error for a version that is retired.
pub(super) fn retired(version: i32) -> MappingErrorKind {
    MappingErrorKind::Refused {
        why: format!("version {version} is retired, and that is final; use another number"),
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

/// A source stamp as the ledger keeps it.
pub(super) fn stamp_text(stamp: &SourceStamp) -> String {
    serde_json::to_string(stamp).expect("a map of strings is JSON")
}

/// Whether a record already says what a change would make it say.
pub(super) fn is_known(record: &VersionRecord, change: &VersionChange) -> bool {
    let is = |held: &Option<String>, wanted: &String| held.as_ref() == Some(wanted);
    match change {
        VersionChange::Holder(it) => record.holder == *it,
        VersionChange::Connection(it) => is(&record.connection_id, it),
        VersionChange::Model(it) => is(&record.model_id, it),
        VersionChange::Definition(it) => is(&record.definition, it),
        VersionChange::Folder { id, path } => is(&record.folder_id, id) && is(&record.folder_path, path),
        VersionChange::SourceStamp(it) => record.source_stamp.as_ref() == Some(it),
    }
}

/// An error if a row is to get an id that a UUID column does not take.
pub(super) fn check_ids(complete: &CompleteVersion) -> Result<(), MappingErrorKind> {
    match complete
        .rows
        .iter()
        .find(|row| Uuid::parse_str(&row.dashboard_id).is_err())
    {
        None => Ok(()),
        Some(row) => Err(MappingErrorKind::Schema {
            what: format!(
                "dashboard_model.dashboard_id is a UUID column, and {:?} of version {} would get {:?}; set \
                 mapping.dashboardIdHolds to DashboardUuid or DocumentUuid, or make the column text",
                row.slug, complete.version, row.dashboard_id
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Move;

    fn row(slug: &str, id: &str) -> DashboardRow {
        DashboardRow {
            slug: slug.to_owned(),
            dashboard_id: id.to_owned(),
        }
    }

    fn complete(rows: &[DashboardRow]) -> CompleteVersion {
        CompleteVersion {
            version: 2,
            plan: "plan".to_owned(),
            rows: rows.to_vec(),
        }
    }

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

    #[test]
    fn ids_are_the_same_however_a_uuid_is_written() {
        let id = "abcdef00-0000-4000-8000-000000000001";
        assert!(same_id(id, &id.to_uppercase()));
        assert!(same_id(id, &id.replace('-', "")));
        assert!(!same_id(id, "abcdef00-0000-4000-8000-000000000002"));
        assert!(same_id("12db1a0a", "12db1a0a"));
        assert!(!same_id("12db1a0a", "12DB1A0A"), "identifiers are opaque");
    }

    #[test]
    fn only_missing_rows_are_inserted_and_each_once() {
        let wanted = complete(&[row("a", "1"), row("b", "2"), row("b", "2")]);
        assert_eq!(
            missing_rows(&wanted, &[row("a", "1"), row("z", "9")]).unwrap(),
            [row("b", "2")]
        );
        assert_eq!(missing_rows(&wanted, &[row("b", "2"), row("a", "1")]).unwrap(), []);
        let twice = complete(&[row("a", "1"), row("a", "2")]);
        assert!(matches!(
            missing_rows(&twice, &[]),
            Err(MappingErrorKind::Conflict { .. })
        ));
    }

    #[test]
    fn long_lists_are_cut_short_in_messages() {
        let rows: Vec<_> = (0..8)
            .flat_map(|it| [row(&format!("s{it}"), "1"), row(&format!("s{it}"), "2")])
            .collect();
        let text = check_single(2, &rows).unwrap_err().to_string();
        assert!(
            text.contains(r#""s4" (1, 2) and 3 more"#) && !text.contains("s5"),
            "{text}"
        );
    }

    #[test]
    fn a_flip_is_planned_only_if_every_row_is_as_presumed() {
        let it = |tenant: &str, from| Move {
            tenant: tenant.to_owned(),
            from,
        };
        let mut flip = Flip {
            environment: "production".to_owned(),
            version: 2,
            moves: vec![it("c", None), it("b", Some(1)), it("a", Some(2))],
            reason: String::new(),
        };
        let found: BTreeMap<String, i32> = [("a".to_owned(), 2), ("b".to_owned(), 1)].into();
        let plan = plan_flip(&flip, &found).unwrap();
        assert_eq!(
            (plan.inserts, plan.updates),
            (vec!["c".to_owned()], vec!["b".to_owned()])
        );
        assert_eq!(
            (plan.tenants, plan.from),
            (vec!["b".to_owned(), "c".to_owned()], vec![Some(1), None])
        );

        // A tenant that is named twice with different rows has moved, whatever its row holds.
        flip.moves.push(it("b", None));
        assert_eq!(plan_flip(&flip, &found), Err(vec!["b".to_owned()]));
    }
}
