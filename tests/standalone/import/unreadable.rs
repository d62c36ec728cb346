//! Organisations in which some documents cannot be read, or rows name none, and the others are told all the same.

use wavepin::simulator::{Fault, FaultKind};

use super::*;

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000001";

impl House {
    /// From now on requests of this path end so.
    fn befalls(&self, path: &str, kind: FaultKind) {
        let fault = Fault::once("GET", path, kind).unwrap();
        self.bench.simulator.arm(Fault {
            times: u32::MAX,
            ..fault
        });
    }

    fn exports(&self) -> usize {
        let requests = self.bench.simulator.requests();
        requests.iter().filter(|it| it.path.ends_with("/export")).count()
    }

    fn has_left(told: &Ran, line: &str) {
        let said = &told.stderr;
        assert!(said.contains(&format!("left     {line}")), "{line} in\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_uuid_that_omni_does_not_know_keeps_no_other_from_being_looked_up() {
    let house = House::seeded(Ids::Document).await;
    // It is asked about first, and in vain.
    house.database.psql("UPDATE dashboard_model SET model_version_id = 2");
    house.database.psql("UPDATE tenant_version SET model_version_id = 2");
    house.dashboard(1, "before", UNKNOWN);
    let told = house.imported(&["versions", "--folder", "elsewhere/v{version}"], "versions", 3);
    House::has_left(
        &told,
        &format!("version 1: before ({UNKNOWN}): Omni has no folder \"elsewhere/v1\""),
    );
    assert_eq!(house.exports(), 1 + SLUGS.len(), "each is looked up by its id");
    assert_eq!(files(&house.out("versions")).len(), 1, "{}", told.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_not_exported_is_named_and_the_others_are_told() {
    let refused = FaultKind::Status { code: 400 };
    let house = House::seeded(Ids::Dashboard).await;
    house.befalls("/documents/9b7e4d20/export", refused.clone());
    let told = house.imported(&["versions"], "versions", 0);
    assert_eq!(files(&house.out("versions")).len(), 1, "{}", told.stderr);
    house.dashboard(2, "lost", UNKNOWN);
    let told = house.imported(&["versions"], "again", 3);
    House::has_left(
        &told,
        &format!(
            "version 2: lost ({UNKNOWN}): Omni has no document of this id, and no dashboard in any folder has it, as far as \
             they can be read: 1 cannot, as 9b7e4d20: refused (400)"
        ),
    );
    assert_eq!(files(&house.out("again")).len(), 1, "{}", told.stderr);

    let house = House::seeded(Ids::Identifier).await;
    house.dashboard(2, "dictionary", "9b7e4d20");
    house.befalls("/documents/9b7e4d20/export", refused);
    let told = house.imported(&["versions"], "versions", 3);
    House::has_left(
        &told,
        "version 2: dictionary (9b7e4d20): Omni does not export it: refused (400)",
    );
    assert_eq!(files(&house.out("versions")).len(), 1, "{}", told.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn workbooks_without_a_dashboard_are_passed_over() {
    let house = House::seeded(Ids::Dashboard).await;
    let none = FaultKind::ChangedField {
        name: "hasDashboard".to_owned(),
        to: json!(false),
    };
    house.befalls("/documents$", none);
    let told = house.imported(&["versions"], "versions", 3);
    assert!(
        told.stderr.contains("no dashboard in any folder has it"),
        "{}",
        told.stderr
    );
    assert_eq!(house.exports(), SLUGS.len(), "none of those in lists");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_which_a_dashboard_is_not_exported_makes_no_half_version() {
    let bench = Bench::clinical().await;
    bench.apply(&[]).ended_with(0);
    let house = House::of(bench);
    let by_names = [
        "versions",
        "--model",
        "clinical v{version}",
        "--folder",
        "clinical/v{version}",
    ];
    house.befalls("/export$", FaultKind::Status { code: 400 });
    let told = house.imported(&by_names, "versions", 3);
    assert!(
        told.stderr
            .contains("in folder \"clinical/v2\" cannot be exported (refused (400)"),
        "{}",
        told.stderr
    );
    assert!(!house.out("versions").exists());
}
