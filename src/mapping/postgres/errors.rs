//! Tells the database's errors apart, and names the rights that are missing.

use sqlx::postgres::PgDatabaseError;

use super::super::ledger::Failure;
use super::PgMapping;
use crate::ports::MappingErrorKind;
use crate::resources::Management;

/// What a failure means. The grants are asked for when a right is missing.
pub(super) fn kind_of(failure: Failure, grants: impl FnOnce() -> String) -> MappingErrorKind {
    let source = match failure {
        Failure::Kind(kind) => return kind,
        Failure::Sql(source) => source,
    };
    let told = source
        .as_database_error()
        .and_then(|source| source.try_downcast_ref::<PgDatabaseError>());
    let Some(told) = told else {
        return outside_the_database(&source);
    };
    let mut why = told.message().to_owned();
    if let Some(detail) = told.detail() {
        why = format!("{why} ({detail})");
    }
    match told.code() {
        "42501" => MappingErrorKind::Rights { why, grants: grants() },
        // No such table, column, function or schema; a column of another type; a value that a type does not take.
        "42P01" | "42703" | "42883" | "3F000" | "42804" | "22P02" | "42P10" => MappingErrorKind::Schema {
            what: format!(
                "{why}: the tables are not, or no longer, what Wavepin needs; compare them with its documentation, or \
                 restore them"
            ),
        },
        // Out of connections, memory or room (53), shutting down or starting up, cancelled because of its time, a failing device.
        "57P01" | "57P02" | "57P03" | "57014" | "25P03" | "58030" => MappingErrorKind::Unreachable { why },
        // A replica, or a server that is kept from writing.
        "25006" => MappingErrorKind::Unreachable { why },
        "55P03" => MappingErrorKind::Locked { why },
        code if code.starts_with("08") || code.starts_with("53") => MappingErrorKind::Unreachable { why },
        _ => MappingErrorKind::Refused { why },
    }
}

/// Whether the database broke the transaction off in favour of another one, and it can be done again.
pub(super) fn is_broken_off(failure: &Failure) -> bool {
    let Failure::Sql(source) = failure else { return false };
    let code = source.as_database_error().and_then(|source| source.code());
    matches!(code.as_deref(), Some("40P01" | "40001"))
}

fn outside_the_database(source: &sqlx::Error) -> MappingErrorKind {
    let why = source.to_string();
    match source {
        sqlx::Error::Configuration(_) => MappingErrorKind::Refused {
            why: "a parameter of its URL is not understood".to_owned(),
        },
        sqlx::Error::PoolTimedOut => MappingErrorKind::Unreachable {
            why: "no connection in time: the server does not answer, or has none left".to_owned(),
        },
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolClosed
        | sqlx::Error::BeginFailed
        | sqlx::Error::WorkerCrashed => MappingErrorKind::Unreachable { why },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::TypeNotFound { .. } => {
            MappingErrorKind::Schema {
                what: format!("{why}: a table is not, or no longer, what Wavepin needs"),
            }
        }
        _ => MappingErrorKind::Refused { why },
    }
}

/// The tables and views that migrations change, for which PostgreSQL wants their owner.
const CHANGED: [&str; 5] = [
    "dashboard",
    "model_version",
    "pin_event",
    "pin_history",
    "rollout_event",
];

impl PgMapping {
    /// The statements that give us every right that a call may need once the tables are there.
    pub(super) fn grants(&self) -> String {
        format!("{}; {}", self.grants_on_ledger(), self.grants_on_tables(None))
    }

    pub(super) fn grant_to_make_a_schema(&self) -> String {
        format!("GRANT CREATE ON DATABASE {} TO {}", self.database, self.user)
    }

    pub(super) fn grant_to_make_tables(&self, schema: &str) -> String {
        format!("GRANT USAGE, CREATE ON SCHEMA {} TO {}", quote(schema), self.user)
    }

    pub(super) fn grants_on_ledger(&self) -> String {
        format!(
            "GRANT USAGE, CREATE ON SCHEMA wavepin TO {user}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA wavepin TO {user}",
            user = self.user
        )
    }

    /// A table is changed by its owner alone, and another user may have made it.
    pub(super) fn grants_to_migrate(&self) -> String {
        let owners = CHANGED.map(|table| format!("; ALTER TABLE IF EXISTS wavepin.{table} OWNER TO {}", self.user));
        format!("{}{}", self.grants_on_ledger(), owners.concat())
    }

    /// On the application's tables, in the schema that is given, or that the options name.
    pub(super) fn grants_on_tables(&self, schema: Option<&str>) -> String {
        let user = &self.user;
        let (prefix, on_schema) = match schema.or(self.options.schema.as_deref()) {
            Some(schema) => {
                let schema = quote(schema);
                let usage = match self.options.management {
                    Management::Managed => "USAGE, CREATE",
                    Management::External => "USAGE",
                };
                let on_schema = format!("GRANT {usage} ON SCHEMA {schema} TO {user}; ");
                (format!("{schema}."), on_schema)
            }
            None => (String::new(), String::new()),
        };
        format!(
            "{on_schema}GRANT SELECT, INSERT, UPDATE, DELETE ON {prefix}dashboard_model, {prefix}tenant_version TO {user}"
        )
    }
}

/// A name as SQL has it.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use regex::Regex;

    use super::*;

    #[test]
    fn whoever_migrates_is_told_to_own_every_table_that_migrations_change() {
        let changes = Regex::new(r"(?:ALTER TABLE|REPLACE VIEW) wavepin\.(\w+)").unwrap();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres");
        let mut changed = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let sql = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            changed.extend(changes.captures_iter(&sql).map(|it| it[1].to_owned()));
        }
        assert_eq!(changed, CHANGED.map(str::to_owned).into());
    }
}
