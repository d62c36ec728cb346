//! One test binary: one API server and one PostgreSQL serve every module.
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]
#![expect(clippy::too_many_lines, reason = "a table or a journey is read as a whole")]

mod budget;
mod chart;
mod cluster;
mod contract;
mod cut;
mod directions;
mod docs;
mod gitops;
mod hostile;
mod image;
mod journey;
mod killed;
mod machine;
mod mapping;
mod omni_client;
mod pages;
mod parts;
mod promises;
mod quick_start;
mod reasons;
mod repository;
mod sentinel;
mod standalone;
mod watched;
