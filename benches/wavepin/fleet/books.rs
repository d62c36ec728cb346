//! The API server's own books: what was written, and when. To read them costs those who are measured nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

/// How long statuses may take to be written before they count as stuck.
const PATIENCE: Duration = Duration::from_secs(300);

/// For how long nothing is written when all is written.
const QUIET: Duration = Duration::from_secs(1);

/// The audit log, as far as it was read.
pub(super) struct Books {
    path: PathBuf,
    namespace: String,
    file: File,
    /// The start of a line whose end is not written yet.
    rest: Vec<u8>,
}

/// A write that the API server carried out.
#[derive(Debug, Clone)]
pub(super) struct Write {
    /// When it was answered.
    pub(super) at: Timestamp,
    resource: String,
    subresource: String,
    name: String,
}

/// Statuses of pins that were written.
#[derive(Debug)]
pub(super) struct Written {
    /// When the last of them was.
    pub(super) last: Timestamp,
    /// How many patches it took.
    pub(super) patches: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    verb: String,
    stage_timestamp: Timestamp,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
}

#[derive(Deserialize)]
struct ObjectRef {
    #[serde(default)]
    resource: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

impl Books {
    /// Of what happens in a namespace from now on.
    pub(super) fn open(path: &Path, namespace: &str) -> Self {
        let file = File::open(path).expect("the API server keeps books");
        let mut books = Self {
            path: path.to_owned(),
            namespace: namespace.to_owned(),
            file,
            rest: Vec::new(),
        };
        books.read();
        books
    }

    /// The writes since the last look; those of the Lease, which only say that somebody leads, are left out.
    pub(super) fn read(&mut self) -> Vec<Write> {
        let mut writes = self.read_file();
        // It begins another file every 100 MB.
        let inode = |metadata: std::io::Result<std::fs::Metadata>| metadata.ok().map(|it| it.ino());
        if inode(std::fs::metadata(&self.path)) != inode(self.file.metadata()) {
            writes.extend(self.read_file());
            self.file = File::open(&self.path).expect("the API server keeps books");
            writes.extend(self.read_file());
        }
        writes
    }

    fn read_file(&mut self) -> Vec<Write> {
        self.file.read_to_end(&mut self.rest).expect("the books can be read");
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.filter_map(|line| self.write(line)).collect()
    }

    fn write(&self, line: &[u8]) -> Option<Write> {
        let line: Line = serde_json::from_slice(line).expect("a line is an event");
        let done = line.response_status.is_some_and(|status| status.code < 300);
        let writes = ["create", "update", "patch", "delete", "deletecollection"].contains(&line.verb.as_str());
        let object = line.object_ref?;
        let counts = done && writes && object.namespace == self.namespace && object.resource != "leases";
        counts.then_some(Write {
            at: line.stage_timestamp,
            resource: object.resource,
            subresource: object.subresource,
            name: object.name,
        })
    }

    /// Waits until each of so many pins got a status since the last look, and nothing is written any more.
    pub(super) async fn until_written(&mut self, how_many: usize) -> Written {
        let begun = std::time::Instant::now();
        let mut names = BTreeSet::new();
        let mut written = Written {
            last: Timestamp::MIN,
            patches: 0,
        };
        loop {
            for write in self.read().into_iter().filter(Write::is_status_of_a_pin) {
                names.insert(write.name);
                written.patches += 1;
                written.last = written.last.max(write.at);
            }
            let since = Timestamp::now().duration_since(written.last).unsigned_abs();
            if names.len() >= how_many && since > QUIET {
                return written;
            }
            let (got, waited) = (names.len(), begun.elapsed());
            assert!(
                waited < PATIENCE,
                "{got} of {how_many} pins got a status after {waited:?}"
            );
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

impl Books {
    /// Waits until nothing at all is written for twice as long.
    pub(super) async fn until_quiet(&mut self) {
        let begun = std::time::Instant::now();
        let mut last = begun;
        while last.elapsed() < 2 * QUIET {
            assert!(begun.elapsed() < PATIENCE, "it is not quiet after {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(250)).await;
            if !self.read().is_empty() {
                last = std::time::Instant::now();
            }
        }
    }
}

impl Write {
    pub(super) fn is_status_of_a_pin(&self) -> bool {
        self.resource == "tenantpins" && self.subresource == "status"
    }

    /// Of a pin's status: whose it is.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}
