//! Omni's published contract, and both sides held to it: the simulator's answers and our requests.

pub(crate) mod check;
mod document;
mod exchanges;
mod published;
