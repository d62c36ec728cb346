//! omni_instance
