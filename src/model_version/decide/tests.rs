//! Decisions about version 2 at chosen points of its way.

mod method;

use super::laws::about_to_import;
use super::scene::{
    PATH, REQUEST_TIMEOUT, SLUGS, at, copy_of, desired, intent, model, next, permit, record, validated, whole,
};
use super::*;
use crate::model_version::act::MERGED;
use crate::model_version::observe::Again;
use crate::ports::{ContentIssue, DashboardRow, DocumentFindings, ModelFile, ModelFiles, VersionChange};

#[track_caller]
fn halts(step: &Step, reason: Reason, part: &str) {
    match step {
        Step::End(Ending::Halt(failure)) => {
            assert_eq!(failure.reason, reason, "{}", failure.message);
            assert!(failure.message.contains(part), "{}", failure.message);
        }
        other => panic!("{other:?}"),
    }
}

fn opens(step: IntentStep, subject: &str) -> Step {
    Step::Do(Effect::OpenIntent {
        step,
        subject: subject.to_owned(),
    })
}

#[test]
fn a_whole_version_is_mapped_read_back_and_then_left_alone() {
    let mut seen = whole();
    let Step::Do(Effect::Complete(rows)) = next(&seen, 0) else {
        panic!("{:?}", next(&seen, 0))
    };
    let row = |slug: &str| DashboardRow {
        slug: slug.to_owned(),
        dashboard_id: copy_of(slug),
    };
    assert_eq!(rows, SLUGS.map(row));
    record(&mut seen).complete_at = Some(at(0));
    record(&mut seen).plan = Some(desired().plan);
    (seen.completed, seen.rows) = (true, None);
    assert_eq!(next(&seen, 0), Step::Look(Look::Rows));
    seen.rows = Some(rows);
    assert_eq!(next(&seen, 0), Step::End(Ending::Complete));
    seen.rows = Some(vec![row("wards")]);
    halts(&next(&seen, 0), Reason::MappingConflict, "is not there when read back");
}

#[test]
fn a_lost_creation_is_looked_for_as_long_as_it_may_still_come_and_show() {
    let mut seen = whole();
    record(&mut seen).model_id = None;
    seen.models = Some(vec![model("m1", "clinical")]);
    intent(&mut seen, IntentStep::Model, "clinical v2", 0, None);
    // Sent within 2 s, taken within 30 s, listed within 60 s.
    for now in [0, 60, 91] {
        let Step::End(Ending::Wait { until, .. }) = next(&seen, now) else {
            panic!("{:?}", next(&seen, now))
        };
        assert_eq!(until, at(92));
    }
    assert_eq!(next(&seen, 92), opens(IntentStep::Model, "clinical v2"));
    seen.models = Some(vec![model("m1", "clinical"), model("m9", "clinical v2")]);
    let settled = Effect::SettleIntent {
        step: IntentStep::Model,
        subject: "clinical v2".to_owned(),
        result: "m9".to_owned(),
    };
    let found = ("m9".to_owned(), None);
    let look = Step::Look(Look::Files {
        model: found.0.clone(),
        branch: None,
    });
    assert_eq!(next(&seen, 5), look);
    seen.files.insert(found, ModelFiles::default());
    assert_eq!(next(&seen, 5), Step::Do(settled));
}

#[test]
fn an_open_intent_takes_nothing_that_somebody_has_filled() {
    let mut seen = whole();
    record(&mut seen).model_id = None;
    seen.models = Some(vec![model("m1", "clinical"), model("m9", "clinical v2")]);
    intent(&mut seen, IntentStep::Model, "clinical v2", 0, None);
    let mut theirs = ModelFiles::default();
    let file = ModelFile {
        yaml: "label: Theirs".to_owned(),
        checksum: None,
    };
    theirs.files.insert("wards.view".to_owned(), file);
    seen.files.insert(("m9".to_owned(), None), theirs);
    halts(&next(&seen, 5), Reason::NameTaken, "wavepin.dev/adopt-model: m9");

    let mut seen = whole();
    record(&mut seen).folder_id = None;
    intent(&mut seen, IntentStep::Folder, PATH, 0, None);
    let theirs = seen.documents.take();
    let found = seen.folders[PATH].as_ref().map(|it| it.id.clone()).unwrap();
    assert_eq!(next(&seen, 5), Step::Look(Look::Documents(found.clone())));
    seen.documents = theirs;
    halts(&next(&seen, 5), Reason::FolderTaken, PATH);
    seen.documents = Some(Vec::new());
    let settled = Effect::SettleIntent {
        step: IntentStep::Folder,
        subject: PATH.to_owned(),
        result: found,
    };
    assert_eq!(next(&seen, 5), Step::Do(settled));
}

#[test]
fn a_call_goes_out_only_while_its_intent_tells_when() {
    let mut seen = whole();
    record(&mut seen).model_id = None;
    seen.models = Some(vec![model("m1", "clinical")]);
    intent(&mut seen, IntentStep::Model, "clinical v2", 0, None);
    seen.unsent.insert((IntentStep::Model, "clinical v2".to_owned()));
    assert!(matches!(next(&seen, 2), Step::Do(Effect::CreateModel(_))));
    assert_eq!(next(&seen, 3), opens(IntentStep::Model, "clinical v2"));
}

#[test]
fn a_lost_migration_of_what_was_declared_before_is_awaited_before_anything_is_written() {
    let mut seen = whole();
    record(&mut seen).definition = None;
    let before = next(&seen, 5);
    intent(&mut seen, IntentStep::Git, "migration to clinical v2 at abc", 0, None);
    let Step::End(Ending::Wait { until, message }) = next(&seen, 5) else {
        panic!("{:?}", next(&seen, 5));
    };
    assert!(message.contains("begun by what was declared before"), "{message}");
    let seconds = until.duration_since(at(0)).as_secs();
    assert_eq!(next(&seen, seconds), before, "it can come no more");
    intent(&mut seen, IntentStep::Git, "clinical v2 at abc", 0, Some("at abc"));
    seen.intents.retain(|(_, subject), _| !subject.starts_with("migration"));
    assert_eq!(next(&seen, 5), before, "other marks keep nothing");
}

#[test]
fn what_still_differs_after_the_merge_is_for_a_person_and_not_merged_again() {
    let mut seen = whole();
    let key = record(&mut seen).definition.take().unwrap();
    intent(
        &mut seen,
        IntentStep::Branch,
        "wavepin-v2",
        -900,
        Some(&format!("{MERGED}{key}")),
    );
    halts(&next(&seen, 0), Reason::DefinitionDiffers, "wards.topic");
    // Another definition was declared since: a branch of its own.
    intent(
        &mut seen,
        IntentStep::Branch,
        "wavepin-v2",
        -900,
        Some("merged another"),
    );
    assert_eq!(next(&seen, 0), opens(IntentStep::Branch, "wavepin-v2"));
}

#[test]
fn two_models_of_one_name_stop_the_cut_before_it_is_mapped() {
    let mut seen = whole();
    seen.models.as_mut().unwrap().push(model("m7", "clinical v2"));
    halts(&next(&seen, 0), Reason::NameTaken, "m7");
}

#[test]
fn what_is_in_the_way_of_the_rows_is_told_before_anyone_is_let_in() {
    let mut seen = whole();
    seen.permits
        .insert("f2".to_owned(), vec![permit("viewers", "NO_ACCESS")]);
    seen.rows = Some(vec![DashboardRow {
        slug: "wards".to_owned(),
        dashboard_id: "somebody's".to_owned(),
    }]);
    halts(&next(&seen, 0), Reason::MappingConflict, "somebody's");
    seen.rows = Some(Vec::new());
    seen.looked_again.remove(&Again::Permits);
    let change = Effect::GrantFolder {
        folder: "f2".to_owned(),
        group: "viewers".to_owned(),
        role: "VIEWER".to_owned(),
        change: true,
        closes: None,
    };
    assert_eq!(next(&seen, 0), Step::Do(change));
    // Changed, and not yet read again.
    seen.permits.insert("f2".to_owned(), vec![permit("viewers", "VIEWER")]);
    seen.permits_changed = true;
    assert_eq!(next(&seen, 0), Step::Look(Look::Again(Again::Permits)));
    // Read again, and not as granted: for the pass that opened the folder it may be the list that lags.
    seen.looked_again.insert(Again::Permits);
    seen.permits
        .insert("f2".to_owned(), vec![permit("viewers", "NO_ACCESS")]);
    seen.opening = true;
    assert!(matches!(next(&seen, 0), Step::End(Ending::Wait { .. })));
    seen.opening = false;
    halts(&next(&seen, 0), Reason::OmniRefused, "VIEWER for user group viewers");
}

#[test]
fn a_folder_that_was_opened_is_closed_again_before_another_import() {
    let mut seen = whole();
    seen.dashboards.remove("wards");
    seen.intents.remove(&(IntentStep::Import, "wards".to_owned()));
    let shut = |group: &str, change| {
        Step::Do(Effect::GrantFolder {
            folder: "f2".to_owned(),
            group: group.to_owned(),
            role: "NO_ACCESS".to_owned(),
            change,
            closes: None,
        })
    };
    // The editors come from the folder above.
    assert_eq!(next(&seen, 0), shut("editors", false));
    seen.permits.get_mut("f2").unwrap().push(permit("editors", "NO_ACCESS"));
    assert_eq!(next(&seen, 0), shut("viewers", true));
    seen.permits.insert(
        "f2".to_owned(),
        vec![permit("viewers", "NO_ACCESS"), permit("editors", "NO_ACCESS")],
    );
    // What Omni shows of it is read before anything is imported.
    seen.permits_changed = true;
    assert_eq!(next(&seen, 0), Step::Look(Look::Again(Again::Closure)));
    (seen.permits_changed, _) = (false, seen.looked_again.insert(Again::Closure));
    let closed = Effect::SettleIntent {
        step: IntentStep::Closure,
        subject: PATH.to_owned(),
        result: "editors\nviewers".to_owned(),
    };
    assert_eq!(next(&seen, 0), Step::Do(closed));
}

#[test]
fn what_was_imported_a_moment_ago_may_not_be_listed_yet() {
    let mut seen = whole();
    seen.documents.as_mut().unwrap().pop();
    assert!(matches!(next(&seen, 0), Step::Look(Look::Document { identifier, .. }) if identifier == copy_of("wards")));
    seen.found.insert("wards".to_owned(), None);
    halts(&next(&seen, 0), Reason::Missing, &copy_of("wards"));
    intent(&mut seen, IntentStep::Import, "wards", -10, Some(&copy_of("wards")));
    assert!(matches!(next(&seen, 0), Step::End(Ending::Wait { until, .. }) if until == at(82)));
}

#[test]
fn a_source_that_moved_is_told_and_one_that_only_lost_what_is_not_wanted_is_not() {
    let mut seen = whole();
    record(&mut seen)
        .source_stamp
        .as_mut()
        .unwrap()
        .documents
        .insert("gone-1".to_owned(), "once".to_owned());
    assert!(matches!(next(&seen, 0), Step::Do(Effect::Complete(_))));
    record(&mut seen)
        .source_stamp
        .as_mut()
        .unwrap()
        .documents
        .insert("wards-1".to_owned(), "before".to_owned());
    halts(&next(&seen, 0), Reason::SourceMoved, "version 1 was changed");
}

#[test]
fn a_folder_that_stays_open_is_no_place_for_half_a_version() {
    let mut seen = whole();
    seen.dashboards.remove("wards");
    seen.looked_again.insert(Again::Closure);
    halts(&next(&seen, 0), Reason::OmniRefused, "NO_ACCESS for user group editors");
    // Nor is one of which nobody can say who may look in.
    seen.looked_again.remove(&Again::Closure);
    seen.folders.insert("clinical".to_owned(), None);
    halts(&next(&seen, 0), Reason::OmniRefused, "\"clinical\" does not show");
    // Made for this version, it let nobody in.
    intent(&mut seen, IntentStep::Folder, "clinical", -900, Some("f0"));
    assert!(matches!(next(&seen, 0), Step::Do(Effect::GrantFolder { .. })));
}

#[test]
fn an_identifier_that_was_not_looked_for_is_asked_for() {
    let mut seen = about_to_import();
    seen.unsent.clear();
    seen.intents.remove(&(IntentStep::Import, "wards".to_owned()));
    seen.work = None;
    let looks_at_copy = |seen: &Observed| matches!(next(seen, 0), Step::Look(Look::Copy { identifier, .. }) if identifier == copy_of("wards"));
    assert!(
        looks_at_copy(&seen),
        "an older ledger does not know of it, and the folder holds it"
    );
    let listed = seen.documents.as_mut().unwrap();
    listed.retain(|it| it.identifier != copy_of("wards"));
    assert!(
        matches!(next(&seen, 0), Step::Look(Look::Source { .. })),
        "it was looked for, and is not there"
    );
    seen.documents = None;
    assert!(matches!(next(&seen, 0), Step::Look(Look::Documents(_))), "once a pass");
    intent(&mut seen, IntentStep::Identifiers, "", -900, Some("listed summary"));
    assert!(looks_at_copy(&seen), "it was not looked for");
}

#[test]
fn a_dashboard_that_is_dropped_leaves_no_copy_and_no_link_behind() {
    let excluding = |seen: &Observed| {
        let mut desired = desired();
        if let Origin::Cut(cut) = &mut desired.origin {
            cut.content.dashboards.exclude = vec!["wards".to_owned()];
        }
        let mut seen = seen.clone();
        let view = View {
            desired: &desired,
            seen: &seen,
            now: at(0),
            request_timeout: super::scene::REQUEST_TIMEOUT,
        };
        let Origin::Cut(cut) = &desired.origin else {
            unreachable!("version 2 is cut")
        };
        let key = origin::definition_key(view, cut);
        record(&mut seen).definition = Some(key);
        decide(&desired, &seen, at(0), super::scene::REQUEST_TIMEOUT)
    };
    let mut seen = whole();
    seen.dashboards.remove("wards");
    halts(&excluding(&seen), Reason::Invalid, "copies that may lead to wards");
    // Never wanted by the copies that are whole, but imported once.
    record(&mut seen)
        .source_stamp
        .as_mut()
        .unwrap()
        .documents
        .remove("wards-1");
    halts(&excluding(&seen), Reason::Invalid, &copy_of("wards"));
    seen.documents.as_mut().unwrap().pop();
    let seen = validated(seen);
    assert!(matches!(excluding(&seen), Step::Do(Effect::Complete(_))));
}

#[test]
fn rows_that_cannot_be_understood_are_for_a_person() {
    let row = |slug: &str, id: &str| DashboardRow {
        slug: slug.to_owned(),
        dashboard_id: id.to_owned(),
    };
    let mut seen = whole();
    seen.rows = Some(vec![row("wards", &copy_of("wards")), row("wards", &copy_of("wards"))]);
    halts(&next(&seen, 0), Reason::MappingAmbiguous, "2 rows");
    // Rows that people wrote hold two kinds of id in a UUID column, and nobody said which is right.
    seen.rows = Some(Vec::new());
    seen.shape.dashboard_id_is_uuid = true;
    let of = |slug: &str| seen.source_dashboards[slug].ids.clone();
    seen.source_rows = vec![
        row("summary", &of("summary").dashboard_id),
        row("wards", &of("wards").document_id),
    ];
    halts(
        &next(&seen, 0),
        Reason::DashboardIdUnknown,
        "DashboardUuid and DocumentUuid",
    );
}

/// What Omni finds in a document, by tile.
fn findings(identifier: &str, issues: &[(&str, &str)]) -> DocumentFindings {
    let issue = |(tile, message): &(&str, &str)| ContentIssue {
        tile: Some((*tile).to_owned()),
        message: (*message).to_owned(),
    };
    DocumentFindings {
        identifier: identifier.to_owned(),
        issues: issues.iter().map(issue).collect(),
    }
}

/// Whole, but not validated yet: Omni finds this in the source's dashboard and in its copy.
fn found(source: &[(&str, &str)], copy: &[(&str, &str)]) -> Observed {
    let mut seen = whole();
    record(&mut seen).evidence = None;
    seen.findings = [
        ("m1".to_owned(), vec![findings("wards-1", source)]),
        ("m2".to_owned(), vec![findings(&copy_of("wards"), copy)]),
    ]
    .into();
    seen
}

#[test]
fn an_old_issue_of_the_source_lets_pass_and_the_same_words_in_a_new_place_do_not() {
    let old = ("Beds", "Field beds.free does not exist");
    let seen = found(&[old], &[old]);
    let Step::Do(Effect::Change(VersionChange::Evidence(evidence))) = next(&seen, 0) else {
        panic!("{:?}", next(&seen, 0))
    };
    assert_eq!(evidence.void, None);
    assert_eq!(evidence.known.map(|it| it.len()), Some(1));
    let seen = found(&[old], &[("Rooms", old.1), old]);
    halts(
        &next(&seen, 0),
        Reason::ContentInvalid,
        "has 1 finding that its source does not have: wards: tile \"Rooms\": Field beds.free does not exist",
    );
}

#[test]
fn a_copy_that_validation_passes_over_is_not_taken_for_one_without_findings() {
    let mut seen = found(&[], &[]);
    seen.findings.insert("m2".to_owned(), Vec::new());
    halts(&next(&seen, 0), Reason::ContentInvalid, "says nothing of wards");
    // Documents without queries are in neither answer.
    seen.findings.insert("m1".to_owned(), Vec::new());
    assert!(matches!(
        next(&seen, 0),
        Step::Do(Effect::Change(VersionChange::Evidence(_)))
    ));
}

#[test]
fn a_version_is_validated_before_it_is_opened() {
    let mut seen = whole();
    record(&mut seen).evidence = None;
    seen.findings.clear();
    for model in ["m2", "m1"] {
        assert_eq!(next(&seen, 0), Step::Look(Look::Findings(model.to_owned())));
        seen.findings.insert(model.to_owned(), Vec::new());
    }
    // What it rests on moved before it was complete: it is validated again.
    let mut seen = whole();
    assert!(matches!(next(&seen, 0), Step::Do(Effect::Complete(_))));
    record(&mut seen).model_state.as_mut().unwrap().files = "others".to_owned();
    assert!(matches!(
        next(&seen, 0),
        Step::Do(Effect::Change(VersionChange::Evidence(_)))
    ));
}

#[test]
fn what_was_found_is_kept_before_the_verdict_and_once() {
    let (old, new) = (
        ("Beds", "Field beds.free does not exist"),
        ("Rooms", "Field rooms.free\ndoes not exist"),
    );
    let mut seen = found(&[old], &[old, new]);
    let decide = |seen: &Observed| decide(&desired(), seen, at(0), REQUEST_TIMEOUT);
    let Step::Do(Effect::RecordFound(report)) = decide(&seen) else {
        panic!("{:?}", decide(&seen))
    };
    assert_eq!((report.summary.blocking, report.summary.passed), (1, 1));
    let told = [
        "blocks, content: wards: tile \"Rooms\": Field rooms.free does not exist",
        "let pass, content: wards: tile \"Beds\": Field beds.free does not exist",
    ];
    assert_eq!(report.summary.first, told, "worst first, a line each");
    assert_eq!(report.lines.len(), 2);
    record(&mut seen).found = Some(report.summary);
    halts(&decide(&seen), Reason::ContentInvalid, "has 1 finding");
    // Mended, it is told that there is nothing but what is let pass.
    let mut mended = found(&[old], &[old]);
    record(&mut mended).found = record(&mut seen).found.clone();
    let Step::Do(Effect::RecordFound(report)) = decide(&mended) else {
        panic!("{:?}", decide(&mended))
    };
    assert_eq!((report.summary.blocking, report.summary.passed), (0, 1));
}
