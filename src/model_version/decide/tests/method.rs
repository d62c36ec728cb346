//! Which way a dashboard is copied.

use serde_json::json;

use super::super::laws::{self, in_hand, published};
use super::super::scene::{copy_of, desired_by, intent, next_by};
use super::super::*;
use crate::ports::PublishedRead;
use crate::resources::ContentMethod;

const AUTO: ContentMethod = ContentMethod::Auto;
const DOCUMENTS: ContentMethod = ContentMethod::DocumentsV2;

/// One dashboard is left, its source exported.
fn about_to_import() -> Observed {
    let mut seen = laws::about_to_import();
    seen.work = Some(in_hand(6));
    seen
}

/// Likewise, and read by the documents API too.
fn read(workbook_model: &str) -> Observed {
    let mut seen = about_to_import();
    seen.work.as_mut().unwrap().published = Some(Some(published(workbook_model)));
    seen
}

/// What is written down of the way.
fn marks(method: &str) -> Step {
    Step::Do(Effect::SettleIntent {
        step: IntentStep::Method,
        subject: "wards".to_owned(),
        result: method.to_owned(),
    })
}

fn marked(mut seen: Observed, method: &str) -> Observed {
    intent(&mut seen, IntentStep::Method, "wards", 0, Some(method));
    seen
}

#[track_caller]
fn set_aside(step: &Step, wanted: Reason, part: &str) {
    match step {
        Step::SetAside { slug, reason, message } => {
            assert_eq!((slug.as_str(), *reason), ("wards", wanted), "{message}");
            assert!(message.contains(part), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_default_reads_and_marks_nothing_more() {
    let seen = about_to_import();
    let step = next_by(ContentMethod::ExportImport, &seen, 0);
    assert!(matches!(step, Step::Do(Effect::Import { .. })), "{step:?}");
    // One that was made the other way before is told to be made this way now.
    let step = next_by(ContentMethod::ExportImport, &marked(seen, "DocumentsV2"), 0);
    assert_eq!(step, marks("ExportImport"));
}

#[test]
fn a_document_that_is_carried_whole_is_created_with_folder_and_identifier() {
    for method in [DOCUMENTS, AUTO] {
        let look = Step::Look(Look::Published {
            slug: "wards".to_owned(),
            identifier: "wards-1".to_owned(),
        });
        assert_eq!(next_by(method, &about_to_import(), 0), look);
        assert_eq!(next_by(method, &read("w"), 0), marks("DocumentsV2"));
        let Step::Do(Effect::CreateDocument { slug, request }) = next_by(method, &marked(read("w"), "DocumentsV2"), 0)
        else {
            panic!("{method:?}");
        };
        assert_eq!(slug, "wards");
        assert_eq!((request.model_id.as_str(), request.folder_id.as_str()), ("m2", "f2"));
        assert_eq!(request.identifier, copy_of("wards"));
        assert_eq!(request.body["name"], "Wards");
        assert!(request.body.get("workbookModelId").is_none(), "{:?}", request.body);
    }
}

#[test]
fn one_that_is_not_is_imported_or_set_aside() {
    let mut seen = about_to_import();
    let classic = PublishedRead::Refused("classic layout".to_owned());
    seen.work.as_mut().unwrap().published = Some(Some(classic));
    set_aside(
        &next_by(DOCUMENTS, &seen, 0),
        Reason::MethodUnfit,
        "does not carry the document (classic layout); set it to Auto",
    );
    assert_eq!(next_by(AUTO, &seen, 0), marks("ExportImport"));
    let step = next_by(AUTO, &marked(seen, "ExportImport"), 0);
    assert!(matches!(step, Step::Do(Effect::Import { .. })), "{step:?}");
}

#[test]
fn one_that_omni_refuses_to_create_is_imported_or_set_aside_and_stays_so() {
    let mut seen = marked(read("w"), "DocumentsV2");
    seen.intents.remove(&(IntentStep::Import, "wards".to_owned()));
    seen.unsent.clear();
    seen.documents = Some(Vec::new());
    seen.refused.insert("wards".to_owned(), "refused (400): no".to_owned());
    set_aside(
        &next_by(DOCUMENTS, &seen, 0),
        Reason::MethodUnfit,
        "as Omni tells: refused (400): no",
    );
    assert_eq!(next_by(AUTO, &seen, 0), marks("ExportImport"));
    // A later pass knows of no refusal, and does not try again.
    let later = marked(about_to_import(), "ExportImport");
    let step = next_by(AUTO, &later, 0);
    assert!(matches!(step, Step::Do(Effect::Import { .. })), "{step:?}");
}

#[test]
fn two_reads_of_two_states_are_done_again_and_told_where_they_never_agree() {
    let mut seen = read("another");
    for rereads in [0, 1] {
        seen.work.as_mut().unwrap().rereads = rereads;
        for method in [DOCUMENTS, AUTO] {
            let step = next_by(method, &seen, 0);
            assert!(matches!(step, Step::Look(Look::Reread { .. })), "{step:?}");
        }
    }
    seen.work.as_mut().unwrap().rereads = 2;
    set_aside(
        &next_by(DOCUMENTS, &seen, 0),
        Reason::SourceMoved,
        "published again each time",
    );
    assert_eq!(next_by(AUTO, &seen, 0), marks("ExportImport"));
}

#[test]
fn before_anything_is_written_each_dashboard_is_judged_and_all_that_are_unfit_are_named() {
    let mut seen = about_to_import();
    seen.versions.remove(&2);
    seen.intents.clear();
    seen.unsent.clear();
    seen.dashboards.clear();
    seen.models.as_mut().unwrap().pop();
    seen.folders.insert("clinical/v2".to_owned(), None);
    seen.documents = Some(Vec::new());
    seen.all_documents = Some(Some(Vec::new()));
    let look = |slug: &str| {
        Step::Look(Look::Fit {
            slug: slug.to_owned(),
            identifier: format!("{slug}-1"),
        })
    };
    assert_eq!(next_by(DOCUMENTS, &seen, 0), look("summary"));
    seen.unfit.insert("summary".to_owned(), Vec::new());
    assert_eq!(next_by(DOCUMENTS, &seen, 0), look("wards"));
    let many = ["a tab", "a file", "an app", "a film"].map(str::to_owned).to_vec();
    seen.unfit.insert("wards".to_owned(), many);
    let Step::End(Ending::Halt(failure)) = next_by(DOCUMENTS, &seen, 0) else {
        panic!("{:?}", next_by(DOCUMENTS, &seen, 0))
    };
    assert_eq!(failure.reason, Reason::MethodUnfit);
    let told = "1 of 2 dashboards whole, and nothing was written: wards: a tab, a file, an app and 1 more. Set";
    assert!(failure.message.contains(told), "{}", failure.message);
    seen.unfit.insert("wards".to_owned(), Vec::new());
    assert_eq!(next_by(DOCUMENTS, &seen, 0), Step::Do(Effect::RecordVersion));
    // Where the way is chosen for each, nobody need know beforehand.
    seen.unfit.clear();
    assert_eq!(next_by(AUTO, &seen, 0), Step::Do(Effect::RecordVersion));
}

/// Versions are sealed by a hash of what is declared: the method is a part of it.
#[test]
fn another_method_is_another_plan() {
    let plans = [ContentMethod::ExportImport, DOCUMENTS, AUTO].map(|method| desired_by(method).plan);
    assert_ne!(plans[0], plans[1]);
    assert_ne!(plans[1], plans[2]);
    let said = json!(ContentMethod::default());
    assert_eq!(
        (plans[0].as_str(), said),
        (super::desired().plan.as_str(), json!("ExportImport"))
    );
}
