//! What every test of GitOps starts from: a namespace with the binary, and an Application that syncs a repository there.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::argo_cd::ArgoCd;
use super::record::{Moment, Record};
use super::repository::Repository;
use super::verdict::{holds_of_every, judge};
use crate::cluster::{Installation, eventually};
use crate::journey::bed::Bed;

/// How long a commit may take until all that it asks for is there. Argo CD looks every five seconds; a cut takes as long.
const PATIENCE: Duration = Duration::from_secs(180);

/// The waves of the example: who needs whom.
pub(super) const WAVES: [(&str, &str); 3] = [("OmniInstance", "-2"), ("ModelVersion", "-1"), ("TenantPin", "0")];

pub(super) struct GitOps {
    pub(super) bed: Bed,
    pub(super) argo_cd: &'static ArgoCd,
    pub(super) repository: Repository,
    pub(super) record: Record,
}

impl GitOps {
    /// With the Secret, which stands in no repository, and nothing else yet.
    pub(super) async fn new(prefix: &str) -> Self {
        let argo_cd = ArgoCd::shared();
        let bed = Bed::on(Installation::new(prefix), prefix).await;
        let namespace = &bed.cluster.namespace;
        bed.cluster.apply(&bed.secret_and_instance().0);
        let record = Record::new(argo_cd.api_server, namespace, &argo_cd.namespace);
        let repository = argo_cd.repository(namespace);
        Self {
            argo_cd,
            repository,
            record,
            bed,
        }
    }

    /// The Application's name: that of the namespace, since all Applications stand in one.
    pub(super) fn name(&self) -> &str {
        &self.bed.cluster.namespace
    }

    /// A file of the example, without the Secret, each object in its wave.
    pub(super) fn manifest(&self, file: &str) -> String {
        let text = match file {
            "instance.yaml" => self.bed.secret_and_instance().1,
            _ => self.bed.manifest(file),
        };
        let documents = text.split("\n---\n").map(|document| {
            let wave = WAVES
                .iter()
                .find(|(kind, _)| document.contains(&format!("kind: {kind}\n")));
            let (_, wave) = wave.expect("a kind of ours");
            let annotated = format!("\nmetadata:\n  annotations: {{argocd.argoproj.io/sync-wave: \"{wave}\"}}\n");
            document.replacen("\nmetadata:\n", &annotated, 1)
        });
        documents.collect::<Vec<_>>().join("\n---\n")
    }

    /// The pins of the example, all of them on version 1.
    pub(super) fn pins_on_the_first(&self) -> String {
        self.manifest("pins.yaml").replace("  version: 2\n", "  version: 1\n")
    }

    /// Publishes a commit; gives its hash.
    #[track_caller]
    pub(super) fn commit(&self, message: &str, files: &[(&str, Option<&str>)]) -> String {
        self.repository.commit(message, files)
    }

    /// Commits what the example begins with: the instance, version 1 and all pins on it.
    #[track_caller]
    pub(super) fn commit_the_first(&self) -> String {
        let files = ["instance.yaml", "clinical-v1.yaml"].map(|file| (file, self.manifest(file)));
        let pins = self.pins_on_the_first();
        let mut files: Vec<_> = files.iter().map(|(file, text)| (*file, Some(text.as_str()))).collect();
        files.push(("pins.yaml", Some(&pins)));
        self.commit("Take what was made by hand under management", &files)
    }

    /// Hands the repository to Argo CD, by the Application of the example.
    #[track_caller]
    pub(super) fn hand_over(&self) {
        let application = super::examples::application();
        let mut application: Value = serde_saphyr::from_str(&application).expect("YAML");
        application["metadata"]["name"] = self.name().into();
        application["metadata"]["namespace"] = self.argo_cd.namespace.as_str().into();
        application["spec"]["source"]["repoURL"] = self.repository.url.as_str().into();
        application["spec"]["source"]["path"] = ".".into();
        application["spec"]["destination"]["server"] = self.argo_cd.api_server.url().into();
        application["spec"]["destination"]["namespace"] = self.name().into();
        let apply = ["-n", &self.argo_cd.namespace, "apply", "-f", "-"];
        self.argo_cd
            .api_server
            .kubectl_stdin(&apply, &application.to_string())
            .success();
    }

    /// The Application as it is now; null before it is there.
    pub(super) fn application(&self) -> Arc<Value> {
        self.record.last("Application", self.name()).unwrap_or_default()
    }

    /// Waits until the commit is synced, and the Application is of this health.
    #[track_caller]
    pub(super) fn settles(&self, commit: &str, health: &str) {
        self.becomes(&format!("{commit} is synced and {health}"), |application| {
            let status = &application["status"];
            status["sync"]["status"] == "Synced"
                && status["sync"]["revision"] == commit
                && status["operationState"]["phase"] == "Succeeded"
                && status["operationState"]["syncResult"]["revision"] == commit
                && status["health"]["status"] == health
        });
    }

    /// Waits until the Application is so; shows it where it does not come to be.
    #[track_caller]
    pub(super) fn becomes(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while !holds(&self.application()) {
            assert!(
                std::time::Instant::now() < deadline,
                "not within {PATIENCE:?}: {what}\n{:#}\n{}\n{}",
                self.application()["status"],
                self.argo_cd.last_words(),
                self.bed.conditions()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until Argo CD takes an object for this; gives its message.
    #[track_caller]
    pub(super) fn is_taken_for(&self, kind: &str, name: &str, health: &str) -> String {
        let found = |application: &Value| health_of(application, kind, name);
        self.becomes(&format!("{kind} {name} is {health}"), |application| {
            found(application).is_some_and(|it| it["status"] == health)
        });
        let found = found(&self.application()).unwrap_or_default();
        found["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a pin's row holds a version.
    #[track_caller]
    pub(super) fn row_holds(&self, tenant: &str, environment: &str, version: &str) {
        let row = format!(
            "SELECT model_version_id FROM tenant_version WHERE tenant_id = '{tenant}' AND tenant_environment = '{environment}'"
        );
        eventually(&format!("{tenant} in {environment} is on {version}"), PATIENCE, || {
            self.bed.database.psql(&row).trim() == version
        });
    }

    /// The moments of the Application since the record was so long.
    pub(super) fn application_since(&self, length: usize) -> Vec<Moment> {
        let moments = self.record.all().into_iter().skip(length);
        moments.filter(|it| it.is_of("Application", self.name())).collect()
    }

    /// Passes by request change nothing that Argo CD would call out of sync, from when the record was so long.
    #[track_caller]
    pub(super) fn stays_in_sync(&self, since: usize) {
        self.bed.ask_for_passes(&format!("since-{since}"));
        self.looks_again();
        self.was_in_sync(since);
    }

    /// Argo CD called nothing out of sync since the record was so long.
    #[track_caller]
    pub(super) fn was_in_sync(&self, since: usize) {
        for moment in self.application_since(since) {
            let status = &moment.object["status"];
            assert_eq!(status["sync"]["status"], "Synced", "{status:#}");
        }
    }

    /// Has Argo CD compare everything anew, and waits until it did.
    #[track_caller]
    pub(super) fn looks_again(&self) {
        let refresh = [
            "annotate",
            "--overwrite",
            "application",
            self.name(),
            "argocd.argoproj.io/refresh=normal",
        ];
        let refresh = [&["-n", &self.argo_cd.namespace], &refresh[..]].concat();
        let before = self.record.len();
        self.argo_cd.api_server.kubectl(&refresh).success();
        // It takes the annotation away when it has compared.
        let is_done = || {
            let since = self.application_since(before);
            let asked = |it: &Moment| it.object["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_string();
            since.iter().any(asked) && since.last().is_some_and(|last| !asked(last))
        };
        eventually("it has compared", PATIENCE, is_done);
    }

    /// Holds all that the objects ever were to what must hold of every state.
    #[track_caller]
    pub(super) fn was_right_at_every_moment(&self) {
        let moments = self.record.all().into_iter();
        let ours = moments.filter(|it| it.object["apiVersion"] == "wavepin.dev/v1alpha1" && !it.gone);
        let judged = judge(self.argo_cd, ours.map(|it| it.object));
        assert!(
            judged.iter().any(|it| !it.is_observed()),
            "the first instants were seen"
        );
        holds_of_every(&judged);
    }
}

/// What an Application says of one of its objects.
pub(super) fn health_of(application: &Value, kind: &str, name: &str) -> Option<Value> {
    let resources = application["status"]["resources"].as_array()?;
    let found = resources.iter().find(|it| it["kind"] == kind && it["name"] == name)?;
    Some(found["health"].clone())
}
