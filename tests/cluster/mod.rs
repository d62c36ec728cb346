//! The definitions and the controller on a real API server.

mod controller;
mod definitions;
mod followed;
mod installation;
mod process;
pub(crate) mod rights;

use std::sync::OnceLock;

use crate::parts::ApiServer;

pub(crate) use installation::{Installation, condition, eventually, example};

/// The API server with our definitions.
#[track_caller]
pub(crate) fn api_server_with_definitions() -> &'static ApiServer {
    static APPLIED: OnceLock<()> = OnceLock::new();
    let api_server = ApiServer::shared();
    APPLIED.get_or_init(|| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
        let applied = api_server.kubectl(&["apply", "--server-side", "-f", folder]).success();
        assert_eq!(applied.lines().count(), 5, "{applied}");
        let established = ["wait", "--for=condition=Established", "--timeout=30s", "-f", folder];
        api_server.kubectl(&established).success();
    });
    api_server
}
