//! Files of many documents, broken ones among them.

use super::*;

fn read_text(text: &str) -> Reading {
    let mut reading = Reading::default();
    reading.add(Path::new("all.yaml"), text);
    reading
}

const PIN: &str = "apiVersion: wavepin.dev/v1alpha1\nkind: TenantPin\nmetadata: {name: acme}\nspec: {}\n";

#[test]
fn a_broken_document_leaves_its_neighbours_be_and_is_named() {
    let reading = read_text(&format!(
        "# only a comment\n---\n{PIN}---\na: [b\n--- # the third\n{PIN}"
    ));
    assert_eq!(reading.manifests.len(), 2);
    assert_eq!(reading.manifests[1].place.document, 3);
    let [refusal] = reading.refusals.as_slice() else {
        panic!("one refusal: {:?}", reading.refusals);
    };
    assert!(
        refusal.to_string().starts_with("all.yaml, document 2: is no YAML"),
        "{refusal}"
    );
    assert!(
        refusal.why.contains("line 7") || refusal.why.contains("line 8"),
        "{refusal}"
    );
}

#[test]
fn a_long_file_costs_no_more_than_its_own_length() {
    let text = format!("---\n{PIN}").repeat(12_000);
    let parts = documents(&text);
    assert_eq!(parts.len(), 12_001);
    let lines_before = parts[12_000].lines_before;
    assert_eq!(lines_before, 11_999 * 5);
    assert!(parts.iter().map(|part| part.text.len()).sum::<usize>() <= text.len());
}

#[test]
fn a_document_marker_inside_a_block_of_text_is_only_one_at_the_start_of_a_line() {
    let text = format!("{PIN}note: |\n  --- not a marker\n  ---\n---x: also not\n");
    assert_eq!(documents(&text).len(), 1);
    let reading = read_text(&format!("{PIN}note: |\n  --- not a marker\n"));
    assert_eq!(reading.manifests[0].body["note"], "--- not a marker\n");
}

#[test]
fn what_is_no_manifest_is_refused_with_a_way_out() {
    for (text, says) in [
        ("replicas: 3\n", "apiVersion and kind are missing"),
        ("just words\n", "apiVersion and kind are missing"),
        (
            "apiVersion: wavepin.dev/v1alpha1\nkind: TenantPin\nmetadata: {}\n",
            "metadata.name",
        ),
        (
            "apiVersion: wavepin.dev/v1alpha1\nkind: TenantPin\nmetadata: {name: Acme Corp}\n",
            "lower-case",
        ),
        (
            "apiVersion: wavepin.dev/v1alpha1\nkind: TenantPin\nmetadata: {name: a, labels: {tier: 1}}\n",
            "metadata.labels.tier must be a text",
        ),
        ("a: 1\na: 2\n", "duplicate"),
    ] {
        let reading = read_text(text);
        assert!(reading.manifests.is_empty());
        assert!(reading.refusals[0].why.contains(says), "{:?}", reading.refusals);
    }
}

#[test]
fn a_broken_secret_is_refused_without_a_word_of_it() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: omni}\nstringData: {apiKey: omni_osk_hidden\n  x: ]\n";
    let reading = read_text(text);
    assert!(
        !format!("{:?}", reading.refusals[0]).contains("hidden"),
        "{:?}",
        reading.refusals
    );
}

#[test]
fn a_list_holds_objects_and_json_is_yaml() {
    let reading = read_text(
        r#"{"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "wavepin.dev/v1alpha1", "kind": "TenantPin", "metadata": {"name": "a", "namespace": "apps"}},
            {"apiVersion": "wavepin.dev/v1alpha1", "kind": "TenantPin", "metadata": {"name": "b"}}]}"#,
    );
    let names: Vec<_> = reading
        .manifests
        .iter()
        .map(|m| (m.namespace.as_str(), m.name.as_str()))
        .collect();
    assert_eq!(names, [("apps", "a"), ("default", "b")]);
}

#[test]
fn folders_are_read_in_order_without_hidden_and_other_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("b.yml", PIN);
    write("a/deep/pin.yaml", PIN);
    write(".git/config.yaml", "no: manifest");
    write("README.md", "# words");
    let reading = read(&[folder.path().to_owned()]).unwrap();
    let files: Vec<_> = reading
        .manifests
        .iter()
        .map(|m| m.place.file.strip_prefix(folder.path()).unwrap().to_str().unwrap())
        .collect();
    assert_eq!(files, ["a/deep/pin.yaml", "b.yml"]);
    assert!(reading.refusals.is_empty(), "{:?}", reading.refusals);
    assert!(
        read(&[folder.path().join("absent")])
            .unwrap_err()
            .to_string()
            .contains("absent")
    );
}
