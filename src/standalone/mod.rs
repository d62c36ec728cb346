//! The second front: a folder of manifests in place of a cluster.
//!
//! ```text
//! files ─ manifests ─ catalog (Objects, Secrets) ─ engine ─ passes of the reconcilers ─ progress, table, exit code
//! ```
//!
//! The same reconcilers run as in a cluster; what they must remember is in the mapping database in both.

mod catalog;
mod config_maps;
mod declared;
mod diff;
mod engine;
pub mod example;
mod explain;
mod history;
pub mod import;
mod lineage;
mod manifests;
mod plan;
mod rehearsal;
mod report;
mod schedule;
mod secrets;
mod statuses;
mod validate;

pub use catalog::{Catalog, CatalogOptions, Id};
pub use declared::Declared;
pub use diff::{Compared, Comparison, Unanswered, diff, instance};
pub use engine::{Ended, Engine};
pub use explain::{Within, explain, status_table, wave_line, wave_words};
pub use history::{history, history_json, history_table};
pub use manifests::{Manifest, Place, ReadError, Reading, Refusal, files, read};
pub use plan::{Ahead, EnvironmentAhead, VersionAhead, ahead, rehearsed};
pub use rehearsal::{CallAhead, InstanceRehearsed, Rehearsals, Rehearsed, rehearse};
pub use report::{Outcome, outcome, table, to_json};
pub use statuses::{Observer, Statuses, Subject, true_condition};
pub use validate::{ValidatedVersion, validate, version};
