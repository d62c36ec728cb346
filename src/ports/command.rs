//! What people order by hand, past the declared objects: the ledger keeps it, and whoever leads carries it out.

use jiff::Timestamp;

/// A command, to be put on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The environment that it is about.
    pub environment: String,
    /// What.
    pub what: Ordered,
    /// Who gave it, as they call themselves.
    pub by: String,
    /// Why, for people.
    pub reason: String,
}

/// What is ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ordered {
    /// Tenants go back to what they had, and stay there until this is lifted, whatever is declared.
    RollBack(Scope),
    /// The order of this number counts no longer.
    Lift(i64),
}

/// Who goes back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everybody whom a rollout has moved, up to this attempt.
    Rollout {
        /// The attempt's number.
        attempt: i32,
    },
    /// Everybody whom it has moved with one wave.
    Wave {
        /// The attempt's number.
        attempt: i32,
        /// The wave's name.
        wave: String,
    },
    /// One tenant, by whatever it was moved.
    Tenant(String),
}

/// An order to go back that nobody has lifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub number: i64,
    /// When it was given, by the database's clock.
    pub at: Timestamp,
    /// Who goes back.
    pub scope: Scope,
    /// Who gave it.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Order {
    /// The tenant that it holds, if it is about one.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        match &self.scope {
            Scope::Tenant(tenant) => Some(tenant),
            Scope::Rollout { .. } | Scope::Wave { .. } => None,
        }
    }
}
