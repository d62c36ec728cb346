//! Cutting a version, in process: the reconcilers against the simulator and a mapping in SQLite.

pub(crate) mod bench;
mod breaking;
mod crashes;
mod doubts;
mod refusals;
mod whole;
