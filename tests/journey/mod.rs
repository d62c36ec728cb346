//! What a user does: `kubectl` on a real API server, the binary with the rights of an installation, the application's
//! own tables in a real PostgreSQL. What came of it is asked of the organisation and of `psql`, not of Wavepin.

pub(crate) mod approved;
mod asked;
pub(crate) mod at_rest;
mod available;
pub(crate) mod back;
mod bad_input;
pub(crate) mod bed;
mod by_git;
mod copies;
mod edits;
mod found;
mod frozen;
mod gone;
mod kills;
mod owners;
pub(crate) mod restored;
mod rights;
mod rotated;
mod rows;
pub(crate) mod secrets;
mod sought;
pub(crate) mod waves;
mod whole;
mod worst_order;
mod write_storm;
