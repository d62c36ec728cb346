//! A conversation with one of Git's two services, whichever way it goes.

use super::answer::Kind;
use super::http::{Http, HttpLine};
use super::ssh::{Ssh, SshLine};

/// The two services that a server runs for a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Reads.
    UploadPack,
    /// Writes.
    ReceivePack,
}

impl Service {
    /// As requests name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }

    /// The right that it takes, for messages.
    pub(super) fn right(self) -> &'static str {
        match self {
            Self::UploadPack => "read",
            Self::ReceivePack => "write to",
        }
    }
}

/// Where an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With a flush packet: the conversation goes on.
    Flush,
    /// With the conversation.
    Close,
}

/// The way to a server, for as long as one piece of work takes.
pub(super) enum Connection {
    Http(Http),
    Ssh(Ssh),
}

impl Connection {
    /// Begins a conversation. Of the two services only the reading one has Git's protocol 2.
    pub(super) async fn open(&self, service: Service) -> Result<(Line<'_>, Vec<u8>), Kind> {
        match self {
            Self::Http(http) => {
                let (line, greeting) = http.open(service).await?;
                Ok((Line::Http(line), greeting))
            }
            Self::Ssh(ssh) => {
                let (line, greeting) = ssh.open(service).await?;
                Ok((Line::Ssh(line), greeting))
            }
        }
    }
}

/// One conversation.
pub(super) enum Line<'a> {
    Http(HttpLine<'a>),
    Ssh(SshLine<'a>),
}

impl Line<'_> {
    /// Sends a message and returns the answer to it.
    pub(super) async fn exchange(&mut self, message: Vec<u8>, end: End) -> Result<Vec<u8>, Kind> {
        match self {
            // Each request is a conversation of its own, so that the answer ends with it.
            Self::Http(line) => line.exchange(message).await,
            Self::Ssh(line) => line.exchange(message, end).await,
        }
    }

    /// Ends the conversation, so that the server may have another on the same connection.
    pub(super) async fn close(self) {
        match self {
            Self::Http(_) => {}
            Self::Ssh(line) => line.close().await,
        }
    }
}
