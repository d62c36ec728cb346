//! What Prometheus is told of a real run, and what its rules, the dashboard and the pages make of it.

mod chart;
mod fired;
mod log_level;
mod pages;
mod queries;
mod rules;
mod run;
mod scrape;
mod traces;
