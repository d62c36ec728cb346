//! What the application's own table says of tenants.

/// What was read of the application's table of tenants, beside an environment's rows and in the same snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TenantLines {
    /// Nobody asked for it.
    #[default]
    NotAsked,
    /// Its rows, of those tenants that have a row of `tenant_version` in the environment; in no order.
    Read(Vec<TenantLine>),
    /// It cannot be used: why, and what a person can run or correct. No value of a row is in it.
    Unusable(String),
}

/// A row of the application's table of tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantLine {
    /// The tenant, as text.
    pub tenant: String,
    /// What its columns hold, as text, in the order in which they are declared; `None` for `NULL`.
    pub values: Vec<Option<String>>,
}
