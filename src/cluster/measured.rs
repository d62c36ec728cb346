//! Passes and status writes as they are measured: what they were over, how they ended, how long they took.

use std::fmt::Display;
use std::time::Instant;

use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};

use super::status::{CallError, is_absent};
use crate::ports::Next;
use crate::resources::conditions::{Finding, STALLED, Verdict};
use crate::telemetry::{Measures, SPANS, trace_id};

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passed {
    /// When to look again; `None` where nothing is left to look at.
    next: Option<Next>,
    /// One of [`crate::telemetry::PASS_OUTCOMES`].
    outcome: &'static str,
}

impl Passed {
    /// Nothing is declared any more.
    pub(super) const GONE: Self = Self {
        next: None,
        outcome: "gone",
    };

    /// A person must change the object; the change brings the next pass.
    pub(super) const UNTIL_CHANGED: Self = Self {
        next: None,
        outcome: "stalled",
    };

    /// To be looked at again; the outcome follows from when.
    pub(super) const fn again(next: Next) -> Self {
        let outcome = match next {
            Next::Again => "unfinished",
            Next::At(_) => "waiting",
            Next::After(_) => "settled",
            Next::Backoff { .. } => "failed",
        };
        Self {
            next: Some(next),
            outcome,
        }
    }

    /// Likewise, of a pass that found this of its object.
    pub(super) fn having_found(next: Next, findings: &[Finding]) -> Self {
        let stalled = |it: &Finding| it.condition == STALLED && it.verdict == Verdict::True;
        match findings.iter().any(stalled) {
            true => Self {
                next: Some(next),
                outcome: "stalled",
            },
            false => Self::again(next),
        }
    }
}

/// A pass on its way. Dropped before its end, it is told as abandoned: the lead is lost, or the process ends.
struct Running<'a> {
    measures: &'a Measures,
    kind: &'static str,
    started: Instant,
    outcome: &'static str,
    span: Span,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let trace = trace_id(&self.span);
        self.measures
            .reconciled(self.kind, self.outcome, self.started.elapsed(), trace);
    }
}

/// Runs a pass over an object of this kind, one of [`crate::telemetry::PASSES`], and tells how it went.
pub(super) async fn measured(
    measures: &Measures,
    kind: &'static str,
    object: impl Display,
    pass: impl Future<Output = Passed>,
) -> Option<Next> {
    let mut running = Running {
        measures,
        kind,
        started: Instant::now(),
        outcome: "abandoned",
        // Logs have it too: it says which pass a line is of.
        span: info_span!(target: SPANS, "reconcile", kind, %object, outcome = Empty),
    };
    let passed = pass.instrument(running.span.clone()).await;
    running.span.record("outcome", passed.outcome);
    running.outcome = passed.outcome;
    passed.next
}

/// How a try to write a status ended: one of [`crate::telemetry::WRITE_OUTCOMES`].
pub(super) fn write_outcome<T>(patched: &Result<T, CallError>) -> &'static str {
    match patched {
        Ok(_) => "written",
        // Written, but the answer does not parse any more: it is told so on its own way.
        Err(CallError::Api(kube::Error::SerdeError(_))) => "written",
        Err(CallError::Api(kube::Error::Api(status))) if status.is_conflict() => "conflict",
        Err(CallError::Api(kube::Error::Api(status))) if is_absent(status) => "gone",
        Err(CallError::Api(kube::Error::Api(status))) if status.is_invalid() => "refused",
        Err(CallError::Api(kube::Error::Api(status))) if status.is_forbidden() => "forbidden",
        Err(_) => "failed",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::resources::conditions::Reason;

    #[tokio::test]
    async fn a_pass_is_told_by_how_it_ended_and_one_that_is_broken_off_too() {
        let measures = Measures::default();
        let stalled = [Finding::holds(STALLED, Reason::NameTaken, "rename one of the two")];
        let later = Next::After(Duration::from_secs(600));
        for passed in [
            Passed::again(later),
            Passed::having_found(later, &[]),
            Passed::having_found(later, &stalled),
            Passed::again(Next::Backoff { after: None }),
            Passed::again(Next::Again),
            Passed::GONE,
        ] {
            let next = measured(&measures, "version", "apps/v2", async { passed }).await;
            assert_eq!(next, passed.next);
        }
        let broken_off = measured(&measures, "version", "apps/v2", std::future::pending());
        assert!(
            tokio::time::timeout(Duration::from_millis(1), broken_off)
                .await
                .is_err()
        );
        let text = measures.text();
        for (outcome, passes) in [
            ("settled", 2),
            ("stalled", 1),
            ("failed", 1),
            ("unfinished", 1),
            ("gone", 1),
            ("abandoned", 1),
            ("waiting", 0),
        ] {
            let line = format!("wavepin_reconciles_total{{kind=\"version\",outcome=\"{outcome}\"}} {passes}\n");
            assert!(text.contains(&line), "no {line} in\n{text}");
        }
        assert!(
            text.contains("wavepin_reconcile_duration_seconds_count{kind=\"version\"} 7\n"),
            "{text}"
        );
    }
}
