//! The request budget: a sliding window a key, counted where the requests arrive.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::http::Answer;
use super::knobs::Knobs;

/// When each key's requests came, as far back as the window reaches.
#[derive(Debug, Default)]
pub(super) struct Budget {
    admitted: HashMap<String, VecDeque<Instant>>,
    /// Requests answered 429 for the budget since the start or the last reset.
    pub(super) refused: u64,
}

impl Budget {
    /// Admits one request or refuses it as the firewall in front of Omni does: without saying for how long.
    pub(super) fn admit(&mut self, key: &str, now: Instant, knobs: &Knobs) -> Result<(), Answer> {
        let Some(limit) = knobs.requests_per_minute else {
            return Ok(());
        };
        let window = Duration::from_millis(knobs.budget_window_millis);
        let times = self.admitted.entry(key.to_owned()).or_default();
        while times.front().is_some_and(|first| now.duration_since(*first) >= window) {
            times.pop_front();
        }
        if times.len() < limit as usize {
            times.push_back(now);
            return Ok(());
        }
        self.refused += 1;
        Err(too_many(knobs.retry_after).with_header("x-omni-waf-action", "block"))
    }
}

/// A 429, with or without a hint.
pub(super) fn too_many(retry_after: Option<u64>) -> Answer {
    let answer = Answer::refusal(429, "Too Many Requests");
    match retry_after {
        Some(seconds) => answer.with_header("retry-after", seconds.to_string()),
        None => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_and_keys_do_not_share_it() {
        let knobs = Knobs {
            requests_per_minute: Some(2),
            budget_window_millis: 1000,
            ..Knobs::default()
        };
        let mut budget = Budget::default();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        assert!(budget.admit("a", at(0), &knobs).is_ok());
        assert!(budget.admit("a", at(500), &knobs).is_ok());
        let refusal = budget.admit("a", at(999), &knobs).unwrap_err();
        assert_eq!(refusal.status, 429);
        assert_eq!(
            refusal.headers,
            vec![("x-omni-waf-action", "block".to_owned())],
            "no Retry-After unless asked for"
        );
        assert!(budget.admit("b", at(999), &knobs).is_ok());
        assert!(
            budget.admit("a", at(1000), &knobs).is_ok(),
            "the first one left the window"
        );
        assert!(budget.admit("a", at(1400), &knobs).is_err());
        assert_eq!(budget.refused, 2);
    }
}
