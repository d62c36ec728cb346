//! Tenants without a pin: the application inserts their rows and labels them in a table of its own, all by SQL.

use std::time::Duration;

use serde_json::{Value, json};

use super::bed::{Bed, FILES};
use crate::cluster::{condition, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

/// What the page shows of this, block by block: a rollout, the table in the instance's spec, the application's insert.
struct Page {
    rollout: String,
    tables: String,
    insert: String,
}

impl Page {
    fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rollouts.md");
        let text = std::fs::read_to_string(path).expect("the page is there");
        let (_, section) = text
            .split_once("## Tenants without a pin\n")
            .expect("it has the section");
        let section = section.split("\n## ").next().expect("it begins");
        let blocks = |kind: &str| -> Vec<String> {
            let mark = format!("```{kind}\n");
            let opened = section.split(&mark).skip(1);
            let block = |rest: &str| rest.split_once("```").expect("a block ends").0.to_owned();
            opened.map(block).collect()
        };
        let [rollout, tables] = blocks("yaml").try_into().expect("two of YAML");
        let [insert] = blocks("sql").try_into().expect("one of SQL");
        Self {
            rollout,
            tables,
            insert,
        }
    }

    fn rollout(&self, version: i32) -> String {
        self.rollout.replace("version: 2", &format!("version: {version}"))
    }
}

/// Four canaries and thirty-six others, on version 1.
fn application(bed: &Bed) {
    bed.database.psql(
        "CREATE SCHEMA crm;
        CREATE TABLE crm.tenants (id varchar(40) NOT NULL, tier text, region integer, secret text);
        INSERT INTO crm.tenants SELECT 't-' || n, CASE WHEN n < 4 THEN 'canary' ELSE 'late' END, n, 'two words'
        FROM generate_series(0, 39) AS n;
        INSERT INTO tenant_version (tenant_id, tenant_environment, model_version_id)
        SELECT id, 'production', 1 FROM crm.tenants;",
    );
}

/// How many tenants are on each version.
fn on(bed: &Bed) -> String {
    let sql = "SELECT string_agg(line, ' ' ORDER BY line) FROM (SELECT model_version_id || ':' || count(*) AS line \
               FROM tenant_version WHERE tenant_environment = 'production' GROUP BY model_version_id) AS lines";
    bed.database.psql(sql).trim().to_owned()
}

fn of(bed: &Bed, tenant: &str) -> String {
    let sql = format!("SELECT model_version_id FROM tenant_version WHERE tenant_id = '{tenant}'");
    bed.database.psql(&sql).trim().to_owned()
}

fn current(bed: &Bed) -> String {
    let sql = "SELECT coalesce(wavepin.current_version('production')::text, 'none')";
    bed.database.psql(sql).trim().to_owned()
}

fn status(bed: &Bed) -> Value {
    bed.cluster.object("vro/production")["status"].clone()
}

fn is_complete(bed: &Bed, version: i32) {
    eventually("the rollout is complete", PATIENCE, || {
        let object = bed.cluster.object("vro/production");
        condition(&object, "Complete").is_some_and(|it| {
            it["status"] == "True"
                && it["message"]
                    .as_str()
                    .is_some_and(|text| text.contains(&format!("to version {version}:")))
        })
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_of_the_application_take_part_without_a_pin() {
    let bed = Bed::new("rows").await;
    let controller = bed.controller("controller");
    for file in FILES.iter().filter(|file| **file != "pins.yaml") {
        bed.cluster.apply(&bed.manifest(file));
    }
    bed.all_ready("60s");
    application(&bed);
    let page = Page::read();

    // Objects may come in any order: the rollout before the table that it names.
    bed.cluster.apply(&page.rollout(1));
    let told = bed.told("vro/production", "Reconciling", "TenantTableMissing");
    assert!(told.contains("declare it there"), "{told}");
    assert_eq!(current(&bed), "none");
    let at = page.tables.find("    tenantTables:").expect("the page declares it");
    bed.cluster
        .apply(&bed.manifest_with("instance.yaml", &page.tables[at..]));
    is_complete(&bed, 1);
    assert_eq!((on(&bed).as_str(), current(&bed).as_str()), ("1:40", "1"));

    bed.cluster.apply(&page.rollout(2));
    bed.told("vro/production", "Waiting", "Soaking");
    assert_eq!(on(&bed), "1:36 2:4");
    let before = bed.simulator.requests().len();
    in_the_middle(&bed, &page);
    bed.cluster.apply(
        &page
            .rollout(2)
            .replace("soak: 24h", "soak: 0s")
            .replace("every: 15m", "every: 1s"),
    );
    is_complete(&bed, 2);
    // One is pinned to 1, one was changed by hand.
    assert_eq!((on(&bed).as_str(), current(&bed).as_str()), ("1:2 2:40", "2"));
    assert_eq!(status(&bed)["progress"], "40/41");
    a_pin_that_goes_leaves_its_row_to_the_rollout(&bed);
    what_leaves_labels_in_doubt_stops_it(&bed);

    bed.cluster.apply(&page.rollout(1));
    eventually("all are back", PATIENCE, || on(&bed) == "1:42");
    let since = &bed.simulator.requests()[before..];
    let writes = since.iter().filter(|request| request.method != "GET");
    assert_eq!(writes.count(), 0, "Omni has no part in it: {since:?}");
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}

fn in_the_middle(bed: &Bed, page: &Page) {
    // The application makes two tenants, as the page says; one of them is a canary.
    bed.database.psql(&page.insert);
    bed.database.psql(&page.insert.replace("new-corp", "newer-corp"));
    assert_eq!(of(bed, "new-corp"), "1", "what was last rolled out to the end");
    bed.database
        .psql("INSERT INTO crm.tenants VALUES ('new-corp', 'canary'); UPDATE crm.tenants SET tier = 'canary' WHERE id = 't-9'");
    let pin = json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "TenantPin", "metadata": {"name": "t-5"},
        "spec": {"instanceRef": {"name": "clinical"}, "tenant": "t-5", "environment": "production", "version": 1},
    });
    bed.cluster.apply(&pin.to_string());
    bed.database
        .psql("UPDATE tenant_version SET model_version_id = 1 WHERE tenant_id = 't-0'");
    bed.ask_for_passes("in-the-middle");
    eventually("newcomers and the relabelled have moved", PATIENCE, || {
        of(bed, "new-corp") == "2" && of(bed, "t-9") == "2"
    });
    assert_eq!(
        (of(bed, "newer-corp"), of(bed, "t-0")),
        ("1".to_owned(), "1".to_owned())
    );
    eventually("it is counted and named", PATIENCE, || {
        let status = status(bed);
        status["leftOutTenants"] == json!(["t-0: ChangedOutside"])
            && status["rows"] == json!({"tenants": 41, "unlabelled": 1})
            && status["progress"] == "5/41"
    });
}

fn a_pin_that_goes_leaves_its_row_to_the_rollout(bed: &Bed) {
    assert_eq!(of(bed, "t-5"), "1");
    bed.cluster.kubectl(&["delete", "tpin", "t-5"]);
    eventually("its row has moved", PATIENCE, || of(bed, "t-5") == "2");
}

fn what_leaves_labels_in_doubt_stops_it(bed: &Bed) {
    let twice = "INSERT INTO crm.tenants VALUES ('t-7', 'canary')";
    bed.database.psql(twice);
    bed.look_again("twice");
    let told = bed.told("vro/production", "Stalled", "TenantTableUnusable");
    assert!(told.contains("more than one row for tenant \"t-7\""), "{told}");
    bed.database
        .psql("DELETE FROM crm.tenants WHERE id = 't-7' AND region IS NULL");
    bed.look_again("once");
    eventually("it is ready again", PATIENCE, || {
        let object = bed.cluster.object("vro/production");
        condition(&object, "Stalled").is_none_or(|it| it["status"] == "False")
            && condition(&object, "Ready").is_some_and(|it| it["status"] == "True")
    });
}
