//! Reading from a server: refs and objects (gitprotocol-v2; gitprotocol-pack for servers that do not have it).

use std::collections::HashMap;

use super::answer::{Kind, not_git, words};
use super::line::{Connection, End, Line, Service};
use super::objects::Id;
use super::pkt_line::{Bands, Packet, Packets, line, put_delimiter, put_flush, put_line};

/// Who is asking, for the server's log.
pub(super) const AGENT: &str = concat!("wavepin/", env!("CARGO_PKG_VERSION"));

/// What is left out of an answer (git-rev-list, `--filter`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    /// Everything below the first tree.
    Below,
    /// Files.
    Files,
    /// Nothing.
    Nothing,
}

impl Filter {
    fn spec(self) -> Option<&'static str> {
        match self {
            Self::Below => Some("tree:1"),
            Self::Files => Some("blob:none"),
            Self::Nothing => None,
        }
    }
}

/// What a server's greeting says.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    /// It has protocol 2.
    pub(super) modern: bool,
    /// What it can do, each with what stands behind its `=`.
    pub(super) capabilities: HashMap<String, String>,
    /// Its refs, which protocol 2 tells later.
    pub(super) refs: HashMap<String, Id>,
}

impl Greeting {
    /// Reads a greeting of either service.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Kind> {
        let mut greeting = Self::default();
        for (index, packet) in Packets::of(bytes).enumerate() {
            let data = match packet? {
                Packet::Data(data) => line(data),
                Packet::Flush => return greeting.checked(),
                _ => break,
            };
            if let Some(said) = data.strip_prefix(b"ERR ") {
                return Err(Kind::Refused { words: words(said) });
            }
            let text = String::from_utf8_lossy(data);
            match text.as_ref() {
                "version 2" if index == 0 => greeting.modern = true,
                "version 1" if index == 0 => {}
                text if greeting.modern => greeting.capability(text),
                text => greeting.advertised(text)?,
            }
        }
        Err(not_git("its greeting is not ended"))
    }

    fn checked(self) -> Result<Self, Kind> {
        match self.capabilities.get("object-format").map(String::as_str) {
            None | Some("sha1") => Ok(self),
            Some(format) => Err(Kind::Unsupported {
                what: format!(
                    "the repository names its objects by {format}; only SHA-1 is supported, as by Omni's hosts"
                ),
            }),
        }
    }

    fn capability(&mut self, text: &str) {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        self.capabilities.insert(name.to_owned(), value.to_owned());
    }

    /// `ID REF`, the first with the capabilities behind a NUL.
    fn advertised(&mut self, text: &str) -> Result<(), Kind> {
        let (text, capabilities) = text.split_once('\0').unwrap_or((text, ""));
        capabilities.split_whitespace().for_each(|it| self.capability(it));
        let (id, name) = text
            .split_once(' ')
            .ok_or_else(|| not_git("its list of refs is broken"))?;
        // `shallow ID` says where a server's own history ends, and ^{} marks what is no ref.
        if id == "shallow" || name.ends_with("^{}") {
            return Ok(());
        }
        let id = Id::parse(id).ok_or_else(|| not_git("its list of refs is broken"))?;
        self.refs.insert(name.to_owned(), id);
        Ok(())
    }

    fn has(&self, capability: &str) -> bool {
        self.capabilities.contains_key(capability)
    }
}

/// A conversation that reads.
pub(super) struct Upload<'a> {
    line: Line<'a>,
    greeting: Greeting,
}

impl<'a> Upload<'a> {
    /// Begins it.
    pub(super) async fn open(connection: &'a Connection) -> Result<Self, Kind> {
        let (line, greeting) = connection.open(Service::UploadPack).await?;
        let greeting = Greeting::read(&greeting)?;
        Ok(Self { line, greeting })
    }

    /// Ends it.
    pub(super) async fn close(self) {
        self.line.close().await;
    }

    /// Whether trees can be asked for one by one. Otherwise there is one answer, with all that will be known.
    pub(super) fn is_stepwise(&self) -> bool {
        self.greeting.modern && self.filters()
    }

    fn filters(&self) -> bool {
        let fetch = self.greeting.capabilities.get("fetch");
        self.greeting.has("filter") || fetch.is_some_and(|features| features.split(' ').any(|it| it == "filter"))
    }

    /// The newest commit of a branch, `None` where there is no such branch.
    pub(super) async fn branch(&mut self, name: &str) -> Result<Option<Id>, Kind> {
        let name = format!("refs/heads/{name}");
        if !self.greeting.modern {
            return Ok(self.greeting.refs.get(&name).copied());
        }
        let mut message = Vec::new();
        self.begin(&mut message, "ls-refs");
        put_line(&mut message, format!("ref-prefix {name}"));
        put_flush(&mut message);
        let answer = self.line.exchange(message, End::Flush).await?;
        let mut found = None;
        for packet in Packets::of(&answer) {
            let Packet::Data(data) = packet? else {
                return Ok(found);
            };
            let text = String::from_utf8_lossy(line(data));
            if let Some(said) = text.strip_prefix("ERR ") {
                return Err(Kind::Refused {
                    words: words(said.as_bytes()),
                });
            }
            // The prefix also brings the branches whose names begin so; attributes may follow a name.
            let mut parts = text.split(' ');
            if let (Some(id), Some(listed)) = (parts.next(), parts.next())
                && listed == name
            {
                found = Some(Id::parse(id).ok_or_else(|| not_git("its list of refs is broken"))?);
            }
        }
        Err(not_git("its list of refs is not ended"))
    }

    /// A pack with these objects and what they lead to, history left out.
    pub(super) async fn fetch(&mut self, wanted: &[Id], commits: bool, filter: Filter) -> Result<Vec<u8>, Kind> {
        let mut message = Vec::new();
        let filter = filter.spec().filter(|_| self.filters());
        if self.greeting.modern {
            self.begin(&mut message, "fetch");
            put_line(&mut message, "no-progress");
            wanted
                .iter()
                .for_each(|id| put_line(&mut message, format!("want {id}")));
            self.bounds(&mut message, commits, filter)?;
            put_line(&mut message, "done");
            put_flush(&mut message);
            let answer = self.line.exchange(message, End::Flush).await?;
            return Self::pack(&answer);
        }
        let mut features = self.old_features(filter.is_some())?;
        for id in wanted {
            put_line(&mut message, format!("want {id}{}", std::mem::take(&mut features)));
        }
        self.bounds(&mut message, commits, filter)?;
        put_flush(&mut message);
        put_line(&mut message, "done");
        let answer = self.line.exchange(message, End::Close).await?;
        Self::pack(&answer)
    }

    fn begin(&self, message: &mut Vec<u8>, command: &str) {
        put_line(message, format!("command={command}"));
        for (name, value) in [("agent", AGENT), ("object-format", "sha1")] {
            if self.greeting.has(name) {
                put_line(message, format!("{name}={value}"));
            }
        }
        put_delimiter(message);
    }

    /// What bounds the answer.
    fn bounds(&self, message: &mut Vec<u8>, commits: bool, filter: Option<&str>) -> Result<(), Kind> {
        if commits {
            if !self.greeting.modern && !self.greeting.has("shallow") {
                return Err(unsupported("cannot leave out a repository's history (shallow)"));
            }
            put_line(message, "deepen 1");
        }
        if let Some(filter) = filter {
            put_line(message, format!("filter {filter}"));
        }
        Ok(())
    }

    /// What protocol 0 wants to be told behind the first id.
    fn old_features(&self, filters: bool) -> Result<String, Kind> {
        if !self.greeting.has("side-band-64k") {
            return Err(unsupported("does not tell its words from its data (side-band-64k)"));
        }
        let mut features = " side-band-64k".to_owned();
        for name in ["no-progress", "shallow", "filter"] {
            if self.greeting.has(name) && (name != "filter" || filters) {
                features.push_str(&format!(" {name}"));
            }
        }
        if self.greeting.has("agent") {
            features.push_str(&format!(" agent={AGENT}"));
        }
        Ok(features)
    }

    /// The pack in an answer of either protocol: lines first, then bands.
    fn pack(answer: &[u8]) -> Result<Vec<u8>, Kind> {
        let mut bands = Bands::default();
        for packet in Packets::of(answer) {
            let Packet::Data(data) = packet? else { continue };
            if let Some(said) = data.strip_prefix(b"ERR ") {
                return Err(Kind::Refused { words: words(said) });
            }
            // Names of parts, cuts in the history and acknowledgements are text; the bands begin with 1, 2 or 3.
            if data.first().is_some_and(|first| *first > 3) {
                continue;
            }
            bands.take(data)?;
        }
        match bands.fatal {
            Some(said) => Err(Kind::Refused { words: words(&said) }),
            None if bands.data.is_empty() => Err(not_git("it has no pack")),
            None => Ok(bands.data),
        }
    }
}

fn unsupported(what: &str) -> Kind {
    Kind::Unsupported {
        what: format!("the server {what}, which every Git since 2011 can; use a newer one"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        lines.iter().for_each(|text| put_line(&mut bytes, text));
        put_flush(&mut bytes);
        bytes
    }

    #[test]
    fn greetings_of_both_protocols_are_read() {
        let id = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let modern = Greeting::read(&greeting(&["version 2", "fetch=shallow filter", "object-format=sha1"])).unwrap();
        assert!(modern.modern && modern.has("fetch"));
        let first = format!("{id} refs/heads/main\0shallow filter agent=git/2.39");
        let peeled = format!("{id} refs/tags/v1^{{}}");
        let old = Greeting::read(&greeting(&[&first, &peeled])).unwrap();
        assert!(!old.modern && old.has("filter"));
        assert_eq!(
            old.refs,
            HashMap::from([("refs/heads/main".to_owned(), Id::parse(id).unwrap())])
        );
        let empty = format!("{} capabilities^{{}}\0shallow", Id::NONE);
        assert!(Greeting::read(&greeting(&[&empty])).unwrap().refs.is_empty());
    }

    #[test]
    fn what_greets_otherwise_is_told() {
        for (lines, says) in [
            (&["ERR access denied"][..], "access denied"),
            (&["version 2", "object-format=sha256"], "sha256"),
            (&["hello"], "list of refs"),
        ] {
            let told = Greeting::read(&greeting(lines)).unwrap_err();
            assert!(told.to_string().contains(says), "{told}");
        }
        assert!(Greeting::read(b"000fversion 2\n").is_err());
    }
}
