//! Git over SSH (gitprotocol-pack, "SSH transport"): the services are programs that are started by name.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, AuthResult, Handle, Handler};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, decode_secret_key};
use russh::{Channel, ChannelMsg, Preferred};
use secrecy::{ExposeSecret, SecretString};

use super::answer::{Kind, unreachable, words};
use super::http::Bounds;
use super::known_hosts::KnownHost;
use super::line::{End, Service};
use super::pack::too_large;
use super::pkt_line::end_of_message;

/// The most that is kept of what a server says beside its answer, in bytes.
const SAID: usize = 16 * 1024;

/// What it takes to log in.
#[derive(Clone)]
pub(super) struct SshLogin {
    pub(super) user: String,
    pub(super) host: String,
    pub(super) port: u16,
    /// Of the repository.
    pub(super) path: String,
    pub(super) key: Arc<PrivateKey>,
    pub(super) known_hosts: Arc<str>,
    pub(super) bounds: Bounds,
}

/// Reads a private key in one of OpenSSH's or PKCS#8's forms.
pub(super) fn private_key(text: &SecretString) -> Result<PrivateKey, Kind> {
    let invalid = |why: &str| Kind::CredentialInvalid {
        why: format!(
            "{why}. Make a deploy key with `ssh-keygen -t ed25519 -N ''`, and put the file without .pub into the Secret"
        ),
    };
    let text = text.expose_secret();
    if text.trim_start().starts_with("ssh-") || text.trim_start().starts_with("ecdsa-") {
        return Err(invalid("the private key is a public one"));
    }
    // The library's own words could hold a part of the key.
    let key = decode_secret_key(text, None).map_err(|error| match error {
        russh::keys::Error::KeyIsEncrypted => invalid("the private key has a passphrase"),
        _ if text.contains("RSA PRIVATE KEY") => invalid("RSA keys are not taken"),
        _ => invalid("the private key cannot be read"),
    })?;
    if key.is_encrypted() {
        return Err(invalid("the private key has a passphrase"));
    }
    let rsa = matches!(key.algorithm(), russh::keys::Algorithm::Rsa { .. });
    if rsa {
        Err(invalid("RSA keys are not taken"))
    } else {
        Ok(key)
    }
}

/// Checks the server's key, and keeps why it was refused.
struct HostCheck {
    known: KnownHost,
    refused: Arc<Mutex<Option<Kind>>>,
}

impl Handler for HostCheck {
    type Error = russh::Error;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = offered else {
            return Ok(false);
        };
        let checked = self.known.check(key);
        let known = checked.is_ok();
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = checked.err();
        Ok(known)
    }
}

/// A connection that is logged in.
pub(super) struct Ssh {
    handle: Handle<HostCheck>,
    login: SshLogin,
}

impl Ssh {
    /// Connects, checks the server's key, and logs in.
    pub(super) async fn connect(login: SshLogin) -> Result<Self, Kind> {
        let limit = login.bounds.timeout;
        in_time(limit, Self::log_in(login)).await
    }

    async fn log_in(login: SshLogin) -> Result<Self, Kind> {
        let known = KnownHost::find(&login.known_hosts, &login.host, login.port);
        let config = client::Config {
            inactivity_timeout: Some(login.bounds.timeout),
            preferred: Preferred {
                key: known.preferred(&Preferred::DEFAULT.key).into(),
                ..Preferred::DEFAULT
            },
            nodelay: true,
            ..client::Config::default()
        };
        let refused = Arc::default();
        let check = HostCheck {
            known,
            refused: Arc::clone(&refused),
        };
        let connected = client::connect(Arc::new(config), (login.host.as_str(), login.port), check).await;
        if let Some(refused) = refused.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(refused);
        }
        let mut handle = connected.map_err(|error| match error {
            russh::Error::NoCommonAlgo { theirs, .. } => Kind::Unsupported {
                what: format!(
                    "the server speaks SSH with none but {}, which is not supported (RSA keys are not); use HTTPS and a token",
                    theirs.join(", ")
                ),
            },
            error => unreachable(error),
        })?;
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&login.key), None);
        match handle
            .authenticate_publickey(login.user.clone(), key)
            .await
            .map_err(unreachable)?
        {
            AuthResult::Success => Ok(Self { handle, login }),
            AuthResult::Failure { remaining_methods, .. } if remaining_methods.is_empty() && handle.is_closed() => Err(
                unreachable("the server closed the connection while it was logged in to"),
            ),
            AuthResult::Failure { .. } => {
                let fingerprint = login.key.fingerprint(russh::keys::HashAlg::Sha256);
                Err(Kind::CredentialRefused {
                    words: format!("the user {:?} may not log in with the key {fingerprint}", login.user),
                    credential: "deploy key",
                    right: "read",
                })
            }
        }
    }

    /// Starts a service and returns its greeting.
    pub(super) async fn open(&self, service: Service) -> Result<(SshLine<'_>, Vec<u8>), Kind> {
        let limit = self.login.bounds.timeout;
        let mut line = in_time(limit, self.start(service)).await?;
        let greeting = line.answer(End::Flush).await?;
        line.greeted = true;
        Ok((line, greeting))
    }

    async fn start(&self, service: Service) -> Result<SshLine<'_>, Kind> {
        let channel = self.handle.channel_open_session().await.map_err(unreachable)?;
        if service == Service::UploadPack {
            // A server that does not take it goes on with protocol 0.
            channel
                .set_env(false, "GIT_PROTOCOL", "version=2")
                .await
                .map_err(unreachable)?;
        }
        let command = format!("{} '{}'", service.name(), self.login.path.replace('\'', r"'\''"));
        channel.exec(false, command).await.map_err(unreachable)?;
        Ok(SshLine {
            ssh: self,
            service,
            channel,
            greeted: false,
            received: Vec::new(),
            said: Vec::new(),
        })
    }
}

/// A conversation with one service.
pub(super) struct SshLine<'a> {
    ssh: &'a Ssh,
    service: Service,
    channel: Channel<client::Msg>,
    /// The service has begun, so that the credential may use it.
    greeted: bool,
    /// What was received and not returned yet.
    received: Vec<u8>,
    /// What the service printed for people.
    said: Vec<u8>,
}

impl SshLine<'_> {
    /// Sends a message and returns the answer to it.
    pub(super) async fn exchange(&mut self, message: Vec<u8>, end: End) -> Result<Vec<u8>, Kind> {
        let sent = async {
            self.channel.data_bytes(message).await.map_err(unreachable)?;
            if end == End::Close {
                self.channel.eof().await.map_err(unreachable)?;
            }
            Ok(())
        };
        in_time(self.ssh.login.bounds.timeout, sent).await?;
        self.answer(end).await
    }

    /// Ends the conversation; a server bounds how many a connection may have at once.
    pub(super) async fn close(self) {
        let closed = async { self.channel.close().await.map_err(unreachable) };
        // Where it cannot be closed the connection is gone, and whoever uses it next will see.
        let _ = in_time(self.ssh.login.bounds.timeout, closed).await;
    }

    async fn answer(&mut self, end: End) -> Result<Vec<u8>, Kind> {
        in_time(self.ssh.login.bounds.timeout, self.receive(end)).await
    }

    async fn receive(&mut self, end: End) -> Result<Vec<u8>, Kind> {
        let limit = self.ssh.login.bounds.answer;
        let mut at = 0;
        loop {
            if end == End::Flush {
                match end_of_message(&self.received, at) {
                    Ok(Ok(end)) => {
                        let rest = self.received.split_off(end);
                        return Ok(std::mem::replace(&mut self.received, rest));
                    }
                    Ok(Err(reached)) => at = reached,
                    Err(error) => return Err(error),
                }
            }
            match self.channel.wait().await {
                Some(ChannelMsg::Data { data }) => self.received.extend_from_slice(&data),
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    let room = SAID.saturating_sub(self.said.len());
                    self.said.extend_from_slice(&data[..data.len().min(room)]);
                }
                Some(ChannelMsg::Failure) => return Err(self.refusal()),
                Some(ChannelMsg::Close) if end == End::Close && !self.received.is_empty() => {
                    return Ok(std::mem::take(&mut self.received));
                }
                // A service that breaks off says why in a packet, without the end that its answer would have.
                Some(ChannelMsg::Close) if self.received.get(4..8) == Some(b"ERR ") => {
                    return Ok(std::mem::take(&mut self.received));
                }
                Some(ChannelMsg::Close) => return Err(self.refusal()),
                None => return Err(unreachable("the connection broke")),
                Some(_) => {}
            }
            if self.received.len() > limit {
                return Err(too_large(limit));
            }
        }
    }

    /// What it means that the service ended without an answer.
    fn refusal(&self) -> Kind {
        let words = words(&self.said);
        // As Git itself, GitHub, GitLab and Bitbucket say it.
        let absent = [
            "not found",
            "not appear to be a git repository",
            "does not exist",
            "could not be found",
        ];
        if absent.iter().any(|text| words.contains(text)) {
            return Kind::NoRepository { words };
        }
        if self.said.is_empty() {
            return unreachable("the server ended the conversation without a word");
        }
        if self.greeted {
            return Kind::Refused { words };
        }
        Kind::CredentialRefused {
            words,
            credential: "deploy key",
            right: self.service.right(),
        }
    }
}

/// What a piece of work comes to, if it comes in time.
async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, Kind>>) -> Result<T, Kind> {
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or(Err(Kind::TimedOut { limit }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_usable_key_says_how_to_make_one_and_is_not_repeated() {
        for (text, says) in [
            ("ssh-ed25519 AAAA", "a public one"),
            ("hunter2", "cannot be read"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
                "RSA keys",
            ),
        ] {
            let told = private_key(&SecretString::from(text)).unwrap_err();
            assert!(told.to_string().contains(says), "{told}");
            assert!(told.to_string().contains("ssh-keygen -t ed25519"), "{told}");
            assert!(!format!("{told:?}").contains("hunter2"), "{told:?}");
        }
    }
}
