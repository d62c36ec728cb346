//! Programs of `tools/bin`, and what one printed.

use std::ffi::OsStr;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Where `tools/get` puts the programs.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/bin")
}

/// The program `name` that `tools/get` got, links followed: PostgreSQL looks for its other files next to
/// itself, and a user who may not read this checkout may read the place that it links to.
///
/// # Errors
/// How to get it, when it is not there.
pub(crate) fn find(name: &str) -> Result<PathBuf, String> {
    let path = folder().join(name);
    path.canonicalize().map_err(|source| {
        format!(
            "{} is missing ({source}): run `tools/get` or `make test`",
            path.display()
        )
    })
}

/// A program or folder that `tools/get-gitops` got. Links are not followed: Redis is several programs in one file and
/// goes by the name that it is called.
///
/// # Errors
/// How to get it, when it is not there.
pub(crate) fn gitops_tool(name: &str) -> Result<PathBuf, String> {
    let path = folder().join(name);
    if path.exists() {
        return Ok(path);
    }
    Err(format!(
        "{} is missing: run `tools/get-gitops` or `make test-gitops`",
        path.display()
    ))
}

/// A port of the loopback that was free a moment ago. Another process may take it before its user does:
/// who starts a server with it tries again with another.
pub(crate) fn free_port() -> Result<u16, String> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| format!("the loopback has no free port: {source}"))
}

/// What a program that has ended printed.
#[derive(Debug)]
pub(crate) struct Output {
    /// The command line, for messages.
    pub(crate) command: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Runs the command to its end, with `input` as its standard input.
    pub(crate) fn of(command: &mut Command, input: &str) -> Result<Output, String> {
        let line = command_line(command);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|source| format!("`{line}` does not start: {source}"))?;
        let mut stdin = child.stdin.take().expect("stdin was asked for as a pipe");
        let output = std::thread::scope(|scope| {
            // Beside the reading: either side may fill its pipe first. A program that reads none of its
            // input is no fault of this kind; its exit status tells.
            scope.spawn(move || stdin.write_all(input.as_bytes()));
            child.wait_with_output()
        });
        let output = output.map_err(|source| format!("`{line}` gives no output: {source}"))?;
        Ok(Output {
            command: line,
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// What it printed; fails the test with all of it when it did not succeed.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert!(self.status.success(), "expected success of {self}");
        self.stdout
    }

    /// What it said on standard error; fails the test when it succeeded.
    #[track_caller]
    pub(crate) fn failure(self) -> String {
        assert!(!self.status.success(), "expected a failure of {self}");
        self.stderr
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Output {
            command,
            status,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "`{command}`, which ended with {status}\nstdout: {stdout}\nstderr: {stderr}"
        )
    }
}

/// Program and arguments, without the folder and without a URL's password.
fn command_line(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let words = std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy);
    words.map(|word| without_password(&word)).collect::<Vec<_>>().join(" ")
}

fn without_password(word: &str) -> String {
    let Ok(mut url) = url::Url::parse(word) else {
        return word.to_owned();
    };
    if url.password().is_none() || url.set_password(Some("xxx")).is_err() {
        return word.to_owned();
    }
    url.into()
}
