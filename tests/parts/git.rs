//! A Git server: `git http-backend` behind TLS and `sshd`, both on the loopback, over the same repositories.

use std::io::Read as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::family::{Family, Member};
use super::git_https::Https;
use super::program::{self, Output};

/// How long the servers may take to greet. They take half a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Both ways to the repositories, with what opens them.
#[derive(Debug)]
pub(crate) struct GitServer {
    family: Family,
    git: PathBuf,
    https: Https,
    sshd: Sshd,
}

#[derive(Debug)]
struct Sshd {
    _process: Member,
    /// Where it takes `GIT_PROTOCOL`, as hosts of repositories do.
    port: u16,
    /// Where it does not, as Debian's own settings have it.
    old_port: u16,
    /// Whom to log in as.
    user: String,
    /// The private keys: of the user, and one that nobody knows.
    key: String,
    other_key: String,
    /// The public keys: of the server, and another.
    host_key: String,
    other_host_key: String,
}

impl GitServer {
    /// The server of all tests of this binary, started by the first that asks.
    #[track_caller]
    pub(crate) fn shared() -> &'static GitServer {
        static SHARED: OnceLock<Result<GitServer, String>> = OnceLock::new();
        match SHARED.get_or_init(GitServer::start) {
            Ok(server) => server,
            Err(why) => panic!("the tests have no Git server: {why}"),
        }
    }

    fn start() -> Result<GitServer, String> {
        let git = program::find("git")?;
        let family = Family::new("git")?;
        let mut tries = 3;
        let sshd = loop {
            tries -= 1;
            match Sshd::start(&family) {
                // Somebody took a port between our look and the server's use of it.
                Err(why) if tries > 0 && why.contains("Address already in use") => {}
                end => break end?,
            }
        };
        let https = Https::start(&git, family.home())?;
        Ok(GitServer {
            family,
            git,
            https,
            sshd,
        })
    }

    /// A fresh repository with nothing in it, which offers partial clones.
    #[track_caller]
    pub(crate) fn repository(&self, name: &str) -> Repository {
        let name = format!("{name}-{}.git", &Uuid::new_v4().simple().to_string()[..8]);
        let path = self.family.home().join(&name);
        let mut init = Command::new(&self.git);
        init.args(["init", "--quiet", "--bare", "--initial-branch=main"])
            .arg(&path);
        Output::of(&mut init, "").expect("git is there").success();
        let repository = Repository { name, path };
        repository.git(&["config", "uploadpack.allowFilter", "true"]);
        repository
    }

    /// The authority that vouches for the HTTPS server, in PEM.
    pub(crate) fn authority(&self) -> &str {
        &self.https.authority
    }

    /// The token that opens every repository.
    pub(crate) fn token(&self) -> &str {
        &self.https.token
    }

    /// The HTTPS server itself.
    pub(crate) fn https(&self) -> &Https {
        &self.https
    }

    /// The private key that opens every repository, and one that opens none.
    pub(crate) fn keys(&self) -> (&str, &str) {
        (&self.sshd.key, &self.sshd.other_key)
    }

    /// Known hosts with the server's key, and with another in its place.
    pub(crate) fn known_hosts(&self) -> (String, String) {
        let list = |key: &str| {
            let line = |port| format!("[127.0.0.1]:{port} {key}\n");
            line(self.sshd.port) + &line(self.sshd.old_port)
        };
        (list(&self.sshd.host_key), list(&self.sshd.other_host_key))
    }
}

impl Sshd {
    fn start(family: &Family) -> Result<Sshd, String> {
        let sshd = program::find("sshd")?;
        let home = family.home().join(format!("sshd-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&home).map_err(|source| format!("{}: {source}", home.display()))?;
        let mut keys = Vec::new();
        for name in ["host", "other-host", "user", "other-user"] {
            keys.push(generate_key(&home.join(name))?);
        }
        let [host, other_host, user, other_user] = keys.try_into().map_err(|_| "four keys were made")?;
        let (port, old_port) = (program::free_port()?, program::free_port()?);
        let config = home.join("sshd_config");
        let text = format!(
            "Port {port}\nPort {old_port}\nListenAddress 127.0.0.1\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             HostKey {home}/host\nAuthorizedKeysFile {home}/user.pub\nMatch LocalPort {port}\nAcceptEnv GIT_PROTOCOL\n",
            home = home.display()
        );
        std::fs::write(&config, text).map_err(|source| format!("{}: {source}", config.display()))?;
        // A package's own service makes it; run by root, sshd does not start without.
        if is_root() {
            std::fs::create_dir_all("/run/sshd").map_err(|source| format!("/run/sshd: {source}"))?;
        }
        let process = family.spawn("sshd", Command::new(sshd).args(["-D", "-e", "-f"]).arg(&config))?;
        let mut server = Sshd {
            _process: process,
            port,
            old_port,
            user: Output::of(Command::new("id").arg("-un"), "")?.stdout.trim().to_owned(),
            key: user.0,
            other_key: other_user.0,
            host_key: host.1,
            other_host_key: other_host.1,
        };
        server.wait_until_ready(family)?;
        Ok(server)
    }

    fn wait_until_ready(&mut self, family: &Family) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        for port in [self.port, self.old_port] {
            while !greets(port) {
                if let Some(status) = self._process.ended() {
                    return Err(format!("sshd ended with {status}:\n{}", family.last_words("sshd")));
                }
                if Instant::now() > deadline {
                    let log = family.last_words("sshd");
                    return Err(format!(
                        "it does not greet after {PATIENCE:?}. Its log ends with:\n{log}"
                    ));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }
}

fn greets(port: u16) -> bool {
    let mut greeting = [0; 4];
    TcpStream::connect(("127.0.0.1", port)).is_ok_and(|mut stream| {
        let read = stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.read_exact(&mut greeting));
        read.is_ok() && &greeting == b"SSH-"
    })
}

fn is_root() -> bool {
    Output::of(Command::new("id").arg("-u"), "").is_ok_and(|id| id.stdout.trim() == "0")
}

/// The private and the public key that are made at this path.
fn generate_key(path: &Path) -> Result<(String, String), String> {
    let mut command = Command::new(program::find("ssh-keygen")?);
    let made = Output::of(command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path), "")?;
    if !made.status.success() {
        return Err(made.to_string());
    }
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|source| format!("{}: {source}", path.display()));
    let public = read(&path.with_extension("pub"))?;
    // Without the comment, which names user and machine.
    let public = public.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Ok((read(path)?, public.trim().to_owned()))
}

/// A bare repository of one test, gone with the server.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    /// The last part of its address.
    pub(crate) name: String,
    path: PathBuf,
}

impl Repository {
    /// Where it is on this machine.
    pub(crate) fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// Its address over HTTPS.
    pub(crate) fn https(&self) -> String {
        format!("https://localhost:{}/{}", GitServer::shared().https.port, self.name)
    }

    /// Its address over HTTPS, where the server knows protocol 0 alone.
    pub(crate) fn old_https(&self) -> String {
        format!("https://localhost:{}/old/{}", GitServer::shared().https.port, self.name)
    }

    /// Its address over SSH, where the server takes protocol 2.
    pub(crate) fn ssh(&self) -> String {
        self.ssh_at(GitServer::shared().sshd.port)
    }

    /// Its address over SSH, where the server knows protocol 0 alone.
    pub(crate) fn old_ssh(&self) -> String {
        self.ssh_at(GitServer::shared().sshd.old_port)
    }

    fn ssh_at(&self, port: u16) -> String {
        let user = &GitServer::shared().sshd.user;
        format!("ssh://{user}@127.0.0.1:{port}{}", self.path.display())
    }

    /// What `git` prints in it. Fails the test where git fails.
    #[track_caller]
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.git_stdin(arguments, "")
    }

    /// Likewise, with a standard input.
    #[track_caller]
    pub(crate) fn git_stdin(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(&GitServer::shared().git);
        command.arg("-C").arg(&self.path).args(arguments);
        let output = Output::of(&mut command, input).expect("git is there").success();
        output.trim_end().to_owned()
    }

    /// Commits changes to a branch, as another committer would: lines of `git fast-import`, made by [`file`] and others.
    /// Returns the commit's id.
    #[track_caller]
    pub(crate) fn commit(&self, branch: &str, message: &str, changes: &[String]) -> String {
        let there = self.git(&["for-each-ref", &format!("refs/heads/{branch}")]);
        let from = if there.is_empty() {
            String::new()
        } else {
            format!("from refs/heads/{branch}^0\n")
        };
        let commit = format!(
            "commit refs/heads/{branch}\ncommitter Another <another@example.com> 1700000000 +0000\ndata {}\n{message}\n{from}{}\n",
            message.len(),
            changes.concat()
        );
        self.git_stdin(&["fast-import", "--quiet"], &commit);
        self.git(&["rev-parse", branch])
    }

    /// Puts a hook in place.
    pub(crate) fn hook(&self, name: &str, script: &str) {
        let path = self.path.join("hooks").join(name);
        std::fs::create_dir_all(self.path.join("hooks")).expect("the repository can be written to");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("the repository can be written to");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .expect("the repository can be written to");
    }
}

/// A file with this text.
pub(crate) fn file(path: &str, text: &str) -> String {
    format!("M 100644 inline {path}\ndata {}\n{text}\n", text.len())
}

/// A symbolic link.
pub(crate) fn link(path: &str, to: &str) -> String {
    format!("M 120000 inline {path}\ndata {}\n{to}\n", to.len())
}

/// A submodule.
pub(crate) fn submodule(path: &str) -> String {
    format!("M 160000 {} {path}\n", "1".repeat(40))
}

/// A path that is taken away.
pub(crate) fn gone(path: &str) -> String {
    format!("D {path}\n")
}
