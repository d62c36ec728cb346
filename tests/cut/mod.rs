//! Cutting a version, in process: the reconcilers against the simulator and a mapping in SQLite.

mod access;
pub(crate) mod bench;
pub(crate) mod breaking;
mod carried;
mod crashes;
mod documents;
mod doubts;
mod drift;
mod edits;
mod edits_from;
pub(crate) mod environments;
pub(crate) mod evidence;
pub(crate) mod git;
pub(crate) mod knobs;
mod late;
pub(crate) mod matrix;
mod queries;
pub(crate) mod reasons;
mod refreshed;
mod refusals;
mod renames;
mod restored;
mod sought;
pub(crate) mod whole;
