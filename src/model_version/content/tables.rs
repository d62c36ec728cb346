//! Which schemas the SQL of a plan reads.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is well-formed")
}

/// One part of a table's name: quoted as one dialect or another does it, or bare.
const PART: &str = r#"(?:"[^"]+"|`[^`]+`|\[[^\]]+\]|[A-Za-z_][\w$-]*)"#;

/// A table behind `FROM`, `JOIN`, or a comma of a list of tables.
static TABLE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?i)\b(?:from|join)\s+(?:lateral\s+)?({PART}(?:\s*\.\s*{PART})*)"
    ))
});
/// A name that the statement gives to a query of its own.
static COMMON: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?i)(?:\bwith\s+(?:recursive\s+)?|,\s*|\)\s*,\s*)({PART})\s*(?:\([^()]*\)\s*)?as\s*(?:materialized\s*)?\("
    ))
});
/// What is no SQL but a text or a remark in it.
static TEXT: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?s)'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/"));

/// Where a table is, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Schema {
    /// The database, where it is named.
    pub database: Option<String>,
    /// The schema; empty for a table without one: which that is nobody can tell.
    pub name: String,
}

impl Schema {
    /// Its name as a pattern has it: with its database before it where the pattern has a dot.
    #[must_use]
    pub fn as_in(&self, pattern: &str) -> String {
        match &self.database {
            Some(database) if pattern.contains('.') => format!("{database}.{}", self.name),
            _ => self.name.clone(),
        }
    }
}

/// The schemas of all tables that a statement reads.
#[must_use]
pub fn schemas(sql: &str) -> BTreeSet<Schema> {
    let sql = TEXT.replace_all(sql, "''");
    let common: BTreeSet<String> = COMMON.captures_iter(&sql).map(|found| bare(&found[1])).collect();
    let mut schemas = BTreeSet::new();
    for table in TABLE.captures_iter(&sql) {
        let parts = parts(&table[1]);
        match parts.as_slice() {
            [only] if common.contains(only) => {}
            [before @ .., schema, _] => {
                let (database, name) = (before.last().cloned(), schema.clone());
                schemas.insert(Schema { database, name });
            }
            _ => {
                let (database, name) = (None, String::new());
                schemas.insert(Schema { database, name });
            }
        }
    }
    schemas
}

/// The parts of a name: BigQuery quotes all of it at once.
fn parts(name: &str) -> Vec<String> {
    static EACH: LazyLock<Regex> = LazyLock::new(|| pattern(PART));
    let each = EACH.find_iter(name).map(|part| part.as_str());
    let split = |part: &str| -> Vec<String> {
        if part.starts_with('`') {
            bare(part).split('.').map(str::to_owned).collect()
        } else {
            vec![bare(part)]
        }
    };
    each.flat_map(split).collect()
}

fn bare(part: &str) -> String {
    part.trim_matches(['"', '`', '[', ']']).to_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::quoted(r#"SELECT 1 FROM "DB"."TENANT_A"."PATIENTS" AS "p" LEFT JOIN "DB"."SHARED"."WARDS" w ON 1=1"#, &["DB.SHARED", "DB.TENANT_A"])]
    #[case::bare("select * from tenant_a.patients p join tenant_b.wards on true", &["tenant_a", "tenant_b"])]
    #[case::big_query("SELECT 1 FROM `proj-1.tenant_a.patients`", &["proj-1.tenant_a"])]
    #[case::sql_server("SELECT 1 FROM [db].[tenant_a].[patients]", &["db.tenant_a"])]
    #[case::of_its_own("WITH base AS (SELECT 1 FROM a.x), \"more\" (n) AS (SELECT 1 FROM base) SELECT * FROM more JOIN base ON true", &["a"])]
    #[case::without("SELECT 1 FROM patients", &[""])]
    #[case::texts("SELECT 'from b.x', 1 -- from c.x\n FROM a.x /* join d.x */", &["a"])]
    #[case::none("SELECT 1", &[])]
    fn the_schemas_of_all_tables(#[case] sql: &str, #[case] expected: &[&str]) {
        let found: Vec<String> = schemas(sql).iter().map(|it| it.as_in("a.b")).collect();
        assert_eq!(found, expected);
    }
}
