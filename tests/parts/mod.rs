//! The real parts: a Kubernetes API server, a PostgreSQL and a Git server, each started at its first use, shared by
//! every test of the binary, and gone with it.
//!
//! A test takes what it needs for itself alone: [`ApiServer::namespace`] and [`Postgres::database`] give
//! fresh ones, as does [`git::GitServer::repository`]. A missing part fails the test and says how to get it; nothing is skipped.
//!
//! Calls that run a program (`kubectl`, `psql`) block. A test whose own runtime must go on meanwhile, since
//! it serves what they talk to, wants `#[tokio::test(flavor = "multi_thread")]`.

mod api_server;
pub(crate) mod dice;
mod family;
pub(crate) mod generated;
pub(crate) mod git;
pub(crate) mod git_https;
pub(crate) mod helm;
mod one_secret;
mod postgres;
pub(crate) mod program;
pub(crate) mod promtool;
mod proxy;
mod site;
mod smoke;

pub(crate) use api_server::ApiServer;
pub(crate) use family::{Family, Member};
pub(crate) use one_secret::{OneSecret, bare_instance};
pub(crate) use postgres::{Database, Postgres};
pub(crate) use program::{Output, free_port, gitops_tool};
pub(crate) use proxy::{Line, Proxy};
pub(crate) use site::Site;
