//! What a run came to: a table for people, the same as JSON for programs, and one word for the exit code.

use std::fmt::Write as _;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};

use super::catalog::{Catalog, Id, id_of};
use super::statuses::{Statuses, Subject, true_condition};
use crate::resources::conditions::{
    ACCEPTED, COMPLETE, CONTRACT_KNOWN, IN_USE, READY, RECONCILING, Reason, STALLED, WAITING,
};

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
        // What an instance says of its contract alone keeps nothing back: what it stops says so itself.
        let is_drift = |condition: &Condition| {
            condition.reason == Reason::ContractDrift.as_str() && condition.type_ != CONTRACT_KNOWN
        };
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

    fn name(&self) -> String {
        match self.id.0.as_str() {
            "default" => self.id.1.clone(),
            namespace => format!("{namespace}/{}", self.id.1),
        }
    }

    fn ready(&self) -> String {
        self.word(READY, |condition| &condition.status).to_owned()
    }

    fn why(&self) -> String {
        self.word(READY, |condition| &condition.reason).to_owned()
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
    for object in catalog.rollouts() {
        let id = id_of(object);
        let known = statuses.rollouts.get(&id).map(|status| &status.conditions);
        all.push(row("VersionRollout", id, known));
    }
    for object in catalog.approvals() {
        let id = id_of(object);
        let known = statuses.approvals.get(&id).map(|status| &status.conditions);
        all.push(row("WaveApproval", id, known));
    }
    all
}

/// The kinds as `kubectl get` shows them, and under them whatever a person may want to act on.
#[must_use]
pub fn table(catalog: &Catalog, statuses: &Statuses) -> String {
    let all = rows(catalog, statuses);
    let tables = [
        instances(catalog, &all),
        versions(catalog, statuses, &all),
        pins(catalog, statuses, &all),
        rollouts(catalog, statuses, &all),
        approvals(catalog, &all),
    ];
    let mut text = String::new();
    for table in tables.iter().filter(|table| table.len() > 1) {
        text.push_str(&columns(table));
        text.push('\n');
    }
    text.push_str(&notes(&all));
    text
}

fn of_kind<'all>(all: &'all [Row<'all>], kind: &'static str) -> impl Iterator<Item = &'all Row<'all>> {
    all.iter().filter(move |row| row.kind == kind)
}

fn heading<const N: usize>(words: [&str; N]) -> Vec<Vec<String>> {
    vec![words.map(str::to_owned).to_vec()]
}

fn instances(catalog: &Catalog, all: &[Row<'_>]) -> Vec<Vec<String>> {
    let mut table = heading(["OMNIINSTANCE", "READY", "WHY", "URL"]);
    for (row, object) in of_kind(all, "OmniInstance").zip(catalog.instances()) {
        table.push(vec![row.name(), row.ready(), row.why(), object.spec.base_url.clone()]);
    }
    table
}

fn versions(catalog: &Catalog, statuses: &Statuses, all: &[Row<'_>]) -> Vec<Vec<String>> {
    let mut table = heading(["MODELVERSION", "VERSION", "READY", "WHY", "DASHBOARDS", "IN USE"]);
    for (row, object) in of_kind(all, "ModelVersion").zip(catalog.versions()) {
        let status = statuses.versions.get(&row.id);
        let dashboards = status
            .and_then(|status| status.dashboards.as_ref())
            .map(|some| some.progress.clone());
        table.push(vec![
            row.name(),
            object.spec.version.to_string(),
            row.ready(),
            row.why(),
            dashboards.unwrap_or_default(),
            row.word(IN_USE, |c| &c.status).to_owned(),
        ]);
    }
    table
}

fn pins(catalog: &Catalog, statuses: &Statuses, all: &[Row<'_>]) -> Vec<Vec<String>> {
    let mut table = heading([
        "TENANTPIN",
        "TENANT",
        "ENVIRONMENT",
        "WANTED",
        "VERSION",
        "READY",
        "WAITING",
    ]);
    for (row, object) in of_kind(all, "TenantPin").zip(catalog.pins()) {
        let held = statuses.pins.get(&row.id).and_then(|status| status.version);
        table.push(vec![
            row.name(),
            object.spec.tenant.clone(),
            object.spec.environment.clone(),
            object
                .spec
                .version
                .map_or_else(String::new, |version| version.to_string()),
            held.map_or_else(String::new, |version| version.to_string()),
            row.ready(),
            row.word(WAITING, |c| &c.reason).to_owned(),
        ]);
    }
    table
}

fn rollouts(catalog: &Catalog, statuses: &Statuses, all: &[Row<'_>]) -> Vec<Vec<String>> {
    let mut table = heading([
        "VERSIONROLLOUT",
        "ENVIRONMENT",
        "VERSION",
        "PROGRESS",
        "READY",
        "WAITING",
        "COMPLETE",
    ]);
    for (row, object) in of_kind(all, "VersionRollout").zip(catalog.rollouts()) {
        let progress = statuses
            .rollouts
            .get(&row.id)
            .and_then(|status| status.progress.clone());
        table.push(vec![
            row.name(),
            object.spec.environment.clone(),
            object.spec.version.to_string(),
            progress.unwrap_or_default(),
            row.ready(),
            row.word(WAITING, |c| &c.reason).to_owned(),
            row.word(COMPLETE, |c| &c.status).to_owned(),
        ]);
    }
    table
}

fn approvals(catalog: &Catalog, all: &[Row<'_>]) -> Vec<Vec<String>> {
    let mut table = heading(["WAVEAPPROVAL", "ROLLOUT", "WAVE", "APPROVER", "READY", "STATE"]);
    for (row, object) in of_kind(all, "WaveApproval").zip(catalog.approvals()) {
        table.push(vec![
            row.name(),
            object.spec.rollout_ref.name.clone(),
            object.spec.wave.clone(),
            object.spec.approver.clone(),
            row.ready(),
            row.why(),
        ]);
    }
    table
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
    for object in catalog.rollouts() {
        items.push(item("VersionRollout", object, statuses.rollouts.get(&id_of(object))));
    }
    for object in catalog.approvals() {
        items.push(item("WaveApproval", object, statuses.approvals.get(&id_of(object))));
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
