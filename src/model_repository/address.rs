//! Where a repository is: what people write, taken apart.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::ports::RepositoryErrorKind;

/// A repository's address, by the way that leads there. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// `https://host/path`; `http://` on the loopback alone.
    Http {
        /// Without user, password, query and a slash at the end.
        url: Url,
        /// The user that stood in the URL.
        user: Option<String>,
    },
    /// `ssh://user@host:port/path` or `user@host:path`.
    Ssh {
        /// Whom to log in as.
        user: String,
        /// A name or an IP address, without brackets.
        host: String,
        /// 22 where it is left out.
        port: u16,
        /// As the server's Git takes it.
        path: String,
    },
}

impl Address {
    /// Takes an address apart.
    pub(super) fn parse(text: &str) -> Result<Self, RepositoryErrorKind> {
        let text = text.trim();
        if !text.contains("://") {
            return Self::like_scp(text).ok_or_else(|| invalid("it is neither a URL nor USER@HOST:PATH"));
        }
        // The parser's words may repeat a part of the address, and with it a password.
        let mut url = Url::parse(text).map_err(|_| invalid("it is no URL"))?;
        if url.password().is_some() {
            return Err(invalid(
                "it holds a password, which everybody who reads it can see: take it out, revoke it, and put a new one into the Secret",
            ));
        }
        let Some(host) = url.host_str().filter(|host| !host.is_empty()).map(str::to_owned) else {
            return Err(invalid("it names no host"));
        };
        let user = (!url.username().is_empty()).then(|| decoded(url.username()));
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&host) => {}
            "http" => {
                return Err(invalid(
                    "http:// would send the token for everybody to read: write https://",
                ));
            }
            "ssh" => {
                let path = decoded(url.path());
                let host = host.trim_matches(['[', ']']).to_lowercase();
                let port = url.port().unwrap_or(22);
                // As Git has it: `/~user/x` is a path in that user's home.
                let path = if path.starts_with("/~") {
                    path[1..].to_owned()
                } else {
                    path
                };
                return Self::ssh(user, host, port, path);
            }
            _ => return Err(invalid("its scheme is none of https and ssh")),
        }
        url.set_query(None);
        url.set_fragment(None);
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        url.set_username("").map_err(|()| invalid("it names no host"))?;
        Ok(Self::Http { url, user })
    }

    /// The host and the port that it leads to.
    pub(super) fn destination(&self) -> (String, u16) {
        match self {
            Self::Http { url, .. } => {
                let host = url
                    .host_str()
                    .unwrap_or_default()
                    .trim_matches(['[', ']'])
                    .to_lowercase();
                (host, url.port_or_known_default().unwrap_or(443))
            }
            Self::Ssh { host, port, .. } => (host.clone(), *port),
        }
    }

    /// `user@host:path`, whose path is relative to the user's home.
    fn like_scp(text: &str) -> Option<Self> {
        let (before, path) = text.split_once(':')?;
        let (user, host) = before.split_once('@')?;
        if user.is_empty() || host.is_empty() || host.contains('/') {
            return None;
        }
        Self::ssh(Some(user.to_owned()), host.to_lowercase(), 22, path.to_owned()).ok()
    }

    fn ssh(user: Option<String>, host: String, port: u16, path: String) -> Result<Self, RepositoryErrorKind> {
        let Some(user) = user else {
            return Err(invalid("it names no user, which is git at most hosts"));
        };
        // It becomes a part of a command line.
        if path.trim_matches('/').is_empty() || path.starts_with('-') || path.contains(['\0', '\n', '\r']) {
            return Err(invalid("it names no path of a repository"));
        }
        Ok(Self::Ssh { user, host, port, path })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http { url, .. } => write!(formatter, "{url}"),
            Self::Ssh {
                user,
                host,
                port: 22,
                path,
            } => write!(formatter, "{user}@{host}:{path}"),
            Self::Ssh { user, host, port, path } => {
                let slash = if path.starts_with('/') { "" } else { "/" };
                write!(formatter, "ssh://{user}@{host}:{port}{slash}{path}")
            }
        }
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn invalid(what: &str) -> RepositoryErrorKind {
    RepositoryErrorKind::Address {
        why: format!(
            "the repository's address cannot be used: {what}. Write it as https://HOST/PATH or ssh://USER@HOST/PATH"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh(user: &str, host: &str, port: u16, path: &str) -> Address {
        Address::Ssh {
            user: user.to_owned(),
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        }
    }

    #[test]
    fn addresses_of_both_ways_are_taken_apart() {
        let parse = |text: &str| Address::parse(text).unwrap();
        assert_eq!(
            parse("git@GitHub.com:acme/bi.git"),
            ssh("git", "github.com", 22, "acme/bi.git")
        );
        assert_eq!(parse("ssh://git@h:2222/a/b"), ssh("git", "h", 2222, "/a/b"));
        assert_eq!(parse("ssh://git@[::1]/~me/b"), ssh("git", "::1", 22, "~me/b"));
        for text in ["https://me@h.example/a/b.git/", "https://h.example/a/b.git?x=1#y"] {
            assert_eq!(parse(text).to_string(), "https://h.example/a/b.git");
        }
        assert!(matches!(parse("https://me@h/a"), Address::Http { user: Some(user), .. } if user == "me"));
        assert!(matches!(
            parse("http://127.0.0.1:80/a"),
            Address::Http { user: None, .. }
        ));
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_a_password() {
        for (text, says) in [
            ("https://me:hunter2@h/a", "holds a password"),
            ("https://me:hunter2@h:port/a", "no URL"),
            ("http://h/a", "http:// would send"),
            ("file:///a", "names no host"),
            ("ftp://h/a", "none of https and ssh"),
            ("ssh://h/a", "names no user"),
            ("ssh://git@h/", "names no path"),
            ("git@h:--upload-pack=x", "neither"),
            ("a/b", "neither"),
        ] {
            let told = Address::parse(text).unwrap_err();
            assert!(told.to_string().contains(says), "{text}: {told}");
            assert!(!format!("{told:?}").contains("hunter2"), "{told:?}");
        }
    }
}
