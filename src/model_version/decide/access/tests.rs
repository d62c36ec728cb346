//! What is done next about permits and settings of copies, with version 2 whole and its folder closed no more.

use std::collections::{BTreeMap, BTreeSet};

use super::super::scene::{REQUEST_TIMEOUT, at, copy_of, desired, intent, whole};
use super::super::*;
use crate::model_version::observe::OwnPermits;
use crate::ports::{DocumentPermit, Grantee, Scheduled};
use crate::resources::PermissionsFrom;

/// Both sources have no permits, and nothing is set; `me` owns the key.
fn asked() -> Observed {
    let mut seen = whole();
    seen.key_owner = Some("me".to_owned());
    for identifier in [
        "summary-1".to_owned(),
        "wards-1".to_owned(),
        copy_of("summary"),
        copy_of("wards"),
    ] {
        seen.document_permits.insert(identifier.clone(), read(Vec::new()));
        seen.settings.insert(identifier, Some(BTreeMap::new()));
    }
    seen
}

fn read(permits: Vec<DocumentPermit>) -> OwnPermits {
    OwnPermits {
        permits,
        read_back: true,
        ..OwnPermits::default()
    }
}

fn permit(grantee: Grantee, role: &str) -> DocumentPermit {
    DocumentPermit {
        grantee,
        name: "Somebody".to_owned(),
        role: role.to_owned(),
        is_boosted: false,
        is_owner: false,
    }
}

fn group(id: &str) -> Grantee {
    Grantee::Group(id.to_owned())
}

fn next(seen: &Observed) -> Step {
    let mut desired = desired();
    if let Origin::Cut(cut) = &mut desired.origin {
        cut.content.permissions_from = Some(PermissionsFrom::Source);
    }
    // What is sealed is another thing with it.
    decide(&desired, seen, at(0), REQUEST_TIMEOUT)
}

/// What the mark of `summary` says.
fn marked(seen: &Observed) -> String {
    match next(seen) {
        Step::Do(Effect::SettleIntent { step, subject, result }) => {
            assert_eq!((step, subject.as_str()), (IntentStep::Access, "summary"));
            result
        }
        other => panic!("{other:?}"),
    }
}

fn of_source(seen: &mut Observed, permits: Vec<DocumentPermit>) {
    seen.document_permits.insert("summary-1".to_owned(), read(permits));
}

#[test]
fn who_must_not_see_comes_first_and_others_of_one_role_at_once() {
    let mut seen = asked();
    of_source(
        &mut seen,
        vec![
            permit(group("a"), "VIEWER"),
            permit(group("b"), NO_ACCESS),
            permit(Grantee::User("u".to_owned()), "VIEWER"),
            permit(group("c"), "EDITOR"),
        ],
    );
    let copy = copy_of("summary");
    seen.document_permits
        .insert(copy.clone(), read(vec![permit(group("c"), "VIEWER")]));
    let mut given = Vec::new();
    while let Step::Do(Effect::GrantDocument {
        identifier,
        grantees,
        role,
        change,
    }) = next(&seen)
    {
        assert_eq!(identifier, copy);
        let own = seen.document_permits.get_mut(&copy).unwrap();
        own.given.extend(grantees.clone());
        own.read_back = false;
        given.push((grantees, role, change));
    }
    let all = |grantees: &[Grantee]| grantees.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(
        given,
        [
            (all(&[group("b")]), NO_ACCESS.to_owned(), false),
            (
                all(&[group("a"), Grantee::User("u".to_owned())]),
                "VIEWER".to_owned(),
                false
            ),
            (all(&[group("c")]), "EDITOR".to_owned(), true),
        ]
    );
    assert_eq!(
        next(&seen),
        Step::Look(Look::DocumentPermits(copy.clone())),
        "it is read back"
    );
    // Omni took it and does not show it: the folder stays closed.
    seen.document_permits.get_mut(&copy).unwrap().read_back = true;
    let Step::End(Ending::Halt(failure)) = next(&seen) else {
        panic!("{:?}", next(&seen))
    };
    assert_eq!(failure.reason, Reason::OmniRefused);
    assert!(
        failure.message.contains("summary") && failure.message.contains("shows"),
        "{}",
        failure.message
    );
    let as_wanted = seen.document_permits["summary-1"].permits.clone();
    seen.document_permits.get_mut(&copy).unwrap().permits = as_wanted;
    assert_eq!(marked(&seen), "carried\n");
}

#[test]
fn what_cannot_be_carried_is_written_down() {
    let mut seen = asked();
    let owner = |id: &str| DocumentPermit {
        is_owner: true,
        ..permit(Grantee::User(id.to_owned()), "MANAGER")
    };
    let boosted = DocumentPermit {
        is_boosted: true,
        ..permit(group("a"), "VIEWER")
    };
    of_source(&mut seen, vec![owner("me"), owner("another"), boosted]);
    let refused = OwnPermits {
        refused: [group("a")].into(),
        ..read(Vec::new())
    };
    seen.document_permits.insert(copy_of("summary"), refused);
    seen.settings
        .insert("summary-1".to_owned(), Some([("canDance".to_owned(), false)].into()));
    let scheduled = |identifier: &str| Scheduled {
        identifier: identifier.to_owned(),
        is_alert: false,
    };
    seen.schedules = Some(Some(vec![scheduled("summary-1"), scheduled("wards-1")]));
    assert_eq!(
        marked(&seen).lines().collect::<Vec<_>>(),
        [
            "carried",
            "1 schedule",
            "1 AccessBoost",
            "ownership of Somebody",
            "VIEWER of Somebody, which the key may not give",
            "setting canDance, which the key may not set",
        ]
    );
    seen.settings.insert("summary-1".to_owned(), None);
    assert!(marked(&seen).ends_with("settings, which Omni does not show\n"));
    seen.schedules = Some(None);
    assert!(marked(&seen).contains("schedules and alerts, which could not be listed\n"));
}

#[test]
fn settings_are_set_where_they_differ_and_told_where_the_key_may_not() {
    let mut seen = asked();
    let on = |names: &[&str]| {
        names
            .iter()
            .map(|it| ((*it).to_owned(), true))
            .collect::<BTreeMap<_, _>>()
    };
    seen.settings
        .insert("summary-1".to_owned(), Some(on(&["canDownload", "canDrill"])));
    seen.settings.insert(copy_of("summary"), Some(on(&["canDrill"])));
    let set = Step::Do(Effect::SetDocument {
        identifier: copy_of("summary"),
        settings: on(&["canDownload"]),
    });
    assert_eq!(next(&seen), set);
    seen.settings_refused.insert(copy_of("summary"));
    assert_eq!(
        marked(&seen),
        "carried\nsetting canDownload, which the key may not set\n"
    );
}

#[test]
fn what_was_told_without_being_asked_is_carried_when_it_is_asked_for() {
    let mut seen = asked();
    for slug in ["summary", "wards"] {
        intent(&mut seen, IntentStep::Access, slug, 0, Some("told\n1 schedule\n"));
    }
    assert_eq!(marked(&seen), "carried\n");
    for slug in ["summary", "wards"] {
        intent(&mut seen, IntentStep::Access, slug, 0, Some("carried\n"));
    }
    assert!(
        matches!(next(&seen), Step::Do(Effect::Complete(_))),
        "{:?}",
        next(&seen)
    );
    // Not asked for any more, while it is made.
    let Step::End(Ending::Halt(failure)) = decide(&desired(), &seen, at(0), REQUEST_TIMEOUT) else {
        panic!("it goes on");
    };
    assert_eq!(failure.reason, Reason::Invalid);
    assert!(
        failure.message.contains("content.permissionsFrom"),
        "{}",
        failure.message
    );
}
