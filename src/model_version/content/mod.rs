//! Dashboards taken apart: links, transformation for import, pairing and comparison. All pure.
//!
//! | file | what it does |
//! |---|---|
//! | [`findings`] | what Omni's content validation found, by names that stay the same in a copy |
//! | [`identifier`] | the deterministic identifier of a copy |
//! | [`links`] | finds and rewrites links between documents |
//! | [`documents_v2`] | a document as the newer documents API has it, and what that way does not carry |
//! | [`transform`] | an export, made ready to be imported onto another model |
//! | [`pairing`] | which tile, local model and id of the copy stands for which of the source |
//! | [`query_views`] | what a tab's query view is called by in a copy |
//! | [`state`] | what a document consists of, as a hash that stays while nobody edits it |
//! | [`compare`] | whether a copy is whole: equal in a closed list of places, ids mapped |

pub mod compare;
pub mod documents_v2;
pub mod findings;
pub mod identifier;
pub mod links;
pub mod pairing;
pub mod query_views;
pub mod renames;
pub mod state;
pub mod tables;
pub mod tiles;
pub mod transform;
