//! What counts as a difference between two versions, and what does not.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::model_version::definition::files;

const PATIENTS: &str = "label: Patients
dimensions:
  id: {primary_key: true}
  dob: {sql: '\"DOB\"', label: Born}
  mrn: {link: {url: /dashboards/one-1}}
measures:
  count: {aggregate_type: count}
";

const JOINS: &str = "- {join_from_view: stays, join_to_view: wards, join_type: always_left, on_sql: a}
- {join_from_view: stays, join_to_view: wards, join_to_view_as: first_ward, join_type: always_left, on_sql: b}
";

fn model<'a>() -> Vec<(&'a str, &'a str)> {
    vec![
        ("model", "week_start_day: monday\nconstants: {long_stay: 14}\n"),
        ("patients.view", PATIENTS),
        ("last.query.view", "query: {base_view: stays}\n"),
        ("relationships", JOINS),
        (
            "stays.topic",
            "base_view: stays\njoins: {wards: {beds: {}}}\nfields: [all_views.*]\n",
        ),
        ("plain.topic", "base_view: patients\n"),
    ]
}

fn links(identifier: &str) -> LinkMap {
    LinkMap(BTreeMap::from([(identifier.to_owned(), "<one>".to_owned())]))
}

/// The rows between the model and what `change` makes of its files, whose links lead to the other version's documents.
fn between(change: impl Fn(&str, &str) -> Option<String>, more: &[(&str, &str)]) -> Vec<String> {
    let model = model();
    let changed: Vec<(&str, String)> = model
        .iter()
        .filter_map(|(name, yaml)| Some((*name, change(name, &yaml.replace("one-1", "one-2"))?)))
        .collect();
    let mut other: Vec<(&str, &str)> = changed.iter().map(|(name, yaml)| (*name, yaml.as_str())).collect();
    other.extend(more);
    let (one, other) = (files(&model), files(&other));
    lines(&models((&one, &links("one-1")), (&other, &links("one-2"))))
}

fn lines(rows: &[Difference]) -> Vec<String> {
    let value = |it: &Option<String>| it.clone().unwrap_or_else(|| "-".to_owned());
    let detail = |it: &Detail| format!("{}: {} -> {}", it.key, value(&it.before), value(&it.after));
    let line = |it: &Difference| {
        let details: Vec<String> = it.details.iter().map(detail).collect();
        format!(
            "{} {} {} | {}",
            it.kind.word(),
            it.place,
            it.change.word(),
            details.join("; ")
        )
    };
    rows.iter().map(line).collect()
}

#[test]
fn a_model_that_omni_wrote_anew_for_another_version_does_not_differ() {
    let rewritten = |name: &str, yaml: &str| {
        Some(match name {
            "patients.view" => "# by Omni\nmeasures:\n  count:\n    aggregate_type: count\ndimensions:\n  dob:\n    label: Born\n  \
                                id:\n    primary_key: true\n  mrn:\n    link:\n      url: /dashboards/one-2\nlabel: Patients\n"
                .to_owned(),
            "plain.topic" => "base_view: patients\njoins: {stays: {}}\n".to_owned(),
            "relationships" => {
                let (first, second) = yaml.split_once("\n- ").unwrap();
                format!("- {second}{first}\n")
            }
            _ => yaml.to_owned(),
        })
    };
    assert_eq!(between(rewritten, &[("empty.view", "{}\n")]), [""; 0]);
}

#[rstest]
#[case(
    "patients.view",
    "label: Born",
    "label: Birth",
    "dimension patients.dob changed | label: Born -> Birth"
)]
#[case(
    "patients.view",
    "  dob:",
    "  born:",
    "dimension patients.born added | label: - -> Born; sql: - -> \"DOB\""
)]
#[case(
    "patients.view",
    "label: Patients",
    "label: People",
    "view patients changed | label: Patients -> People"
)]
#[case(
    "patients.view",
    "aggregate_type: count",
    "aggregate_type: sum",
    "measure patients.count changed | aggregate_type: count -> sum"
)]
#[case(
    "patients.view",
    "one-2",
    "one-1",
    "dimension patients.mrn changed | link.url: /dashboards/<one> -> /dashboards/one-1"
)]
#[case(
    "last.query.view",
    "stays",
    "wards",
    "query view last changed | query.base_view: stays -> wards"
)]
#[case("model", "14", "21", "model model changed | constants.long_stay: 14 -> 21")]
#[case("stays.topic", "{beds: {}}", "{}", "topic stays changed | joins.wards.beds: {} -> -")]
#[case(
    "stays.topic",
    "[all_views.*]",
    "[all_views.*, -a.b]",
    "topic stays changed | fields: [all_views.*] -> [all_views.*, -a.b]"
)]
#[case(
    "relationships",
    "on_sql: b",
    "on_sql: c",
    "relationship stays -> wards as first_ward changed | on_sql: b -> c"
)]
fn an_edit_is_told_by_object_and_key(#[case] file: &str, #[case] from: &str, #[case] to: &str, #[case] row: &str) {
    let edited = |name: &str, yaml: &str| {
        Some(if name == file {
            yaml.replacen(from, to, 1)
        } else {
            yaml.to_owned()
        })
    };
    let rows = between(edited, &[]);
    // What was renamed is gone under its old name.
    let rows: Vec<&String> = rows
        .iter()
        .filter(|row| !row.contains(" patients.dob removed "))
        .collect();
    assert_eq!(rows, [row]);
}

#[test]
fn a_view_that_comes_or_goes_is_one_row_with_its_fields_named() {
    let without = |name: &str, yaml: &str| (name != "patients.view").then(|| yaml.to_owned());
    let beds = ("CLINICAL/beds.view", "label: Beds\ndimensions: {id: {}, number: {}}\n");
    assert_eq!(
        between(without, &[beds]),
        [
            "view CLINICAL__beds added | dimensions: - -> [id, number]; label: - -> Beds",
            "view patients removed | dimensions: [dob, id, mrn] -> -; label: Patients -> -; measures: [count] -> -",
        ]
    );
}

#[test]
fn a_file_that_does_not_parse_is_told_and_hides_nothing_else() {
    let broken = |name: &str, yaml: &str| {
        Some(match name {
            "plain.topic" => "base_view: [".to_owned(),
            "model" => yaml.replace("monday", "sunday"),
            _ => yaml.to_owned(),
        })
    };
    assert_eq!(
        between(broken, &[]),
        [
            "model model changed | week_start_day: monday -> sunday",
            "topic plain removed | base_view: patients -> -",
            "file plain.topic added | content: - -> base_view: [",
        ]
    );
}

/// An export of the documented shape; its ids end in `-1`.
fn body() -> Value {
    let tile = |number: u32, name: &str, field: &str, tab: bool| {
        let mut query = json!({"table": "a", "fields": [field], "filters": {"a.b": {"values": ["x"]}}, "modelId": "wb-1",
            "metadata": {"model_id": "wb-1"}});
        if tab {
            query["model_extension_id"] = json!("tab-1");
            query["metadata"]["model_id"] = json!("tab-1");
        }
        json!({"queryPresentation": {"id": format!("p{number}-1"), "miniUuid": format!("tile{number}-1"), "type": "query",
            "name": name, "query": {"id": format!("q{number}-1"), "jsonHash": format!("h{number}-1"), "queryJson": query}, "updatedAt": "1",
            "visConfig": {"id": format!("v{number}-1"), "visType": "basic", "chartType": "line", "spec": {"y": {"title": "N"}}}}})
    };
    let place = |id: &str, x: u32| json!({"i": id, "x": x, "y": 0, "w": 4, "h": 20});
    json!({
        "document": {"name": "D", "identifier": "one-1", "documentId": "doc-1", "updatedAt": "1"},
        "dashboard": {
            "id": "d-1", "name": "D", "crossfilterEnabled": true, "model": {"id": "wb-1", "baseModelId": "shared-1"},
            "metadata": {
                "layouts": {"lg": [place("tile1-1", 0), place("tile2-1", 4), place("text-1", 8)]},
                "tileFilterMap": {"tile1-1": {"a.b": {"enabled": true}}}, "hiddenTiles": [],
                "textTiles": [{"id": "text-1", "markdown": "# Words\nsee /dashboards/one-1"}],
            },
            "queryPresentationCollection": {"id": "c-1", "filterOrder": ["a.b", "a.c"],
                "filterConfig": {"a.b": {"kind": "EQUALS", "values": ["tile1-1x"]}, "a.c": {"kind": "EQUALS"}},
                "queryPresentationCollectionMemberships": [tile(1, "Sum", "a.sum", false), tile(2, "Top", "a.top", true)]},
        },
        "workbookModel": {"id": "wb-1", "base_model_id": "shared-1", "views": [{"name": "a", "extension_model_id": "wb-1",
            "dimensions": [{"field_name": "band", "view_name": "a", "label": "Band", "extension_model_id": "wb-1"}]}]},
        "queryModels": {"tab-1": {"id": "tab-1", "base_model_id": "wb-1", "views": [{"name": "cte",
            "extension_model_id": "tab-1", "query": {"fields": {"a.days": "days"}}, "dimensions": [{"field_name": "risk",
            "sql": "\"a.days\" > 1"}]}]}},
        "fileUploads": {},
    })
}

/// The same as an import leaves it: every id another one, columns of the tab's query view by their aliases.
fn copy() -> Value {
    let text = body().to_string();
    let renewed = regex::Regex::new(r"([a-z0-9]+)-1\b")
        .unwrap()
        .replace_all(&text, "$1-2")
        .into_owned();
    let mut copy: Value = serde_json::from_str(&renewed).unwrap();
    copy["dashboard"]["queryPresentationCollection"]["filterConfig"]["a.b"]["values"] = json!(["tile1-1x"]);
    copy["queryModels"]["tab-2"]["views"][0]["dimensions"][0]["sql"] = json!("${cte.days} > 1");
    copy
}

fn rows(one: &Value, other: &Value) -> Vec<Difference> {
    let (first, second) = (links("one-1"), links("one-2"));
    let document = |body, model, links| Document { body, model, links };
    documents(
        "one",
        &document(one, "shared-1", &first),
        &document(other, "shared-2", &second),
    )
}

/// The rows between the document and its copy with one place changed.
fn edited(path: &str, value: Value) -> Vec<String> {
    let mut copy = copy();
    *copy.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = value;
    lines(&rows(&body(), &copy))
}

const TILES: &str = "/dashboard/queryPresentationCollection/queryPresentationCollectionMemberships";

#[test]
fn a_copy_differs_in_nothing_although_every_id_is_another() {
    assert_ne!(body(), copy());
    assert_eq!(lines(&rows(&body(), &copy())), [""; 0]);
}

#[rstest]
#[case("/0/queryPresentation/name", json!("Total"), "tile one / Sum changed | name: Sum -> Total")]
#[case("/0/queryPresentation/query/queryJson/fields", json!(["a.n"]), "tile one / Sum changed | query.fields: [a.sum] -> [a.n]")]
#[case("/1/queryPresentation/query/queryJson/filters/a.b/values/0", json!("y"),
    "tile one / Top changed | query.filters.a.b.values: [x] -> [y]")]
#[case("/1/queryPresentation/visConfig/chartType", json!("bar"), "tile one / Top changed | chart.chartType: line -> bar")]
#[case("/1/queryPresentation/visConfig/spec/y/title", json!("M"), "tile one / Top changed | chart.spec.y.title: N -> M")]
fn an_edited_tile_is_named_with_what_changed(#[case] path: &str, #[case] value: Value, #[case] row: &str) {
    assert_eq!(edited(&format!("{TILES}{path}"), value), [row]);
}

#[rstest]
#[case("/document/name", json!("E"), "dashboard one changed | name: D -> E")]
#[case("/dashboard/crossfilterEnabled", json!(false), "dashboard one changed | crossfilterEnabled: true -> false")]
#[case("/dashboard/metadata/layouts/lg/1/x", json!(5), "tile one / Top changed | layout.lg.x: 4 -> 5")]
#[case("/dashboard/metadata/layouts/lg/2/w", json!(2), "text one / \"# Words\" changed | layout.lg.w: 4 -> 2")]
#[case("/dashboard/metadata/tileFilterMap/tile1-2/a.b/enabled", json!(false),
    "tile one / Sum changed | filterMap.a.b.enabled: true -> false")]
#[case("/dashboard/metadata/hiddenTiles", json!(["tile2-2"]), "tile one / Top changed | hidden: - -> true")]
#[case("/dashboard/metadata/textTiles/0/markdown", json!("# Words\nsee /dashboards/one-1"),
    "text one / \"# Words\" changed | markdown: # Words\\nsee /dashboards/<one> -> # Words\\nsee /dashboards/one-1")]
#[case("/dashboard/queryPresentationCollection/filterConfig/a.b/kind", json!("CONTAINS"),
    "control one / a.b changed | kind: EQUALS -> CONTAINS")]
#[case("/dashboard/queryPresentationCollection/filterOrder", json!(["a.c", "a.b"]),
    "dashboard one changed | filterOrder: [a.b, a.c] -> [a.c, a.b]")]
#[case("/workbookModel/views/0/dimensions/0/label", json!("Age"),
    "dimension one / workbook / a.band changed | label: Band -> Age")]
#[case("/queryModels/tab-2/views/0/dimensions/0/sql", json!("${cte.days} > 2"),
    "dimension one / tab of Top / cte.risk changed | sql: ${cte.days} > 1 -> ${cte.days} > 2")]
#[case("/fileUploads", json!({"u": {"fileName": "beds.csv", "data": "eA=="}}),
    "upload one / beds.csv added | data: - -> sha256 6f18b15bbd0ba1e2")]
fn everything_else_that_makes_a_dashboard_is_told_where_it_is(
    #[case] path: &str,
    #[case] value: Value,
    #[case] row: &str,
) {
    let found = edited(path, value);
    let found: Vec<&str> = found.iter().map(|it| it.split("sha256").next().unwrap()).collect();
    assert_eq!(found, [row.split("sha256").next().unwrap()]);
}

#[test]
fn tiles_that_come_go_and_change_places_are_told_apart() {
    let mut copy = copy();
    let tiles = copy.pointer_mut(TILES).unwrap().as_array_mut().unwrap();
    let mut third = tiles[0].clone();
    third["queryPresentation"]["name"] = json!("Mean");
    third["queryPresentation"]["miniUuid"] = json!("tile3-2");
    third["queryPresentation"]["query"]["queryJson"]["fields"] = json!(["a.mean"]);
    tiles.swap(0, 1);
    tiles.insert(0, third);
    let told = lines(&rows(&body(), &copy));
    assert_eq!(told.len(), 2, "{told:#?}");
    assert_eq!(told[0], "dashboard one changed | tileOrder: [Sum, Top] -> [Top, Sum]");
    assert_eq!(
        told[1],
        "tile one / Mean added | chart.chartType: - -> line; chart.visType: - -> basic; name: - -> Mean; \
         query.fields: - -> [a.mean]; query.filters: - -> {a.b: {values: [x]}}; query.table: - -> a; type: - -> query"
    );

    // The other way round.
    let (one, other) = (links("one-2"), links("one-1"));
    let (first, second) = (copy.clone(), body());
    let back = documents(
        "one",
        &Document {
            body: &first,
            model: "shared-2",
            links: &one,
        },
        &Document {
            body: &second,
            model: "shared-1",
            links: &other,
        },
    );
    assert!(
        lines(&back)
            .iter()
            .any(|it| it.starts_with("tile one / Mean removed | "))
    );
}

#[test]
fn dashboards_of_one_version_alone_are_named_by_their_slug() {
    let record = |slug: &str| DashboardRecord {
        slug: slug.to_owned(),
        ids: crate::ports::DashboardIds {
            identifier: format!("{slug}-1"),
            document_id: String::new(),
            dashboard_id: String::new(),
        },
        source_identifier: String::new(),
        foreign_links: Vec::new(),
        not_carried: Vec::new(),
        renames: Vec::new(),
        state: Some(crate::ports::DocumentState {
            updated_at: None,
            name: format!("The {slug}"),
            content: String::new(),
        }),
    };
    let version = |slugs: &[&str]| slugs.iter().map(|it| ((*it).to_owned(), record(it))).collect();
    assert_eq!(
        lines(&dashboards(&version(&["a", "b"]), &version(&["b", "c"]))),
        [
            "dashboard a removed | name: The a -> -",
            "dashboard c added | name: - -> The c"
        ]
    );
    assert_eq!(super::links(&version(&["a"])).0["a-1"], "<a>");
}

#[test]
fn programs_read_a_documented_shape() {
    let rows = rows(&body(), &{
        let mut copy = copy();
        copy["document"]["name"] = json!("E");
        copy
    });
    assert_eq!(
        json!(rows),
        json!([{"kind": "dashboard", "change": "changed", "dashboard": "one", "where": "one",
            "details": [{"key": "name", "before": "D", "after": "E"}]}])
    );
}
