//! Which room may know which: read from the `use` lines and paths of the sources themselves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each room and the rooms that it may know besides itself.
const ROOMS: [(&str, &[&str]); 14] = [
    ("resources", &[]),
    ("ports", &["resources"]),
    ("omni_instance", &["ports", "resources"]),
    ("model_version", &["ports", "resources"]),
    ("environment", &["ports", "resources"]),
    ("omni", &["ports", "resources", "telemetry"]),
    ("mapping", &["ports", "resources", "telemetry"]),
    ("model_repository", &["ports", "resources"]),
    (
        "clients",
        &["mapping", "model_repository", "omni", "ports", "resources", "telemetry"],
    ),
    (
        "cluster",
        &[
            "environment",
            "model_version",
            "omni_instance",
            "ports",
            "resources",
            "telemetry",
        ],
    ),
    (
        "standalone",
        &["environment", "model_version", "omni_instance", "ports", "resources"],
    ),
    ("simulator", &[]),
    ("telemetry", &[]),
    (
        "cli",
        &[
            "clients",
            "cluster",
            "environment",
            "mapping",
            "model_version",
            "omni_instance",
            "ports",
            "resources",
            "simulator",
            "standalone",
            "telemetry",
        ],
    ),
];

fn sources(under: &Path) -> Vec<PathBuf> {
    if under.is_file() {
        return vec![under.to_owned()];
    }
    let entries = std::fs::read_dir(under).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.flat_map(|path| sources(&path)).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "rs"));
    files
}

/// The file's own code: tests may use whatever plays the other side.
fn own_code(file: &Path) -> String {
    let is_test = file.iter().any(|part| part == "tests" || part == "tests.rs");
    if is_test {
        return String::new();
    }
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = Vec::new();
    let mut under_test = false;
    for line in text.lines() {
        under_test = under_test || line.starts_with("#[cfg(test)]");
        let code = line.split("//").next().unwrap_or_default();
        if !under_test {
            lines.push(code);
        }
        // A module of a file of its own, or the closing brace of one in this file, ends what is for tests alone.
        if under_test && (line.ends_with(';') && !line.starts_with(' ') || line == "}") {
            under_test = false;
        }
    }
    lines.join("\n")
}

/// The rooms of this crate that a piece of code names.
fn rooms_named(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let group = rest.strip_prefix('{').and_then(|rest| rest.split('}').next());
        match group {
            Some(group) => named.extend(group.split(',').map(|part| first_word(part.trim()))),
            None => {
                named.insert(first_word(rest));
            }
        }
    }
    named.remove("");
    named
}

fn first_word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect()
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn each_room_knows_only_the_rooms_below_it() {
    let mut wrong = Vec::new();
    for (room, known) in ROOMS {
        let own = room.trim_end_matches(".rs");
        let files = sources(&src().join(room));
        assert!(!files.is_empty(), "{room} has sources");
        for file in files {
            for named in rooms_named(&own_code(&file)) {
                let is_room = ROOMS.iter().any(|(other, _)| other.trim_end_matches(".rs") == named);
                if is_room && named != own && !known.contains(&named.as_str()) {
                    wrong.push(format!("{} names {named}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_folder_of_the_sources_is_a_room_with_a_direction() {
    let rooms: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    for entry in std::fs::read_dir(src()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            rooms.contains(name.as_str()) || name == "main.rs" || name == "lib.rs",
            "{name} has no direction yet"
        );
    }
}

#[test]
fn decisions_are_pure() {
    let mut decisions = 0;
    for room in ["omni_instance", "model_version", "environment"] {
        for file in sources(&src().join(room)) {
            let in_decide = file.iter().any(|part| part == "decide" || part == "decide.rs");
            if !in_decide {
                continue;
            }
            decisions += 1;
            let code = own_code(&file);
            for outside in [
                "tokio",
                "kube",
                "reqwest",
                "sqlx",
                "std::fs",
                "std::net::Tcp",
                "async fn",
                "async move",
                "Timestamp::now",
            ] {
                assert!(!code.contains(outside), "{} names {outside}", file.display());
            }
        }
    }
    assert!(decisions >= 3, "the decisions were found");
}

#[test]
fn only_the_cluster_front_has_kubes_runtime() {
    for (room, _) in ROOMS.iter().filter(|(room, _)| *room != "cluster") {
        for file in sources(&src().join(room)) {
            let code = own_code(&file);
            for outside in ["kube::runtime", "kube_runtime", "kube::Api", "kube::api::"] {
                assert!(!code.contains(outside), "{} names {outside}", file.display());
            }
            // The command line hands the client over; nobody else has one.
            assert!(
                room == &"cli" || !code.contains("kube::Client"),
                "{} names kube::Client",
                file.display()
            );
        }
    }
}

#[test]
fn the_entry_point_stays_small() {
    let lines = std::fs::read_to_string(src().join("main.rs")).unwrap().lines().count();
    assert!(lines < 30, "main.rs has {lines} lines");
}
