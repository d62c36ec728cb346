//! Connections. The list has no pages and no filter by id.

use super::OmniClient;
use super::answer::{Drift, Field};
use super::transport::Call;
use crate::ports::{Connection, OmniError};

impl OmniClient {
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
}

fn record(connection: &Field<'_>) -> Result<Connection, Drift> {
    Ok(Connection {
        id: connection.need_text("id")?,
        name: connection.need_text("name")?,
        environment_attribute: connection
            .text("userAttributeNameForConnectionsEnvironments")?
            .filter(|name| !name.is_empty()),
    })
}
