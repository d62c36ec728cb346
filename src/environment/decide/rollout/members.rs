//! Tenants without a pin: which rows take part in a rollout, and with which labels.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::observe::Observed;
use super::super::row::{Member, Row};
use super::{Course, Follower, count};
use crate::environment::decide::{Kept, Standing};
use crate::ports::{TenantLine, TenantLines};
use crate::resources::{RowMembers, TenantTable, is_label_value};

type Labels = BTreeMap<String, String>;

/// Why the labels of tenants without a pin are not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) enum Unlabelled {
    /// The OmniInstance names no table like that.
    NotDeclared(String),
    /// The table cannot be used: which, why, and what to do.
    Unusable(String),
}

/// How many tenants take part without a pin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::environment) struct RowCount {
    /// All of them.
    pub(in crate::environment) tenants: u32,
    /// Those that the table of labels does not have.
    pub(in crate::environment) unlabelled: u32,
}

impl<'a> Course<'a> {
    /// Whether rows take part without a pin.
    pub(in crate::environment::decide) const fn counts_rows(&self) -> bool {
        self.spec.members.is_some()
    }

    /// The rows that take part by themselves, as followers.
    pub(in crate::environment::decide) fn rows(&mut self) -> Vec<Follower<'a>> {
        let Some(members) = &self.spec.members else {
            return Vec::new();
        };
        let tenants = without_pin(self.seen);
        let labels = match labels(self.seen, &members.rows, &tenants) {
            Ok(labels) => Some(labels),
            Err(unlabelled) => {
                self.unlabelled = Some(unlabelled);
                None
            }
        };
        let none = Labels::new();
        let of = |tenant: &str| labels.as_ref().map(|labels| labels.get(tenant));
        let missing = |tenant: &&&str| members.rows.labels_from.is_some() && of(tenant) == Some(None);
        self.rows = Some(RowCount {
            tenants: count(tenants.iter()),
            unlabelled: count(tenants.iter().filter(missing)),
        });
        let follower = |tenant: &&'a str| {
            let member = Member { tenant, pin: None };
            match of(tenant) {
                Some(labels) => self.follower(None, member, labels.unwrap_or(&none)),
                None => self.in_no_wave(member),
            }
        };
        tenants.iter().map(follower).collect()
    }

    /// A follower whose wave is not known: it may go back, and nowhere else.
    fn in_no_wave(&self, member: Member<'a>) -> Follower<'a> {
        let row = Row::of(self.seen, member, Some(self.spec.version));
        Follower {
            place: None,
            member,
            wave: None,
            frozen: None,
            standing: row.standing(),
            row,
            leave: None,
        }
    }

    /// What keeps a row that would move and whose wave is not known, if that is so.
    pub(super) fn kept_without_labels(&self, follower: &Follower<'a>) -> Option<Standing> {
        let is_row = follower.member.pin.is_none();
        (is_row && self.unlabelled.is_some()).then_some(Standing::Kept(Kept::Unlabelled))
    }
}

/// The tenants that have a row here and no pin of any kind. A claim is a pin's, also of one that is not seen now.
pub(in crate::environment::decide) fn without_pin(seen: &Observed) -> Vec<&str> {
    let pinned: BTreeSet<&str> = seen.pins.iter().map(|pin| pin.spec.tenant.as_str()).collect();
    let rows = seen.view.rows.keys().chain(seen.view.odd_rows.keys());
    let free = |tenant: &&str| !pinned.contains(tenant) && !seen.view.claims.contains_key(*tenant);
    let free: BTreeSet<&str> = rows.map(String::as_str).filter(free).collect();
    free.into_iter().collect()
}

/// The labels of these tenants, as far as the table has them: all of them, or none where any is in doubt.
fn labels<'a>(
    seen: &'a Observed,
    members: &RowMembers,
    tenants: &[&'a str],
) -> Result<BTreeMap<&'a str, Labels>, Unlabelled> {
    let Some(name) = &members.labels_from else {
        return Ok(BTreeMap::new());
    };
    let table = seen.tenant_tables.get(name);
    let table = table.ok_or_else(|| Unlabelled::NotDeclared(name.clone()))?;
    let unusable = |why: &str| {
        Unlabelled::Unusable(format!(
            "{} (spec.mapping.tenantTables.{name} of the OmniInstance), which labels tenants without a pin, cannot be \
             used: {why}",
            table.table
        ))
    };
    if let Some(refusal) = table.refusal(name) {
        return Err(unusable(&refusal));
    }
    match &seen.view.tenants {
        TenantLines::Read(lines) if seen.labels_from.as_ref() == Some(name) => {
            read(table, lines, tenants).map_err(|why| unusable(&why))
        }
        TenantLines::Unusable(why) if seen.labels_from.as_ref() == Some(name) => Err(unusable(why)),
        _ => Err(unusable(
            "another VersionRollout of this environment names another table, and only one is read; delete one of the two",
        )),
    }
}

fn read<'a>(
    table: &TenantTable,
    lines: &'a [TenantLine],
    tenants: &[&'a str],
) -> Result<BTreeMap<&'a str, Labels>, String> {
    let mut labels: BTreeMap<&str, Labels> = BTreeMap::new();
    let (mut twice, mut odd) = (BTreeSet::new(), BTreeSet::new());
    for line in lines {
        let Ok(place) = tenants.binary_search(&line.tenant.as_str()) else {
            continue;
        };
        let mut own = Labels::new();
        for (column, value) in table.columns.iter().zip(&line.values) {
            let Some(value) = value else { continue };
            if !is_label_value(value) {
                odd.insert((tenants[place], column));
            }
            own.insert(column.clone(), value.clone());
        }
        if labels.insert(tenants[place], own).is_some() {
            twice.insert(tenants[place]);
        }
    }
    if let Some(tenant) = twice.first() {
        return Err(format!(
            "it has more than one row for tenant {tenant:?}{}. Name a view that has one for each, or say \
             environmentColumn where it has one for each environment",
            more(twice.len())
        ));
    }
    // One that is missing may be new; where all are, the keys are written otherwise there, or it is being filled.
    if let Some(first) = tenants.first()
        && labels.is_empty()
    {
        return Err(format!(
            "it has none of the {} tenants of this environment without a pin, such as {first:?}. Correct tenantColumn or \
             environmentColumn, which must hold what tenant_version holds, or fill it",
            tenants.len()
        ));
    }
    if let Some((tenant, column)) = odd.first() {
        return Err(format!(
            "what column {column} holds for tenant {tenant:?} is no value of a label{}: those have at most 63 letters, \
             digits, '-', '_' and '.', with a letter or digit first and last. Correct it, or name a view that does",
            more(odd.len())
        ));
    }
    Ok(labels)
}

/// That there are others like the one that is named.
fn more(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        _ => format!(", and {} more like it", count - 1),
    }
}
