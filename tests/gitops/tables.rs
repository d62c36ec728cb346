//! The tables of docs/gitops.md: what Argo CD and Flux say at every stage of an object's life.

use std::sync::Arc;

use serde_json::Value;

use super::argo_cd::ArgoCd;
use super::verdict::{Judged, holds_of_every, judge};
use crate::cluster::condition;
use crate::parts::generated;

/// An object at a stage of its life.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    /// What has happened, for people.
    pub(super) what: &'static str,
    pub(super) object: Arc<Value>,
}

/// The stages of one kind.
#[derive(Debug)]
pub(super) struct Life {
    kind: &'static str,
    stages: Vec<Stage>,
}

impl Life {
    pub(super) const fn of(kind: &'static str) -> Self {
        Self {
            kind,
            stages: Vec::new(),
        }
    }

    /// Adds a stage.
    #[track_caller]
    pub(super) fn add(&mut self, what: &'static str, object: impl Into<Arc<Value>>) {
        let object = object.into();
        assert_eq!(object["kind"], self.kind, "{what}");
        self.stages.push(Stage { what, object });
    }

    /// Judges every stage, and holds the table in the documentation to what came of it.
    #[track_caller]
    pub(super) fn is_told(&self, argo_cd: &ArgoCd) {
        let mut table =
            String::from("| what has happened | `Ready` | besides | Argo CD | Flux |\n|---|---|---|---|---|\n");
        for stage in &self.stages {
            let judged = judge(argo_cd, [Arc::clone(&stage.object)]);
            holds_of_every(&judged);
            let [judged] = &judged[..] else {
                panic!("one object, one verdict");
            };
            table += &row(stage.what, judged);
        }
        generated::part_holds("docs/gitops.md", self.kind, &table);
    }
}

/// One line of the table.
fn row(what: &str, judged: &Judged) -> String {
    let (ready, besides) = if judged.is_going() {
        (String::new(), "`deletionTimestamp`".to_owned())
    } else if judged.is_observed() {
        let ready = condition(&judged.object, "Ready").expect("what was looked at says so");
        (told(ready), besides(judged))
    } else {
        let ready = condition(&judged.object, "Ready").expect("it is born with one");
        let is_new = ready["reason"] == "Pending";
        let ready = if is_new {
            told(ready)
        } else {
            "of the spec before".to_owned()
        };
        (ready, String::new())
    };
    let (argo_cd, kstatus) = (&judged.argo_cd.status, &judged.kstatus.status);
    format!("| {what} | {ready} | {besides} | {argo_cd} | {kstatus} |\n")
}

/// `True`, and why.
fn told(condition: &Value) -> String {
    let word = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    format!("{} `{}`", word("status"), word("reason"))
}

/// What is true besides `Ready`, of all that decides.
fn besides(judged: &Judged) -> String {
    let names = ["Reconciling", "Stalled", "Waiting", "Drifted"];
    let found = names.into_iter().filter(|name| judged.is(name));
    found.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
