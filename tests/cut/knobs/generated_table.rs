//! The table of what becomes of a cut, of every knob and every fault alone.

use std::fmt::Write as _;

use serde_json::Value;

use super::ways::{Otherwise, Place, fault_name, faults, knobs};
use super::{Outcome, outcomes};
use crate::cut::git::Making;
use crate::parts::generated;

/// The ways that lead through a repository.
const BY_GIT: [Making; 3] = [Making::GitHttps, Making::Migrated, Making::SentAndKept];

/// A table of what comes of each fault in these columns.
fn of_faults(head: &str, columns: usize, outcomes: &[Outcome]) -> String {
    let mut table = format!("\n{head}\n|{}\n", "---|".repeat(columns + 1));
    for (fault, outcomes) in faults().iter().zip(outcomes.chunks(columns)) {
        let words: Vec<String> = outcomes.iter().map(Outcome::words).collect();
        let _ = writeln!(table, "| {} | {} |", fault_name(fault), words.join(" | "));
    }
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_outcomes_of_every_knob_and_fault() {
    let knobs = knobs();
    let of_fault = |fault: Value| Place::TOLD.map(|place| (Making::Sent, Otherwise::Fault(fault.clone(), place)));
    let by_git = |fault: Value| BY_GIT.map(|making| (making, Otherwise::Fault(fault.clone(), Place::OfModel)));
    let turned = knobs.iter().cloned().map(|knob| (Making::Sent, knob));
    let befalling = faults().into_iter().flat_map(of_fault);
    let all = turned.chain(befalling).chain(faults().into_iter().flat_map(by_git));
    let all = outcomes(all.collect()).await;
    let (of_knobs, others) = all.split_at(knobs.len());
    let (sent, by_git) = others.split_at(faults().len() * Place::TOLD.len());
    let mut table = String::from("| Omni is otherwise by | a cut then |\n|---|---|\n");
    for (knob, outcome) in knobs.iter().zip(of_knobs) {
        let _ = writeln!(table, "| {} | {} |", knob.name(), outcome.words());
    }
    let head = "| what befalls a call | that makes the model | the folder | a copy | the first of each other that writes | of each that reads |";
    table += &of_faults(head, Place::TOLD.len(), sent);
    let head = "| what befalls the first of each call about models | with `copy: Git` | with `copy: Migrate` | with `copy: Yaml` and `git` |";
    table += &of_faults(head, BY_GIT.len(), by_git);
    generated::part_holds("docs/simulator.md", "outcomes", &table);
}
