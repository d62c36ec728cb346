//! Models that come by way of their repository, or are kept in one: the same version, whichever way.

mod kept;
mod refusals;
mod ways;

use serde_json::{Value, json};
use wavepin::simulator::{DEFAULT_API_KEY, Simulator};

use super::bench::Bench;
use crate::parts::git::{GitServer, Repository, file};

/// How the model of version 2 comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Making {
    /// File by file.
    Sent,
    /// Likewise, and kept in a repository afterwards.
    SentAndKept,
    /// As a directory, over HTTPS.
    GitHttps,
    /// As a directory, over SSH.
    GitSsh,
    /// By Omni's own migration.
    Migrated,
}

impl Making {
    /// The address of a repository, as Omni has it.
    pub(crate) fn address(self, repository: &Repository) -> String {
        match self {
            Self::GitSsh => repository.ssh(),
            _ => repository.https(),
        }
    }

    /// What the spec says of it, beside the model's name.
    fn spec(self) -> &'static str {
        match self {
            Self::Sent => "",
            Self::SentAndKept => "    git: {directory: \"omni/clinical-v{version}\"}\n",
            Self::GitHttps | Self::GitSsh => "    copy: Git\n    git: {directory: \"omni/clinical-v{version}\"}\n",
            Self::Migrated => "    copy: Migrate\n",
        }
    }

    /// The example with version 2 made this way.
    pub(crate) fn declared(self, file: &str, text: String) -> String {
        with(self.spec())(file, text)
    }
}

/// The example whose version 2 says this of its model.
pub(crate) fn with(model: &str) -> impl Fn(&str, String) -> String {
    move |file, text| match file {
        "clinical-v2.yaml" => text.replace("    name: clinical v2\n", &format!("    name: clinical v2\n{model}")),
        _ => text,
    }
}

/// The directory of version 1.
pub(crate) const FIRST: &str = "omni/clinical-v1";
/// The directory of version 2.
pub(crate) const SECOND: &str = "omni/clinical-v2";
/// The model of version 1.
const CLINICAL: &str = "3fb59130-54fc-4848-832f-d22f61933485";

/// A repository with something in it that is none of Omni's, which the model of version 1 is linked to and written to.
pub(crate) async fn kept_in_git(bench: &Bench, making: Making) {
    let at = kept_at(
        &bench.simulator,
        DEFAULT_API_KEY,
        |it| making.address(it),
        &json!({"requirePullRequest": "users-only"}),
    )
    .await;
    assert!(bench.repository.set(at).is_ok(), "one repository a bench");
}

/// Likewise for any organisation, by its key: the repository as Omni knows it by an address, with more Git settings.
pub(crate) async fn kept_at(
    simulator: &Simulator,
    key: &str,
    address: impl Fn(&Repository) -> String,
    more: &Value,
) -> Repository {
    let repository = GitServer::shared().repository("cut");
    repository.commit("main", "Start", &[file("README.md", "Models of acme")]);
    let address = address(&repository);
    let known = json!({"action": "add_repository", "clone_url": address, "path": repository.path()});
    simulator.play(&known).expect("the repository is there");
    let mut settings = json!({"cloneUrl": address, "modelPath": "clinical-v1"});
    for (name, value) in more.as_object().into_iter().flatten() {
        settings[name] = value.clone();
    }
    let url = format!("{}/api/v1/models/{CLINICAL}/git", simulator.base_url());
    for (path, body) in [("", settings), ("/sync", json!({"commitMessage": "Sync"}))] {
        let sent = reqwest::Client::new().post(format!("{url}{path}"));
        let answer = sent.bearer_auth(key).json(&body).send().await.expect("it answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
    }
    repository
}

/// A call that a person's script would make; without a body where that is null.
pub(crate) async fn call(bench: &Bench, method: &str, path: &str, body: &Value) {
    let url = format!("{}{path}", bench.simulator.base_url());
    let sent = reqwest::Client::new()
        .request(method.parse().unwrap(), url)
        .bearer_auth(wavepin::simulator::DEFAULT_API_KEY);
    let sent = if body.is_null() { sent } else { sent.json(body) };
    let answer = sent.send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
}

/// What a repository came to: the subjects of its commits, newest first, and every file with its content's id.
pub(crate) fn history(repository: &Repository) -> (Vec<String>, Vec<String>) {
    let lines = |arguments: &[&str]| repository.git(arguments).lines().map(str::to_owned).collect();
    (
        lines(&["log", "--format=%s", "main"]),
        lines(&["ls-tree", "-r", "main"]),
    )
}

/// The files of a directory on `main`, by name.
pub(crate) fn directory(repository: &Repository, directory: &str) -> Value {
    let below = format!("{directory}/");
    let listed = repository.git(&["ls-tree", "-r", "--name-only", "main", &below]);
    let text = |path: &str| {
        (
            path[below.len()..].to_owned(),
            json!(repository.git(&["show", &format!("main:{path}")])),
        )
    };
    Value::Object(listed.lines().map(text).collect())
}

/// The files of a shared model in Omni, by name, where something stands in them.
pub(crate) fn files(bench: &Bench, name: &str) -> Value {
    let state = bench.simulator.state();
    let models = state["models"].as_array().unwrap();
    let model = models
        .iter()
        .find(|it| it["kind"] == "SHARED" && it["name"] == name && it["deleted"] == false);
    let files = model.unwrap()["files"].as_object().unwrap().iter();
    let trimmed = files.map(|(name, text)| (name.clone(), json!(text.as_str().unwrap().trim_end())));
    Value::Object(trimmed.filter(|(_, text)| text != "" && text != "{}").collect())
}
