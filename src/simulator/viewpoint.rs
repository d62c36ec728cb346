//! Who asks, and what lies under a model for them: the environment's connection, its tables, whose schema.

use std::collections::BTreeMap;

use super::http::Answer;
use super::knobs::{SchemaModel, UnsetSchemaAttribute};
use super::layers::{DynamicSchema, Scope};
use super::organisation::{Connection, Files, ModelKind, Organisation};

/// The values of a user's attributes, by name.
pub(super) type Attributes = BTreeMap<String, String>;

/// Who asks, as far as it decides what a query reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Viewpoint<'a> {
    pub(super) environment: Environment<'a>,
    /// None: the key's owner asks, with the one attribute that the knob gives.
    pub(super) attributes: Option<&'a Attributes>,
}

/// What chooses the environment.
#[derive(Debug, Clone, Copy)]
pub(super) enum Environment<'a> {
    /// The attribute of the key's owner.
    OfOwner,
    /// The attribute of who asks.
    OfAsker,
    /// This one, by its id, whoever asks.
    Id(&'a str),
    /// The one that this value of the attribute leads to.
    Value(&'a str),
}

impl<'a> Viewpoint<'a> {
    /// The key's owner.
    pub(super) const CALLER: Self = Self {
        environment: Environment::OfOwner,
        attributes: None,
    };

    /// A user with these attributes.
    pub(super) fn of(attributes: &'a Attributes) -> Self {
        Self {
            environment: Environment::OfAsker,
            attributes: Some(attributes),
        }
    }

    /// The same in another environment.
    pub(super) fn in_environment(self, environment: Environment<'a>) -> Self {
        Self { environment, ..self }
    }
}

impl Organisation {
    /// The value of an attribute of these, or of the key's owner.
    fn attribute_of<'a>(&'a self, attributes: Option<&'a Attributes>, name: &str) -> Option<&'a str> {
        let routes = |connection: &Connection| connection.environment_attribute.as_deref() == Some(name);
        match attributes {
            Some(attributes) => attributes.get(name).map(String::as_str),
            None if self.connections.iter().any(routes) => self.knobs.caller_attribute.as_deref(),
            None => None,
        }
    }

    /// The physical connection under a base connection as this viewpoint sees it.
    ///
    /// # Errors
    /// The connection is dynamic and who asks has no value for its attribute, or there is no such environment.
    pub(super) fn physical_connection<'a>(
        &'a self,
        base: &'a Connection,
        viewpoint: Viewpoint<'_>,
    ) -> Result<&'a Connection, Answer> {
        let Some(attribute) = &base.environment_attribute else {
            return Ok(base);
        };
        let mut environments = self
            .environments
            .iter()
            .filter(|found| found.base_connection_id == base.id);
        let of = |attributes| {
            self.attribute_of(attributes, attribute).ok_or_else(|| {
                let why = "This connection uses dynamic environments and you don't have a value set for the required \
                           user attribute";
                Answer::refusal(400, format!("{why}: {attribute}"))
            })
        };
        let value = match viewpoint.environment {
            Environment::Id(id) => {
                let mut named = environments.filter(|found| found.id == id || found.connection_id == id);
                let missing = || Answer::not_found(format!("Connection environment with id {id} does not exist"));
                let named = named.next().and_then(|found| self.connection(&found.connection_id));
                return named.ok_or_else(missing);
            }
            Environment::Value(value) => value,
            Environment::OfOwner => of(None)?,
            Environment::OfAsker => of(viewpoint.attributes)?,
        };
        let found = environments.find(|found| found.values.iter().any(|known| known == value));
        Ok(found
            .and_then(|found| self.connection(&found.connection_id))
            .unwrap_or(base))
    }

    /// The schema layer under a model.
    pub(super) fn schema_files(&self, connection_id: &str, viewpoint: Viewpoint<'_>) -> Result<&Files, Answer> {
        static NONE: Files = Files::new();
        let Some(base) = self.connection(connection_id) else {
            return Ok(&NONE);
        };
        let refreshed = self.knobs.schema_model == SchemaModel::Ready;
        let physical = &self.physical_connection(base, viewpoint)?.id;
        let schema = self.models.values().find(|model| {
            model.kind == ModelKind::Schema && model.deleted_at.is_none() && model.connection_id == *physical
        });
        Ok(schema.filter(|_| refreshed).map_or(&NONE, |model| &model.files))
    }

    /// The schema that a dynamic schema's views read for who asks.
    pub(super) fn scope_of(&self, schema: &DynamicSchema, viewpoint: Viewpoint<'_>) -> Scope {
        let value = self.attribute_of(viewpoint.attributes, &schema.user_attribute);
        match (value, self.knobs.unset_schema_attribute) {
            (Some(value), _) => Scope::Schema(value.to_owned()),
            (None, UnsetSchemaAttribute::ReadsFromSchema) => Scope::Schema(schema.from_schema.clone()),
            (None, UnsetSchemaAttribute::Fails) => Scope::Unset(schema.user_attribute.clone()),
        }
    }
}
