//! Omni's published contract, and both sides held to it: the simulator's answers and our requests.

mod document;
mod published;
