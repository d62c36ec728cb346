//! The pages that must say what the code says.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use regex::Regex;

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_annotation_is_documented() {
    use wavepin::resources::annotations as a;
    let page = page("reasons.md");
    for name in [
        a::RECONCILE_REQUESTED_AT,
        a::HOSTS,
        a::ADOPT_MODEL,
        a::ACCEPT_DRIFT,
        a::VALIDATE_REQUESTED_AT,
        a::RESTORE_ROW,
        a::TAKE_MAPPING_FROM,
        a::CONFIRM_IDENTITY,
    ] {
        assert!(
            page.contains(&format!("`wavepin.dev/{name}`")),
            "docs/reasons.md lacks wavepin.dev/{name}"
        );
    }
}

/// What the pattern's first group finds.
fn found(pattern: &str, text: &str) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).unwrap();
    let finds = pattern.captures_iter(text);
    finds.map(|find| find[1].to_owned()).collect()
}

#[test]
fn the_flags_of_the_controller_are_documented_with_their_variables_and_defaults() {
    let mut help = Command::new(env!("CARGO_BIN_EXE_wavepin"));
    let help = help
        .args(["controller", "--help"])
        .env("COLUMNS", "1000")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let page = page("controller.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `--")).collect();
    let rows = rows.join("\n");
    let mut flags = found(r"(?m)^ +(?:-\w, )?(--[a-z-]+)", &help);
    flags.remove("--help");
    assert!(flags.len() >= 9, "{help}");
    assert_eq!(found(r"(?m)^\| `(--[a-z-]+)` \|", &rows), flags);
    assert_eq!(found(r"`([A-Z_]{4,})` \|", &rows), found(r"\[env: ([A-Z_]+)", &help));
    for default in found(r"(?m)\[default: (.+)\]$", &help) {
        assert!(
            rows.contains(&format!("| `{default}` |")),
            "docs/controller.md lacks the default {default}"
        );
    }
    for flag in found(r"`(--[a-z-]+)`", &page) {
        assert!(flags.contains(&flag), "there is no {flag}");
    }
}

#[test]
fn every_call_that_the_client_makes_is_documented() {
    let page = page("omni.md");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/omni");
    let mut calls = 0;
    for file in std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
    {
        let text = std::fs::read_to_string(file).unwrap();
        for method in ["\"GET /", "\"POST /", "\"PUT /", "\"DELETE /"] {
            for (at, _) in text.match_indices(method) {
                let path = text[at + method.len() - 1..].split('"').next().unwrap();
                calls += 1;
                assert!(page.contains(path), "docs/omni.md lacks {path}");
            }
        }
    }
    assert!(calls >= 15, "the calls were found: {calls}");
}

/// The names in the first column of the table in one section of docs/simulator.md.
fn table_of(section: &str) -> BTreeSet<String> {
    let page = page("simulator.md");
    let text = page.split(&format!("## {section}\n")).nth(1).unwrap();
    let text = text.split("\n## ").next().unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split('|').nth(1).unwrap());
    cells
        .flat_map(|cell| cell.split(" (").next().unwrap().split(','))
        .map(|name| name.trim().trim_matches('`').to_owned())
        .collect()
}

#[test]
fn every_knob_and_every_fault_of_the_simulator_is_documented_and_no_other() {
    use wavepin::simulator::{FaultKind, Knobs};
    let knobs = serde_json::to_value(Knobs::default()).unwrap();
    let knobs: BTreeSet<String> = knobs.as_object().unwrap().keys().cloned().collect();
    assert_eq!(table_of("Knobs"), knobs);
    let kinds: BTreeSet<String> = FaultKind::names().map(str::to_owned).collect();
    assert_eq!(table_of("Faults"), kinds);
    let page = page("simulator.md");
    let traps = page
        .split("## What is known of Omni's traps, and where it is here\n")
        .nth(1)
        .unwrap();
    let traps = traps.split("\n## ").next().unwrap();
    for name in knobs.iter().filter(|name| !name.starts_with("openapi")) {
        let only_a_choice = ["import_fills_query_models", "permissions_show_inherited"].contains(&name.as_str());
        assert!(
            only_a_choice || traps.contains(&format!("`{name}`")),
            "for which trap is {name}?"
        );
    }
}

#[test]
fn the_flags_of_the_simulator_are_documented() {
    let help = Command::new(env!("CARGO_BIN_EXE_wavepin"))
        .args(["simulator", "--help"])
        .output()
        .unwrap();
    let mut flags = found(
        r"(?m)^ +(?:-\w, )?(--[a-z-]+)",
        &String::from_utf8(help.stdout).unwrap(),
    );
    flags.remove("--help");
    let logging = found(r"(--log[a-z-]*)", &page("controller.md"));
    let flags: BTreeSet<String> = flags.difference(&logging).cloned().collect();
    let documented = found(r"(?m)^\| `(--[a-z-]+)", &page("simulator.md"));
    assert_eq!(documented, flags);
}

#[test]
fn every_page_is_linked_from_the_readme_and_leads_to_files_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let first = found(r"(?m)\A(?s:.*?)^\| \[(docs/[^\]]+)\]", &readme);
    assert_eq!(
        first,
        BTreeSet::from(["docs/words.md".to_owned()]),
        "the words come first"
    );
    for entry in std::fs::read_dir(root.join("docs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(
            readme.contains(&format!("(docs/{name})")),
            "README.md does not link docs/{name}"
        );
        if path.is_file() {
            for link in found(r"\]\(([^)#:]+)\)", &page(&name)) {
                assert!(root.join("docs").join(&link).exists(), "docs/{name} leads to {link}");
            }
        }
    }
    for link in found(r"\]\(([^)#:]+)\)", &readme) {
        assert!(root.join(&link).exists(), "README.md leads to {link}");
    }
}

#[test]
fn every_part_of_the_bench_is_on_the_page_about_it_and_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/wavepin/main.rs");
    let code = std::fs::read_to_string(path).unwrap();
    let parts = code.split("const PARTS: ").nth(1).expect("the bench lists its parts");
    let parts = parts.split("= [").nth(1).and_then(|it| it.split(']').next()).unwrap();
    let parts = found(r#""([a-z]+)""#, parts);
    assert!(parts.len() >= 10, "the parts were found: {parts:?}");
    let page = page("performance.md");
    assert_eq!(found(r"(?m)^\| `([a-z]+)` \|", &page), parts);
    for told in ["machine: ", "disk of the temporary files: ", "the parts took: "] {
        assert!(page.contains(told), "docs/performance.md does not say on what: {told}");
    }
}

/// Who runs the commands of a page; a block names one of them in the comment before it.
const RUN_BY: [&str; 14] = [
    "argo cd",
    "day one",
    "diff",
    "explain",
    "explain watch",
    "first version",
    "helm",
    "kubectl",
    "plan",
    "plugin",
    "quick start",
    "runbook",
    "simulator",
    "validate",
];

#[test]
fn every_command_of_a_page_is_run_by_a_test_or_says_why_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut blocks = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = page(name);
        for (at, _) in text.match_indices("```sh\n") {
            blocks += 1;
            let before = text[..at].trim_end().lines().last().unwrap_or_default();
            let run = before.strip_prefix("<!-- run: ").and_then(|it| it.strip_suffix(" -->"));
            let why = before
                .strip_prefix("<!-- not run: ")
                .and_then(|it| it.strip_suffix(" -->"));
            assert!(
                run.is_some_and(|by| RUN_BY.contains(&by)) || why.is_some_and(|why| why.len() > 10),
                "docs/{name}: nobody runs the commands after {before:?}"
            );
        }
    }
    assert!(blocks >= 10, "the blocks were found: {blocks}");
}

#[test]
fn the_rollout_of_the_page_on_checks_is_one_that_is_taken() {
    use wavepin::resources::{OnFailure, VersionRollout, rollout_refusal};
    let page = page("checks.md");
    let manifest = page.split("```yaml\n").nth(1).expect("there is an example");
    let manifest = manifest.split("```").next().expect("it has an end");
    let rollout: VersionRollout = serde_saphyr::from_str(manifest).expect("it is a VersionRollout");
    assert_eq!(rollout_refusal(&rollout.spec), None);
    let names: Vec<&str> = rollout.spec.checks.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["errors", "smoke", "queries"]);
    assert_eq!(rollout.spec.on_failure, Some(OnFailure::RollBack));
}

#[test]
fn the_rollout_of_the_page_on_notifications_is_one_that_is_taken_and_its_table_names_all_that_is_told() {
    use wavepin::resources::{NotifyOn, VersionRollout, rollout_refusal};
    let page = page("notifications.md");
    let manifest = page.split("```yaml\n").nth(1).expect("there is an example");
    let manifest = manifest.split("```").next().expect("it has an end");
    let rollout: VersionRollout = serde_saphyr::from_str(manifest).expect("it is a VersionRollout");
    assert_eq!(rollout_refusal(&rollout.spec), None);
    let told: Vec<&str> = rollout.spec.notify.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(told, ["pipeline", "on-call"]);
    for of in [
        NotifyOn::Started,
        NotifyOn::WaveCompleted,
        NotifyOn::Waiting,
        NotifyOn::Stopped,
        NotifyOn::RolledBack,
        NotifyOn::Completed,
    ] {
        assert!(page.contains(&format!("| `{}` |", of.word())), "{of:?}");
    }
}
