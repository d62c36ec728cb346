//! What becomes of a server's words and of what cannot be understood, before any of it reaches an error.

use std::error::Error;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::NON_ALPHANUMERIC;
use secrecy::{ExposeSecret, SecretString};

use crate::ports::RepositoryErrorKind;

/// What went wrong.
pub(super) type Kind = RepositoryErrorKind;

/// The longest text of a server that an error repeats, in bytes.
const LONGEST: usize = 600;

/// No more of a server's words than this is looked at, in bytes.
const LOOKED_AT: usize = 16 * 1024;

/// An answer that is none of Git's.
pub(super) fn not_git(why: impl Into<String>) -> Kind {
    Kind::NotGit { why: why.into() }
}

/// An error of the way there, with its causes in words.
pub(super) fn unreachable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Kind {
    let source = source.into();
    let mut words = vec![source.to_string()];
    let mut below = source.source();
    while let Some(error) = below {
        let text = error.to_string();
        // Many errors repeat the one below.
        if !words.last().is_some_and(|last| last.contains(&text)) {
            words.push(text);
        }
        below = error.source();
    }
    Kind::Unreachable {
        why: words.join(": "),
        source,
    }
}

/// A server's words on one line. What is secret in them is taken out by [`Secrets::clean`], where it is known.
pub(super) fn words(text: &[u8]) -> String {
    let cut = text.len() > LOOKED_AT;
    let text = String::from_utf8_lossy(&text[..text.len().min(LOOKED_AT)]);
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.chars().map(printable).collect();
    let mut words: Vec<&str> = text.split_whitespace().collect();
    if cut {
        // It may be the beginning of a secret, which would not be recognised.
        words.pop();
    }
    if words.is_empty() {
        return "it said nothing".to_owned();
    }
    words.join(" ")
}

/// What must never stand in an error, in each way that a server may repeat it.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<SecretString>);

impl Secrets {
    /// Of a token and the pair of user and token that is sent.
    pub(super) fn of(token: &SecretString, pair: &SecretString) -> Self {
        let (token, pair) = (token.expose_secret(), pair.expose_secret());
        let encoded = |text: &str| percent_encoding::utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let written = [STANDARD.encode(pair), token.to_owned(), encoded(token)];
        Self(
            written
                .into_iter()
                .filter(|text| !text.is_empty())
                .map(SecretString::from)
                .collect(),
        )
    }

    /// An error without secrets, and with no more of a server's words than [`LONGEST`] bytes.
    pub(super) fn clean(&self, mut kind: Kind) -> Kind {
        match &mut kind {
            Kind::CredentialRefused { words, .. }
            | Kind::NoRepository { words }
            | Kind::NoCommit { words, .. }
            | Kind::Protected { words, .. }
            | Kind::Outrun { words, .. }
            | Kind::Refused { words } => *words = self.cleaned(words),
            Kind::Address { why } | Kind::NotGit { why } => *why = self.cleaned(why),
            Kind::Unreachable { why, source } => {
                let cleaned = self.cleaned(why);
                if *why != cleaned {
                    *source = cleaned.clone().into();
                    *why = cleaned;
                }
            }
            _ => {}
        }
        kind
    }

    fn cleaned(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for secret in &self.0 {
            clean = clean.replace(secret.expose_secret(), "[redacted]");
        }
        if clean.len() > LONGEST {
            clean.truncate(clean.floor_char_boundary(LONGEST));
            clean.push_str("...");
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_line_without_the_secret() {
        let token = SecretString::from("glpat-a/b");
        let secrets = Secrets::of(&token, &SecretString::from("me:glpat-a/b"));
        let said = b"remote: no\n  \x1b[31mglpat-a/b, glpat%2Da%2Fb or bWU6Z2xwYXQtYS9i\n";
        let clean = secrets.clean(Kind::Refused { words: words(said) });
        let Kind::Refused { words: clean } = clean else {
            panic!("{clean:?}")
        };
        assert_eq!(clean, "remote: no [31m[redacted], [redacted] or [redacted]");
        assert_eq!(words(b" \n"), "it said nothing");
        let clean = secrets.clean(unreachable(format!("502: {}", "glpat-a/b ".repeat(900))));
        assert!(!format!("{clean:?}").contains("glpat"), "{clean:?}");
        assert!(clean.to_string().len() <= LONGEST + 50, "{clean}");
    }

    #[test]
    fn a_secret_that_is_cut_off_is_not_shown() {
        let mut said = "a ".repeat(LOOKED_AT / 2 - 2).into_bytes();
        said.extend_from_slice(b"hunter2-hunter2");
        assert!(!words(&said).contains("hunter"));
    }

    #[test]
    fn causes_are_told_once() {
        let error = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "refused");
        assert_eq!(unreachable(error).to_string(), "the server cannot be reached: refused");
    }
}
