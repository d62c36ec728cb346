//! Adapters that are kept as long as what they were made from stays the same.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An adapter that nobody asked for in this time is let go: its instance is gone, or looks so seldom that a new one
/// does as well.
const UNUSED_FOR: Duration = Duration::from_secs(3600);

/// What an adapter was made from, secrets included, as a hash.
pub(super) type Origin = [u8; 32];

/// Adapters by the instance that uses them; instances with the same origin share one.
pub(super) struct Kept<T>(Mutex<HashMap<String, Entry<T>>>);

struct Entry<T> {
    origin: Origin,
    adapter: T,
    used_at: Instant,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Kept<T> {
    /// The adapter of this origin, made if there is none, and the instance's earlier one where it has another origin.
    /// That one goes only after this one was made.
    pub(super) fn get_or_make<E>(
        &self,
        instance: &str,
        origin: Origin,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<(T, Option<T>), E> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.used_at.elapsed() < UNUSED_FOR);
        let known = entries.values().find(|entry| entry.origin == origin);
        let adapter = match known {
            Some(entry) => entry.adapter.clone(),
            None => make()?,
        };
        let entry = Entry {
            origin,
            adapter: adapter.clone(),
            used_at: Instant::now(),
        };
        let before = entries.insert(instance.to_owned(), entry);
        let replaced = before.filter(|before| before.origin != origin);
        Ok((adapter, replaced.map(|before| before.adapter)))
    }
}
