//! What keeps a model from coming by its repository: told with its object and the way out, and nothing is lost by it.

use serde_json::{Value, json};
use wavepin::model_version::{VersionReport, reconcile};
use wavepin::ports::Next;
use wavepin::simulator::GitFirstSync;

use super::{CLINICAL, FIRST, Making, SECOND, call, directory, files, history, kept_in_git, with};
use crate::cut::bench::{Bench, Quiet, ready, says, stalled};
use crate::cut::breaking::Fuse;
use crate::parts::git::{file, link};

const GIT: &str = "    copy: Git\n    git: {directory: omni/clinical-v2}\n";
const OR_YAML: &str = "    copy: Git\n    git: {directory: omni/clinical-v2, fallback: Yaml}\n";

async fn bench(spec: &str) -> Bench {
    let bench = Bench::new(with(spec)).await;
    kept_in_git(&bench, Making::GitHttps).await;
    ready(&bench.again("clinical-v1").await);
    bench
}

async fn cut(bench: &Bench) -> VersionReport {
    bench.again("clinical-v2").await
}

/// A refusal that leaves Omni and the repository as they were.
async fn refused(bench: &Bench, words: &[&str]) {
    let repository = bench.repository.get().unwrap();
    let before = (history(repository), bench.outcome());
    says(&stalled(&cut(bench).await), words);
    assert_eq!((history(repository), bench.outcome()), before, "{words:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_omni_does_not_take_the_files_it_is_said_or_they_are_sent() {
    for (answer, word) in [
        (GitFirstSync::Ignore, "files are not as version 1 has them"),
        (GitFirstSync::Erase, "files are not as version 1 has them"),
        (GitFirstSync::Conflict, "Omni reports a conflict"),
    ] {
        let bench = bench(GIT).await;
        bench.simulator.turn(|knobs| knobs.git_first_sync = answer);
        let repository = bench.repository.get().unwrap();
        let of_version_one = directory(repository, FIRST);
        let told = stalled(&cut(&bench).await);
        says(&told, &["FilesNotTaken", word, "model.git.fallback: Yaml"]);
        assert_eq!(directory(repository, FIRST), of_version_one, "{answer:?}");
        bench.declare(with(OR_YAML));
        let report = cut(&bench).await;
        if answer == GitFirstSync::Conflict {
            // The simulator's merge writes its own over it, as Omni does with what it did not write.
            ready(&report);
        }
        ready(&report);
        assert_eq!(
            directory(repository, SECOND),
            files(&bench, "clinical v2"),
            "{answer:?}"
        );
        assert_eq!(directory(repository, FIRST), of_version_one, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_be_copied_from_is_refused_by_name() {
    let path = format!("/api/v1/models/{CLINICAL}/git");
    let unlinked = Bench::new(with(GIT)).await;
    ready(&unlinked.again("clinical-v1").await);
    let told = stalled(&cut(&unlinked).await);
    says(
        &told,
        &["GitUnfit", "\"clinical\" of version 1", "no Git settings", "link it"],
    );
    for (settings, words) in [
        (json!({"gitFollower": true}), ["follows another model", "cut from"]),
        (
            json!({"requirePullRequest": "always"}),
            ["demands pull requests", "users-only"],
        ),
        (
            json!({"modelPath": "elsewhere"}),
            ["no directory \"omni/elsewhere\"", "synchronise"],
        ),
        (json!({"baseBranch": "gone"}), ["no branch \"gone\"", "Name one"]),
    ] {
        let bench = bench(GIT).await;
        call(&bench, "PATCH", &path, &settings).await;
        refused(&bench, &["GitUnfit", words[0], words[1]]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_cannot_be_reached_is_waited_for() {
    let bench = bench(GIT).await;
    let path = format!("/api/v1/models/{CLINICAL}/git");
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let away = format!("https://localhost:{}/models.git", free.port());
    call(&bench, "PATCH", &path, &json!({"cloneUrl": away})).await;
    let world = bench.world(&Fuse::never()).await;
    let pass = reconcile(&world, "default", "clinical-v2", &Quiet).await.unwrap();
    let told = format!("{:?}", pass.report.findings);
    says(&told, &["GitUnreachable", &away, "Unknown"]);
    assert!(matches!(pass.next, Next::Backoff { .. }), "{:?}", pass.next);
    let home = bench.repository.get().unwrap().https();
    call(&bench, "PATCH", &path, &json!({"cloneUrl": home})).await;
    ready(&cut(&bench).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_repository_and_does_not_fit_is_refused_by_name() {
    let taken = bench(GIT).await;
    let repository = taken.repository.get().unwrap();
    repository.commit("main", "By hand", &[file("omni/clinical-v2/own.view", "label: Own\n")]);
    refused(
        &taken,
        &["GitDirectoryTaken", "\"omni/clinical-v2\"", "model.git.directory"],
    )
    .await;

    let linked = bench(GIT).await;
    let repository = linked.repository.get().unwrap();
    repository.commit(
        "main",
        "By hand",
        &[link(&format!("{FIRST}/also.view"), "patients.view")],
    );
    says(
        &stalled(&cut(&linked).await),
        &["GitUnfit", "also.view", "a symbolic link"],
    );
    repository.commit(
        "main",
        "Back",
        &[crate::parts::git::gone(&format!("{FIRST}/also.view"))],
    );

    let protected = bench(GIT).await;
    let repository = protected.repository.get().unwrap();
    repository.hook("pre-receive", "echo 'main takes merges only' >&2; exit 1");
    says(
        &stalled(&cut(&protected).await),
        &["GitProtected", "main", "propose: true"],
    );
    repository.hook("pre-receive", "exit 0");
    ready(&cut(&protected).await);
    assert_eq!(history(repository).0.len(), 4, "one commit of ours, one of Omni's");
}

/// The id of a model of version 2's name that somebody made and linked to a directory of the repository.
async fn made_and_linked(bench: &Bench, directory: &str) -> String {
    let made = json!({"action": "create_model", "name": "clinical v2"});
    bench.simulator.play(&made).unwrap();
    let state = bench.simulator.state();
    let models = state["models"].as_array().unwrap();
    let model = models.iter().find(|it| it["name"] == "clinical v2").unwrap();
    let id = model["id"].as_str().unwrap();
    let settings = json!({"cloneUrl": bench.repository.get().unwrap().https(), "modelPath": directory});
    call(bench, "POST", &format!("/api/v1/models/{id}/git"), &settings).await;
    id.to_owned()
}

/// The example whose version 2 says this of its model, and may have the one that is there.
fn adopting(spec: &str, id: &str) -> impl Fn(&str, String) -> String {
    let annotated = format!("metadata:\n  name: clinical-v2\n  annotations: {{wavepin.dev/adopt-model: {id}}}\n");
    let with_spec = with(spec);
    move |file, text| with_spec(file, text).replace("metadata:\n  name: clinical-v2\n", &annotated)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_linked_elsewhere_is_left_to_a_person() {
    let bench = bench(GIT).await;
    let repository = bench.repository.get().unwrap();
    let id = made_and_linked(&bench, "another").await;
    let path = format!("/api/v1/models/{id}/git");
    bench.declare(adopting(GIT, &id));
    let told = stalled(&cut(&bench).await);
    says(&told, &["GitUnfit", &id, "\"omni/another\"", "unlink it"]);
    call(&bench, "DELETE", &path, &Value::Null).await;
    ready(&cut(&bench).await);
    assert_eq!(directory(repository, SECOND), files(&bench, "clinical v2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_brings_something_else_is_not_taken() {
    let bench = bench("    copy: Migrate\n    migrate: {gitRef: before}\n").await;
    let repository = bench.repository.get().unwrap();
    repository.git(&["branch", "before", "main"]);
    let by_hand = file(&format!("{FIRST}/patients.view"), "label: As it was before\n");
    repository.commit("before", "Another line", &[by_hand]);
    let told = stalled(&cut(&bench).await);
    says(
        &told,
        &[
            "FilesNotTaken",
            "before",
            "1 of the model's 17 files",
            "patients.view",
            "migrate.gitRef",
        ],
    );
    bench.declare(with("    copy: Migrate\n    migrate: {gitRef: nowhere}\n"));
    says(&stalled(&cut(&bench).await), &["OmniRefused", "there is no nowhere"]);
    bench.declare(with("    copy: Migrate\n    migrate: {gitRef: main}\n"));
    ready(&cut(&bench).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_git_takes_its_migration_on_the_branch() {
    let bench = bench("    copy: Migrate\n").await;
    let id = made_and_linked(&bench, "clinical-v2").await;
    bench.declare(adopting("    copy: Migrate\n", &id));
    ready(&cut(&bench).await);
    let sent = Bench::new(with("")).await;
    ready(&sent.both().await.1);
    assert_eq!(files(&bench, "clinical v2"), files(&sent, "clinical v2"));
    let branch = bench.simulator.exchanges();
    let migrated = branch.iter().find(|it| it.request.path.ends_with("/migrate")).unwrap();
    says(&migrated.body, &["\"branchName\":\"wavepin-v2\""]);
}
