//! The index, identities and absence of one kind of objects.

use serde_json::{Value, json};

use super::*;
use crate::environment::EnvironmentKey;
use crate::resources::TenantPin;

pub(in crate::cluster) fn guarded<K: Kind>(object: Value) -> Watched<K> {
    serde_json::from_value(object).expect("an object has metadata at least")
}

pub(in crate::cluster) fn pin(name: &str, environment: &str, resource_version: u32, version: Value) -> Value {
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "TenantPin",
        "metadata": {"name": name, "namespace": "n", "uid": name, "resourceVersion": resource_version.to_string(),
            "generation": resource_version, "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"wavepin.dev/restore-row": "2->3", "other": "one"}},
        "spec": {"instanceRef": {"name": "acme"}, "tenant": name, "environment": environment, "version": version},
    })
}

fn names(table: &Table<TenantPin>, environment: &str) -> Vec<String> {
    let key = EnvironmentKey {
        namespace: "n".into(),
        instance: "acme".into(),
        environment: environment.into(),
    };
    table.group(&key).iter().map(|pin| pin.name.clone()).collect()
}

fn listed(pins: &[Value]) -> Table<TenantPin> {
    let mut table = Table::default();
    table.take_in(&None, Event::Init);
    for pin in pins {
        table.take_in(&None, Event::InitApply(guarded(pin.clone())));
    }
    table.take_in(&None, Event::InitDone);
    table
}

#[test]
fn the_index_follows_what_comes_moves_and_goes() {
    let mut table = listed(&[pin("b", "staging", 1, json!(1)), pin("a", "staging", 2, json!(1))]);
    assert_eq!(names(&table, "staging"), ["a", "b"]);
    table.take_in(&None, Event::Apply(guarded(pin("a", "production", 3, json!(1)))));
    assert_eq!(
        (names(&table, "staging").len(), names(&table, "production").len()),
        (1, 1)
    );
    table.take_in(&None, Event::Delete(guarded(pin("a", "production", 4, json!(1)))));
    assert!(names(&table, "production").is_empty());
    assert!(table.get("n", "a").is_none());
}

#[test]
fn an_object_that_does_not_parse_is_kept_with_the_reason_and_the_others_stay() {
    let mut table = listed(&[pin("a", "staging", 1, json!(1)), pin("b", "staging", 2, json!("two"))]);
    assert_eq!(names(&table, "staging"), ["a"]);
    let Some(Entry::Unreadable(unreadable)) = table.get("n", "b") else {
        panic!("b does not parse")
    };
    assert!(unreadable.why.contains("i32"), "{}", unreadable.why);
    table.take_in(&None, Event::Apply(guarded(pin("b", "staging", 3, json!(2)))));
    assert_eq!(names(&table, "staging"), ["a", "b"]);
}

#[test]
fn a_list_made_again_takes_out_what_is_gone_and_only_at_its_end() {
    let mut table = listed(&[pin("a", "staging", 1, json!(1)), pin("b", "staging", 2, json!(1))]);
    assert!(table.complete("n"));
    table.take_in(&None, Event::Init);
    table.take_in(&None, Event::InitApply(guarded(pin("a", "staging", 1, json!(1)))));
    assert_eq!(names(&table, "staging").len(), 2);
    assert!(table.complete("n"), "what was complete is not forgotten");
    let changes = table.take_in(&None, Event::InitDone);
    assert_eq!(names(&table, "staging"), ["a"]);
    assert!(changes.len() == 1 && changes[0].name.name == "b" && changes[0].after.is_none());
}

#[test]
fn only_what_was_seen_to_go_counts_as_deleted_at_once() {
    let absence = |table: &Table<TenantPin>, name: &str| table.absence(&ObjectName::new("n", name));
    let mut table: Table<TenantPin> = Table::default();
    assert_eq!(absence(&table, "never"), Absence::Unknown);
    table = listed(&[pin("a", "staging", 1, json!(1)), pin("b", "staging", 2, json!(1))]);
    let Absence::Since(first) = absence(&table, "never") else {
        panic!("nobody saw it go")
    };
    table.take_in(&None, Event::Delete(guarded(pin("a", "staging", 3, json!(1)))));
    assert_eq!(absence(&table, "a"), Absence::Deleted);
    table.take_in(&None, Event::Init);
    table.take_in(&None, Event::InitDone);
    let missed = absence(&table, "b");
    assert!(matches!(missed, Absence::Since(at) if at > first), "{missed:?}");
    assert_eq!(
        (absence(&table, "a"), absence(&table, "never")),
        (Absence::Deleted, Absence::Since(first))
    );
    table.take_in(&None, Event::Apply(guarded(pin("a", "staging", 4, json!(1)))));
    assert_eq!(absence(&table, "a"), Absence::Since(first), "another has the name now");
}

#[test]
fn the_list_of_one_namespace_says_nothing_of_another() {
    let mut table = listed(&[pin("a", "staging", 1, json!(1))]);
    let other = Some("m".to_owned());
    table.take_in(&other, Event::Init);
    table.take_in(&other, Event::InitDone);
    assert_eq!(names(&table, "staging"), ["a"]);
    let mut table: Table<TenantPin> = Table::default();
    table.take_in(&other, Event::Init);
    table.take_in(&other, Event::InitDone);
    assert!(table.complete("m") && !table.complete("n"));
}

#[test]
fn an_older_state_does_not_come_back() {
    let mut table = listed(&[pin("a", "staging", 9, json!(2))]);
    let changes = table.take_in(&None, Event::InitApply(guarded(pin("a", "staging", 10, json!(3)))));
    assert_eq!(changes.len(), 1, "numbers are compared, not texts");
    let changes = table.take_in(&None, Event::InitApply(guarded(pin("a", "staging", 9, json!(2)))));
    assert!(changes.is_empty());
    let Some(Entry::Readable(record)) = table.get("n", "a") else {
        panic!("a parses")
    };
    assert_eq!(record.object.spec.version, Some(3));
    assert_eq!(record.object.requests.len(), 1, "of the annotations only ours");
    assert_eq!(record.object.requests["restore-row"], "2->3");
}

#[test]
fn what_was_written_stands_until_the_watch_shows_more() {
    let mut table = listed(&[pin("a", "staging", 9, json!(2))]);
    let Some(Entry::Readable(before)) = table.get("n", "a").cloned() else {
        panic!("a parses")
    };
    let metadata: ObjectMeta =
        serde_json::from_value(json!({"uid": "a", "resourceVersion": "10", "generation": 9})).unwrap();
    let mut status = before.status.clone();
    status.version = Some(2);
    let change = table.keep_written(&before, &metadata, status.clone()).expect("news");
    let version = |entry: Option<Entry<TenantPin>>| entry.unwrap().readable().unwrap().status.version;
    assert_eq!((version(change.before), version(change.after)), (None, Some(2)));
    let version = |table: &Table<TenantPin>| match table.get("n", "a") {
        Some(Entry::Readable(record)) => (record.identity.resource_version.clone(), record.status.version),
        _ => panic!("a parses"),
    };
    assert_eq!(version(&table), ("10".to_owned(), Some(2)));
    table.take_in(&None, Event::Apply(guarded(pin("a", "staging", 11, json!(3)))));
    assert!(table.keep_written(&before, &metadata, status).is_none());
    assert_eq!(version(&table), ("11".to_owned(), None), "the watch was quicker");
}
