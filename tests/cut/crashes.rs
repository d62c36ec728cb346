//! Broken off anywhere.
