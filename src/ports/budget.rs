//! The request budget of a key: its places, who is asked for one, and in which order of importance.

use std::time::Duration;

use async_trait::async_trait;

use super::MappingError;
use super::window::Throttle;

/// How much depends on a call, the most important first. Classes share the budget by weight, so that none starves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// A tenant waits for it: a pin names a version that is not complete yet.
    Unstick,
    /// It carries on with a cut that has begun.
    Going,
    /// It begins a new cut.
    New,
    /// It looks whether all is still as it should be.
    Check,
}

impl Urgency {
    /// All of them, the most important first.
    pub const ALL: [Self; 4] = [Self::Unstick, Self::Going, Self::New, Self::Check];

    /// The word for it, in measures.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unstick => "unstick",
            Self::Going => "going",
            Self::New => "new",
            Self::Check => "check",
        }
    }
}

/// What is asked for: one place in the window of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// A hash of the organisation's address and the key.
    pub key: String,
    /// How many requests a window may hold; the lowest that anyone asked for within the window counts.
    pub rate: u32,
    /// The window: 60 seconds, but for tests.
    pub window: Duration,
    /// How long the place is taken for where nobody gives it back: until its request has surely ended, and a window
    /// longer.
    pub hold: Duration,
}

/// How a key stands, as the last one who asked was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// How many places are taken, by whomever.
    pub used: u32,
    /// How many there are.
    pub rate: u32,
    /// The key comes back after a pause: how a request ended must be said, since others wait for it.
    pub recovering: bool,
    /// All requests of the key wait, after a 429.
    pub paused: bool,
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// There was one, and it is taken.
    Taken {
        /// Which.
        id: i64,
        /// How the key stands.
        told: Told,
    },
    /// There is none; to ask again before this time would be in vain.
    Later {
        /// How long.
        after: Duration,
        /// How the key stands.
        told: Told,
    },
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing tells that the server took it: no answer came, or it was never sent.
    Unknown,
    /// The server took it.
    Accepted,
    /// The server asked for fewer requests (429).
    Throttled(Throttle),
}

/// A place that is given back: it is free a window from now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    /// What was asked for when it was taken.
    pub ask: Ask,
    /// Which place.
    pub id: i64,
    /// Whether the key came back after a pause when it was taken.
    pub recovering: bool,
    /// How its request ended.
    pub outcome: Outcome,
}

/// The windows of all keys, kept where every process that uses a key sees them.
///
/// Both calls are one transaction each that begins with the fence, like everything that writes to the mapping: who has
/// lost the lead gets no place, and so sends nothing. Who writes nothing else, neither here nor in Omni, has no lead to
/// lose and takes its places without.
#[async_trait]
pub trait Budget: Send + Sync {
    /// Takes a place, if there is one.
    ///
    /// # Errors
    /// Those of the mapping. No place, no request.
    async fn take_place(&self, ask: &Ask) -> Result<Place, MappingError>;

    /// Gives a place back, and says how its request ended.
    ///
    /// # Errors
    /// Those of the mapping: the place is free when its hold ends.
    async fn give_back(&self, place: &Return) -> Result<(), MappingError>;

    /// How a key stands, for somebody who asks for no place. Writes nothing, and wants no fence.
    ///
    /// # Errors
    /// Those of the mapping.
    async fn standing(&self, key: &str, rate: u32) -> Result<Told, MappingError>;
}
