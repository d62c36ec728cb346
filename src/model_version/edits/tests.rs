use rstest::rstest;

use super::*;
use crate::model_version::definition::files;

const PATIENTS: &str = "\
# People who were ever registered
label: Patients
dimensions:
  # Never shown.
  ssn:
    hidden: true
  dob: {label: Born, type: date} # as the clinic has it
measures:
  count:
    aggregate_type: count
";

fn source() -> ModelFiles {
    files(&[
        ("patients.view", PATIENTS),
        ("legacy.topic", "base_view: patients\n"),
        ("model", "{}"),
    ])
}

/// The source on its schema: a view that nobody wrote, and a column.
fn combined() -> ModelFiles {
    files(&[
        (
            "patients.view",
            "label: Patients\ndimensions: {ssn: {}, dob: {}, ward: {}}\nmeasures: {count: {}}",
        ),
        ("clinical/beds.view", "dimensions: {id: {}, ward_id: {}}"),
        ("legacy.topic", "base_view: patients\n"),
    ])
}

fn edit(yaml: &str) -> Edit {
    let text = format!("name: an-edit\n{yaml}");
    serde_saphyr::from_str(&text).unwrap()
}

fn edited(yaml: &str) -> Result<Files, Why> {
    let edit = edit(yaml);
    assert_eq!(refusal(&edit), None);
    applied(&source(), &combined(), &[edit]).map_err(|refused| {
        assert_eq!(refused.edit, 0);
        refused.why
    })
}

#[rstest]
#[case::a_whole_file("fileName: legacy.topic\nyaml: 'base_view: beds'", "legacy.topic", "base_view: beds")]
#[case::a_field_that_is_there(
    "view: patients\nfield: ssn\nignore: true",
    "patients.view",
    "# People who were ever registered
label: Patients
dimensions:
  # Never shown.
  ssn:
    hidden: true
    ignored: true
  dob: {label: Born, type: date} # as the clinic has it
measures:
  count:
    aggregate_type: count
"
)]
#[case::a_column_of_the_schema(
    "view: patients\nfield: ward\nignore: true",
    "patients.view",
    "# People who were ever registered
label: Patients
dimensions:
  # Never shown.
  ssn:
    hidden: true
  dob: {label: Born, type: date} # as the clinic has it
  ward:
    ignored: true
measures:
  count:
    aggregate_type: count
"
)]
#[case::a_view_that_nobody_wrote("view: clinical__beds\nignore: true", "clinical/beds.view", "ignored: true\n")]
#[case::a_topic(
    "topic: legacy\nignore: true",
    "legacy.topic",
    "base_view: patients\nignored: true\n"
)]
#[case::a_patch(
    "fileName: patients.view\npatch: |\n  label: People\n  dimensions: {ssn: null}\n  measures: {count: {label: How many}}",
    "patients.view",
    "# People who were ever registered
label: People
dimensions:
  # Never shown.
  dob: {label: Born, type: date} # as the clinic has it
measures:
  count:
    aggregate_type: count
    label: How many
"
)]
fn only_what_is_named_changes(#[case] yaml: &str, #[case] file: &str, #[case] text: &str) {
    let files = edited(yaml).unwrap();
    assert_eq!(files[file], text);
    let others = applied(&source(), &combined(), &[]).unwrap();
    for (name, text) in others.iter().filter(|(name, _)| *name != file) {
        assert_eq!(files[name], *text);
    }
}

#[test]
fn a_field_is_what_the_edit_says_wherever_it_stood() {
    let meaning = |yaml: &str| parse(&edited(yaml).unwrap()["patients.view"]).unwrap();
    let dob = meaning("view: patients\nfield: dob\nyaml: 'label: Date of birth'");
    assert_eq!(
        dob["dimensions"]["dob"],
        json!({"label": "Date of birth"}),
        "its type is gone"
    );
    let age = meaning("view: patients\nfield: age\nyaml: 'sql: ${patients.dob}'");
    assert_eq!(age["dimensions"]["age"]["sql"], "${patients.dob}");
    let mean = meaning("view: patients\nfield: mean_age\nyaml: '{sql: x, aggregate_type: average}'");
    assert_eq!(mean["measures"]["mean_age"]["aggregate_type"], "average");
    assert_eq!(mean["dimensions"], dob_untouched());
}

fn dob_untouched() -> Value {
    json!({"ssn": {"hidden": true}, "dob": {"label": "Born", "type": "date"}})
}

#[test]
fn a_deleted_file_is_gone_and_the_layer_below_shows_again() {
    let files = edited("fileName: legacy.topic\ndeleteFile: true").unwrap();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["patients.view"]);
}

#[test]
fn later_edits_are_on_top_of_whole_files_wherever_they_stand_in_the_list() {
    let edits = [
        edit("view: patients\nfield: ssn\nignore: true"),
        edit("fileName: patients.view\nyaml: 'dimensions: {ssn: {label: Number}}'"),
    ];
    let files = applied(&source(), &combined(), &edits).unwrap();
    let meaning = parse(&files["patients.view"]).unwrap();
    assert_eq!(
        meaning,
        json!({"dimensions": {"ssn": {"label": "Number", "ignored": true}}})
    );
}

#[rstest]
#[case::a_file("fileName: gone.topic\ndeleteFile: true", "no file \"gone.topic\"")]
#[case::a_file_to_patch("fileName: gone.view\npatch: 'a: b'", "no file \"gone.view\" to patch")]
#[case::a_view("view: patient\nignore: true", "no view \"patient\"")]
#[case::a_topic("topic: patients\nignore: true", "no topic \"patients\"")]
#[case::a_field(
    "view: patients\nfield: snn\nignore: true",
    "view \"patients\" of the source has no field \"snn\""
)]
fn an_edit_that_finds_nothing_is_refused_by_name(#[case] yaml: &str, #[case] says: &str) {
    let why = edited(yaml).unwrap_err();
    let said = why.of("edit an-edit");
    assert!(said.starts_with("edit an-edit: ") && said.contains(says), "{said}");
    // What was looked for is in the edit, and not told where that must not be.
    let (_, name) = says.split_once('"').unwrap();
    let unquoted = why.unquoted_of("edit 1");
    assert!(
        unquoted.starts_with("edit 1: ") && !unquoted.contains(name.split('"').next().unwrap()),
        "{unquoted}"
    );
}

#[rstest]
#[case::nothing("fileName: a.view", "give fileName with one of")]
#[case::two_places("fileName: a.view\nview: a\nyaml: 'a: b'", "give fileName with one of")]
#[case::a_field_without_a_view("field: a\nignore: true", "give fileName with one of")]
#[case::both("view: a\nfield: b\nignore: true\nyaml: 'a: b'", "give fileName with one of")]
#[case::no_yaml("fileName: a.view\nyaml: 'label: [1'", "(a.view) is no YAML")]
#[case::no_map("fileName: a.view\npatch: '[1]'", "(a.view): the YAML must be a map")]
#[case::no_map_of_a_field("view: a\nfield: b\nyaml: just text", "(a.b): the YAML must be a map")]
#[case::no_file_at_all("fileName: a.view\nyaml: just text", "(a.view): the YAML must be a map or a list")]
fn an_edit_that_cannot_be_meant_is_refused_before_the_source_is_read(#[case] yaml: &str, #[case] says: &str) {
    let why = refusal(&edit(yaml)).unwrap();
    let said = why.of("edit an-edit");
    assert!(said.starts_with("edit an-edit") && said.contains(says), "{said}");
    let unquoted = why.unquoted_of("edit 1");
    assert!(!unquoted.contains("a.view") && !unquoted.contains("a.b"), "{unquoted}");
}

#[test]
fn a_text_that_the_editor_cannot_keep_still_means_what_was_asked_for() {
    // Anchors, and a tag: what is said of them by value counts.
    let odd = "dimensions:\n  a: &it {label: A}\n  b: *it\n";
    let patched = text::patched(odd, &[json!({"dimensions": {"b": {"label": "B"}}})]).unwrap();
    let meaning = parse(&patched).unwrap();
    assert_eq!(
        meaning,
        json!({"dimensions": {"a": {"label": "A"}, "b": {"label": "B"}}})
    );
}
