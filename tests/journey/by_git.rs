//! A model that comes by its repository, from `kubectl apply` to the rows; then a token that is wrong for a while.

use std::time::Duration;

use serde_json::json;

use super::bed::{Bed, FILES, FIRST, KEY, SECOND, TENANTS, list};
use crate::cluster::eventually;
use crate::cut::git::{directory, history, kept_at, with};
use crate::parts::git::{GitServer, Repository};

/// A token that opens nothing.
const WRONG: &str = "token-of-nobody-who-may";

const BY_GIT: &str = "    copy: Git\n    git: {directory: \"omni/clinical-v{version}\"}\n";

/// A third version by the same way.
const THIRD: &str = "apiVersion: wavepin.dev/v1alpha1
kind: ModelVersion
metadata: {name: clinical-v3}
spec:
  instanceRef: {name: clinical}
  version: 3
  source: {fromVersion: 2}
  model:
    name: clinical v3
    copy: Git
    git: {directory: \"omni/clinical-v{version}\"}
    rolesFrom: Source
  content:
    folder: {name: v3, parentPath: clinical}
";

/// The Secret with what opens the repositories; Omni gets in by the token too.
fn models(token: &str) -> String {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "models", "annotations": {"wavepin.dev/hosts": "localhost, 127.0.0.1"}},
        "stringData": {"token": token, "ca.crt": GitServer::shared().authority()},
    });
    secret.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_comes_by_git_and_the_next_waits_for_a_token_that_is_put_right() {
    let server = GitServer::shared();
    let bed = Bed::new("by-git").await;
    for token in [server.token(), WRONG] {
        bed.cluster.keeps(token);
    }
    bed.cluster.helm(&["--set", "secrets.names={omni,models}"]);
    let by_token = json!({"authMethod": "https_token", "token": server.token()});
    let repository = kept_at(&bed.simulator, KEY, Repository::https, &by_token).await;
    let below = repository.https().replace(&repository.name, "");
    let git = format!("  git: {{urlPrefix: {below:?}, secretRef: {{name: models}}}}\n");

    let controller = bed.controller("controller");
    bed.cluster.apply(&models(server.token()));
    for file in FILES {
        bed.cluster.apply(&with(BY_GIT)(file, bed.manifest_with(file, &git)));
    }
    bed.all_ready("60s");
    let source = repository.git(&["rev-parse", "main^{/^Sync}"]);
    let ours = [
        "Version 2 by Wavepin",
        "Cut model version 2 from version 1",
        "Sync",
        "Start",
    ];
    assert_eq!(history(&repository).0, ours);
    assert_eq!(bed.cluster.object("mv/clinical-v2")["status"]["gitCommit"], source);
    let state = bed.simulator.state();
    for tenant in TENANTS {
        bed.is_on(&state, tenant, "staging", SECOND);
        bed.is_on(&state, tenant, "production", FIRST);
    }
    bed.cluster.end("controller", controller);

    // Who starts anew has no Secret in mind.
    bed.cluster.apply(&models(WRONG));
    let controller = bed.controller("next");
    bed.cluster.apply(THIRD);
    let told = bed.told("mv/clinical-v3", "Stalled", "GitRefused");
    for part in [
        &*repository.https(),
        "refused the credential",
        "Give it a token that may read",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    let models_of = |name: &str| {
        let state = bed.simulator.state();
        list(&state, "models").iter().filter(|it| it["name"] == name).count()
    };
    assert_eq!(models_of("clinical v3"), 0, "nothing is begun");
    assert_eq!(history(&repository).0, ours);

    bed.cluster.apply(&models(server.token()));
    let mut requests = 0;
    eventually("version 3 is ready", Duration::from_secs(60), || {
        requests += 1;
        bed.look_again(&format!("put-right-{requests}"));
        let wait = ["wait", "--for=condition=Ready", "mv/clinical-v3", "--timeout=2s"];
        let args = [&["-n", &bed.cluster.namespace], &wait[..]].concat();
        bed.cluster.api_server.kubectl(&args).status.success()
    });
    assert_eq!(models_of("clinical v3"), 1);
    let (commits, _) = history(&repository);
    let third = "Cut model version 3 from version 2";
    assert_eq!(commits.iter().filter(|it| *it == third).count(), 1, "{commits:?}");
    assert_eq!(commits[commits.len() - ours.len()..], ours);
    let files = |path: &str| directory(&repository, path).as_object().map_or(0, serde_json::Map::len);
    assert!(files("omni/clinical-v3") > 0 && files("omni/clinical-v3") == files("omni/clinical-v2"));
    let rows = "SELECT count(*) FROM dashboard_model WHERE model_version_id = 3";
    assert_eq!(bed.database.psql(rows).trim(), "5");
    bed.cluster.end("next", controller);
    // Everything that was told is searched for both tokens when the installation ends.
    bed.simulator.shutdown().await;
}
