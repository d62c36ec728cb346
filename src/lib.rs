//! Wavepin keeps several versions of one Omni model and its dashboards alive at once.

pub mod cli;
pub mod clients;
pub mod cluster;
pub mod environment;
pub mod mapping;
pub mod model_version;
pub mod omni;
pub mod omni_instance;
pub mod ports;
pub mod resources;
pub mod simulator;
pub mod standalone;
pub mod telemetry;
