//! A PostgreSQL server on the loopback, or the one that `DATABASE_URL` names.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use url::Url;
use uuid::Uuid;

use super::family::{Family, Member};
use super::program::{self, Output};

/// How long the server may take to answer its first query. It takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A real PostgreSQL, with a superuser's rights.
#[derive(Debug)]
pub(crate) struct Postgres {
    /// Of a database that always exists, as a user who may create others.
    url: Url,
    psql: PathBuf,
    /// Nothing when the server is the user's own.
    _server: Option<Server>,
}

/// The server that we started. The process first, so that it is reaped before its watchdog is waited for.
#[derive(Debug)]
struct Server {
    process: Member,
    family: Family,
}

impl Postgres {
    /// The server of all tests of this binary, started by the first that asks.
    #[track_caller]
    pub(crate) fn shared() -> &'static Postgres {
        static SHARED: OnceLock<Result<Postgres, String>> = OnceLock::new();
        match SHARED.get_or_init(Postgres::start) {
            Ok(postgres) => postgres,
            Err(why) => panic!("the tests have no PostgreSQL: {why}"),
        }
    }

    fn start() -> Result<Postgres, String> {
        if let Ok(url) = std::env::var("DATABASE_URL") {
            let url = Url::parse(&url).map_err(|source| format!("DATABASE_URL is no URL: {source}"))?;
            return Ok(Postgres {
                url,
                psql: program::find("psql")?,
                _server: None,
            });
        }
        let mut tries = 3;
        loop {
            tries -= 1;
            match Postgres::try_start() {
                // Somebody took the port between our look and the server's use of it.
                Err(why) if tries > 0 && why.contains("Address already in use") => {}
                end => return end,
            }
        }
    }

    fn try_start() -> Result<Postgres, String> {
        let psql = program::find("psql")?;
        let family = Family::new("postgres")?;
        let account = Account::owning(family.home())?;
        let password = Uuid::new_v4().simple().to_string();
        let password_file = family.home().join("password");
        std::fs::write(&password_file, &password).map_err(|source| format!("{}: {source}", password_file.display()))?;
        account.give(&password_file)?;

        let mut initdb = account.command("initdb", family.home())?;
        initdb.args([
            "--pgdata=data",
            "--username=postgres",
            "--auth=scram-sha-256",
            "--pwfile=password",
        ]);
        let initdb = Output::of(
            initdb.args(["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]),
            "",
        )?;
        if !initdb.status.success() {
            return Err(initdb.to_string());
        }
        let port = program::free_port()?;
        let mut server = account.command("postgres", family.home())?;
        server.args([
            "-D",
            "data",
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
        ]);
        // Nothing needs to outlive the machine; every test has connections of its own.
        server.args([
            "-c",
            "fsync=off",
            "-c",
            "full_page_writes=off",
            "-c",
            "max_connections=300",
        ]);
        let process = family.spawn("postgres", server.arg("-c").arg(format!("port={port}")))?;

        let url = format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres");
        let url = Url::parse(&url).map_err(|source| format!("{url}: {source}"))?;
        let mut server = Server { process, family };
        server.wait_until_ready(&psql, &url)?;
        Ok(Postgres {
            url,
            psql,
            _server: Some(server),
        })
    }

    /// A fresh and empty database, its name starting with the prefix (letters, digits, `_`).
    #[track_caller]
    pub(crate) fn database(&self, prefix: &str) -> Database {
        self.database_like(None, prefix)
    }

    /// Likewise, with all that another has, if one is named; nobody may be connected to that.
    #[track_caller]
    pub(crate) fn database_like(&self, other: Option<&Database>, prefix: &str) -> Database {
        let from = other.map_or_else(String::new, |other| format!(r#"TEMPLATE "{}""#, other.name));
        let name = format!("{prefix}_{}", &Uuid::new_v4().simple().to_string()[..8]);
        run(
            &self.psql,
            self.url.as_str(),
            &format!(r#"CREATE DATABASE "{name}" {from}"#),
        )
        .success();
        let mut url = self.url.clone();
        url.set_path(&name);
        Database {
            url: url.into(),
            name,
            psql: self.psql.clone(),
            server: self.url.to_string(),
        }
    }
}

impl Server {
    fn wait_until_ready(&mut self, psql: &Path, url: &Url) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.ended() {
                return Err(format!(
                    "postgres ended with {status}:\n{}",
                    self.family.last_words("postgres")
                ));
            }
            let answer = run(psql, url.as_str(), "SELECT 1");
            if answer.status.success() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let log = self.family.last_words("postgres");
                return Err(format!(
                    "it does not answer after {PATIENCE:?}: {answer}\nIts log ends with:\n{log}"
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A database of one test, dropped with it.
#[derive(Debug)]
pub(crate) struct Database {
    /// With user and password.
    pub(crate) url: String,
    pub(crate) name: String,
    psql: PathBuf,
    server: String,
}

impl Database {
    /// What `psql` prints for the statements: a row a line, columns parted by `|`, no header.
    /// Fails the test when one is refused.
    #[track_caller]
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.try_psql(sql).success()
    }

    /// Likewise, whatever comes of it.
    pub(crate) fn try_psql(&self, sql: &str) -> Output {
        run(&self.psql, &self.url, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // It matters on a server that the user keeps. One that went away first needs no dropping.
        run(
            &self.psql,
            &self.server,
            &format!(r#"DROP DATABASE "{}" WITH (FORCE)"#, self.name),
        );
    }
}

fn run(psql: &Path, url: &str, sql: &str) -> Output {
    // No start-up file; quiet, unaligned, rows only; the first error ends it.
    let mut command = Command::new(psql);
    command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", "-"]);
    Output::of(&mut command, sql).expect("psql was found, so it starts")
}

/// Whom PostgreSQL runs as: it refuses root.
#[derive(Debug)]
struct Account(Option<(u32, u32)>);

impl Account {
    /// Us, or for root the user `postgres`, else `nobody`, who then gets the folder.
    fn owning(home: &Path) -> Result<Account, String> {
        use std::os::unix::fs::MetadataExt as _;
        let owner = home
            .metadata()
            .map_err(|source| format!("{}: {source}", home.display()))?
            .uid();
        if owner != 0 {
            return Ok(Account(None));
        }
        let ids = ["postgres", "nobody"]
            .iter()
            .find_map(|name| Some((id("-u", name)?, id("-g", name)?)));
        let ids = ids.ok_or("PostgreSQL refuses root, and there is neither a user `postgres` nor `nobody`")?;
        let account = Account(Some(ids));
        account.give(home)?;
        Ok(account)
    }

    fn give(&self, path: &Path) -> Result<(), String> {
        let Some((user, group)) = self.0 else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user), Some(group))
            .map_err(|source| format!("{}: {source}", path.display()))
    }

    fn command(&self, name: &str, home: &Path) -> Result<Command, String> {
        let mut command = Command::new(program::find(name)?);
        // Without the user's `PG…`, which initdb and postgres would heed.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command.current_dir(home);
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        Ok(command)
    }
}

fn id(what: &str, name: &str) -> Option<u32> {
    Output::of(Command::new("id").args([what, name]), "")
        .ok()?
        .stdout
        .trim()
        .parse()
        .ok()
}
