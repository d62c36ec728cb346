//! A model that comes by its repository, with the credential of a Secret, over HTTPS and over SSH.

use serde_json::json;
use wavepin::simulator::DEFAULT_API_KEY;

use super::bench::{Bench, Ran};
use super::rehearsal::held;
use crate::cut::git::{kept_at, with};
use crate::parts::git::{GitServer, Repository};

/// The example, its first model in a repository at the address.
async fn bench(address: fn(&Repository) -> String, method: &str) -> (Bench, Repository) {
    let bench = Bench::clinical().await;
    let mut settings = json!({"authMethod": method});
    if method == "https_token" {
        settings["token"] = json!(GitServer::shared().token());
    }
    let repository = kept_at(&bench.simulator, DEFAULT_API_KEY, address, &settings).await;
    let text = std::fs::read_to_string(bench.file("clinical-v2.yaml")).expect("it is there");
    let by_git = "    copy: Git\n    git: {directory: \"omni/clinical-v{version}\"}\n";
    bench.write("clinical-v2.yaml", &with(by_git)("clinical-v2.yaml", text));
    (bench, repository)
}

/// The instance with what opens repositories below a prefix, and the Secret with it.
fn opened(bench: &Bench, prefix: &str, hosts: &str, values: &[(&str, &str)]) {
    let spec = format!("spec:\n  git: {{urlPrefix: {prefix:?}, secretRef: {{name: models}}}}\n  baseUrl");
    bench.edit("instance.yaml", "spec:\n  baseUrl", &spec);
    secret(bench, hosts, values);
}

fn secret(bench: &Bench, hosts: &str, values: &[(&str, &str)]) {
    let values: serde_json::Map<_, _> = values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "stringData": values,
        "metadata": {"name": "models", "annotations": {"wavepin.dev/hosts": hosts}}});
    bench.write("models.yaml", &secret.to_string());
}

/// Applies, and sees that no secret is told.
fn apply(bench: &Bench, code: i32) -> Ran {
    let ran = bench.apply(&["--timeout", "60s"]).ended_with(code);
    let server = GitServer::shared();
    let of_the_key = server.keys().0.lines().nth(2).expect("a key has lines").to_owned();
    for secret in [server.token().to_owned(), of_the_key] {
        assert!(
            !ran.stdout.contains(&secret) && !ran.stderr.contains(&secret),
            "a secret is told"
        );
    }
    ran
}

fn stalls(bench: &Bench, words: &[&str]) {
    let ran = bench.apply(&["--timeout", "20s"]);
    assert_ne!(ran.code, Some(0), "{words:?}");
    for word in words {
        assert!(ran.stdout.contains(word), "{word:?} is not in {}", ran.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_https_with_the_token_of_a_secret() {
    let server = GitServer::shared();
    let (bench, repository) = bench(Repository::https, "https_token").await;
    stalls(&bench, &["GitRefused", "does not say what opens", "spec.git"]);
    let good = [("token", server.token()), ("ca.crt", server.authority())];
    opened(&bench, "https://localhost:1/", "localhost, 127.0.0.1", &good);
    stalls(&bench, &["GitRefused", "not below spec.git.urlPrefix"]);
    let prefix = repository.https().replace(&repository.name, "");
    bench.edit("instance.yaml", "https://localhost:1/", &prefix);
    secret(&bench, "elsewhere.example", &good);
    stalls(&bench, &["HostNotAllowed", "models", "elsewhere.example"]);
    secret(&bench, "localhost, 127.0.0.1", &[("token", "token-of-nobody"), good[1]]);
    stalls(&bench, &["GitRefused", "refused the credential"]);
    // Omni gets in by a token too, and this one may not be sent there.
    secret(&bench, "localhost", &good);
    stalls(&bench, &["HostNotAllowed", "spec.baseUrl"]);
    secret(&bench, "localhost, 127.0.0.1", &good);
    apply(&bench, 0);
    assert_eq!(
        repository.git(&["log", "--format=%s", "main"]),
        "Version 2 by Wavepin\nCut model version 2 from version 1\nSync\nStart"
    );
    let linked = bench.simulator.exchanges();
    let linked = linked
        .iter()
        .rfind(|it| it.request.method == "POST" && it.request.path.ends_with("/git"));
    let body = &linked.expect("the new model is linked").body;
    assert!(
        body.contains(server.token()) && body.contains("clinical-v2"),
        "Omni gets in by it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn over_ssh_with_the_key_of_a_secret() {
    let server = GitServer::shared();
    let (key, other_key) = server.keys();
    let (known_hosts, other_hosts) = server.known_hosts();
    let (bench, repository) = bench(Repository::ssh, "ssh").await;
    let prefix = repository.ssh().replace(&repository.name, "");
    opened(&bench, &prefix, "127.0.0.1", &[("identity", key)]);
    stalls(&bench, &["SecretMissing", "known_hosts"]);
    secret(&bench, "127.0.0.1", &[("identity", key), ("known_hosts", &other_hosts)]);
    stalls(&bench, &["GitRefused", "somebody may be listening in"]);
    secret(
        &bench,
        "127.0.0.1",
        &[("identity", other_key), ("known_hosts", &known_hosts)],
    );
    stalls(&bench, &["GitRefused", "refused the credential"]);
    secret(&bench, "127.0.0.1", &[("identity", key), ("known_hosts", &known_hosts)]);
    apply(&bench, 0);
    assert_eq!(
        repository.git(&["log", "--format=%s", "main"]),
        "Version 2 by Wavepin\nCut model version 2 from version 1\nSync\nStart"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planned_by_way_of_a_repository_is_what_is_done_and_planning_pushes_nothing() {
    let server = GitServer::shared();
    let good = [("token", server.token()), ("ca.crt", server.authority())];
    let directory = "    git: {directory: \"omni/clinical-v{version}\"}\n";
    for model in [
        format!("    copy: Git\n{directory}"),
        "    copy: Migrate\n".to_owned(),
        directory.to_owned(),
    ] {
        let (bench, repository) = bench(Repository::https, "https_token").await;
        bench.edit("clinical-v2.yaml", &format!("    copy: Git\n{directory}"), &model);
        let prefix = repository.https().replace(&repository.name, "");
        opened(&bench, &prefix, "localhost, 127.0.0.1", &good);
        let pushed = || repository.git(&["rev-list", "--count", "--all"]);
        let before = pushed();
        let plan = bench.look("plan", &["-o", "json", "--budget-window", "1s"]);
        plan.ended_with(0);
        assert_eq!(pushed(), before, "{model}");
        held(&bench);
    }
}
