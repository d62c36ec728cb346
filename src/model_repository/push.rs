//! Writing to a server: one new commit on one branch, never by force (gitprotocol-pack, "Reference Update Request").

use super::answer::{Kind, not_git, words};
use super::line::{Connection, End, Service};
use super::objects::Id;
use super::pkt_line::{Bands, Packet, Packets, line, put_flush, put_line};
use super::upload::{AGENT, Greeting};

/// What came of a push.
#[derive(Debug)]
pub(super) enum Pushed {
    /// The branch is at the new commit.
    Done,
    /// The branch was no longer, or not for sure, where it was when the commit was made. The server's words.
    Outrun(String),
    /// The server does not let it happen. The server's words.
    Denied(String),
}

/// Moves a branch from one commit to the next, if it is still there. `from` is [`Id::NONE`] for a new branch.
pub(super) async fn push(connection: &Connection, branch: &str, from: Id, to: Id, pack: &[u8]) -> Result<Pushed, Kind> {
    let (mut line, greeting) = connection.open(Service::ReceivePack).await?;
    let greeting = Greeting::read(&greeting)?;
    let name = format!("refs/heads/{branch}");
    let now = greeting.refs.get(&name).copied().unwrap_or(Id::NONE);
    if now != from {
        return Ok(Pushed::Outrun(format!(
            "the branch is at {now} and no longer at {from}"
        )));
    }
    let can = |capability: &str| greeting.capabilities.contains_key(capability);
    if !can("report-status") {
        return Err(Kind::Unsupported {
            what: "the server does not say what becomes of a push (report-status), so that none is made".to_owned(),
        });
    }
    let mut features = String::from("report-status");
    for (name, feature) in [
        ("side-band-64k", "side-band-64k".to_owned()),
        ("object-format", "object-format=sha1".to_owned()),
        ("agent", format!("agent={AGENT}")),
    ] {
        if can(name) {
            features.push(' ');
            features.push_str(&feature);
        }
    }
    let mut message = Vec::new();
    put_line(&mut message, format!("{from} {to} {name}\0{features}"));
    put_flush(&mut message);
    message.extend_from_slice(pack);
    let answer = line.exchange(message, End::Close).await?;
    report(&answer, can("side-band-64k"), &name)
}

/// Reads the server's report.
fn report(answer: &[u8], banded: bool, name: &str) -> Result<Pushed, Kind> {
    let mut bands = Bands::default();
    if banded {
        for packet in Packets::of(answer) {
            if let Packet::Data(data) = packet? {
                bands.take(data)?;
            }
        }
    } else {
        bands.data = answer.to_vec();
    }
    if let Some(fatal) = bands.fatal {
        bands.words.extend_from_slice(&fatal);
        return Err(Kind::Refused {
            words: words(&bands.words),
        });
    }
    let mut unpacked = false;
    for packet in Packets::of(&bands.data) {
        let Packet::Data(data) = packet? else { continue };
        let text = String::from_utf8_lossy(line(data));
        match text.split_once(' ') {
            Some(("unpack", "ok")) => unpacked = true,
            Some(("unpack", why)) => {
                bands.words.extend_from_slice(why.as_bytes());
                return Err(Kind::Refused {
                    words: words(&bands.words),
                });
            }
            Some(("ok", moved)) if unpacked && moved == name => return Ok(Pushed::Done),
            Some(("ng", refused)) => {
                let why = refused.strip_prefix(name).unwrap_or(refused).trim();
                let said = [why.as_bytes(), b": ", &bands.words].concat();
                let said = words(said.strip_suffix(b": ").unwrap_or(&said));
                return Ok(if is_race(why) {
                    Pushed::Outrun(said)
                } else {
                    Pushed::Denied(said)
                });
            }
            _ => {}
        }
    }
    Err(not_git("it does not say what became of the push"))
}

/// Whether a reason is that somebody else moved, or is about to move, the branch: as Git, JGit and the hosts say it.
fn is_race(why: &str) -> bool {
    let why = why.to_lowercase();
    let race = [
        "failed to update ref",
        "lock ref",
        "failed to lock",
        "old value",
        "already exists",
        "fetch first",
        "fast-forward",
        "fast forward",
        "lock failure",
    ];
    race.iter().any(|text| why.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str], said: &str) -> Result<Pushed, Kind> {
        let mut inner = Vec::new();
        lines.iter().for_each(|text| put_line(&mut inner, text));
        put_flush(&mut inner);
        let mut answer = Vec::new();
        for (band, data) in [(2, said.as_bytes()), (1, &inner)] {
            answer.extend_from_slice(format!("{:04x}", data.len() + 5).as_bytes());
            answer.push(band);
            answer.extend_from_slice(data);
        }
        put_flush(&mut answer);
        report(&answer, true, "refs/heads/main")
    }

    #[test]
    fn a_report_says_what_became_of_the_push() {
        let ok = told(&["unpack ok", "ok refs/heads/main"], "thanks\n").unwrap();
        assert!(matches!(ok, Pushed::Done));
        let race = told(&["unpack ok", "ng refs/heads/main failed to update ref"], "").unwrap();
        assert!(matches!(race, Pushed::Outrun(_)), "{race:?}");
        let denied = told(
            &["unpack ok", "ng refs/heads/main protected branch hook declined"],
            "GH006\n",
        )
        .unwrap();
        let Pushed::Denied(words) = denied else {
            panic!("{denied:?}")
        };
        assert_eq!(words, "protected branch hook declined: GH006");
    }

    #[test]
    fn a_report_without_an_end_is_no_success() {
        for lines in [
            &["unpack ok"][..],
            &["ok refs/heads/main"],
            &["unpack ok", "ok refs/heads/other"],
            &[],
        ] {
            assert!(told(lines, "").is_err(), "{lines:?}");
        }
        let told = told(&["unpack index-pack failed", "ng refs/heads/main unpacker error"], "").unwrap_err();
        assert!(
            matches!(&told, Kind::Refused { words } if words.contains("index-pack failed")),
            "{told}"
        );
    }
}
