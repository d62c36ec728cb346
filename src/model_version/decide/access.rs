//! What single dashboards have of their own that no export holds: permits, settings, schedules. Once a copy is fit for
//! viewers and before its folder is opened it gets the first two, where that is asked for; what it does not get is told.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::{IntentState, NO_ACCESS, Step, View, halt};
use crate::model_version::act::Effect;
use crate::model_version::desired::Cut;
use crate::model_version::observe::{Look, OwnPermits};
use crate::ports::{DashboardRecord, DocumentPermit, Grantee, IntentStep};
use crate::resources::conditions::Reason;

/// What the mark of a copy begins with that got the permits of its source.
const CARRIED: &str = "carried\n";
/// Likewise of one whose source has what cannot be carried, and whose permits were not asked for.
const TOLD: &str = "told\n";

/// So many pages of schedules are read; of an organisation with more they are not counted.
const MOST_PAGES: usize = 3;

/// The settings that the key can set, by Omni's words.
const SETTINGS: [&str; 6] = [
    "canDownload",
    "canDrill",
    "canSchedule",
    "canUpload",
    "canUseDashboardAi",
    "canViewWorkbook",
];

/// What a copy's mark says that it did not get.
pub(in crate::model_version) fn lost(mark: &str) -> impl Iterator<Item = &str> {
    mark.lines().skip(1)
}

/// The slug of a copy whose permits were carried already.
pub(super) fn carried_already(view: View<'_>) -> Option<&str> {
    let mut marks = view.seen.intents.values().filter(|it| it.step == IntentStep::Access);
    let carried = marks.find(|it| it.result.as_deref().is_some_and(|it| it.starts_with(CARRIED)))?;
    Some(&carried.subject)
}

/// These copies have what they can have of it, and what they cannot have is written down.
pub(super) fn carried(view: View<'_>, cut: &Cut, of_these: impl Fn(&str) -> bool) -> Option<Step> {
    let asked = cut.content.permissions_from.is_some();
    let is_done = |copy: &&DashboardRecord| match view.intent(IntentStep::Access, &copy.slug) {
        IntentState::Settled(mark) => !asked || mark.starts_with(CARRIED),
        _ => false,
    };
    let copies = view.seen.dashboards.values().filter(|it| of_these(&it.slug));
    let left: Vec<&DashboardRecord> = copies.filter(|it| !is_done(it)).collect();
    if left.is_empty() {
        return None;
    }
    if view.seen.schedules.is_none() {
        return Some(Step::Look(Look::Schedules(MOST_PAGES)));
    }
    left.into_iter().find_map(|copy| one(view, copy, asked))
}

fn one(view: View<'_>, copy: &DashboardRecord, asked: bool) -> Option<Step> {
    let mut lost = scheduled(view, &copy.source_identifier);
    if asked {
        let own = permits(view, copy).and_then(|mut of_permits| {
            of_permits.extend(settings(view, copy)?);
            Ok(of_permits)
        });
        match own {
            Ok(own) => lost.extend(own),
            Err(step) => return Some(step),
        }
    } else if lost.is_empty() {
        return None;
    }
    let lost: String = lost.iter().map(|it| format!("{it}\n")).collect();
    Some(Step::Do(Effect::SettleIntent {
        step: IntentStep::Access,
        subject: copy.slug.clone(),
        result: format!("{}{lost}", if asked { CARRIED } else { TOLD }),
    }))
}

fn counted(count: usize, what: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        many => Some(format!("{many} {what}s")),
    }
}

/// Schedules and alerts of the source, counted: they have recipients and owners, and go on from where they are.
fn scheduled(view: View<'_>, source: &str) -> Vec<String> {
    let Some(Some(all)) = &view.seen.schedules else {
        return vec!["schedules and alerts, which could not be listed".to_owned()];
    };
    let of_source = all.iter().filter(|it| it.identifier == source);
    let (alerts, schedules): (Vec<_>, Vec<_>) = of_source.partition(|it| it.is_alert);
    let counted = [counted(schedules.len(), "schedule"), counted(alerts.len(), "alert")];
    counted.into_iter().flatten().collect()
}

fn own_permits<'a>(view: View<'a>, identifier: &str) -> Result<&'a OwnPermits, Step> {
    let look = || Step::Look(Look::DocumentPermits(identifier.to_owned()));
    view.seen.document_permits.get(identifier).ok_or_else(look)
}

fn role_of<'a>(permits: &'a [DocumentPermit], grantee: &Grantee) -> Option<&'a str> {
    let own = permits.iter().find(|it| it.grantee == *grantee && !it.is_owner)?;
    Some(&own.role)
}

/// The copy has the permits of its source; what of them it cannot have. What others gave beside stays.
fn permits(view: View<'_>, copy: &DashboardRecord) -> Result<Vec<String>, Step> {
    if view.seen.key_scope.is_none() {
        return Err(Step::Look(Look::KeyScope));
    }
    let source = &own_permits(view, &copy.source_identifier)?.permits;
    let owner = view.seen.key_owner.clone().map(Grantee::User);
    // Whoever owns the key owns the copy.
    let others = || source.iter().filter(|it| Some(&it.grantee) != owner.as_ref());
    let boosts = others().filter(|it| it.is_boosted && !it.is_owner).count();
    let mut lost: Vec<String> = counted(boosts, "AccessBoost").into_iter().collect();
    let owned = others().filter(|it| it.is_owner);
    lost.extend(owned.map(|it| format!("ownership of {}", it.name)));
    let wanted: Vec<&DocumentPermit> = others().filter(|it| !it.is_owner).collect();
    if !wanted.is_empty() {
        let there = own_permits(view, &copy.ids.identifier)?;
        if let Some(step) = give(copy, &wanted, there) {
            return Err(step);
        }
        let refused = wanted.iter().filter(|it| there.refused.contains(&it.grantee));
        let told = |it: &&DocumentPermit| format!("{} of {}, which the key may not give", it.role, it.name);
        lost.extend(refused.map(told));
    }
    Ok(lost)
}

/// The next role that the copy lacks, for all who lack it at once: first those who must not see it. What Omni took is read
/// once more, since the folder is opened after it.
fn give(copy: &DashboardRecord, wanted: &[&DocumentPermit], there: &OwnPermits) -> Option<Step> {
    let lacks = |it: &&&DocumentPermit| {
        role_of(&there.permits, &it.grantee) != Some(it.role.as_str()) && !there.refused.contains(&it.grantee)
    };
    let missing: Vec<&&DocumentPermit> = wanted.iter().filter(lacks).collect();
    let left = || missing.iter().filter(|it| !there.given.contains(&it.grantee));
    let first = left().find(|it| it.role == NO_ACCESS).or_else(|| left().next());
    let identifier = &copy.ids.identifier;
    if let Some(first) = first {
        let is_there = |it: &DocumentPermit| role_of(&there.permits, &it.grantee).is_some();
        let alike = left().filter(|it| it.role == first.role && is_there(it) == is_there(first));
        return Some(Step::Do(Effect::GrantDocument {
            identifier: identifier.clone(),
            grantees: alike.map(|it| it.grantee.clone()).collect(),
            role: first.role.clone(),
            change: is_there(first),
        }));
    }
    if !there.given.is_empty() && !there.read_back {
        return Some(Step::Look(Look::DocumentPermits(identifier.clone())));
    }
    let missing = missing.first()?;
    let shown = role_of(&there.permits, &missing.grantee).unwrap_or("none");
    Some(halt(
        Reason::OmniRefused,
        format!(
            "{}: Omni took {} for {} on {identifier:?} and shows {shown}; look at the dashboard's permissions in Omni",
            copy.slug, missing.role, missing.name
        ),
    ))
}

/// The copy has the settings of its source, as far as Omni shows them; what of them it cannot have.
fn settings(view: View<'_>, copy: &DashboardRecord) -> Result<Vec<String>, Step> {
    let unseen = || vec!["settings, which Omni does not show".to_owned()];
    let Some(owner) = &view.seen.key_owner else {
        return Ok(unseen());
    };
    let of = |identifier: &str| match view.seen.settings.get(identifier) {
        Some(settings) => Ok(settings.as_ref()),
        None => Err(Step::Look(Look::Settings {
            identifier: identifier.to_owned(),
            owner: owner.clone(),
        })),
    };
    let Some(wanted) = of(&copy.source_identifier)? else {
        return Ok(unseen());
    };
    let identifier = &copy.ids.identifier;
    let Some(there) = of(identifier)? else {
        return Ok(unseen());
    };
    let differs = |(name, value): &(&String, &bool)| there.get(*name) != Some(*value);
    let differing: BTreeMap<&String, &bool> = wanted.iter().filter(differs).collect();
    let known = |name: &str| SETTINGS.contains(&name) && !view.seen.settings_refused.contains(identifier);
    let settable = differing.iter().filter(|(name, _)| known(name));
    let settable: BTreeMap<String, bool> = settable.map(|(name, value)| ((*name).clone(), **value)).collect();
    if !settable.is_empty() {
        return Err(Step::Do(Effect::SetDocument {
            identifier: identifier.clone(),
            settings: settable,
        }));
    }
    let names: BTreeSet<&str> = differing.keys().map(|it| it.as_str()).collect();
    let told = |name: &str| format!("setting {name}, which the key may not set");
    Ok(names.into_iter().map(told).collect())
}
