//! What is told of version 2 once it is complete, and what of it is put back.

use super::super::scene::{
    PATH, REQUEST_TIMEOUT, SLUGS, at, copy_of, desired, document, intent, next, permit, record, whole,
};
use super::super::*;
use crate::model_version::observe::{Again, Found};
use crate::ports::{DashboardRow, Evidence, FolderPermit, VersionChange};
use crate::resources::DriftPolicy;

fn complete() -> Observed {
    let mut seen = whole();
    let row = |slug: &str| DashboardRow {
        slug: slug.to_owned(),
        dashboard_id: copy_of(slug),
    };
    (record(&mut seen).complete_at, record(&mut seen).plan) = (Some(at(0)), Some(desired().plan));
    seen.rows = Some(SLUGS.map(row).to_vec());
    seen.looked_again.clear();
    assert_eq!(next(&seen, 0), Step::End(Ending::Complete));
    seen
}

/// The copy of `summary`, read by itself, as it was made.
fn as_made(seen: &Observed) -> Found {
    let made = &seen.dashboards["summary"];
    Found {
        ids: made.ids.clone(),
        model_id: "m2".to_owned(),
        folder_path: Some(PATH.to_owned()),
        state: made.state.clone().unwrap(),
    }
}

/// What is said of it, after the evidence that it harms was marked void.
#[track_caller]
fn drifted(seen: &Observed) -> Drift {
    let mut seen = seen.clone();
    let mut void = None;
    if let Step::Do(Effect::Change(VersionChange::Evidence(evidence))) = next(&seen, 0) {
        void.clone_from(&evidence.void);
        record(&mut seen).evidence = Some(*evidence);
    }
    match next(&seen, 0) {
        Step::End(Ending::Drifted(drift)) => {
            let word = drift.harms().then(|| drift.reason.as_str().to_owned());
            assert_eq!(void, word);
            drift
        }
        other => panic!("{other:?}"),
    }
}

fn looks_at_summary() -> Step {
    Step::Look(Look::Document {
        slug: "summary".to_owned(),
        identifier: copy_of("summary"),
    })
}

/// Its lists and its content are what they were; only by itself it tells where its fields come from.
#[test]
fn a_document_on_another_versions_model_is_told_and_cannot_be_accepted() {
    let mut seen = complete();
    seen.documents.as_mut().unwrap()[0].updated_at = Some("now".to_owned());
    assert_eq!(next(&seen, 0), looks_at_summary());
    let found = Found {
        model_id: "m1".to_owned(),
        ..as_made(&seen)
    };
    seen.found.insert("summary".to_owned(), Some(found));
    let mut not_listed = seen.clone();
    not_listed.documents.as_mut().unwrap().remove(0);
    for seen in [&seen, &not_listed] {
        let drift = drifted(seen);
        assert_eq!(drift.reason, Reason::EditedInOmni, "{}", drift.message);
        assert!(drift.harms() && drift.content && !drift.model, "{drift:?}");
        let told = format!(
            "summary ({}) sits on model m1 now, and the version's is m2",
            copy_of("summary")
        );
        assert!(drift.message.contains(&told), "{}", drift.message);
        assert!(!drift.message.contains("accept-drift"), "{}", drift.message);
    }
    // And nobody is let in to it.
    record(&mut seen).complete_at = None;
    seen.looked_again = whole().looked_again;
    assert!(matches!(next(&seen, 0), Step::End(Ending::Halt(failure)) if failure.reason == Reason::EditedInOmni));
}

#[test]
fn the_folder_has_moved_only_where_every_line_of_its_list_says_so() {
    let mut seen = complete();
    let listed = |paths: [&str; 2]| {
        let line = |(slug, path): (&str, &str)| document(&copy_of(slug), path);
        Some(SLUGS.into_iter().zip(paths).map(line).collect::<Vec<_>>())
    };
    seen.documents = listed(["clinical/old", "clinical/old"]);
    let drift = drifted(&seen);
    assert!(
        drift.message.contains("was moved or renamed to \"clinical/old\""),
        "{}",
        drift.message
    );
    // One alone is looked at by itself.
    seen.documents = listed(["clinical/old", PATH]);
    assert_eq!(next(&seen, 0), looks_at_summary());
    let mut found = as_made(&seen);
    seen.found.insert("summary".to_owned(), Some(found.clone()));
    assert_eq!(next(&seen, 0), Step::End(Ending::Complete), "the list lags behind");
    found.folder_path = Some("clinical/old".to_owned());
    seen.found.insert("summary".to_owned(), Some(found));
    let drift = drifted(&seen);
    assert!(
        drift.message.contains("is in folder \"clinical/old\" now"),
        "{}",
        drift.message
    );
    assert!(!drift.message.contains("renamed"), "{}", drift.message);
}

#[test]
fn what_was_read_before_the_last_look_at_the_documents_is_read_again() {
    let mut seen = whole();
    seen.looked_again.remove(&Again::Documents);
    let early = as_made(&seen);
    seen.found.insert("summary".to_owned(), Some(early));
    assert_eq!(next(&seen, 0), Step::Look(Look::Again(Again::Documents)));
    let mut listed = seen.documents.clone();
    seen.forget(Again::Documents, 2);
    assert_eq!(seen.documents, None);
    listed.as_mut().unwrap()[0].updated_at = Some("now".to_owned());
    seen.documents = listed;
    assert_eq!(next(&seen, 0), looks_at_summary());
}

fn next_mending(seen: &Observed) -> Step {
    let mut desired = desired();
    if let Origin::Cut(cut) = &mut desired.origin {
        cut.content.drift = DriftPolicy::Mend;
    }
    decide(&desired, seen, at(0), REQUEST_TIMEOUT)
}

fn permits(role: &str) -> Vec<FolderPermit> {
    vec![permit("viewers", role)]
}

#[test]
fn a_permission_that_omni_takes_and_does_not_show_is_granted_once_and_then_told() {
    let mut seen = complete();
    seen.permits.insert("f2".to_owned(), permits("NO_ACCESS"));
    let is_granted = |step: &Step| matches!(step, Step::Do(Effect::GrantFolder { role, .. }) if role == "VIEWER");
    assert!(is_granted(&next_mending(&seen)));
    // Granted, and read again.
    seen.permits.insert("f2".to_owned(), permits("VIEWER"));
    seen.permits_changed = true;
    assert_eq!(next_mending(&seen), Step::Look(Look::Again(Again::Permits)));
    seen.forget(Again::Permits, 2);
    assert_eq!(next_mending(&seen), Step::Look(Look::Permits("f2".to_owned())));
    seen.permits.insert("f2".to_owned(), permits("NO_ACCESS"));
    let Step::Do(Effect::SettleIntent { step, subject, result }) = next_mending(&seen) else {
        panic!("{:?}", next_mending(&seen))
    };
    assert_eq!(result, "VIEWER and shows NO_ACCESS");
    intent(&mut seen, step, &subject, 0, Some(&result));
    // It may be the list that lags.
    assert!(matches!(next_mending(&seen), Step::End(Ending::Wait { .. })));
    // The passes after this one write no more.
    let mut later = complete();
    later.permits.insert("f2".to_owned(), permits("NO_ACCESS"));
    intent(&mut later, step, &subject, 0, Some(&result));
    let Step::End(Ending::Halt(failure)) = next_mending(&later) else {
        panic!("{:?}", next_mending(&later))
    };
    assert_eq!(failure.reason, Reason::OmniRefused);
    assert!(
        failure.message.contains("VIEWER for user group viewers"),
        "{}",
        failure.message
    );
    // Put right by hand, it may be taken away once more.
    later.permits.insert("f2".to_owned(), permits("VIEWER"));
    let Step::Do(Effect::SettleIntent { result, .. }) = next_mending(&later) else {
        panic!("{:?}", next_mending(&later))
    };
    intent(&mut later, step, &subject, 0, Some(&result));
    assert_eq!(next_mending(&later), Step::End(Ending::Complete));
    later.permits.insert("f2".to_owned(), permits("NO_ACCESS"));
    assert!(is_granted(&next_mending(&later)));
}

/// The evidence that is written next.
#[track_caller]
fn kept(seen: &mut Observed) -> Evidence {
    let Step::Do(Effect::Change(VersionChange::Evidence(evidence))) = next(seen, 0) else {
        panic!("{:?}", next(seen, 0))
    };
    record(seen).evidence = Some((*evidence).clone());
    *evidence
}

fn refreshed(seen: &mut Observed, id: &str) {
    let models = seen.schemas.as_mut().unwrap();
    models.iter_mut().find(|it| it.id == id).unwrap().updated_at = "now".to_owned();
}

#[test]
fn at_rest_one_list_tells_that_no_schema_was_refreshed() {
    let mut seen = complete();
    (seen.schemas, seen.environment_connections) = (None, None);
    assert_eq!(next(&seen, 0), Step::Look(Look::Schemas(desired().list_age)));
    seen.asked = true;
    assert_eq!(next(&seen, 0), Step::Look(Look::Schemas(Duration::ZERO)));
    seen.schemas = complete().schemas;
    refreshed(&mut seen, "sx");
    assert_eq!(next(&seen, 0), Step::End(Ending::Complete), "the schema of a stranger");
}

#[test]
fn evidence_is_void_before_anything_is_validated_anew() {
    for id in ["s", "se"] {
        let mut seen = complete();
        (seen.findings, seen.environment_connections) = (BTreeMap::new(), None);
        refreshed(&mut seen, id);
        let void = kept(&mut seen);
        assert_eq!(void.void.as_deref(), Some(Reason::SchemaRefreshed.as_str()));
        assert_eq!(next(&seen, 0), Step::Look(Look::Environments("c".to_owned())));
        seen.environment_connections = complete().environment_connections;
        assert_eq!(next(&seen, 0), Step::Look(Look::ModelIssues("m2".to_owned())));
        seen.model_issues = Some(Vec::new());
        assert_eq!(next(&seen, 0), Step::Look(Look::Findings("m2".to_owned())));
        seen.findings = complete().findings;
        let again = kept(&mut seen);
        let stamps = again.schemas.as_ref().unwrap();
        assert_eq!(
            (again.void.as_ref(), stamps[id].as_str(), stamps.len()),
            (None, "now", 2)
        );
        assert_eq!(next(&seen, 0), Step::End(Ending::Complete));
    }
}

#[test]
fn evidence_from_before_schemas_were_looked_at_is_taken_over() {
    let mut seen = complete();
    seen.findings.clear();
    record(&mut seen).evidence.as_mut().unwrap().schemas = None;
    let taken = kept(&mut seen);
    assert_eq!((taken.void, taken.schemas.map(|it| it.len())), (None, Some(2)));
    assert_eq!(next(&seen, 0), Step::End(Ending::Complete));
}
