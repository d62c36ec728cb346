//! Wavepin keeps several versions of one Omni model and its dashboards alive at once, pins every tenant and environment
//! to one of them, and moves tenants to the next version when its time has come.
//!
//! A **model version** is one Omni model with its dashboards and their folder: a unit that never changes hands half
//! done. It is **adopted** from what people made by hand, or **cut** from another version: the model copied and edited,
//! the dashboards copied onto it, made whole, compared, and only then written to the **mapping**, two tables in the
//! application's database. A **tenant pin** names the version that one tenant sees in one environment: one row.
//!
//! ```text
//!   OmniInstance ──── key, database            what people declare: `resources`
//!   ModelVersion ──── adopt | cut
//!   TenantPin ─────── tenant, environment, version
//!        │
//!        ▼  `cluster` (Kubernetes)  or  `standalone` (a folder of files)
//!   ┌──────────────────────────────────────────────────────────────┐
//!   │ `omni_instance`     `model_version`        `environment`      │   observe → decide (pure) → act → report
//!   └──────────────────────────────────────────────────────────────┘
//!        │ `ports`: what the reconcilers need of the world
//!        ▼
//!   `omni` (REST)     `mapping` (PostgreSQL, SQLite)     `model_repository` (Git)
//!   `clients` (which key, which database)
//! ```
//!
//! `simulator` is an Omni organisation in memory that plays the other side in demos and tests.

pub mod cli;
pub mod clients;
pub mod cluster;
pub mod environment;
pub mod mapping;
pub mod model_repository;
pub mod model_version;
pub mod omni;
pub mod omni_instance;
pub mod ports;
pub mod resources;
pub mod simulator;
pub mod standalone;
pub mod telemetry;
