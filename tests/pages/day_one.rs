//! The page on day one, followed on the tables of the pattern as its users have them.

use std::path::Path;

use wavepin::simulator::{DEFAULT_API_KEY, Simulator, SimulatorOptions};

use super::{Shell, commands};
use crate::parts::Postgres;

const TABLES: &str = "
CREATE TABLE dashboard_model (dashboard_id UUID NOT NULL, model_version_id INT NOT NULL, dashboard_slug VARCHAR NOT NULL,
created_at TIMESTAMP DEFAULT NOW(), updated_at TIMESTAMP DEFAULT NOW());
CREATE TABLE tenant_version (tenant_id VARCHAR NOT NULL, tenant_environment VARCHAR NOT NULL, model_version_id INT NOT NULL,
updated_at TIMESTAMP DEFAULT NOW(), PRIMARY KEY (tenant_id, tenant_environment));
INSERT INTO tenant_version (tenant_id, tenant_environment, model_version_id) VALUES ('acme-corp', 'production', 1),
('globex', 'production', 1), ('globex', 'staging', 1);
";

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_that_people_run_by_hand_is_taken_over_as_the_page_says() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let database = Postgres::shared().database("day_one");
    database.psql(TABLES);
    for document in simulator.state()["documents"].as_array().unwrap() {
        if document["folderPath"] == "clinical/v1" {
            let slug = document["name"].as_str().unwrap().to_lowercase().replace(' ', "-");
            let id = document["dashboardId"].as_str().unwrap();
            database.psql(&format!(
                "INSERT INTO dashboard_model (dashboard_id, model_version_id, dashboard_slug) VALUES ('{id}', 1, '{slug}')"
            ));
        }
    }
    let rows = || database.psql("SELECT * FROM dashboard_model ORDER BY 3; SELECT * FROM tenant_version ORDER BY 1, 2");
    let before = rows();

    let shell = Shell::new("day-one", &[("wavepin", Path::new(env!("CARGO_BIN_EXE_wavepin")))]);
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/day-one.md")).unwrap();
    let instance = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let host = url::Url::parse(&database.url).unwrap().host_str().unwrap().to_owned();
    let instance = instance
        .replace("postgres://wavepin:password@db.example.com/app", &database.url)
        .replace("db.example.com", &host)
        .replace("https://acme.omniapp.co", simulator.base_url())
        .replace("acme.omniapp.co", "127.0.0.1")
        .replace("omni_osk_0123456789", DEFAULT_API_KEY);
    std::fs::write(shell.family.home().join("instance.yaml"), instance).unwrap();
    let run = |block: String| tokio::task::block_in_place(|| shell.run(&format!("cd \"$HOME\"\n{block}"), &[]));
    let told: Vec<String> = commands("day-one.md", "day one").into_iter().map(run).collect();
    let [versions, applied, pins] = told.try_into().unwrap();
    assert!(versions.contains("1 manifests: 1 written"), "{versions}");
    assert!(versions.contains("ModelVersion/clinical-v1: "), "{versions}");
    assert!(applied.contains("clinical-v1    1         True"), "{applied}");
    assert!(pins.contains("2 manifests: 2 written"), "{pins}");
    assert!(pins.contains("environment production: nothing to do now"), "{pins}");
    run("wavepin apply -f instance.yaml -f analytics".to_owned());
    assert_eq!(rows(), before, "no row has changed");
    let writes = simulator.requests().into_iter().filter(|it| it.method != "GET");
    assert_eq!(writes.count(), 0, "and nothing in Omni");
    simulator.shutdown().await;
}
