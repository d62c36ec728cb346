//! What a run came to: a table for people, the same as JSON for programs, and one word for the exit code.

use std::fmt::Write as _;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};

use super::catalog::{Catalog, Id, id_of};
use super::statuses::{Statuses, Subject, true_condition};
use crate::resources::conditions::{ACCEPTED, IN_USE, READY, RECONCILING, Reason, STALLED, WAITING};

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is as declared.
    Ready,
    /// Everything that may be true now is true; a gate or a hold keeps something back.
    Waiting,
    /// A document or an object is refused.
    Refused,
    /// Omni answers differently from what Wavepin was built against.
    ContractDrift,
    /// Something is not as declared, for another reason.
    Failed,
}

/// Sums up: the most telling of what can be said of any object.
#[must_use]
pub fn outcome(catalog: &Catalog, statuses: &Statuses) -> Outcome {
    let all = rows(catalog, statuses);
    let any = |what: &dyn Fn(&Row<'_>) -> bool| all.iter().any(what);
    let drifted = |row: &Row<'_>| {
        let is_drift = |condition: &Condition| condition.reason == Reason::ContractDrift.as_str();
        row.conditions.iter().any(is_drift)
    };
    if any(&drifted) {
        Outcome::ContractDrift
    } else if !catalog.refusals().is_empty() || any(&|row| row.word(ACCEPTED, |c| &c.status) == "False") {
        Outcome::Refused
    } else if any(&|row| true_condition(row.conditions, READY).is_none() && !is_suspended(row)) {
        Outcome::Failed
    } else if any(&|row| true_condition(row.conditions, WAITING).is_some() || is_suspended(row)) {
        Outcome::Waiting
    } else {
        Outcome::Ready
    }
}

/// Suspended by a person, and waiting for one.
fn is_suspended(row: &Row<'_>) -> bool {
    row.word(READY, |condition| &condition.reason) == Reason::Suspended.as_str()
}

/// One declared object and its conditions.
struct Row<'all> {
    kind: &'static str,
    id: Id,
    conditions: &'all [Condition],
}

impl Row<'_> {
    fn word<'row>(&'row self, kind: &str, of: impl Fn(&'row Condition) -> &'row String) -> &'row str {
        self.conditions
            .iter()
            .find(|condition| condition.type_ == kind)
            .map_or("", |condition| of(condition))
    }
}

fn rows<'all>(catalog: &Catalog, statuses: &'all Statuses) -> Vec<Row<'all>> {
    fn row<'all>(kind: &'static str, id: Id, conditions: Option<&'all Vec<Condition>>) -> Row<'all> {
        let conditions = conditions.map_or(&[][..], Vec::as_slice);
        Row { kind, id, conditions }
    }
    let mut all = Vec::new();
    for object in catalog.instances() {
        let id = id_of(object);
        let known = statuses.instances.get(&id).map(|status| &status.conditions);
        all.push(row("OmniInstance", id, known));
    }
    for object in catalog.versions() {
        let id = id_of(object);
        let known = statuses.versions.get(&id).map(|status| &status.conditions);
        all.push(row("ModelVersion", id, known));
    }
    for object in catalog.pins() {
        let id = id_of(object);
        let known = statuses.pins.get(&id).map(|status| &status.conditions);
        all.push(row("TenantPin", id, known));
    }
    all
}

/// The three kinds as `kubectl get` shows them, and under them whatever a person may want to act on.
#[must_use]
pub fn table(catalog: &Catalog, statuses: &Statuses) -> String {
    let all = rows(catalog, statuses);
    let of_kind = |kind: &'static str| all.iter().filter(move |row| row.kind == kind);
    let name = |row: &Row<'_>| {
        if row.id.0 == "default" {
            row.id.1.clone()
        } else {
            row.id.0.clone() + "/" + &row.id.1
        }
    };
    let ready = |row: &Row<'_>| row.word(READY, |c| &c.status).to_owned();
    let why = |row: &Row<'_>| row.word(READY, |c| &c.reason).to_owned();
    let mut instances = vec![["OMNIINSTANCE", "READY", "WHY", "URL"].map(str::to_owned).to_vec()];
    for (row, object) in of_kind("OmniInstance").zip(catalog.instances()) {
        instances.push(vec![name(row), ready(row), why(row), object.spec.base_url.clone()]);
    }
    let mut versions = vec![
        ["MODELVERSION", "VERSION", "READY", "WHY", "DASHBOARDS", "IN USE"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for (row, object) in of_kind("ModelVersion").zip(catalog.versions()) {
        let status = statuses.versions.get(&row.id);
        let dashboards = status
            .and_then(|status| status.dashboards.as_ref())
            .map(|some| some.progress.clone());
        let in_use = row.word(IN_USE, |c| &c.status).to_owned();
        let version = object.spec.version.to_string();
        versions.push(vec![
            name(row),
            version,
            ready(row),
            why(row),
            dashboards.unwrap_or_default(),
            in_use,
        ]);
    }
    let mut pins = vec![
        [
            "TENANTPIN",
            "TENANT",
            "ENVIRONMENT",
            "WANTED",
            "VERSION",
            "READY",
            "WAITING",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for (row, object) in of_kind("TenantPin").zip(catalog.pins()) {
        let held = statuses.pins.get(&row.id).and_then(|status| status.version);
        pins.push(vec![
            name(row),
            object.spec.tenant.clone(),
            object.spec.environment.clone(),
            object.spec.version.to_string(),
            held.map_or_else(String::new, |version| version.to_string()),
            ready(row),
            row.word(WAITING, |c| &c.reason).to_owned(),
        ]);
    }
    let mut text = String::new();
    for table in [instances, versions, pins].iter().filter(|table| table.len() > 1) {
        text.push_str(&columns(table));
        text.push('\n');
    }
    text.push_str(&notes(&all));
    text
}

/// What goes on, what waits and what a person must change, a line each.
fn notes(all: &[Row<'_>]) -> String {
    let mut text = String::new();
    for row in all {
        let telling = [STALLED, RECONCILING, WAITING]
            .into_iter()
            .filter_map(|kind| true_condition(row.conditions, kind));
        for condition in telling {
            let subject = Subject::new(row.kind, &row.id);
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{subject}: {} ({}): {}",
                condition.type_, condition.reason, condition.message
            );
        }
    }
    text
}

/// Lays lines out in columns, three spaces apart, as kubectl does.
pub(super) fn columns(lines: &[Vec<String>]) -> String {
    let mut widths = Vec::new();
    for line in lines {
        widths.resize(widths.len().max(line.len()), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in lines {
        let mut laid_out = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(laid_out, "{cell:width$}   ");
        }
        text.push_str(laid_out.trim_end());
        text.push('\n');
    }
    text
}

/// The same for programs: `items` with each object's name, spec and status, and what was refused or passed by.
#[must_use]
pub fn to_json(catalog: &Catalog, statuses: &Statuses) -> Value {
    fn item<S: serde::Serialize, T: serde::Serialize>(
        kind: &str,
        object: &crate::ports::Object<S>,
        status: Option<&T>,
    ) -> Value {
        json!({
            "apiVersion": "wavepin.dev/v1alpha1",
            "kind": kind,
            "metadata": {"namespace": object.namespace, "name": object.name},
            "spec": object.spec,
            "status": status,
        })
    }
    let mut items = Vec::new();
    for object in catalog.instances() {
        items.push(item("OmniInstance", object, statuses.instances.get(&id_of(object))));
    }
    for object in catalog.versions() {
        items.push(item("ModelVersion", object, statuses.versions.get(&id_of(object))));
    }
    for object in catalog.pins() {
        items.push(item("TenantPin", object, statuses.pins.get(&id_of(object))));
    }
    let refused: Vec<Value> = catalog
        .refusals()
        .iter()
        .map(|refusal| {
            json!({
                "file": refusal.place.file.display().to_string(),
                "document": refusal.place.document,
                "object": refusal.object,
                "why": refusal.why,
            })
        })
        .collect();
    json!({"items": items, "refused": refused, "skipped": catalog.skipped()})
}
