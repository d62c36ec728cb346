//! What both dialects compare before they write: the rows that are there with those that shall be.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::ports::{
    Claim, CompleteVersion, DashboardRow, Evidence, Flip, MappingErrorKind, Move, RowRemoval, VersionChange,
    VersionRecord,
};

/// How many slugs or ids a message names: enough to start with, short enough for a condition.
const NAMED: usize = 5;

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

/// The writes of a flip, by the version that rows get.
pub(super) type FlipPlans = BTreeMap<i32, FlipPlan>;

/// The writes of a flip of rows that get one version, in the order of the tenants.
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

/// Rows as they were found, by tenant; `None` where one holds what can be no version.
pub(super) type FoundRows = BTreeMap<String, Option<i32>>;

/// Rows as they were read.
pub(super) fn found_rows(rows: Vec<(String, Option<i64>)>) -> FoundRows {
    let version = |held: Option<i64>| held.and_then(|held| i32::try_from(held).ok());
    rows.into_iter().map(|(tenant, held)| (tenant, version(held))).collect()
}

/// Whether a row is as presumed. One that holds no version never is.
fn is_as_presumed(found: Option<&Option<i32>>, from: Option<i32>) -> bool {
    match found {
        None => from.is_none(),
        Some(held) => held.is_some() && *held == from,
    }
}

/// Compares a flip with the rows that are there (and locked). The tenants that moved meanwhile are the error.
/// A row that holds the version already is left alone.
pub(super) fn plan_flip(flip: &Flip, found: &FoundRows) -> Result<FlipPlans, Vec<String>> {
    let presumed: BTreeMap<&String, &Move> = flip.moves.iter().map(|it| (&it.tenant, it)).collect();
    let moved: BTreeSet<&String> = flip
        .moves
        .iter()
        .filter(|it| !is_as_presumed(found.get(&it.tenant), it.from))
        .map(|it| &it.tenant)
        .collect();
    if !moved.is_empty() {
        return Err(moved.into_iter().cloned().collect());
    }
    let mut plans = FlipPlans::new();
    for (tenant, Move { from, to, .. }) in presumed {
        if *from == Some(*to) {
            continue;
        }
        let plan = plans.entry(*to).or_default();
        match from {
            Some(_) => plan.updates.push(tenant.clone()),
            None => plan.inserts.push(tenant.clone()),
        }
        plan.tenants.push(tenant.clone());
        plan.from.push(*from);
    }
    Ok(plans)
}

/// Rows changed by another hand, gathered into as few events as their columns allow: by what the row holds and by
/// the wanted_version.
pub(super) type OutsideGroups = BTreeMap<(Option<i32>, i32), (Vec<String>, Vec<Option<i32>>)>;

/// Gathers changes of the same kind.
pub(super) fn group_outside(changes: &[(String, Option<i32>, Option<i32>, i32)]) -> OutsideGroups {
    let mut groups = OutsideGroups::new();
    for (tenant, from, to, wanted_version) in changes {
        let (tenants, froms) = groups.entry((*to, *wanted_version)).or_default();
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
pub(super) fn group_removed(rows: &[RowRemoval], found: &FoundRows) -> BTreeMap<i32, Vec<String>> {
    let mut groups: BTreeMap<i32, BTreeSet<String>> = BTreeMap::new();
    for row in rows
        .iter()
        .filter(|row| found.get(&row.tenant) == Some(&Some(row.holds)))
    {
        groups.entry(row.holds).or_default().insert(row.tenant.clone());
    }
    let groups = groups.into_iter();
    groups
        .map(|(held, tenants)| (held, tenants.into_iter().collect()))
        .collect()
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
        VersionChange::ModelState(it) => record.model_state.as_ref() == Some(it),
        VersionChange::Evidence(it) => record.evidence.as_ref() == Some(&**it),
        VersionChange::EnvironmentEvidence { environment, evidence } => {
            record.environments.get(environment) == Some(&**evidence)
        }
    }
}

/// What a record says of its environments' evidence after a change.
pub(super) fn environments_with(mut record: VersionRecord, change: &VersionChange) -> BTreeMap<String, Evidence> {
    change.apply_to(&mut record);
    record.environments
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
            to: 2,
        };
        let mut flip = Flip {
            wave: None,
            environment: "production".to_owned(),
            moves: vec![it("c", None), it("b", Some(1)), it("a", Some(2))],
            reason: String::new(),
        };
        let found: FoundRows = [("a".to_owned(), Some(2)), ("b".to_owned(), Some(1))].into();
        let plan = plan_flip(&flip, &found).unwrap().remove(&2).unwrap();
        assert_eq!(
            (plan.inserts, plan.updates),
            (vec!["c".to_owned()], vec!["b".to_owned()])
        );
        assert_eq!(
            (plan.tenants, plan.from),
            (vec!["b".to_owned(), "c".to_owned()], vec![Some(1), None])
        );

        // Rows that get different versions are written apart.
        let back = Move {
            to: 1,
            ..it("a", Some(2))
        };
        let both = Flip {
            moves: vec![back, it("b", Some(1))],
            ..flip.clone()
        };
        let plans = plan_flip(&both, &found).unwrap();
        let updates = plans.into_iter().map(|(version, plan)| (version, plan.updates));
        assert_eq!(
            updates.collect::<Vec<_>>(),
            [(1, vec!["a".to_owned()]), (2, vec!["b".to_owned()])]
        );

        // A row without a version is there all the same: none may be inserted.
        let odd: FoundRows = found_rows(vec![
            ("c".to_owned(), None),
            ("a".to_owned(), Some(2)),
            ("b".to_owned(), Some(1)),
        ]);
        assert_eq!(plan_flip(&flip, &odd), Err(vec!["c".to_owned()]));

        // A tenant that is named twice with different rows has moved, whatever its row holds.
        flip.moves.push(it("b", None));
        assert_eq!(plan_flip(&flip, &found), Err(vec!["b".to_owned()]));
    }
}
