use rstest::rstest;
use serde_json::json;

use super::*;

fn rename(kind: RenameKind, find: &str, replace: &str) -> Rename {
    Rename {
        kind,
        find: find.to_owned(),
        replace: replace.to_owned(),
        optional: false,
    }
}

fn declared() -> Vec<Rename> {
    vec![
        rename(RenameKind::Field, "patients.dob", "patients.birth_date"),
        rename(RenameKind::View, "wards", "units"),
        rename(RenameKind::Topic, "encounters", "stays"),
    ]
}

fn renamed(mut body: Value) -> (Value, Renamed) {
    let renamed = Renames::of(&declared()).body(&mut body);
    (body, renamed)
}

/// Every place that names a field, a view or a topic, and its neighbours that hold the same letters and name none.
#[rstest]
#[case::fields(json!({"fields": ["patients.dob[month]", "patients.dob_year", "wards.title"]}), json!({"fields": ["patients.birth_date[month]", "patients.dob_year", "units.title"]}))]
#[case::pivots(json!({"pivots": ["patients.dob"], "fill_fields": ["patients.dob"]}), json!({"pivots": ["patients.birth_date"], "fill_fields": ["patients.birth_date"]}))]
#[case::sorts(json!({"sorts": [{"column_name": "patients.dob[year]"}]}), json!({"sorts": [{"column_name": "patients.birth_date[year]"}]}))]
#[case::filter_keys(
    json!({"filters": {"patients.dob": {"kind": "EQUALS", "values": ["patients.dob"], "left_side": "wards.title"}}}),
    json!({"filters": {"patients.birth_date": {"kind": "EQUALS", "values": ["patients.dob"], "left_side": "wards.title"}}}))]
#[case::controls(
    json!({"controls": [{"field": "patients.dob", "options": [{"label": "patients.dob", "value": "patients.dob"}]}]}),
    json!({"controls": [{"field": "patients.birth_date", "options": [{"label": "patients.dob", "value": "patients.birth_date"}]}]}))]
#[case::calculations(
    json!({"calculations": [{"calc_name": "c", "sql_expression": {"operands": [{"type": "field", "field_name": "patients.dob"}]}}]}),
    json!({"calculations": [{"calc_name": "c", "sql_expression": {"operands": [{"type": "field", "field_name": "patients.birth_date"}]}}]}))]
#[case::filters_of_the_page(
    json!({"filterConfig": {"abc": {"fieldName": "wards.title"}, "patients.dob": {}}, "filterOrder": ["patients.dob", "abc"]}),
    json!({"filterConfig": {"abc": {"fieldName": "units.title"}, "patients.birth_date": {}}, "filterOrder": ["patients.birth_date", "abc"]}))]
#[case::filters_of_tiles(json!({"tileFilterMap": {"1": {"wards.title": {"enabled": true}}}}), json!({"tileFilterMap": {"1": {"units.title": {"enabled": true}}}}))]
#[case::formats(json!({"columnFormats": {"patients.dob[month]": {"decimals": 0}}}), json!({"columnFormats": {"patients.birth_date[month]": {"decimals": 0}}}))]
#[case::joins(json!({"table": "wards", "viewName": "wards", "join_via_map": {"wards": {"wards": "wards"}}}), json!({"table": "units", "viewName": "units", "join_via_map": {"units": {"units": "units"}}}))]
#[case::topics(json!({"topicName": "encounters", "join_paths_from_topic_name": "encounters", "table": "encounters"}), json!({"topicName": "stays", "join_paths_from_topic_name": "stays", "table": "encounters"}))]
#[case::chart(
    json!({"spec": {"x": {"field": {"name": "patients.dob[month]"}, "axis": {"title": {"value": "wards.title"}, "sort": {"field": "patients.dob"}}}}}),
    json!({"spec": {"x": {"field": {"name": "patients.birth_date[month]"}, "axis": {"title": {"value": "wards.title"}, "sort": {"field": "patients.birth_date"}}}}}))]
#[case::vega(
    json!({"spec": {"encoding": {"x": {"field": "patients\\.dob\\[month\\]"}, "tooltip": {"field": "wards\\.title", "title": "wards\\.title"}}, "transform": [{"calculate": "datum['patients.dob'] + datum[\"wards.title\"]"}]}}),
    json!({"spec": {"encoding": {"x": {"field": "patients\\.birth_date\\[month\\]"}, "tooltip": {"field": "units\\.title", "title": "wards\\.title"}}, "transform": [{"calculate": "datum['patients.birth_date'] + datum[\"units.title\"]"}]}}))]
#[case::markdown(
    json!({"markdown": "patients.dob is {{patients.dob}}, {{#wards.title}}{{result._last.wards.title.value}}{{/wards.title}} [x](/w/1?f--patients.dob=a&f--patients.dob_year=b)"}),
    json!({"markdown": "patients.dob is {{patients.birth_date}}, {{#units.title}}{{result._last.units.title.value}}{{/units.title}} [x](/w/1?f--patients.birth_date=a&f--patients.dob_year=b)"}))]
#[case::sql(
    json!({"userEditedSQL": "select ${patients.dob[month]}, \"wards.title\", 'wards.title' from wards where x = 'patients.dob'"}),
    json!({"userEditedSQL": "select ${patients.birth_date[month]}, \"units.title\", 'wards.title' from wards where x = 'patients.dob'"}))]
#[case::labels(json!({"name": "wards", "description": "patients.dob", "label": "wards.title"}), json!({"name": "wards", "description": "patients.dob", "label": "wards.title"}))]
fn every_place_that_holds_a_name_is_changed_and_no_other(#[case] before: Value, #[case] after: Value) {
    let (body, renamed) = renamed(json!({"dashboard": {"deep": [{"query": before}]}}));
    assert_eq!(body, json!({"dashboard": {"deep": [{"query": after}]}}));
    assert!(renamed.clashes.is_empty(), "{renamed:?}");
}

#[test]
fn a_compiled_local_model_is_changed_where_it_declares_and_where_it_refers() {
    let view = json!({
        "name": "patients", "label": "patients", "ide_file_name": "patients.view",
        "dimensions": [
            {"field_name": "dob", "view_name": "patients", "fully_qualified_name": "patients.dob", "label": "dob"},
            {"field_name": "age", "view_name": "patients", "expr": {"type": "field", "field_name": "patients.dob"}, "sql": "${patients.dob}"},
        ],
        "measures": [{"field_name": "n", "view_name": "patients", "filters": {"dob": {"is": "dob"}, "wards.title": {}}, "drill_fields": ["dob", "id"]}],
    });
    let model = json!({
        "base_model_id": "m", "views": [view, {"name": "wards", "ide_file_name": "clinical/wards.view", "dimensions": []}],
        "topics": [{"name": "encounters", "base_view": "wards", "joins": {"patients": {"wards": {}}}, "fields": ["wards.*", "-patients.dob", "all_views.*"]}],
        "relationships": [{"join_from_view": "patients", "join_to_view": "wards", "on_sql": "${patients.dob} = ${wards.opened}"}],
        "ignored_views": ["wards", "x"], "deleted_topics": ["encounters"],
    });
    let (body, renamed) = renamed(json!({"workbookModel": model.clone(), "queryModels": {"tab": model}}));
    let model = &body["workbookModel"];
    assert_eq!(body["queryModels"]["tab"], *model);
    assert_eq!(
        model["views"][0],
        json!({
            "name": "patients", "label": "patients", "ide_file_name": "patients.view",
            "dimensions": [
                {"field_name": "birth_date", "view_name": "patients", "fully_qualified_name": "patients.birth_date", "label": "dob"},
                {"field_name": "age", "view_name": "patients", "expr": {"type": "field", "field_name": "patients.birth_date"}, "sql": "${patients.birth_date}"},
            ],
            "measures": [{"field_name": "n", "view_name": "patients", "filters": {"birth_date": {"is": "dob"}, "units.title": {}}, "drill_fields": ["birth_date", "id"]}],
        })
    );
    assert_eq!(
        (&model["views"][1]["name"], &model["views"][1]["ide_file_name"]),
        (&json!("units"), &json!("clinical/units.view"))
    );
    assert_eq!(
        model["topics"][0],
        json!({"name": "stays", "base_view": "units", "joins": {"patients": {"units": {}}}, "fields": ["units.*", "-patients.birth_date", "all_views.*"]})
    );
    assert_eq!(
        model["relationships"][0]["on_sql"],
        "${patients.birth_date} = ${units.opened}"
    );
    assert_eq!(
        (&model["relationships"][0]["join_to_view"], &model["ignored_views"]),
        (&json!("units"), &json!(["units", "x"]))
    );
    assert_eq!(model["deleted_topics"], json!(["stays"]));
    assert_eq!(renamed.matched.len(), 3);
}

#[test]
fn files_of_a_local_model_are_changed_and_others_keep_their_text() {
    let files = Files::from([
        (
            "patients.view".into(),
            "dimensions:\n  dob: {label: dob}\n  age: {sql: '${patients.dob}'}\n".into(),
        ),
        ("wards.view".into(), "# as it is\nlabel: Wards\n".into()),
        (
            "cte.query.view".into(),
            "query:\n  topic: encounters\n  base_view: wards\n  fields: {patients.dob: dob}\n".into(),
        ),
        (
            "relationships".into(),
            "- on_sql: ${cte.dob} = ${patients.dob}\n".into(),
        ),
        ("encounters.topic".into(), "base_view: encounters\n".into()),
    ]);
    let files = Renames::of(&declared()).files(files);
    let parsed = |name: &str| parse(&files[name]).unwrap();
    assert_eq!(
        parsed("patients.view"),
        json!({"dimensions": {"birth_date": {"label": "dob"}, "age": {"sql": "${patients.birth_date}"}}})
    );
    assert_eq!(files["units.view"], "# as it is\nlabel: Wards\n");
    assert_eq!(
        parsed("cte.query.view"),
        json!({"query": {"topic": "stays", "base_view": "units", "fields": {"patients.birth_date": "dob"}}})
    );
    assert_eq!(
        parsed("relationships"),
        json!([{"on_sql": "${cte.dob} = ${patients.birth_date}"}])
    );
    assert_eq!(files["stays.topic"], "base_view: encounters\n");
    assert_eq!(files.len(), 5);
}

#[test]
fn a_field_with_a_rename_of_its_own_goes_by_that_one() {
    let both = [
        rename(RenameKind::View, "patients", "people"),
        rename(RenameKind::Field, "patients.dob", "people.birth_date"),
    ];
    check(&both).unwrap();
    let mut body = json!({"dashboard": {"fields": ["patients.dob", "patients.id"]}, "workbookModel": {"views": [{"name": "patients", "dimensions": [{"field_name": "dob", "view_name": "patients"}]}]}});
    let renamed = Renames::of(&both).body(&mut body);
    assert_eq!(body["dashboard"]["fields"], json!(["people.birth_date", "people.id"]));
    assert_eq!(
        body["workbookModel"]["views"][0]["dimensions"][0],
        json!({"field_name": "birth_date", "view_name": "people"})
    );
    assert_eq!((renamed.matched.len(), renamed.clashes.len()), (2, 0));
}

#[rstest]
#[case(json!({"fields": ["patients.dob", "patients.birth_date"]}))]
#[case(json!({"filters": {"patients.dob": {}, "patients.birth_date": {}}}))]
fn two_names_side_by_side_cannot_become_one(#[case] query: Value) {
    let (_, renamed) = renamed(json!({"dashboard": {"query": query}}));
    let clash = "patients.dob becomes patients.birth_date, and both are named side by side";
    assert!(renamed.clashes.iter().all(|it| it.starts_with(clash)), "{renamed:?}");
    assert_eq!(renamed.clashes.len(), 1);
}

#[test]
fn a_field_that_a_local_model_declares_does_not_change_its_view() {
    let away = [rename(RenameKind::Field, "patients.dob", "people.dob")];
    let mut body = json!({"workbookModel": {"views": [{"name": "patients", "dimensions": [{"field_name": "dob", "view_name": "patients"}]}]}});
    let renamed = Renames::of(&away).body(&mut body);
    assert!(
        renamed
            .clashes
            .iter()
            .any(|it| it.contains("stands in a local model of its own")),
        "{renamed:?}"
    );
}

#[rstest]
#[case::twice(&[(RenameKind::View, "a", "b"), (RenameKind::View, "a", "c")], "it stands there twice")]
#[case::circle(&[(RenameKind::View, "a", "b"), (RenameKind::View, "b", "a")], "b is renamed itself")]
#[case::chain(&[(RenameKind::Field, "a.x", "a.y"), (RenameKind::Field, "a.y", "a.z")], "a.y is renamed itself")]
#[case::view_below(&[(RenameKind::Field, "a.x", "a.y"), (RenameKind::View, "a", "b")], "replace it by b.y")]
#[case::same(&[(RenameKind::Topic, "a", "a")], "the same")]
#[case::no_view(&[(RenameKind::Field, "a", "b.c")], "named by view and field")]
#[case::dotted_view(&[(RenameKind::View, "a.b", "c")], "by their name alone")]
fn what_cannot_be_meant_is_refused(#[case] declared: &[(RenameKind, &str, &str)], #[case] why: &str) {
    let declared: Vec<Rename> = declared
        .iter()
        .map(|(kind, find, replace)| rename(*kind, find, replace))
        .collect();
    let told = check(&declared).unwrap_err();
    assert!(told.contains(why) && told.starts_with("content.renames: "), "{told}");
}

#[test]
fn a_copy_is_looked_at_again_where_its_renames_may_have_changed_it() {
    let all = declared();
    let matched = Renamed {
        matched: BTreeSet::from([(RenameKind::View, "wards".to_owned())]),
        clashes: BTreeSet::new(),
    };
    let made_with = asked(&all, &matched);
    assert!(!moved(&all, &made_with));
    // One that found nothing in it may go, and become optional; one that did may not.
    assert!(!moved(&all[1..], &made_with));
    assert!(moved(&all[..1], &made_with));
    let mut other = all.clone();
    other[0].optional = true;
    assert!(!moved(&other, &made_with));
    other[0].replace = "patients.born".to_owned();
    assert!(moved(&other, &made_with));
}
