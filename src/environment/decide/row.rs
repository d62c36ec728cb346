//! Whether the row of one tenant moves, and what keeps it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::super::observe::Observed;
use super::{
    BY_ORDER, BY_RESTORE, BY_ROLLED_BACK, BY_ROLLOUT, BY_SPEC, BY_WAY_BACK, Kept, Lacking, Standing, later,
    oldest_first,
};
use crate::ports::{Object, PinEvent, PinEventKind, VersionRecord};
use crate::resources::{Hold, Requires, TenantPinSpec, annotations};

/// A tenant, and the pin that speaks for it.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Member<'a> {
    /// The tenant.
    pub(in super::super) tenant: &'a str,
    /// Its pin; `None` where its row takes part in a rollout by itself.
    pub(in super::super) pin: Option<&'a Object<TenantPinSpec>>,
}

impl<'a> Member<'a> {
    /// The tenant of a pin.
    pub(in super::super) fn of(pin: &'a Object<TenantPinSpec>) -> Self {
        Self {
            tenant: &pin.spec.tenant,
            pin: Some(pin),
        }
    }
}

/// One row, its ledger, and who wishes something of it.
pub(in super::super) struct Row<'a> {
    seen: &'a Observed,
    member: Member<'a>,
    events: &'a [PinEvent],
    /// What it shall hold; `None` where nobody says.
    wish: Option<i32>,
    /// What must have happened elsewhere, besides what the pin requires.
    also: Option<&'a Requires>,
    /// What it holds now.
    pub(in super::super) holds: Option<i32>,
}

impl<'a> Row<'a> {
    /// The row of this tenant, which shall hold this version.
    pub(in super::super) fn of(seen: &'a Observed, member: Member<'a>, wish: Option<i32>) -> Self {
        Self {
            seen,
            member,
            events: oldest_first(&seen.view.events, member.tenant),
            wish,
            also: None,
            holds: seen.view.rows.get(member.tenant).copied(),
        }
    }

    /// Whose it is.
    pub(super) const fn tenant(&self) -> &'a str {
        self.member.tenant
    }

    fn spec(&self) -> Option<&'a TenantPinSpec> {
        self.member.pin.map(|pin| &pin.spec)
    }

    /// Likewise, with something more that must have happened elsewhere.
    pub(super) const fn requiring(self, also: Option<&'a Requires>) -> Self {
        Self { also, ..self }
    }

    /// The event that made the row hold what it holds, if it is on record.
    pub(in super::super) fn made_by(&self) -> Option<&'a PinEvent> {
        self.events.last().filter(|last| last.to == self.holds)
    }

    /// What the row holds in place of a version, if it does: `NULL`, or a number out of range.
    pub(in super::super) fn oddity(&self) -> Option<String> {
        let held = self.seen.view.odd_rows.get(self.member.tenant)?;
        Some(held.map_or_else(|| "NULL".to_owned(), |number| number.to_string()))
    }

    /// What the ledger says the row held, where another hand has changed it since and that is not on record yet. What
    /// is no version cannot be put on record.
    pub(super) fn unrecorded_change(&self) -> Option<Option<i32>> {
        if self.oddity().is_some() {
            return None;
        }
        self.events.last().map(|last| last.to).filter(|was| *was != self.holds)
    }

    /// Where the pin stands. The order matters: what is already so needs no gate, a person's hand on the row comes
    /// before every wish, and a hold before everything that a wish may wait for.
    pub(super) fn standing(&self) -> Standing {
        if self.holds == Some(self.wish()) {
            return Standing::Pinned;
        }
        if let Some(current) = self.oddity() {
            return Standing::Kept(Kept::NoVersion { current });
        }
        if !self.restored() {
            if let Some(was) = self.changed_outside() {
                let confirm = self.confirmation();
                return Standing::Kept(Kept::ChangedOutside { was, confirm });
            }
            if let Some(current) = self.holds.filter(|current| !self.was_complete(*current)) {
                return Standing::Kept(Kept::UnknownCurrentVersion { current });
            }
        }
        if let Some(hold) = self.hold() {
            return Standing::Kept(Kept::Held(hold.clone()));
        }
        match self.seen.versions.get(&self.wish()) {
            None => return Standing::NotComplete { declared: false },
            Some(version) if version.retired_at.is_some() => return Standing::Retired,
            Some(version) if version.complete_at.is_none() => return Standing::NotComplete { declared: true },
            Some(version) => {
                let unproved = version.unproved(&self.seen.key.environment);
                if let Some(unproved) = unproved.filter(|_| self.is_forward()) {
                    return Standing::Kept(Kept::Unproved(unproved));
                }
            }
        }
        match self.lacking() {
            None => Standing::Moving,
            Some((requires, lacking)) => Standing::Kept(Kept::RequirementNotMet(requires.clone(), lacking)),
        }
    }

    /// The move that made the row hold what it holds, if it went forward by a wish: what can be taken back.
    pub(super) fn advance(&self) -> Option<&'a PinEvent> {
        advance(self.events, self.holds, &self.seen.versions)
    }

    /// Why the row is moved, for the ledger.
    pub(super) fn reason(&self) -> &'static str {
        if self.restored() { BY_RESTORE } else { BY_SPEC }
    }

    /// The hold that lasts, if one does. An expired one is ignored.
    pub(super) fn hold(&self) -> Option<&'a Hold> {
        let hold = self.spec()?.hold.as_ref()?;
        hold.until.is_none_or(|until| until > self.seen.now).then_some(hold)
    }

    /// No version is 0.
    fn wish(&self) -> i32 {
        self.wish.unwrap_or_default()
    }

    /// What the row held before another hand changed it, until a new wish is declared.
    fn changed_outside(&self) -> Option<Option<i32>> {
        let wished = |last: &&PinEvent| last.kind == PinEventKind::Outside && last.wanted_version == self.wish();
        let recorded = || self.events.last().filter(wished).map(|last| last.from);
        self.unrecorded_change().or_else(recorded)
    }

    /// Whether a person confirmed that the row, changed by another hand, is put back.
    pub(super) fn restored(&self) -> bool {
        let word = self
            .member
            .pin
            .and_then(|pin| pin.requests.get(annotations::RESTORE_ROW));
        self.changed_outside().is_some() && word.is_some_and(|word| *word == self.confirmation())
    }

    /// The word that confirms: both values, and the count where the same change was put back before, so that an
    /// annotation left in git does not fight the next hand.
    fn confirmation(&self) -> String {
        let holds = self.holds.map_or_else(|| "none".to_owned(), |holds| holds.to_string());
        let wish = self.wish();
        let restores = |pair: &&[PinEvent]| {
            let [outside, flip] = pair else { return false };
            outside.kind == PinEventKind::Outside
                && flip.kind == PinEventKind::Flip
                && (outside.to, outside.wanted_version) == (self.holds, wish)
                && (flip.from, flip.to, flip.wanted_version) == (self.holds, Some(wish), wish)
        };
        match self.events.windows(2).filter(restores).count() {
            0 => format!("{holds}->{wish}"),
            before => format!("{holds}->{wish} #{}", before + 1),
        }
    }

    fn was_complete(&self, version: i32) -> bool {
        let record = self.seen.versions.get(&version);
        record.is_some_and(|record| record.complete_at.is_some())
    }

    /// Whether the wish needs evidence. Going back to what this row has held needs none, and what a person confirmed
    /// needs none either. What the row was taken back from is forward again.
    pub(super) fn is_forward(&self) -> bool {
        let wish = Some(self.wish());
        let taken_back = |last: &PinEvent| last.from == wish && is_return(last);
        let had = self.events.iter().any(|event| event.to == wish || event.from == wish);
        let had = had && !self.events.last().is_some_and(taken_back);
        !had && !self.restored()
    }

    /// Whether the row was taken back from the wish when it last left it, so that the wish is forward of what it had then.
    pub(super) fn was_taken_back(&self) -> bool {
        let wish = Some(self.wish());
        let left = self.events.iter().rev().find(|event| event.from == wish);
        left.is_some_and(is_return)
    }

    /// What the wish lacks of the evidence that the pin requires.
    fn lacking(&self) -> Option<(&'a Requires, Lacking)> {
        if !self.is_forward() {
            return None;
        }
        let required = [self.spec().and_then(|spec| spec.requires.as_ref()), self.also];
        required
            .into_iter()
            .flatten()
            .find_map(|requires| self.lacking_of(requires))
    }

    fn lacking_of(&self, requires: &'a Requires) -> Option<(&'a Requires, Lacking)> {
        let elsewhere = self.seen.view.evidence.get(&requires.environment);
        let events = elsewhere.map_or(&[][..], |events| oldest_first(events, self.member.tenant));
        let soak = SignedDuration::try_from(requires.soak.0).unwrap_or(SignedDuration::MAX);
        let lacking = lacking_of_run(events, self.wish(), soak, self.seen.view.now)?;
        Some((requires, lacking))
    }

    /// A hold that has ended by itself and is still in the spec.
    pub(in super::super) fn expired_hold(&self) -> Option<&'a Hold> {
        let hold = self.spec()?.hold.as_ref()?;
        self.hold().is_none().then_some(hold)
    }

    /// Whether the version that the row holds is on record as complete.
    pub(in super::super) fn holds_complete(&self) -> bool {
        self.holds.is_some_and(|version| self.was_complete(version))
    }
}

/// Whether a move took the row back to what it had before.
fn is_return(event: &PinEvent) -> bool {
    [BY_WAY_BACK, BY_ROLLED_BACK, BY_ORDER].contains(&event.cause.reason.as_str())
}

/// The move that made a row hold what it holds, if it went forward by a wish: what can be taken back.
pub(in super::super) fn advance<'a>(
    events: &'a [PinEvent],
    holds: Option<i32>,
    versions: &BTreeMap<i32, VersionRecord>,
) -> Option<&'a PinEvent> {
    let (last, before) = events.split_last()?;
    let by_wish = [BY_SPEC, BY_ROLLOUT].contains(&last.cause.reason.as_str());
    let had = before.iter().any(|event| event.to == last.to);
    let made_from = last
        .from
        .zip(last.to)
        .is_some_and(|(from, to)| is_made_from(versions, to, from));
    let flipped = last.kind == PinEventKind::Flip && last.to == holds;
    (flipped && by_wish && (last.cause.wave.is_some() || !had || made_from)).then_some(last)
}

/// Whether a version was cut from another, or from one that was.
pub(super) fn is_made_from(versions: &BTreeMap<i32, VersionRecord>, version: i32, from: i32) -> bool {
    let source = |of: &i32| versions.get(of)?.source.strip_prefix("cut:")?.parse::<i32>().ok();
    // More steps than versions would be a circle.
    let line = std::iter::successors(source(&version), source);
    line.take(versions.len()).any(|source| source == from)
}

/// What events lack to show that a version was held for `soak` without a break, up to `now`.
fn lacking_of_run(events: &[PinEvent], version: i32, soak: SignedDuration, now: Timestamp) -> Option<Lacking> {
    let mut ran = false;
    let mut since = None;
    for event in events {
        if event.to == Some(version) {
            ran = true;
            since = since.or(Some(event.at));
        } else if let Some(start) = since.take()
            && event.at.duration_since(start) >= soak
        {
            return None;
        }
    }
    match since {
        Some(since) if now.duration_since(since) >= soak => None,
        Some(since) => Some(Lacking::Until {
            since,
            enough: later(since, soak),
        }),
        None if ran => Some(Lacking::Run),
        None => Some(Lacking::Start),
    }
}
