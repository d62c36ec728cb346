//! Connections. The list has no pages and no filter by id.

use std::collections::BTreeSet;

use super::OmniClient;
use super::answer::{Drift, Field};
use super::transport::Call;
use crate::ports::{Connection, OmniError};

impl OmniClient {
    /// Those in the trash too: an id tells the organisation, whatever became of the connection.
    pub(super) async fn list_connection_ids(&self) -> Result<BTreeSet<String>, OmniError> {
        let call = Call::new("GET /v1/connections", "the organisation");
        let answer = self.send(&call).await?;
        answer.read(&call, |root| {
            let connections = root.need("connections")?.items()?;
            connections
                .iter()
                .map(|connection| connection.need_text("id"))
                .collect()
        })
    }

    pub(super) async fn find_connection(&self, id: &str) -> Result<Option<Connection>, OmniError> {
        let call = Call::new("GET /v1/connections", format!("connection {id}"));
        let answer = self.send(&call).await?;
        answer.read(&call, |root| {
            for connection in root.need("connections")?.items()? {
                if connection.need_text("id")? == id && connection.get("deletedAt").is_none() {
                    return record(&connection).map(Some);
                }
            }
            Ok(None)
        })
    }

    /// The list has no pages and no filter either; its name and the shape of its values differ between Omni's descriptions.
    pub(super) async fn list_environment_connections(&self, base: &str) -> Result<BTreeSet<String>, OmniError> {
        let call = Call::new("GET /v1/connection-environments", format!("connection {base}"));
        let answer = self.send(&call).await?;
        answer.read(&call, |root| {
            let list = match root.get("data") {
                Some(data) => data,
                None => root.need("connectionEnvironments")?,
            };
            let mut environments = BTreeSet::new();
            for environment in list.items()? {
                if environment.need_text("baseConnectionId")? == base {
                    environments.insert(environment.need_text("connectionId")?);
                }
            }
            Ok(environments)
        })
    }
}

fn record(connection: &Field<'_>) -> Result<Connection, Drift> {
    Ok(Connection {
        id: connection.need_text("id")?,
        name: connection.need_text("name")?,
        environment_attribute: connection
            .text("userAttributeNameForConnectionsEnvironments")?
            .filter(|name| !name.is_empty()),
        base_role: connection.text("baseRole")?,
    })
}
