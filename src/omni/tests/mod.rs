//! The adapter against a server that answers in every way that Omni is known to, and in some that it should not.

mod access;
mod canned;
mod classification;
mod content;
mod models;
mod places;
mod queries;
mod rehearsal;
