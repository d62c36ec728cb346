//! omni
