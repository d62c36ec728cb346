//! The tables of docs/metrics.md.

use std::fmt::Write as _;

use wavepin::telemetry::Measures;

use super::fired::CASES;
use super::rules::alerts;
use crate::parts::generated::part_holds;

const PAGE: &str = "docs/metrics.md";

#[test]
fn the_generated_tables_say_what_the_code_and_the_alerts_say() {
    // One after the other: they stand in one file.
    part_holds(PAGE, "measures", &measures());
    part_holds(PAGE, "alerts", &table_of_alerts());
}

fn measures() -> String {
    let mut table = "| measure | type | labels | what it says |\n|---|---|---|---|\n".to_owned();
    for it in Measures::default().described() {
        let labels: Vec<String> = it.labels.iter().map(|label| format!("`{label}`")).collect();
        let line = format!("| `{}` | {} | {} | {} |", it.name, it.kind, labels.join(", "), it.help);
        writeln!(table, "{line}").unwrap();
    }
    table
}

fn table_of_alerts() -> String {
    let mut table =
        "| alert | severity | fires when this holds for | fired in a test by |\n|---|---|---|---|\n".to_owned();
    for alert in alerts() {
        let case = CASES.iter().find(|case| case.alert == alert.name);
        let fired_by = case.map_or("", |case| case.fired_by);
        let words: Vec<&str> = alert.expr.split_whitespace().collect();
        let expr = words.join(" ").replace('|', "\\|");
        let name = format!("[{}](runbook.md#{})", alert.name, alert.name.to_lowercase());
        let line = format!(
            "| {name} | {} | {}: `{expr}` | {fired_by} |",
            alert.severity, alert.hold
        );
        writeln!(table, "{line}").unwrap();
    }
    table
}
