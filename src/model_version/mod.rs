//! model_version
