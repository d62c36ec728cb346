//! What the engines of GitOps make of Wavepin: a real Argo CD syncs from a real git repository while the binary works,
//! and Flux's own library says what Flux would wait for.
//!
//! `tools/get-gitops` gets them, and `make test-gitops` runs these tests; `make test` leaves them out.

mod actions;
mod argo_cd;
mod bed;
mod examples;
mod journeys;
mod pruned;
mod record;
mod repository;
mod stages;
mod tables;
mod thousand;
mod verdict;
