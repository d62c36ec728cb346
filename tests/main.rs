//! One test binary: one API server and one PostgreSQL serve every module.

mod cluster;
mod cut;
mod mapping;
mod omni_client;
mod parts;
mod standalone;
