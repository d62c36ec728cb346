use std::collections::BTreeMap;

use super::*;
use crate::ports::{ExistingDashboard, TenantLine};
use crate::resources::TenantPinSpec;
use crate::standalone::catalog::tests::catalog;

const INSTANCE: &str = "apiVersion: wavepin.dev/v1alpha1
kind: OmniInstance
metadata: {name: clinical}
spec:
  baseUrl: https://acme.omniapp.co
  apiKeySecretRef: {name: omni, key: apiKey}
  mapping: {tenantTables: {tenants: {table: tenants, tenantColumn: id, columns: [tier, region]}}}
";

fn existing(tenants: &[(&str, &str, Option<i64>)]) -> Existing {
    let row = |version| ExistingDashboard {
        version: Some(version),
        slug: Some("summary".to_owned()),
        dashboard_id: Some("12db1a0a".to_owned()),
    };
    let tenant = |(tenant, environment, version): &(&str, &str, Option<i64>)| ExistingTenant {
        tenant: (*tenant).to_owned(),
        environment: (*environment).to_owned(),
        version: *version,
    };
    Existing {
        dashboards: vec![row(1), row(2)],
        tenants: tenants.iter().map(tenant).collect(),
        labels: BTreeMap::new(),
    }
}

fn made(existing: &Existing, declared: &[&str], asked: &PinsAsked) -> Result<Manifests, String> {
    let catalog = catalog(&[&[INSTANCE], declared].concat(), &Catalog::default(), false);
    assert_eq!(catalog.refusals(), []);
    let instance = catalog.instances().next().unwrap();
    pins(existing, instance, &catalog, asked)
}

fn sixteen() -> PinsAsked {
    PinsAsked {
        digits: 1,
        ..PinsAsked::default()
    }
}

/// The specs that a folder of these files declares, by name.
fn read(made: &Manifests) -> BTreeMap<String, TenantPinSpec> {
    let texts: Vec<String> = made
        .files
        .iter()
        .map(|file| format!("{}{}", made.header, file.text))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let catalog = catalog(&texts, &Catalog::default(), false);
    assert_eq!(catalog.refusals(), []);
    catalog.pins().map(|pin| (pin.name.clone(), pin.spec.clone())).collect()
}

#[test]
fn a_tenant_in_two_environments_has_two_pins_in_two_folders() {
    let rows = existing(&[("acme", "production", Some(1)), ("acme", "staging", Some(2))]);
    let made = made(&rows, &[], &sixteen()).unwrap();
    let places: Vec<_> = made.files.iter().map(|file| file.place.display().to_string()).collect();
    let bucket = names::bucket("acme", 1);
    assert_eq!(
        places,
        [
            format!("production/{bucket}/acme.production.yaml"),
            format!("staging/{bucket}/acme.staging.yaml")
        ]
    );
    assert_eq!(
        format!("{}{}", made.header, made.files[0].text),
        "# From a row of tenant_version. To make it again, which leaves it alone once it was changed:
# wavepin import pins -f MANIFESTS --out FOLDER
apiVersion: wavepin.dev/v1alpha1
kind: TenantPin
metadata:
  name: acme.production
spec:
  instanceRef:
    name: clinical
  tenant: acme
  environment: production
  version: 1
"
    );
    let pins = read(&made);
    assert_eq!(
        (pins["acme.production"].version, pins["acme.staging"].version),
        (Some(1), Some(2))
    );
    assert_eq!((made.left, made.notes), (Vec::new(), Vec::new()));
}

/// What YAML takes for something else than a text, what no file can be called, and what only looks the same.
const STRANGE: &[&str] = &[
    "yes",
    "NO",
    "~",
    "null",
    "1.0",
    "1e3",
    "0x1F",
    "12:30:45",
    "2026-01-01",
    " leading",
    "trailing ",
    "a: b",
    "#x",
    "- x",
    "'",
    "\"",
    "{a}",
    "[b]",
    "&a",
    "*a",
    "!t",
    "|",
    ">",
    "%",
    "@",
    "`",
    "é\u{301}",
    "日本",
    "🏥",
    "a\u{2028}b",
    "a\u{85}b",
    "\u{feff}x",
    "A",
    "a",
    "acme corp",
    "ACME Corp",
    "..",
    "../../etc/passwd",
    "a/b",
    "a\\b",
    "---",
    "...",
];

#[test]
fn strange_tenants_come_back_as_they_are() {
    let rows: Vec<_> = STRANGE.iter().map(|tenant| (*tenant, "production", Some(1))).collect();
    let made = made(&existing(&rows), &[], &sixteen()).unwrap();
    assert_eq!(made.left, Vec::<String>::new());
    let mut back: Vec<String> = read(&made).into_values().map(|spec| spec.tenant).collect();
    back.sort();
    let mut all: Vec<&str> = STRANGE.to_vec();
    all.sort_unstable();
    assert_eq!(back, all);
    for file in &made.files {
        let parts: Vec<_> = file.place.components().collect();
        assert!(parts.len() == 3 && file.place.is_relative(), "{}", file.place.display());
        assert!(
            !file.place.display().to_string().contains(".."),
            "{}",
            file.place.display()
        );
    }
    // The stream is as good as the files.
    let catalog = catalog(&[&made.stream()], &Catalog::default(), false);
    assert_eq!((catalog.refusals(), catalog.pins().count()), (&[][..], STRANGE.len()));
}

#[test]
fn what_no_pin_can_say_is_left_and_told_with_a_way_out() {
    let long = "x".repeat(254);
    let rows = existing(&[
        ("a", "production", None),
        ("b", "production", Some(0)),
        ("c", "production", Some(i64::from(i32::MAX) + 1)),
        ("d", "production", Some(7)),
        ("e", "production", Some(7)),
        ("f\n", "production", Some(1)),
        ("", "production", Some(1)),
        (&long, "production", Some(1)),
        ("g", "a\tb", Some(1)),
        ("h", "production", Some(1)),
    ]);
    let made = made(&rows, &[], &sixteen()).unwrap();
    assert_eq!(read(&made).into_keys().collect::<Vec<_>>(), ["h.production"]);
    let left = made.left.join("\n");
    for told in [
        "1 tenants have NULL in model_version_id, which is no version",
        "1 tenants have 0 in model_version_id",
        "1 tenants have 2147483648 in model_version_id",
        "2 tenants are on version 7, of which dashboard_model has no row; put its dashboards there and adopt it, or set \
         their rows to another version: \"d\", \"e\"",
        "3 tenants cannot be named by a pin",
        "1 tenants are in environment \"a\\tb\", which a pin cannot name",
    ] {
        assert!(left.contains(told), "{told}\nin\n{left}");
    }
}

#[test]
fn pins_that_follow_have_no_version_and_say_so() {
    let asked = PinsAsked {
        follow: true,
        ..sixteen()
    };
    let made = made(&existing(&[("acme", "production", Some(1))]), &[], &asked).unwrap();
    assert_eq!(read(&made)["acme.production"].version, None);
    assert!(made.header.ends_with(" --out FOLDER --follow\n"), "{}", made.header);
}

#[test]
fn who_is_pinned_already_by_another_name_gets_no_second_pin() {
    let own = "apiVersion: wavepin.dev/v1alpha1
kind: TenantPin
metadata: {name: acme-corp-production}
spec: {instanceRef: {name: clinical}, tenant: acme, environment: production, version: 1}
";
    let rows = existing(&[("acme", "production", Some(1)), ("acme", "staging", Some(1))]);
    let first = made(&rows, &[own], &sixteen()).unwrap();
    assert_eq!(read(&first).into_keys().collect::<Vec<_>>(), ["acme.staging"]);
    assert_eq!((first.notes.len(), first.left.len()), (1, 0), "{:?}", first.notes);
    // Its own, of an earlier run, are made again.
    let again = made(&rows, &[own, &first.files[0].text], &sixteen()).unwrap();
    assert_eq!(again, first);
}

#[test]
fn pins_of_several_instances_meet_neither_in_a_name_nor_in_a_place() {
    let other = INSTANCE.replace("name: clinical", "name: billing");
    let far = INSTANCE.replace("name: clinical", "name: clinical, namespace: far");
    let far = far.replace("name: omni, namespace: far", "name: omni");
    let rows = existing(&[("acme", "production", Some(1))]);
    let catalog = catalog(&[INSTANCE, &other, &far], &Catalog::default(), false);
    assert_eq!(catalog.refusals(), []);
    let mut seen: Vec<(String, String)> = Vec::new();
    for instance in catalog.instances() {
        let made = pins(&rows, instance, &catalog, &sixteen()).unwrap();
        let [file] = &made.files[..] else { panic!("{made:?}") };
        assert!(
            made.header.contains(&format!(" --instance {}\n", instance.key())),
            "{}",
            made.header
        );
        let name = file.place.file_stem().unwrap().to_str().unwrap();
        seen.push((
            file.place.display().to_string(),
            format!("{}/{name}", instance.namespace),
        ));
    }
    let bucket = names::bucket("acme", 1);
    let expected = [("default", "billing"), ("default", "clinical"), ("far", "clinical")].map(|(namespace, name)| {
        (
            format!("{namespace}.{name}/production/{bucket}/acme.production.{name}.yaml"),
            format!("{namespace}/acme.production.{name}"),
        )
    });
    seen.sort();
    assert_eq!(seen, expected);
}

#[test]
fn a_name_that_another_pin_has_is_not_taken_from_it() {
    let rows = existing(&[("acme", "production", Some(1)), ("acme", "staging", Some(1))]);
    for (instance, tenant) in [("elsewhere", "acme"), ("clinical", "globex")] {
        let own = format!(
            "apiVersion: wavepin.dev/v1alpha1
kind: TenantPin
metadata: {{name: acme.production}}
spec: {{instanceRef: {{name: {instance}}}, tenant: {tenant}, environment: production, version: 1}}
"
        );
        let first = made(&rows, &[&own], &sixteen()).unwrap();
        assert_eq!(read(&first).into_keys().collect::<Vec<_>>(), ["acme.staging"]);
        assert_eq!(first.left.len(), 1);
        assert!(
            first.left[0].contains("would have the name of another pin, acme.production"),
            "{:?}",
            first.left
        );
    }
}

#[test]
fn a_tenant_that_joins_moves_no_file_and_twelve_thousand_fit_in_sixteen_folders() {
    let names: Vec<String> = (0..12_000).map(|number| format!("tenant-{number}")).collect();
    let rows: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), "production", Some(1)))
        .collect();
    let all = made(&existing(&rows), &[], &sixteen()).unwrap();
    assert_eq!((all.files.len(), all.left.len()), (12_000, 0));
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    for file in &all.files {
        *folders
            .entry(file.place.parent().unwrap().display().to_string())
            .or_default() += 1;
    }
    assert_eq!(folders.len(), 16);
    assert!(folders.values().all(|count| *count <= MOST_FILES), "{folders:?}");

    let fewer: Vec<_> = rows.iter().filter(|row| row.0 != "tenant-5000").copied().collect();
    let before = made(&existing(&fewer), &[], &sixteen()).unwrap();
    let joined: Vec<_> = all.files.iter().filter(|file| !before.files.contains(file)).collect();
    assert_eq!((joined.len(), before.files.len()), (1, 11_999));

    let reversed: Vec<_> = rows.iter().rev().copied().collect();
    assert_eq!(
        made(&existing(&reversed), &[], &sixteen()).unwrap(),
        all,
        "whatever order rows come in"
    );
}

#[test]
fn a_folder_that_would_be_too_full_is_told_before_anything_is_written() {
    let names: Vec<String> = (0..1001).map(|number| format!("tenant-{number}")).collect();
    let rows: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), "production", Some(1)))
        .collect();
    let why = made(&existing(&rows), &[], &PinsAsked::default()).unwrap_err();
    assert!(
        why.contains("folder production would have 1001 files") && why.contains("--folders 16"),
        "{why}"
    );
    let one = made(&existing(&rows[..1000]), &[], &PinsAsked::default()).unwrap();
    assert!(one.header.contains("--folders 1\n"), "{}", one.header);
    assert_eq!(one.files[0].place.components().count(), 2);
}

#[test]
fn labels_come_from_the_table_and_what_is_in_doubt_is_left() {
    let line = |tenant: &str, tier: Option<&str>| TenantLine {
        tenant: tenant.to_owned(),
        values: vec![tier.map(str::to_owned), None],
    };
    let tenants = ["acme", "globex", "initech", "twice"].map(|tenant| (tenant, "production", Some(1)));
    let mut rows = existing(&tenants);
    let lines = vec![
        line("acme", Some("canary")),
        line("globex", Some("no label")),
        line("twice", Some("a")),
        line("twice", Some("a")),
    ];
    rows.labels.insert("production".to_owned(), TenantLines::Read(lines));
    let asked = PinsAsked {
        labels_from: Some("tenants".to_owned()),
        ..sixteen()
    };
    let labelled = made(&rows, &[], &asked).unwrap();
    let texts: Vec<&str> = labelled.files.iter().map(|file| file.text.as_str()).collect();
    assert_eq!(texts.len(), 2);
    let labels = |name: &str| {
        texts
            .iter()
            .find(|text| text.contains(name))
            .unwrap()
            .contains("  labels:\n    tier: canary\n")
    };
    assert!(labels("name: acme.production") && !labels("name: initech.production"));
    assert_eq!(labelled.left.len(), 2, "{:?}", labelled.left);

    rows.labels.insert(
        "production".to_owned(),
        TenantLines::Unusable("no such table".to_owned()),
    );
    assert!(
        made(&rows, &[], &asked)
            .unwrap_err()
            .contains("cannot be used: no such table")
    );
    let other = PinsAsked {
        labels_from: Some("people".to_owned()),
        ..sixteen()
    };
    assert!(
        made(&rows, &[], &other)
            .unwrap_err()
            .contains("no \"people\" in spec.mapping.tenantTables")
    );
    let nowhere = PinsAsked {
        environment: Some("test".to_owned()),
        ..sixteen()
    };
    assert!(
        made(&rows, &[], &nowhere)
            .unwrap_err()
            .contains("there are: \"production\"")
    );
}
