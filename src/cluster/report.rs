//! From what a pass reports to the status that an object should have.

use super::kind::Kind;
use super::table::Record;
use crate::environment::{ApprovalReport, PinReport, RolloutReport};
use crate::model_version::VersionReport;
use crate::omni_instance::InstancePass;
use crate::resources::conditions::{Finding, apply, says};
use crate::resources::{
    ModelVersion, ModelVersionStatus, OmniInstance, OmniInstanceStatus, TenantPin, TenantPinStatus, VersionRollout,
    VersionRolloutStatus, WaveApproval, WaveApprovalStatus,
};

/// What a pass says of one object of kind `K`.
pub(super) trait ReportOf<K: Kind> {
    fn spec_hash(&self) -> &str;
    fn findings(&self) -> &[Finding];
    /// Sets all that is in the status besides conditions and what [`wanted`] sets for every kind.
    fn fill(&self, status: &mut K::Status);
    /// Whether that is in the status already.
    fn is_in(&self, status: &K::Status) -> bool {
        let mut filled = status.clone();
        self.fill(&mut filled);
        filled == *status
    }
}

impl ReportOf<OmniInstance> for InstancePass {
    fn spec_hash(&self) -> &str {
        &self.spec_hash
    }

    fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn fill(&self, _status: &mut OmniInstanceStatus) {}
}

impl ReportOf<ModelVersion> for VersionReport {
    fn spec_hash(&self) -> &str {
        &self.spec_hash
    }

    fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What a pass did not come to see stays as it was: an outage must not blank a status, and least of all unseal.
    fn fill(&self, status: &mut ModelVersionStatus) {
        fn keep_or<T: Clone>(field: &mut Option<T>, seen: Option<&T>) {
            if let Some(seen) = seen {
                *field = Some(seen.clone());
            }
        }
        keep_or(&mut status.model_id, self.model_id.as_ref());
        keep_or(&mut status.folder, self.folder.as_ref());
        keep_or(&mut status.git_commit, self.git_commit.as_ref());
        keep_or(&mut status.plan, self.plan.as_ref());
        keep_or(&mut status.sealed, self.sealed.then_some(&true));
        if let Some(dashboards) = &self.dashboards {
            status.dashboards = Some(dashboards.clone());
            status.foreign_links.clone_from(&self.foreign_links);
            status.not_carried.clone_from(&self.not_carried);
        }
        keep_or(
            &mut status.validation,
            self.found.as_ref().map(|it| it.status()).as_ref(),
        );
    }
}

impl ReportOf<TenantPin> for PinReport {
    fn spec_hash(&self) -> &str {
        &self.spec_hash
    }

    fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn fill(&self, status: &mut TenantPinStatus) {
        if self.row_seen {
            status.version = self.version;
            status.previous_version = self.previous_version;
            status.since = self.since;
        }
    }

    /// Without a copy: this is asked of every pin in every pass.
    fn is_in(&self, status: &TenantPinStatus) -> bool {
        let seen = (self.version, self.previous_version, self.since);
        !self.row_seen || (status.version, status.previous_version, status.since) == seen
    }
}

impl ReportOf<VersionRollout> for RolloutReport {
    fn spec_hash(&self) -> &str {
        &self.spec_hash
    }

    fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn fill(&self, status: &mut VersionRolloutStatus) {
        if let Some(progress) = &self.progress {
            progress.fill(status);
        }
    }
}

impl ReportOf<WaveApproval> for ApprovalReport {
    fn spec_hash(&self) -> &str {
        &self.spec_hash
    }

    fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn fill(&self, status: &mut WaveApprovalStatus) {
        Self::fill(self, status);
    }
}

/// The status that the object should have; `None` where it has it already, or where the report speaks of another spec.
///
/// `request` is the value of the annotation that asked for the pass, as it was when the pass began: one that came
/// later is acknowledged by a later pass.
pub(super) fn wanted<K: Kind, R: ReportOf<K>>(
    record: &Record<K>,
    report: &R,
    request: Option<&str>,
) -> Option<K::Status> {
    if record.object.spec_hash != report.spec_hash() {
        return None;
    }
    let generation = Some(record.identity.generation);
    let (now, findings) = (&record.status, report.findings());
    let is_seen = K::observed_generation(now) == generation && says(K::conditions(now), findings, generation);
    if is_seen && request.is_none() && report.is_in(now) {
        return None;
    }
    let mut status = record.status.clone();
    report.fill(&mut status);
    let head = K::head(&mut status);
    apply(head.conditions, report.findings(), generation);
    *head.observed_generation = generation;
    if let Some(request) = request {
        *head.last_handled_reconcile_at = Some(request.to_owned());
    }
    (status != record.status).then_some(status)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::cluster::merge::status_patch;
    use crate::cluster::table::Entry;
    use crate::cluster::watched::Watched;
    use crate::resources::conditions::{READY, Reason, STALLED};

    fn pin() -> Record<TenantPin> {
        let pin: Watched<TenantPin> = serde_json::from_value(json!({
            "apiVersion": "wavepin.dev/v1alpha1", "kind": "TenantPin",
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": "7", "generation": 3},
            "spec": {"instanceRef": {"name": "acme"}, "tenant": "t", "environment": "staging", "version": 2},
            "status": {"observedGeneration": -1, "conditions": [{"type": "Ready", "status": "Unknown",
                "reason": "Pending", "message": "", "lastTransitionTime": "1970-01-01T00:00:00Z"}]},
        }))
        .unwrap();
        let Entry::Readable(record) = Entry::of(pin) else {
            panic!("it parses");
        };
        Arc::into_inner(record).expect("nobody else has it")
    }

    fn report(findings: Vec<Finding>) -> PinReport {
        PinReport {
            name: "p".into(),
            spec_hash: pin().object.spec_hash.clone(),
            findings,
            row_seen: true,
            version: Some(2),
            previous_version: None,
            since: None,
        }
    }

    fn with_status(status: TenantPinStatus) -> Record<TenantPin> {
        Record { status, ..pin() }
    }

    #[test]
    fn the_same_report_twice_is_one_write() {
        let report = report(vec![Finding::holds(READY, Reason::Converged, "as declared")]);
        let status = wanted(&pin(), &report, None).expect("the first is news");
        assert_eq!(status.observed_generation, Some(3));
        assert_eq!(status.conditions[0].observed_generation, Some(3));
        assert_eq!(wanted(&with_status(status), &report, None), None);
    }

    #[test]
    fn a_condition_that_went_away_is_absent_from_what_is_sent() {
        let stalled = report(vec![
            Finding::fails(READY, Reason::Conflict, "taken"),
            Finding::holds(STALLED, Reason::Conflict, "taken"),
        ]);
        let before = with_status(wanted(&pin(), &stalled, None).unwrap());
        assert_eq!(before.status.conditions.len(), 2);
        let fine = report(vec![Finding::holds(READY, Reason::Converged, "as declared")]);
        let after = wanted(&before, &fine, None).unwrap();
        let patch = status_patch(&before.status, &after, "7").unwrap();
        let types: Vec<_> = patch["status"]["conditions"].as_array().unwrap().iter().collect();
        assert_eq!(types.len(), 1);
        assert_eq!(types[0]["type"], "Ready");
    }

    #[test]
    fn a_report_of_another_spec_is_not_written() {
        let mut report = report(Vec::new());
        report.spec_hash = "other".into();
        assert_eq!(wanted(&pin(), &report, None), None);
    }

    #[test]
    fn what_was_not_seen_stays() {
        let mut report = report(vec![Finding::holds(READY, Reason::Converged, "as declared")]);
        let before = with_status(wanted(&pin(), &report, None).unwrap());
        report.row_seen = false;
        report.version = None;
        report.findings[0].reason = Reason::MappingUnreachable;
        assert_eq!(wanted(&before, &report, None).unwrap().version, Some(2));

        let mut status = ModelVersionStatus {
            model_id: Some("m".into()),
            sealed: Some(true),
            ..ModelVersionStatus::default()
        };
        VersionReport::default().fill(&mut status);
        assert_eq!((status.model_id.as_deref(), status.sealed), (Some("m"), Some(true)));
    }

    #[test]
    fn a_request_is_acknowledged_once() {
        let report = report(vec![Finding::holds(READY, Reason::Converged, "as declared")]);
        let status = wanted(&pin(), &report, Some("now")).unwrap();
        assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("now"));
        assert_eq!(wanted(&with_status(status), &report, Some("now")), None);
    }
}
