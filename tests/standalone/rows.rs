//! Tenants without a pin in a rollout, with a folder in place of a cluster and the application's own table beside.

use super::bench::Bench;
use crate::parts::{Database, Postgres};

const ROLLOUT: &str = "apiVersion: wavepin.dev/v1alpha1
kind: VersionRollout
metadata: {name: production}
spec:
  instanceRef: {name: clinical}
  environment: production
  version: 1
  members: {rows: {labelsFrom: tenants}}
  waves:
    - {name: canary, selector: {matchLabels: {tier: canary}}}
    - {name: rest}
";

/// What the application does: a table of its own, and rows that it inserts.
const APPLICATION: &str = "
CREATE TABLE tenants (id varchar(40), tier varchar(10));
INSERT INTO tenants VALUES ('acme', 'canary'), ('globex', 'late'), ('initech', NULL);
INSERT INTO tenant_version (tenant_id, tenant_environment, model_version_id) VALUES
('acme', 'production', 1), ('globex', 'production', 1), ('initech', 'production', 1);
";

/// A folder, and the application's database.
struct House {
    bench: Bench,
    postgres: Option<Database>,
}

impl House {
    async fn new(postgres: Option<Database>) -> Self {
        let bench = Bench::clinical().await;
        bench.write("pins.yaml", "# The application keeps its tenants itself.\n");
        let tables = "  mapping:\n    tenantTables: {tenants: {table: tenants, tenantColumn: id, columns: [tier]}}\n";
        let own = "  requestsPerMinute: 600\n";
        bench.edit("instance.yaml", own, &format!("{own}{tables}"));
        Self { bench, postgres }
    }

    fn database(&self) -> Vec<&str> {
        let url = self.postgres.as_ref().map(|database| database.url.as_str());
        url.map_or_else(Vec::new, |url| vec!["--database-url", url])
    }

    #[track_caller]
    fn apply(&self, code: i32) -> String {
        self.bench.apply(&self.database()).ended_with(code).stdout
    }

    async fn by_hand(&self, sql: &str) {
        match &self.postgres {
            Some(database) => drop(database.psql(sql)),
            None => self.bench.by_hand(sql).await,
        }
    }

    /// `tenant|version` of every row.
    async fn rows(&self) -> Vec<String> {
        let sql = "SELECT tenant_id, model_version_id FROM tenant_version ORDER BY 1";
        match &self.postgres {
            Some(database) => database.psql(sql).lines().map(str::to_owned).collect(),
            None => self.bench.ask(sql).await,
        }
    }
}

async fn rows_move_by_waves_and_newcomers_get_what_was_rolled_out(postgres: Option<Database>) {
    let current = match &postgres {
        Some(_) => "SELECT 'newcomer', 'production', wavepin.current_version('production')",
        None => "SELECT 'newcomer', environment, version FROM wavepin_current_version WHERE environment = 'production'",
    };
    let house = House::new(postgres).await;
    house.apply(0);
    house.by_hand(APPLICATION).await;
    house.bench.write("rollout.yaml", ROLLOUT);
    let done = house.apply(0);
    assert!(done.contains("3/3"), "{done}");
    assert_eq!(house.rows().await, ["acme|1", "globex|1", "initech|1"]);

    let canary = "selector: {matchLabels: {tier: canary}}";
    house
        .bench
        .edit("rollout.yaml", canary, &format!("{canary}, soak: 24h"));
    house.bench.edit("rollout.yaml", "version: 1", "version: 2");
    let looked = [&["--ledger-only"], &house.database()[..]].concat();
    let planned = house.bench.look("plan", &looked).ended_with(0).stdout;
    assert!(planned.contains("acme from version 1 to version 2"), "{planned}");
    assert!(!planned.contains("globex from"), "{planned}");
    let calls = house.bench.writes();
    let soaking = house.apply(3);
    assert!(
        soaking.contains("1/3") && soaking.contains("Waiting (Soaking)"),
        "{soaking}"
    );
    assert_eq!(house.rows().await, ["acme|2", "globex|1", "initech|1"]);
    // In the middle a tenant comes, another one is to be a canary.
    house
        .by_hand(&format!(
            "INSERT INTO tenant_version (tenant_id, tenant_environment, model_version_id) {current}; \
             UPDATE tenants SET tier = 'canary' WHERE id = 'globex'"
        ))
        .await;
    house.apply(3);
    assert_eq!(house.rows().await, ["acme|2", "globex|2", "initech|1", "newcomer|1"]);
    house.bench.edit("rollout.yaml", "version: 2", "version: 1");
    house.apply(0);
    assert_eq!(house.rows().await, ["acme|1", "globex|1", "initech|1", "newcomer|1"]);
    assert_eq!(house.bench.writes(), calls, "Omni has no part in it");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_sqlite_file_move_by_waves() {
    rows_move_by_waves_and_newcomers_get_what_was_rolled_out(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_postgresql_database_move_by_waves() {
    let database = Postgres::shared().database("rows");
    rows_move_by_waves_and_newcomers_get_what_was_rolled_out(Some(database)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_does_not_do_is_told_with_a_way_out_and_nobody_moves() {
    let house = House::new(None).await;
    house.bench.write(
        "rollout.yaml",
        &ROLLOUT.replace("labelsFrom: tenants", "labelsFrom: tenant"),
    );
    let missing = house.apply(1);
    assert!(
        missing.contains("VersionRollout/production: Reconciling (TenantTableMissing)"),
        "{missing}"
    );
    assert!(missing.contains("labelsFrom is \"tenant\""), "{missing}");
    house
        .bench
        .edit("rollout.yaml", "labelsFrom: tenant", "labelsFrom: tenants");
    let unusable = house.apply(1);
    assert!(
        unusable.contains("VersionRollout/production: Stalled (TenantTableUnusable)"),
        "{unusable}"
    );
    assert!(unusable.contains("no such table: tenants; create it"), "{unusable}");
    house.by_hand(APPLICATION).await;
    house.apply(0);
    house.bench.edit("instance.yaml", "table: tenants", "table: a b");
    let refused = house.bench.apply(&[]).ended_with(2);
    let told = "spec.mapping.tenantTables.tenants.table";
    assert!(
        refused.stderr.contains(told) || refused.stdout.contains(told),
        "{refused:?}"
    );
}
