//! What holds of every decision, whatever was seen.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::scene::{PATH, SLUGS, at, copy_of, intent, next, next_by, permit, whole};
use super::*;
use crate::model_version::observe::{Again, Work};
use crate::ports::{Exported, NewModel, PublishedDocument, PublishedRead};
use crate::resources::ContentMethod;

/// One dashboard is left to be copied: the folder is closed, the source exported, the intent open.
pub(super) fn about_to_import() -> Observed {
    let mut seen = whole();
    seen.dashboards.remove("wards");
    intent(&mut seen, IntentStep::Closure, PATH, -900, Some("editors\nviewers"));
    let shut = ["viewers", "editors"].map(|group| permit(group, "NO_ACCESS"));
    seen.permits.insert("f2".to_owned(), shut.to_vec());
    intent(&mut seen, IntentStep::Import, "wards", 0, None);
    seen.unsent.insert((IntentStep::Import, "wards".to_owned()));
    seen.work = Some(in_hand(4));
    seen
}

/// Takes parts of the record away, and of what was seen, bit by bit.
fn lacking(mut seen: Observed, gone: u32) -> Observed {
    let bit = |n: usize| gone >> n & 1 == 1;
    let record = seen.versions.get_mut(&2).unwrap();
    let fields = [
        &mut record.connection_id,
        &mut record.model_id,
        &mut record.definition,
        &mut record.folder_id,
    ];
    for (n, field) in fields.into_iter().enumerate() {
        *field = field.take().filter(|_| !bit(n));
    }
    record.source_stamp = record.source_stamp.take().filter(|_| !bit(4));
    for (n, slug) in SLUGS.into_iter().enumerate() {
        if bit(5 + n) {
            seen.dashboards.remove(slug);
        }
    }
    let closure = (IntentStep::Closure, PATH.to_owned());
    if let (true, Some(it)) = (bit(7), seen.intents.get_mut(&closure)) {
        it.result = Some("editors\nviewers".to_owned());
    }
    if bit(8) {
        let shut = ["viewers", "editors"].map(|group| permit(group, "NO_ACCESS"));
        seen.permits.insert("f2".to_owned(), shut.to_vec());
    }
    if bit(9) {
        seen.models.as_mut().unwrap().pop();
    }
    if bit(10) {
        seen.looked_again = BTreeSet::new();
    }
    if bit(11) {
        seen.documents.as_mut().unwrap().clear();
    }
    if bit(12) {
        seen.source_documents.as_mut().unwrap()[0].updated_at = Some("now".to_owned());
    }
    if bit(13) {
        seen.permits_changed = true;
        seen.looked_again.remove(&Again::Permits);
    }
    seen.all_documents = bit(14).then(|| Some(Vec::new()));
    seen
}

/// Of each intent: as it was, none, without an answer, or opened in this pass.
fn with_intents(mut seen: Observed, states: &[u8]) -> Observed {
    let keys: Vec<_> = seen.intents.keys().cloned().collect();
    for (key, state) in keys.into_iter().zip(states.iter().cycle()) {
        let intent = seen.intents.get_mut(&key).unwrap();
        match state {
            0 => {}
            1 => drop(seen.intents.remove(&key)),
            2 => intent.result = None,
            _ => {
                (intent.opened_at, intent.result) = (at(0), None);
                seen.unsent.insert(key);
            }
        }
    }
    seen
}

/// A world in which anything may be missing, unsent, old or of somebody else.
fn any_seen() -> impl Strategy<Value = (Observed, i64)> {
    // An eighth of the parts is missing at a time: with more, hardly any world would come beyond its first steps.
    let some = any::<[u32; 3]>().prop_map(|bits| bits[0] & bits[1] & bits[2]);
    let states = vec(prop_oneof![9 => Just(0), 1 => Just(1), 1 => Just(2), 2 => Just(3)], 8);
    (some, states, any::<u8>(), 0_i64..4, any::<bool>()).prop_map(|(gone, states, hands, now, importing)| {
        let seen = if importing { about_to_import() } else { whole() };
        let mut seen = with_intents(lacking(seen, gone), &states);
        if !importing || hands & 1 == 1 {
            seen.work = (hands & 2 == 2).then(|| in_hand(hands));
        }
        (seen, now)
    })
}

pub(super) fn in_hand(bits: u8) -> Work {
    let exported = |identifier: &str, model: &str| Exported {
        identifier: identifier.to_owned(),
        document_id: "d".to_owned(),
        dashboard_id: "b".to_owned(),
        name: "Wards".to_owned(),
        shared_model_id: model.to_owned(),
        folder_path: Some(PATH.to_owned()),
        updated_at: None,
        body: json!({"dashboard": {}, "document": {}, "queryModels": {}, "workbookModel": {"id": "w"}}),
    };
    let copy = copy_of("wards");
    Work {
        slug: "wards".to_owned(),
        source: (bits & 2 == 2).then(|| Some(exported("wards-1", "m1"))),
        copy: (bits & 4 == 4)
            .then(|| (bits & 8 == 8).then(|| exported(&copy, if bits & 16 == 16 { "m2" } else { "m9" }))),
        ..Work::default()
    }
}

/// What the documents API reads of a dashboard with this workbook model.
pub(super) fn published(workbook_model: &str) -> PublishedRead {
    PublishedRead::Document(Box::new(PublishedDocument {
        shared_model_id: "m1".to_owned(),
        workbook_model_id: workbook_model.to_owned(),
        body: json!({"name": "Wards", "modelId": "m1", "workbookModelId": workbook_model, "queryPresentations": {}}),
    }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn nothing_is_done_before_its_time((mut seen, now) in any_seen(), method in 0..3_usize, read in 0..4_u8) {
        let method = [ContentMethod::ExportImport, ContentMethod::DocumentsV2, ContentMethod::Auto][method];
        if let Some(work) = &mut seen.work {
            let models = [None, Some("w"), Some("w"), Some("another")];
            work.published = (read > 0).then(|| models[usize::from(read)].map(published));
        }
        let step = next_by(method, &seen, now);
        prop_assert_eq!(&step, &next_by(method, &seen, now));
        prop_assert!(method != ContentMethod::ExportImport || step == next(&seen, now));
        let Step::Do(effect) = step else { return Ok(()) };
        let whole = SLUGS.iter().all(|slug| seen.dashboards.contains_key(*slug));
        let record = &seen.versions[&2];
        let unsent = |step, subject: &str| {
            let key = (step, subject.to_owned());
            seen.unsent.contains(&key) && at(now) <= seen.intents[&key].opened_at + SENT_WITHIN
        };
        match effect {
            Effect::CreateModel(NewModel::Shared { name, .. }) => {
                prop_assert!(unsent(IntentStep::Model, &name) && record.model_id.is_none());
            }
            Effect::CreateModel(NewModel::Branch { name, .. }) => prop_assert!(unsent(IntentStep::Branch, &name)),
            Effect::CreateFolder { path, .. } => prop_assert!(unsent(IntentStep::Folder, &path)),
            Effect::Import { slug, .. } | Effect::CreateDocument { slug, .. } => {
                prop_assert!(unsent(IntentStep::Import, &slug));
                prop_assert!(record.model_id.is_some() && record.definition.is_some() && record.folder_id.is_some());
                let closed = &seen.intents[&(IntentStep::Closure, PATH.to_owned())].result;
                prop_assert_eq!(closed.as_deref(), Some("editors\nviewers"));
                prop_assert!(!seen.dashboards.contains_key(&slug));
            }
            Effect::GrantFolder { closes: Some(path), .. } => prop_assert!(unsent(IntentStep::Closure, &path)),
            Effect::GrantFolder { role, .. } if role != "NO_ACCESS" => prop_assert!(whole),
            Effect::RevokeFolder { .. } => prop_assert!(whole),
            Effect::Complete(rows) => {
                prop_assert!(whole && rows.len() == 2);
                prop_assert!(seen.permits["f2"].contains(&permit("viewers", "VIEWER")));
                prop_assert!(!seen.permits_changed || seen.looked_again.contains(&Again::Permits));
                prop_assert!([Again::Models, Again::SourceDocuments, Again::Documents].iter().all(|it| seen.looked_again.contains(it)));
                prop_assert_eq!(seen.documents.as_ref().unwrap().len(), 2);
            }
            _ => {}
        }
    }
}
