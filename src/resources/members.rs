//! Tenants without a pin: which rows take part in a rollout, and which of the application's own tables labels them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who takes part in a rollout besides the pins that follow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Members {
    /// Rows of `tenant_version` of this environment whose tenants have no TenantPin take part too.
    pub rows: RowMembers,
}

/// How rows without a pin take part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RowMembers {
    /// The name in `mapping.tenantTables` of the OmniInstance whose columns are the labels of tenants without a pin. Absent: they have none, and are in the wave without a selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub labels_from: Option<String>,
}

/// A table or view of the application, in the mapping's database, with a row for each tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantTable {
    /// The table or view, as the database stores its name: `tenants`, or `crm.tenants` with its schema. Without one it is looked for in `mapping.schema`, or else where the connection's search path finds it.
    #[schemars(
        length(min = 1, max = 127),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$")
    )]
    pub table: String,
    /// The column that names the tenant as `tenant_version.tenant_id` does. Of any type; its text counts.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub tenant_column: String,
    /// The column that names the environment as `tenant_version.tenant_environment` does, where the table has a row for each. Absent: a row speaks for its tenant in every environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub environment_column: Option<String>,
    /// The columns that are the tenant's labels: the key is the column's name, the value its text; `NULL` is no label.
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub columns: Vec<String>,
}

/// How many tables of tenants an instance may name.
pub(super) const MOST_TENANT_TABLES: usize = 16;

impl TenantTable {
    /// What is wrong with it as it stands under this name, if anything: files bypass the schema of the API server.
    #[must_use]
    pub fn refusal(&self, name: &str) -> Option<String> {
        let at = format!("spec.mapping.tenantTables.{name}");
        let parts = self.table.split('.');
        if parts.clone().count() > 2 || !parts.clone().all(is_identifier) {
            return Some(format!(
                "{at}.table must be a name, or a schema and a name with a dot between: letters, digits and _, at most 63 \
                 each. Make a view for a table with another name"
            ));
        }
        let columns = [
            ("tenantColumn", Some(&self.tenant_column)),
            ("environmentColumn", self.environment_column.as_ref()),
        ];
        for (field, column) in columns {
            if !column.is_none_or(|column| is_identifier(column)) {
                return Some(format!(
                    "{at}.{field} must be a column's name: letters, digits and _, at most 63"
                ));
            }
        }
        let key = |column: &str| is_identifier(column) && !column.starts_with('_') && !column.ends_with('_');
        if let Some(place) = self.columns.iter().position(|column| !key(column)) {
            return Some(format!(
                "{at}.columns[{place}] must be a column's name that is the key of a label: letters, digits and _, at most \
                 63, with a letter first and no _ last"
            ));
        }
        if self.columns.is_empty() || self.columns.len() > MOST_TENANT_TABLES {
            let count = self.columns.len();
            return Some(format!(
                "{at}.columns has {count} entries; give it 1 to {MOST_TENANT_TABLES}"
            ));
        }
        let twice = (1..self.columns.len()).find(|at| self.columns[..*at].contains(&self.columns[*at]));
        twice.map(|place| format!("{at}.columns[{place}] is there twice; take one of them out"))
    }
}

fn is_identifier(text: &str) -> bool {
    let mut letters = text.chars();
    let first = letters.next();
    text.len() <= 63
        && first.is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// Whether a text may be the value of a label, as Kubernetes has it: at most 63 letters, digits, `-`, `_` and `.`, with a
/// letter or digit first and last; or nothing.
#[must_use]
pub fn is_label_value(text: &str) -> bool {
    let plain = |letter: Option<char>| letter.is_none_or(|letter| letter.is_ascii_alphanumeric());
    text.len() <= 63
        && plain(text.chars().next())
        && plain(text.chars().next_back())
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(change: impl FnOnce(&mut TenantTable)) -> String {
        let mut table = TenantTable {
            table: "crm.tenants".to_owned(),
            tenant_column: "id".to_owned(),
            environment_column: Some("stage".to_owned()),
            columns: vec!["tier".to_owned(), "Region2".to_owned()],
        };
        change(&mut table);
        table.refusal("main").unwrap_or_default()
    }

    #[test]
    fn a_table_of_tenants_is_named_by_plain_names_and_nothing_else_reaches_the_database() {
        assert_eq!(table(|_| {}), "");
        for no in [
            "",
            "a.b.c",
            "tenants; DROP TABLE x",
            "\"tenants\"",
            "a..b",
            "1a",
            &"x".repeat(64),
        ] {
            let refusal = table(|it| it.table = no.to_owned());
            assert!(
                refusal.starts_with("spec.mapping.tenantTables.main.table"),
                "{no}: {refusal}"
            );
        }
        for no in ["", "a b", "a)", "té"] {
            assert!(
                table(|it| it.tenant_column = no.to_owned()).contains("tenantColumn"),
                "{no}"
            );
            assert!(
                table(|it| it.environment_column = Some(no.to_owned())).contains("environmentColumn"),
                "{no}"
            );
            assert!(table(|it| it.columns[1] = no.to_owned()).contains("columns[1]"), "{no}");
        }
        for no in ["_tier", "tier_"] {
            assert!(table(|it| it.columns[0] = no.to_owned()).contains("columns[0]"), "{no}");
        }
        assert!(table(|it| it.columns.clear()).contains("has 0 entries"));
        assert!(table(|it| it.columns = (0..17).map(|at| format!("c{at}")).collect()).contains("has 17 entries"));
        assert!(table(|it| it.columns[1] = "tier".to_owned()).contains("columns[1] is there twice"));
    }

    #[test]
    fn values_are_labels_as_kubernetes_has_them() {
        for yes in ["", "canary", "v1.2_b-c", "7", &"x".repeat(63)] {
            assert!(is_label_value(yes), "{yes}");
        }
        for no in ["two words", "-a", "a.", "é", "a/b", &"x".repeat(64)] {
            assert!(!is_label_value(no), "{no}");
        }
    }
}
