//! `wavepin import`: manifests for what people and the application made, on the tables of the pattern as its users have them.

mod unreadable;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use wavepin::simulator::SimulatorOptions;

use super::bench::{Bench, Ran, run};
use super::document;
use crate::parts::{Database, Postgres};

/// The tables of the pattern, word for word.
const TABLES: &str = "
CREATE TABLE dashboard_model (
dashboard_id UUID NOT NULL,
model_version_id INT NOT NULL,
dashboard_slug VARCHAR NOT NULL,
created_at TIMESTAMP DEFAULT NOW(),
updated_at TIMESTAMP DEFAULT NOW()
);
CREATE TABLE tenant_version (
tenant_id VARCHAR NOT NULL,
tenant_environment VARCHAR NOT NULL,
model_version_id INT NOT NULL,
updated_at TIMESTAMP DEFAULT NOW(),
PRIMARY KEY (tenant_id, tenant_environment)
);
CREATE TABLE tenants (id VARCHAR, tier VARCHAR);
INSERT INTO tenants VALUES ('acme-corp', 'canary'), ('Globex & Söhne', 'late');
";

const SLUGS: [(&str, &str); 5] = [
    ("patient-summary", "12db1a0a"),
    ("readmission-risk", "5e07c1d2"),
    ("ward-capacity", "8a41f9b3"),
    ("medication-review", "c3d90e74"),
    ("billing-overview", "f16b28a5"),
];

const TENANTS: [(&str, &str); 5] = [
    ("acme-corp", "production"),
    ("acme-corp", "staging"),
    ("Globex & Söhne", "production"),
    ("yes", "production"),
    ("4711", "EU West"),
];

/// Which of a dashboard's ids the rows hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ids {
    Identifier,
    Document,
    Dashboard,
}

/// A hand-run setup: an organisation, the application's tables, and of manifests the instance alone.
struct House {
    bench: Bench,
    database: Database,
}

impl House {
    async fn empty() -> Self {
        Self::of(Bench::clinical_of(SimulatorOptions::default()).await)
    }

    fn of(bench: Bench) -> Self {
        for file in ["clinical-v1.yaml", "clinical-v2.yaml", "pins.yaml"] {
            std::fs::remove_file(bench.file(file)).unwrap();
        }
        let database = Postgres::shared().database("import");
        Self { bench, database }
    }

    async fn seeded(ids: Ids) -> Self {
        let house = Self::empty().await;
        house.external();
        match ids {
            Ids::Identifier => house
                .database
                .psql(&TABLES.replace("dashboard_id UUID", "dashboard_id TEXT")),
            Ids::Document | Ids::Dashboard => house.database.psql(TABLES),
        };
        let state = house.bench.simulator.state();
        for (slug, identifier) in SLUGS {
            let document = document(&state, identifier);
            let id = match ids {
                Ids::Identifier => &document["identifier"],
                Ids::Document => &document["documentId"],
                Ids::Dashboard => &document["dashboardId"],
            };
            house.dashboard(1, slug, id.as_str().unwrap());
        }
        for (tenant, environment) in TENANTS {
            house.tenant(tenant, environment, 1);
        }
        house
    }

    fn external(&self) {
        let own = "  requestsPerMinute: 600\n";
        let tables = "tenantTables: {tenants: {table: tenants, tenantColumn: id, columns: [tier]}}";
        let mapping = format!("{own}  mapping: {{management: External, {tables}}}\n");
        self.bench.edit("instance.yaml", own, &mapping);
    }

    fn dashboard(&self, version: i64, slug: &str, id: &str) {
        self.database.psql(&format!(
            "INSERT INTO dashboard_model (dashboard_id, model_version_id, dashboard_slug) VALUES ('{id}', {version}, '{slug}')"
        ));
    }

    fn tenant(&self, tenant: &str, environment: &str, version: i64) {
        self.database.psql(&format!(
            "INSERT INTO tenant_version (tenant_id, tenant_environment, model_version_id) VALUES ('{tenant}', '{environment}', {version})"
        ));
    }

    /// Every row of both tables, times included.
    fn rows(&self) -> String {
        self.database
            .psql("SELECT * FROM dashboard_model ORDER BY 2, 3; SELECT * FROM tenant_version ORDER BY 1, 2")
    }

    fn import(&self, words: &[&str]) -> Ran {
        import(&self.bench, &self.database.url, words)
    }

    fn out(&self, name: &str) -> PathBuf {
        self.bench.file(name)
    }

    #[track_caller]
    fn imported(&self, words: &[&str], out: &str, code: i32) -> Ran {
        let out = self.out(out);
        self.import(&[words, &["--out", out.to_str().unwrap()]].concat())
            .ended_with(code)
    }

    #[track_caller]
    fn apply(&self) -> Ran {
        self.bench.apply(&["--database-url", &self.database.url]).ended_with(0)
    }
}

fn command(bench: &Bench, database: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavepin"));
    command.arg("import").args(words).arg("-f").arg(bench.file(""));
    command.args(["--database-url", database]).stdin(Stdio::null());
    command
}

fn import(bench: &Bench, database: &str, words: &[&str]) -> Ran {
    run(&mut command(bench, database, words))
}

/// The files under a folder, with what they hold.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), text);
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_run_setup_is_taken_over_without_a_change() {
    let house = House::seeded(Ids::Dashboard).await;
    let rows = house.rows();
    let told = house.imported(&["versions"], "versions", 0);
    assert_eq!(
        told.stdout,
        "1 manifests: 1 written, 0 there already just so, 0 left as they are\n"
    );
    let versions = files(&house.out("versions"));
    let [(place, text)] = versions.iter().collect::<Vec<_>>()[..] else {
        panic!("{versions:?}")
    };
    assert_eq!(place, Path::new("clinical-v1.yaml"));
    assert!(
        text.contains("# wavepin import versions -f MANIFESTS --out FOLDER\n"),
        "{text}"
    );
    assert!(
        text.contains("modelId: 3fb59130-54fc-4848-832f-d22f61933485\n"),
        "{text}"
    );
    house.apply();
    assert_eq!(
        (house.rows(), house.bench.writes()),
        (rows.clone(), 0),
        "adopting changes nothing"
    );

    house.imported(&["pins"], "pins", 0);
    assert_eq!(files(&house.out("pins")).len(), TENANTS.len());
    for words in [&["--ledger-only"][..], &[]] {
        let words = [words, &["--database-url", &house.database.url]].concat();
        let planned = house.bench.look("plan", &words).ended_with(0);
        for nothing in [
            "ModelVersion/clinical-v1: nothing to do",
            "environment production: nothing to do now",
            "environment staging: nothing to do now",
            "environment EU West: nothing to do now",
        ] {
            assert!(planned.stdout.contains(nothing), "{nothing} in\n{}", planned.stdout);
        }
        let others = planned.stdout.lines().filter(|line| !line.contains("nothing to do"));
        let others: Vec<&str> = others.filter(|line| !line.starts_with("OmniInstance/")).collect();
        assert_eq!(others, Vec::<&str>::new(), "{}", planned.stdout);
    }
    let applied = house.apply();
    assert_eq!((house.rows(), house.bench.writes()), (rows, 0), "{}", applied.stdout);
    assert_eq!(house.database.psql("SELECT count(*) FROM wavepin.pin_event"), "0\n");
    assert_eq!(
        house.database.psql("SELECT count(*) FROM wavepin.claim"),
        "5\n",
        "each is pinned"
    );
    for (place, text) in files(&house.bench.file(""))
        .iter()
        .filter(|(place, _)| !place.ends_with("instance.yaml"))
    {
        for secret in [&house.database.url, "omni_osk", house.out("").to_str().unwrap()] {
            assert!(!text.contains(secret), "{} holds {secret}", place.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_changes_nothing_who_joins_moves_no_file_and_a_persons_word_stays() {
    let house = House::seeded(Ids::Identifier).await;
    house.imported(&["versions"], "versions", 0);
    house.imported(&["pins"], "pins", 0);
    let first = files(&house.bench.file(""));
    for (words, count) in [(["versions"], 1), (["pins"], 5)] {
        let told = house.imported(&words, words[0], 0);
        let same = format!("{count} manifests: 0 written, {count} there already just so, 0 left as they are\n");
        assert_eq!(told.stdout, same);
    }
    assert_eq!(files(&house.bench.file("")), first);

    house.tenant("aaa", "production", 1);
    let joined = house.imported(&["pins"], "pins", 0);
    assert!(
        joined.stdout.starts_with("6 manifests: 1 written, 5 there"),
        "{}",
        joined.stdout
    );
    let mut second = files(&house.bench.file(""));
    second.retain(|place, _| !first.contains_key(place));
    assert_eq!(second.len(), 1, "{second:?}");

    // The application moved one; a person has held another.
    house
        .database
        .psql("UPDATE tenant_version SET model_version_id = 1 WHERE tenant_id = 'yes'");
    let own = first
        .keys()
        .find(|place| place.to_string_lossy().contains("acme-corp.production"))
        .unwrap();
    let changed = format!("{}  hold: {{reason: quarter close}}\n", first[own]);
    std::fs::write(house.out("").join(own), &changed).unwrap();
    let told = house.imported(&["pins"], "pins", 3);
    assert!(
        told.stderr.contains("acme-corp.production.yaml says something else"),
        "{}",
        told.stderr
    );
    assert_eq!(std::fs::read_to_string(house.out("").join(own)).unwrap(), changed);
    house.imported(&["pins", "--force"], "pins", 0);
    assert_eq!(std::fs::read_to_string(house.out("").join(own)).unwrap(), first[own]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_version_is_told_by_whatever_id_the_rows_hold_and_each_call_takes_a_place() {
    let mut bodies = Vec::new();
    for ids in [Ids::Identifier, Ids::Document, Ids::Dashboard] {
        let house = House::seeded(ids).await;
        for more in [&["versions"][..], &["versions", "--folder", "clinical/v{version}"]] {
            let said = house.import(&[more, &["--out", "-"]].concat()).ended_with(0).stdout;
            let body: Vec<&str> = said.lines().filter(|line| !line.starts_with('#')).collect();
            bodies.push(body.join("\n"));
        }
        house.imported(&["versions"], "versions", 0);
        house.apply();
        // A process that ends just when a call was answered leaves that call's place to run out by itself.
        house.database.psql("UPDATE wavepin.budget_slot SET free_at = now()");
        let asked = house.bench.simulator.requests().len();
        house.import(&["versions", "--out", "-"]).ended_with(0);
        let asked = house.bench.simulator.requests().len() - asked;
        let places = "SELECT count(*) FROM wavepin.budget_slot WHERE free_at > now() + interval '20 s'";
        assert_eq!(house.database.psql(places), format!("{asked}\n"), "{ids:?}");
        assert!(asked > 5);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:#?}");
    for (slug, identifier) in SLUGS {
        assert!(
            bodies[0].contains(&format!("slug: {slug}\n")) && bodies[0].contains(identifier),
            "{}",
            bodies[0]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_is_named_and_not_guessed() {
    let house = House::seeded(Ids::Identifier).await;
    house.dashboard(2, "patient-summary", "feedbeef");
    house.dashboard(3, "patient-summary", "12db1a0a");
    house.dashboard(3, "dictionary", "9b7e4d20");
    house.dashboard(4, "Patient Summary", "12db1a0a");
    house.dashboard(5, "one", "12db1a0a");
    house.dashboard(5, "other", "12db1a0a");
    house.dashboard(6, "one", "12db1a0a");
    house.dashboard(6, "one", "5e07c1d2");
    house.dashboard(0, "one", "12db1a0a");
    house.tenant("initech", "production", 9);
    let renamed = json!({"action": "rename_document", "identifier": "c3d90e74", "new_identifier": "c0ffee00"});
    house.bench.simulator.play(&renamed).unwrap();
    house.dashboard(7, "review", "c3d90e74");
    house.database.psql(
        "UPDATE dashboard_model SET dashboard_id = 'c0ffee00' WHERE model_version_id = 1 AND dashboard_id = 'c3d90e74'",
    );
    let told = house.imported(&["versions"], "versions", 3);
    assert_eq!(files(&house.out("versions")).len(), 1, "{}", told.stderr);
    for line in [
        "version 2: patient-summary (feedbeef): Omni has no such document",
        "version 3: its dashboards are not in one folder of the organisation (patient-summary in clinical/v1, dictionary in reference)",
        "version 4: dashboard_slug \"Patient Summary\" is none that Wavepin takes",
        "version 5: one and other are one dashboard, 12db1a0a",
        "version 6: dashboard_slug \"one\" has two rows, with 12db1a0a and 5e07c1d2",
        "version 7: review (c3d90e74): Omni leads on to \"c0ffee00\", which has other ids",
        "version 9: 1 tenants are on it (\"initech\"), and dashboard_model has no row of it",
        "1 rows of dashboard_model have a model_version_id that is no version",
    ] {
        assert!(
            told.stderr.contains(&format!("left     {line}")),
            "{line} in\n{}",
            told.stderr
        );
    }
    let told = house.imported(&["pins"], "pins", 3);
    assert!(
        told.stderr
            .contains("1 tenants are on version 9, of which dashboard_model has no row"),
        "{}",
        told.stderr
    );
    assert_eq!(files(&house.out("pins")).len(), TENANTS.len(), "the others have theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_without_rows_are_found_by_what_models_and_folders_are_called() {
    let bench = Bench::clinical().await;
    bench.apply(&[]).ended_with(0);
    let house = House::of(bench);
    let words = [
        "versions",
        "--model",
        "clinical v{version}",
        "--folder",
        "clinical/v{version}",
        "--name",
        "by-hand-{version}",
    ];
    let told = house.imported(&words, "versions", 0);
    assert!(
        told.stderr
            .contains("note     version 2 has no rows yet: its slugs are made of"),
        "{}",
        told.stderr
    );
    let [text]: [String; 1] = files(&house.out("versions"))
        .into_values()
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert!(
        text.contains("name: by-hand-2\n") && text.contains("folderPath: clinical/v2\n"),
        "{text}"
    );
    for (slug, _) in SLUGS {
        assert!(text.contains(&format!("slug: {slug}\n")), "{text}");
    }
    let mut applied = house.bench.command(&["--database-url", &house.database.url]);
    run(&mut applied).ended_with(0);
    let rows = "SELECT count(*) FROM dashboard_model WHERE model_version_id = 2";
    assert_eq!(house.database.psql(rows), "5\n");

    let twin =
        json!({"action": "rename_model", "model": "3fb59130-54fc-4848-832f-d22f61933485", "name": "clinical v3"});
    house.bench.simulator.play(&twin).unwrap();
    let told = house.imported(&words, "versions", 3);
    assert!(
        told.stderr.contains("version 3: Omni has no folder \"clinical/v3\""),
        "{}",
        told.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_off_is_no_success() {
    let house = House::seeded(Ids::Identifier).await;
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let told = run(command(&house.bench, &house.database.url, &["pins", "--out", "-"]).stdout(full)).ended_with(1);
    assert!(told.stderr.contains("could not be written whole"), "{}", told.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_that_follow_bear_labels_and_leave_the_rows_as_they_are() {
    let house = House::seeded(Ids::Dashboard).await;
    house.imported(&["versions"], "versions", 0);
    house.apply();
    let rows = house.rows();
    let words = ["pins", "-e", "production", "--follow", "--labels-from", "tenants"];
    house.imported(&words, "pins", 0);
    let pins: Vec<String> = files(&house.out("pins")).into_values().collect();
    assert_eq!(pins.len(), 3);
    assert!(pins.iter().all(|pin| !pin.contains("version: ")), "{pins:?}");
    let tier = |tier: &str| {
        pins.iter()
            .filter(|pin| pin.contains(&format!("  labels:\n    tier: {tier}\n")))
            .count()
    };
    assert_eq!((tier("canary"), tier("late")), (1, 1));
    house.bench.write(
        "rollout.yaml",
        "apiVersion: wavepin.dev/v1alpha1
kind: VersionRollout
metadata: {name: production}
spec:
  instanceRef: {name: clinical}
  environment: production
  version: 1
  waves:
    - {name: canary, selector: {matchLabels: {tier: canary}}}
    - {name: rest}
",
    );
    let planned = house
        .bench
        .look("plan", &["--ledger-only", "--database-url", &house.database.url])
        .ended_with(0);
    assert!(
        planned.stdout.contains("environment production: nothing to do now"),
        "{}",
        planned.stdout
    );
    let applied = house.apply();
    assert!(applied.stdout.contains("3/3"), "{}", applied.stdout);
    assert_eq!((house.rows(), house.bench.writes()), (rows, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_thousand_rows_become_pins_that_change_nothing() {
    let bench = Bench::clinical().await;
    bench.apply(&[]).ended_with(0);
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) \
                INSERT INTO tenant_version (tenant_id, tenant_environment, model_version_id) \
                SELECT 'Tenant ' || i, 'bulk', 1 + i % 2 FROM n";
    bench.by_hand(many).await;
    let apply = bench.command(&[]);
    let database = apply
        .get_envs()
        .find(|(name, _)| *name == "WAVEPIN_DATABASE_URL")
        .unwrap()
        .1
        .unwrap();
    let database = database.to_str().unwrap().to_owned();
    let out = bench.file("imported");
    let words = ["pins", "--out", out.to_str().unwrap()];
    let told = import(&bench, &database, &words).ended_with(0);
    // The six pins of the example have names of their own.
    assert!(
        told.stdout.starts_with("12000 manifests: 12000 written"),
        "{}",
        told.stdout
    );
    assert!(
        told.stderr
            .contains("are pinned already, as by TenantPin acme-corp-production"),
        "{}",
        told.stderr
    );
    let folders = std::fs::read_dir(out.join("bulk"))
        .unwrap()
        .map(|it| it.unwrap().path());
    let counts: Vec<usize> = folders
        .map(|folder| std::fs::read_dir(folder).unwrap().count())
        .collect();
    assert!(
        counts.len() == 16 && counts.iter().all(|count| *count <= 1000),
        "{counts:?}"
    );
    let told = import(&bench, &database, &words).ended_with(0);
    assert!(
        told.stdout.starts_with("12000 manifests: 0 written, 12000 there"),
        "{}",
        told.stdout
    );
    let planned = bench.look("plan", &["--ledger-only", "-o", "json"]).ended_with(0);
    let planned: Value = serde_json::from_str(&planned.stdout).unwrap();
    let environments = planned["environments"].as_array().unwrap();
    let bulk = environments
        .iter()
        .find(|it| it["environment"] == "bulk")
        .unwrap_or_else(|| panic!("{}", planned["environments"]));
    assert_eq!(bulk["moves"], json!([]), "{}", bulk["moves"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_cannot_be_read_are_told_with_what_to_do() {
    let house = House::empty().await;
    house.database.psql(TABLES);
    let out = house.out("out");
    let words = |what| [what, "--out", out.to_str().unwrap()];
    for what in ["versions", "pins"] {
        // Tables that Wavepin did not make, and is not told to use.
        let told = house.import(&words(what)).ended_with(1).stderr;
        assert!(told.contains("management: External"), "{told}");
        // Nobody is there.
        let closed = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let away = format!("postgres://wavepin:hidden@{closed}/app");
        let told = import(&house.bench, &away, &words(what)).ended_with(1).stderr;
        assert!(told.contains("cannot be reached") && !told.contains("hidden"), "{told}");
        // No database at all.
        let told = import(
            &house.bench,
            &format!("sqlite:{}", house.bench.file("instance.yaml").display()),
            &words(what),
        );
        assert!(told.ended_with(1).stderr.contains("not a database"));
    }
    house.external();
    for (words, told) in [
        (
            vec!["-e", "test"],
            "no row of tenant_version is of environment \"test\"; there are: none",
        ),
        (
            vec!["--labels-from", "people"],
            "has no \"people\" in spec.mapping.tenantTables",
        ),
        (vec!["--folders", "17"], "possible values: 1, 16, 256"),
    ] {
        let said = house.imported(&[&["pins"], &words[..]].concat(), "out", 2);
        assert!(said.stderr.contains(told), "{told}: {}", said.stderr);
    }
    let said = house.imported(&["versions", "--model", "clinical v{version}"], "out", 2);
    assert!(said.stderr.contains("--folder"), "{}", said.stderr);
    let said = house.imported(&["versions", "--name", "clinical"], "out", 2);
    assert!(said.stderr.contains("must have {version} in it"), "{}", said.stderr);
    for (what, told) in [
        ("versions", "dashboard_model has no row; --model and --folder"),
        ("pins", "tenant_version has no row"),
    ] {
        let said = house.imported(&[what], "out", 0);
        assert!(said.stderr.contains(told), "{}", said.stderr);
    }
    let said = house.imported(&["versions", "--name", "../{version}"], "out", 2);
    assert!(said.stderr.contains("makes no name of an object"), "{}", said.stderr);
    house.database.psql("DROP TABLE tenants");
    house.tenant("acme", "production", 1);
    let said = house.imported(&["pins", "--labels-from", "tenants"], "out", 2);
    assert!(
        said.stderr.contains("tenants, which labels tenants, cannot be used"),
        "{}",
        said.stderr
    );
    house.database.psql("ALTER TABLE tenant_version DROP COLUMN updated_at");
    let said = house.imported(&["pins"], "out", 1);
    assert!(
        said.stderr.contains("tenant_version has no column updated_at"),
        "{}",
        said.stderr
    );
    assert!(!out.exists(), "nothing was written");
}
