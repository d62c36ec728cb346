//! Processes that end with the test binary, however it ends.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

/// Reads the members' process ids until its input ends: that is when the test binary is gone, or drops the
/// family. Then it ends its whole process group and removes the folder `$1`.
///
/// SIGQUIT is the quickest end that still lets PostgreSQL give its shared memory back; who is left after
/// five seconds is killed, and so is this script, last of all.
const WATCHDOG: &str = r#"
trap '' QUIT TERM INT HUP
members=
while read -r member; do members="$members $member"; done
kill -QUIT 0
tries=0
for member in $members; do
  while kill -0 "$member" 2>/dev/null && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.05; done
done
while ! rm -rf "$1" 2>/dev/null && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.05; done
kill -KILL 0
"#;

/// A process group with a temporary folder. Statics are never dropped and a killed test binary drops
/// nothing, so a watchdog, the group's leader, holds the other end of a pipe and ends them all when it closes.
#[derive(Debug)]
pub(crate) struct Family {
    home: PathBuf,
    watchdog: Child,
    /// Takes the members' process ids, a line each; gone once the family is dropped.
    pipe: Mutex<Option<ChildStdin>>,
}

impl Family {
    /// An empty family with a fresh folder in the system's temporary one.
    pub(crate) fn new(name: &str) -> Result<Family, String> {
        let fails = |source: std::io::Error| format!("the processes of {name} cannot be watched over: {source}");
        let home = tempfile::Builder::new()
            .prefix(&format!("wavepin-{name}-"))
            .tempdir()
            .map_err(fails)?;
        let mut watchdog = Command::new("sh");
        watchdog.args(["-c", WATCHDOG, "watchdog"]).arg(home.path());
        watchdog
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut watchdog = watchdog.spawn().map_err(fails)?;
        let pipe = Mutex::new(watchdog.stdin.take());
        // From here on the watchdog removes the folder.
        Ok(Family {
            home: home.keep(),
            watchdog,
            pipe,
        })
    }

    /// The folder of the family, removed with it.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// The log of the member `name`.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.home.join(format!("{name}.log"))
    }

    /// Starts the command as a member: no input, and all it prints added to its [`log`](Family::log).
    pub(crate) fn spawn(&self, name: &str, command: &mut Command) -> Result<Member, String> {
        let fails = |source: std::io::Error| format!("{name} does not start: {source}");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(name))
            .map_err(fails)?;
        let also_log = log.try_clone().map_err(fails)?;
        command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(also_log)
            .process_group(self.group());
        let child = command.spawn().map_err(fails)?;
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = pipe.as_mut().expect("the pipe is open until the family is dropped");
        writeln!(pipe, "{}", child.id()).map_err(fails)?;
        Ok(Member(child))
    }

    /// The last lines of a member's log, for messages.
    pub(crate) fn last_words(&self, name: &str) -> String {
        let log = std::fs::read(self.log(name)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    fn group(&self) -> i32 {
        i32::try_from(self.watchdog.id()).expect("process ids are positive 32-bit integers")
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        drop(self.pipe.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        // Fails only when the watchdog was reaped already, and then there is nothing to wait for.
        let _ = self.watchdog.wait();
    }
}

/// A running process of a [`Family`]; killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Member(Child);

impl Member {
    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, nothing while it runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0
            .try_wait()
            .expect("a process that we started and that nobody else reaps can be waited for")
    }

    /// Asks it to end (SIGTERM), as Kubernetes asks a container, and waits until it did.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.0
            .wait()
            .expect("a process that we started and that nobody else reaps can be waited for")
    }

    /// Sends it a signal by its name: `STOP` freezes it where it stands, as a node does that swaps or a hypervisor that
    /// moves it, and `CONT` lets it go on.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &self.id().to_string()])
            .status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "process {} cannot be signalled",
            self.id()
        );
    }
}

impl Drop for Member {
    /// SIGKILL: no chance to clean up, as when a node dies.
    fn drop(&mut self) {
        // Both fail only when it ended already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
