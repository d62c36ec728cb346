//! A folder of manifests, an organisation in memory and a SQLite file, for `wavepin apply` to work on.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Row as _};
use tempfile::TempDir;
use wavepin::simulator::{DEFAULT_API_KEY, SimulatorOptions};

use crate::contract::check::Held;

/// The seed's look-up, word for word.
pub(super) const LOOK_UP: &str = "SELECT dm.dashboard_id
FROM tenant_version tv
JOIN dashboard_model dm
ON dm.model_version_id = tv.model_version_id
AND dm.dashboard_slug = 'patient-summary'
WHERE tv.tenant_id = 'acme-corp'
AND tv.tenant_environment = 'production';";

/// How a run of the program ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ran {
    /// Fails the test, with all that was said, unless the program ended with this code.
    #[track_caller]
    pub(super) fn ended_with(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

pub(super) struct Bench {
    /// Every exchange with it is held to Omni's contract.
    pub(super) simulator: Held,
    home: TempDir,
}

impl Bench {
    /// With the files of `examples/clinical`, led to the simulator.
    pub(super) async fn clinical() -> Self {
        Self::clinical_of(SimulatorOptions::default()).await
    }

    /// Likewise, of an organisation that is as these options say.
    pub(super) async fn clinical_of(options: SimulatorOptions) -> Self {
        let bench = Self::empty(options).await;
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clinical");
        for entry in std::fs::read_dir(example).expect("the example folder is there") {
            let path = entry.expect("its entries can be listed").path();
            let text = std::fs::read_to_string(&path).expect("its files are text");
            let led = text.replace("http://127.0.0.1:4000", bench.simulator.base_url());
            bench.write(
                path.file_name()
                    .expect("file names are text")
                    .to_str()
                    .expect("file names are text"),
                &led,
            );
        }
        bench
    }

    async fn empty(options: SimulatorOptions) -> Self {
        let home = tempfile::tempdir().expect("there is room for a folder");
        std::fs::create_dir(home.path().join("manifests")).expect("there is room for a folder");
        Self {
            simulator: Held::start(options).await.expect("the loopback has a free port"),
            home,
        }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join("manifests").join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).expect("the folder can be written to");
    }

    /// Changes a file; the text must be there once at least.
    #[track_caller]
    pub(super) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.file(name)).expect("the file was written before");
        assert!(text.contains(from), "{name} has no {from:?}");
        self.write(name, &text.replace(from, to));
    }

    /// Changes one pin of `pins.yaml`: lines of its spec from the version on.
    #[track_caller]
    pub(super) fn edit_pin(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.file("pins.yaml")).expect("the file was written before");
        let parts: Vec<String> = text
            .split("\n---\n")
            .map(|part| {
                let named = part.lines().any(|line| line == format!("  name: {name}"));
                if named { part.replace(from, to) } else { part.to_owned() }
            })
            .collect();
        let changed = parts.join("\n---\n");
        assert_ne!(changed, text, "pin {name} has no {from:?}");
        self.write("pins.yaml", &changed);
    }

    /// `wavepin apply` on the folder, ready to be started.
    pub(super) fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wavepin"));
        command.arg("apply").arg("-f").arg(self.file(""));
        command.args(["--budget-window", "1s"]).args(more);
        command.env("WAVEPIN_DATABASE_URL", format!("sqlite:{}", self.database().display()));
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command that only looks at the folder.
    #[track_caller]
    pub(super) fn look(&self, command: &str, more: &[&str]) -> Ran {
        let apply = self.command(&[]);
        let mut asked = Command::new(apply.get_program());
        asked.arg(command).arg("-f").arg(self.file("")).args(more);
        asked.envs(apply.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run(&mut asked)
    }

    /// Runs `wavepin rollback` on the mapping, which it needs alone.
    #[track_caller]
    pub(super) fn rollback(&self, args: &[&str]) -> Ran {
        let apply = self.command(&[]);
        let mut rollback = Command::new(apply.get_program());
        rollback.args([
            "rollback",
            "-e",
            "production",
            "--by",
            "anna",
            "--reason",
            "numbers are off",
        ]);
        rollback.args(args).stdin(Stdio::null());
        rollback.envs(apply.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run(&mut rollback)
    }

    /// Runs `wavepin apply` to its end, with everything logged; the key is told nowhere.
    #[track_caller]
    pub(super) fn apply(&self, more: &[&str]) -> Ran {
        let ran = run(self.command(more).env("WAVEPIN_LOG", "trace"));
        for said in [&ran.stdout, &ran.stderr] {
            let line = said.lines().find(|line| line.contains(DEFAULT_API_KEY));
            assert_eq!(line, None, "the key is told");
        }
        ran
    }

    fn database(&self) -> PathBuf {
        self.home.path().join("mapping.sqlite")
    }

    pub(super) fn has_database(&self) -> bool {
        self.database().exists()
    }

    /// Asks the mapping as an application does, without Wavepin. Columns are joined with `|`.
    pub(super) async fn ask(&self, query: &str) -> Vec<String> {
        let options = SqliteConnectOptions::new().filename(self.database()).read_only(true);
        let pool: SqlitePool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .expect("the mapping can be opened");
        let rows = sqlx::query(AssertSqlSafe(query.to_owned()))
            .fetch_all(&pool)
            .await
            .expect("the mapping can be asked");
        let text = |row: &sqlx::sqlite::SqliteRow, column: usize| {
            let number = |_| {
                row.get::<Option<i64>, _>(column)
                    .map_or_else(String::new, |n| n.to_string())
            };
            row.try_get::<String, _>(column).unwrap_or_else(number)
        };
        let line = |row: &sqlx::sqlite::SqliteRow| {
            let cells: Vec<String> = (0..row.len()).map(|column| text(row, column)).collect();
            cells.join("|")
        };
        let lines = rows.iter().map(line).collect();
        pool.close().await;
        lines
    }

    /// Changes the mapping as another hand would.
    pub(super) async fn ask_to(&self, change: &str) {
        let options = SqliteConnectOptions::new().filename(self.database());
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        let pool: SqlitePool = pool.expect("the mapping can be opened");
        let changed = sqlx::query(AssertSqlSafe(change.to_owned())).execute(&pool).await;
        changed.expect("the mapping can be changed");
        pool.close().await;
    }

    /// The seed's look-up for another tenant and environment.
    pub(super) async fn look_up(&self, tenant: &str, environment: &str) -> String {
        let query = LOOK_UP.replace("acme-corp", tenant).replace("production", environment);
        let [identifier] = self.ask(&query).await.try_into().expect("one row answers the look-up");
        identifier
    }

    /// `tenant|environment|version` of every row.
    pub(super) async fn rows(&self) -> Vec<String> {
        let query = "SELECT tenant_id, tenant_environment, model_version_id FROM tenant_version ORDER BY 1, 2";
        self.ask(query).await
    }

    /// Everything that the mapping holds, but for the fence, which each process raises.
    pub(super) async fn contents(&self) -> Vec<String> {
        let mut all = Vec::new();
        for table in [
            "dashboard_model",
            "tenant_version",
            "wavepin_model_version",
            "wavepin_dashboard",
            "wavepin_intent",
        ]
        .iter()
        .chain(&["wavepin_claim", "wavepin_pin_event"])
        {
            all.extend(self.ask(&format!("SELECT * FROM {table} ORDER BY 1, 2, 3")).await);
        }
        all
    }

    /// How many requests to Omni there were that could have changed something.
    pub(super) fn writes(&self) -> usize {
        self.simulator
            .requests()
            .iter()
            .filter(|request| request.method != "GET")
            .count()
    }
}

/// Runs a program to its end.
pub(super) fn run(command: &mut Command) -> Ran {
    let output = tokio::task::block_in_place(|| command.output()).expect("the program can be run");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
