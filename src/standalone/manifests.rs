//! Reads files and folders into manifests, one a YAML document, and says of every other document why it is none.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use snafu::{ResultExt, Snafu};

/// Where a document stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Which document of the file, counted from 1; comments alone are none.
    pub document: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, document {}", self.file.display(), self.document)
    }
}

/// One object as its file holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Where it stands.
    pub place: Place,
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`, or `default`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// The whole document.
    pub body: Value,
}

impl Manifest {
    /// Namespace and name.
    #[must_use]
    pub fn id(&self) -> (String, String) {
        (self.namespace.clone(), self.name.clone())
    }
}

/// A document that is not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Where it stands.
    pub place: Place,
    /// `<kind>/<name>`, where the document says so much.
    pub object: Option<String>,
    /// What is wrong and what a person can do. Never a value of a Secret.
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.place)?;
        if let Some(object) = &self.object {
            write!(formatter, "{object}: ")?;
        }
        formatter.write_str(&self.why)
    }
}

/// What was found in files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// The manifests, in the order of files and documents.
    pub manifests: Vec<Manifest>,
    /// The documents that are none.
    pub refusals: Vec<Refusal>,
}

/// A path that was named cannot be read.
#[derive(Debug, Snafu)]
#[snafu(display("failed to read {}: {source}", path.display()))]
pub struct ReadError {
    /// The path.
    path: PathBuf,
    /// Why.
    source: std::io::Error,
}

/// Reads files, and folders with all that is in them: names that end in `.yaml`, `.yml` or `.json`. Hidden names are
/// left out, and links to folders are not followed, since they can lead in a circle.
///
/// # Errors
/// A path, or something under it, cannot be read: then nothing may be concluded from what is missing.
pub fn read(paths: &[PathBuf]) -> Result<Reading, ReadError> {
    let mut reading = Reading::default();
    for file in files(paths)? {
        let bytes = std::fs::read(&file).context(ReadSnafu { path: &file })?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => reading.add(&file, text),
            Err(error) => reading.refusals.push(Refusal {
                place: Place { file, document: 1 },
                object: None,
                why: format!("is no text in UTF-8: {error}; save it as UTF-8 or take it out of the folder"),
            }),
        }
    }
    Ok(reading)
}

/// The manifest files under these paths, sorted by name within each folder.
///
/// # Errors
/// As [`read`].
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, ReadError> {
    let mut found = Vec::new();
    for path in paths {
        let metadata = std::fs::metadata(path).context(ReadSnafu { path })?;
        if metadata.is_dir() {
            collect(path, &mut found)?;
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), ReadError> {
    let mut entries = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .context(ReadSnafu { path: folder })?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().context(ReadSnafu { path: &path })?;
        if kind.is_dir() {
            collect(&path, found)?;
        } else if is_manifest_name(&path) && !path.is_dir() {
            found.push(path);
        }
    }
    Ok(())
}

fn is_manifest_name(path: &Path) -> bool {
    path.extension()
        .and_then(OsStr::to_str)
        .is_some_and(|extension| ["yaml", "yml", "json"].contains(&extension.to_ascii_lowercase().as_str()))
}

impl Reading {
    /// Takes the documents of one text; `file` is for messages.
    pub fn add(&mut self, file: &Path, text: &str) {
        let mut document = 0;
        for part in documents(text) {
            if is_empty(part.text) {
                continue;
            }
            document += 1;
            let place = Place {
                file: file.to_owned(),
                document,
            };
            match parse(part) {
                Ok(Value::Null) => document -= 1,
                Ok(body) => self.add_body(&place, body),
                Err(why) => self.refuse(&place, None, why),
            }
        }
    }

    fn add_body(&mut self, place: &Place, body: Value) {
        // What `kubectl get -o yaml` gives for several objects.
        if body["kind"] == "List"
            && let Some(items) = body["items"].as_array()
        {
            for item in items {
                self.add_body(place, item.clone());
            }
            return;
        }
        let object = object_name(&body);
        match manifest(place, body) {
            Ok(manifest) => self.manifests.push(manifest),
            Err(why) => self.refuse(place, object, why),
        }
    }

    fn refuse(&mut self, place: &Place, object: Option<String>, why: String) {
        let place = place.clone();
        self.refusals.push(Refusal { place, object, why });
    }
}

/// One document of a text.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    /// How many lines of the file stand before it.
    lines_before: usize,
    text: &'a str,
}

/// Cuts a text at its document markers. YAML allows `---` at the start of a line for nothing else, not even inside a
/// block of text, so the documents around a broken one can still be read.
fn documents(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut lines_before, mut start, mut at) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let rest = line.strip_prefix("---");
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])) {
            let text = &text[start..at];
            parts.push(Part { lines_before, text });
            (lines_before, start) = (number, at + "---".len());
        }
        at += line.len();
    }
    let text = &text[start..];
    parts.push(Part { lines_before, text });
    parts
}

fn is_empty(part: &str) -> bool {
    part.lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#') || line == "...")
}

/// Parses one document. Errors name line and column of the file but never quote the text, which may be a Secret's.
fn parse(part: Part<'_>) -> Result<Value, String> {
    let options = || serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(part.text, options()).or_else(|_| {
        // Read again behind as many empty lines, so that its lines are counted as the file's; of broken documents only,
        // since in a long file it costs as much as all that stands before.
        let padded = "\n".repeat(part.lines_before) + part.text;
        serde_saphyr::from_str_with_options(&padded, options())
            .map_err(|error| format!("is no YAML: {error}; correct it or take the file out of the folder"))
    })
}

fn object_name(body: &Value) -> Option<String> {
    let kind = body["kind"].as_str()?;
    Some(format!("{kind}/{}", body["metadata"]["name"].as_str().unwrap_or("?")))
}

fn manifest(place: &Place, body: Value) -> Result<Manifest, String> {
    let word = |name: &str| body[name].as_str().filter(|word| !word.is_empty()).map(str::to_owned);
    let (Some(api_version), Some(kind)) = (word("apiVersion"), word("kind")) else {
        return Err(
            "is no manifest: apiVersion and kind are missing; correct it, or keep such files elsewhere".to_owned(),
        );
    };
    let metadata = &body["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    let ours = api_version.starts_with("wavepin.dev/") || (api_version == "v1" && kind == "Secret");
    if ours {
        check_name("metadata.name", name)?;
    }
    let namespace = match &metadata["namespace"] {
        Value::Null => "default",
        Value::String(namespace) if ours => {
            check_name("metadata.namespace", namespace)?;
            namespace
        }
        namespace => namespace.as_str().unwrap_or_default(),
    };
    Ok(Manifest {
        place: place.clone(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        labels: texts(metadata, "labels")?,
        annotations: texts(metadata, "annotations")?,
        api_version,
        kind,
        body,
    })
}

/// Holds a name to what Kubernetes takes: names of files and of a cluster are then the same.
fn check_name(field: &str, name: &str) -> Result<(), String> {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if name.len() <= 253 && name.split('.').all(part) {
        return Ok(());
    }
    Err(format!(
        "{field} {name:?} is no name: write lower-case letters, digits, '-' and '.', at most 253, and give one to every object"
    ))
}

fn texts(metadata: &Value, field: &str) -> Result<BTreeMap<String, String>, String> {
    let entries = match &metadata[field] {
        Value::Null => return Ok(BTreeMap::new()),
        Value::Object(entries) => entries,
        _ => return Err(format!("metadata.{field} must be a map of texts")),
    };
    entries
        .iter()
        .map(|(key, value)| match value {
            Value::String(text) => Ok((key.clone(), text.clone())),
            _ => Err(format!("metadata.{field}.{key} must be a text: write it in quotes")),
        })
        .collect()
}

#[cfg(test)]
mod tests;
