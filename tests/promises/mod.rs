//! The promises, each with a test of its name.

mod unknown_answer;
