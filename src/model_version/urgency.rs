//! How much depends on a pass over a version: in which order its calls wait for the request budget. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::ports::{Urgency, VersionRecord};

/// What is known of a version and of those around it.
#[derive(Debug, Default)]
pub struct Situation<'a> {
    /// The version.
    pub version: i32,
    /// Its record in the ledger.
    pub record: Option<&'a VersionRecord>,
    /// How many tenants' rows hold it.
    pub tenants: u64,
    /// The versions that pins name.
    pub pinned: BTreeSet<i32>,
    /// The declared versions that are cut, and from which.
    pub cut_from: BTreeMap<i32, i32>,
}

impl Situation<'_> {
    /// The class of its calls.
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        self.alone().unwrap_or_else(|| match self.record {
            _ if self.is_awaited() => Urgency::Unstick,
            Some(_) => Urgency::Going,
            None => Urgency::New,
        })
    }

    /// The class of its calls, where the version alone tells it, whatever is declared beside it.
    #[must_use]
    pub fn alone(&self) -> Option<Urgency> {
        match self.record {
            Some(record) if record.complete_at.is_some() || record.retired_at.is_some() => Some(Urgency::Check),
            _ => (self.tenants > 0).then_some(Urgency::Unstick),
        }
    }

    /// A pin names it, or a version that is cut from it, or one that is cut from that one.
    fn is_awaited(&self) -> bool {
        let is_awaited = |pinned: &i32| {
            let steps = std::iter::successors(Some(*pinned), |version| self.cut_from.get(version).copied());
            // A circle of sources ends here, since no way without one is longer.
            steps
                .take(self.cut_from.len() + 1)
                .any(|version| version == self.version)
        };
        self.pinned.iter().any(is_awaited)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rstest::rstest;

    use super::*;

    fn begun() -> VersionRecord {
        VersionRecord::default()
    }

    fn complete() -> VersionRecord {
        VersionRecord {
            complete_at: Some(Timestamp::UNIX_EPOCH),
            ..VersionRecord::default()
        }
    }

    fn situation(record: Option<&VersionRecord>) -> Situation<'_> {
        Situation {
            version: 2,
            record,
            cut_from: BTreeMap::from([(2, 1), (3, 2)]),
            ..Situation::default()
        }
    }

    #[rstest]
    #[case::nothing_is_recorded(None, Urgency::New)]
    #[case::it_has_begun(Some(begun()), Urgency::Going)]
    #[case::it_is_complete(Some(complete()), Urgency::Check)]
    fn a_version_that_nobody_waits_for(#[case] record: Option<VersionRecord>, #[case] urgency: Urgency) {
        assert_eq!(situation(record.as_ref()).urgency(), urgency);
    }

    #[rstest]
    #[case::by_a_pin(Situation { pinned: BTreeSet::from([2]), ..situation(None) })]
    #[case::by_the_pin_of_a_version_that_is_cut_from_it(Situation { pinned: BTreeSet::from([3]), ..situation(None) })]
    #[case::by_a_row(Situation { tenants: 1, ..situation(None) })]
    fn a_version_that_is_waited_for(#[case] situation: Situation<'_>) {
        assert_eq!(situation.urgency(), Urgency::Unstick);
        let begun = begun();
        let record = Some(&begun);
        assert_eq!(Situation { record, ..situation }.urgency(), Urgency::Unstick);
    }

    #[test]
    fn nobody_waits_for_what_is_complete_or_for_what_is_cut_from_what_is_pinned() {
        let complete = complete();
        let pinned = || BTreeSet::from([1, 2]);
        let check = Situation {
            pinned: pinned(),
            ..situation(Some(&complete))
        };
        assert_eq!(check.urgency(), Urgency::Check);
        let later = Situation {
            version: 3,
            pinned: pinned(),
            ..situation(None)
        };
        assert_eq!(later.urgency(), Urgency::New);
    }

    #[test]
    fn sources_in_a_circle_are_no_endless_way() {
        let circle = Situation {
            version: 9,
            pinned: BTreeSet::from([1]),
            cut_from: BTreeMap::from([(1, 2), (2, 1)]),
            ..Situation::default()
        };
        assert_eq!(circle.urgency(), Urgency::New);
    }
}
