use super::*;

#[test]
fn a_pattern_is_filled_in_and_read_back() {
    let pattern: Pattern = "clinical v{version}".parse().unwrap();
    assert_eq!(pattern.of(12), "clinical v12");
    assert_eq!(pattern.version("clinical v12"), Some(12));
    for other in [
        "clinical v",
        "clinical v0",
        "clinical v01",
        "clinical v+1",
        "clinical v-1",
        "Clinical v1",
        "clinical v1 old",
    ] {
        assert_eq!(pattern.version(other), None, "{other}");
    }
    assert_eq!(pattern.to_string().parse::<Pattern>().unwrap(), pattern);
    for no in ["clinical", "{version}{version}", "{ version }"] {
        assert!(no.parse::<Pattern>().is_err(), "{no}");
    }
}

fn row(slug: Option<&str>, id: Option<&str>) -> ExistingDashboard {
    ExistingDashboard {
        version: Some(1),
        slug: slug.map(str::to_owned),
        dashboard_id: id.map(str::to_owned),
    }
}

#[test]
fn rows_that_no_version_can_have_are_told_apart() {
    let told = |rows: &[ExistingDashboard]| slugs(&rows.iter().collect::<Vec<_>>()).unwrap_err();
    assert!(told(&[row(None, Some("a"))]).contains("NULL"));
    assert!(told(&[row(Some("a"), None)]).contains("NULL"));
    for slug in ["Patient Summary", "patient_summary", "-a", "", &"a".repeat(30)] {
        assert!(
            told(&[row(Some(slug), Some("x"))]).contains("none that Wavepin takes"),
            "{slug}"
        );
    }
    let twice = told(&[row(Some("a"), Some("x")), row(Some("a"), Some("y"))]);
    assert!(twice.contains("\"a\" has two rows, with x and y"), "{twice}");
    let many: Vec<_> = (0..501)
        .map(|number| row(Some(&format!("a{number}")), Some("x")))
        .collect();
    assert!(told(&many).contains("501 dashboards"));
}
