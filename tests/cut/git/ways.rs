//! Each way makes the same version.

use std::time::Duration;

use wavepin::model_version::reconcile;
use wavepin::ports::Next;
use wavepin::simulator::{Fault, FaultKind};

use super::{FIRST, Making, SECOND, directory, files, history, kept_in_git, with};
use crate::cut::bench::{Bench, Quiet, as_it_is, ready, says};
use crate::cut::breaking::Fuse;
use crate::parts::git::file;

async fn made(making: Making) -> Bench {
    made_by(making, as_it_is).await
}

async fn made_by(making: Making, change: fn(&str, String) -> String) -> Bench {
    let bench = Bench::new(|file, text| making.declared(file, change(file, text))).await;
    kept_in_git(&bench, making).await;
    let (_, second) = bench.both().await;
    ready(&second);
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_makes_the_same_version() {
    let sent = made(Making::Sent).await;
    let expected = sent.outcome();
    assert_eq!(history(sent.repository.get().unwrap()).0, ["Sync", "Start"]);
    for making in [Making::SentAndKept, Making::GitHttps, Making::GitSsh, Making::Migrated] {
        let bench = made(making).await;
        assert_eq!(bench.outcome(), expected, "{making:?}");
        let repository = bench.repository.get().unwrap();
        let (commits, _) = history(repository);
        let by_omni = "Version 2 by Wavepin";
        let wanted = match making {
            Making::GitHttps | Making::GitSsh => vec![by_omni, "Cut model version 2 from version 1", "Sync", "Start"],
            Making::SentAndKept => vec![by_omni, "Sync", "Start"],
            Making::Sent | Making::Migrated => vec!["Sync", "Start"],
        };
        assert_eq!(commits, wanted, "{making:?}");
        assert_eq!(directory(repository, FIRST), files(&bench, "clinical"), "{making:?}");
        if making != Making::Migrated {
            assert_eq!(
                directory(repository, SECOND),
                files(&bench, "clinical v2"),
                "{making:?}"
            );
        }
        let report = bench.again("clinical-v2").await;
        let copied = report.git_commit.as_deref();
        match making {
            Making::SentAndKept => assert_eq!(copied, None),
            _ => assert_eq!(
                copied,
                Some(&*repository.git(&["rev-parse", "main^{/^Sync}"])),
                "{making:?}"
            ),
        }
    }
}

/// Each dashboard by the documents API where that carries it, else by export and import.
fn by_either_method(file: &str, text: String) -> String {
    match file {
        "clinical-v2.yaml" => text.replacen("  content:\n", "  content:\n    method: Auto\n", 1),
        _ => text,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_goes_with_each_method_of_copying_dashboards() {
    let expected = made(Making::Sent).await.outcome();
    for making in [Making::Sent, Making::GitHttps, Making::GitSsh, Making::Migrated] {
        let bench = made_by(making, by_either_method).await;
        assert_eq!(bench.outcome(), expected, "{making:?}");
        let requests = bench.simulator.requests();
        let made = |path: &str| {
            let posts = requests
                .iter()
                .filter(|it| it.method == "POST" && it.path.ends_with(path));
            posts.count()
        };
        let (created, imported) = (made("/v2/documents"), made("/documents/import"));
        assert!(created > 0 && imported > 0, "{making:?}: {created} and {imported}");
        assert_eq!(created + imported, 5, "{making:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_git_the_edits_alone_are_sent() {
    let sent = async |making| {
        let bench = made(making).await;
        let requests = bench.simulator.requests();
        let of_the_model = format!("/{}/yaml", bench.again("clinical-v2").await.model_id.unwrap());
        let files = requests
            .iter()
            .filter(|it| it.method == "POST" && it.path.ends_with(&of_the_model));
        files.count()
    };
    assert_eq!(sent(Making::Sent).await, 18, "all of the source's, and the new topic");
    for making in [Making::GitHttps, Making::Migrated] {
        assert_eq!(sent(making).await, 2, "{making:?}: the view and the topic of the edits");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commit_says_what_it_is_and_by_whom() {
    let spec = "    copy: Git\n    git:\n      directory: bi/models/clinical-{version}\n      author: {name: Cutter, email: cutter@acme.example}\n      message: \"Release {a}\"\n";
    let bench = Bench::new(with(spec)).await;
    kept_in_git(&bench, Making::GitHttps).await;
    ready(&bench.both().await.1);
    let repository = bench.repository.get().unwrap();
    let commit = repository.git(&["log", "-1", "--skip=1", "--format=%an <%ae>%n%B", "main"]);
    let at = repository.git(&["rev-parse", "main^{/^Sync}"]);
    assert_eq!(
        commit.trim_end(),
        format!(
            "Cutter <cutter@acme.example>\nRelease {{a}}\n\nWavepin-Instance: default/clinical\nWavepin-Version: 2\nWavepin-Source: version 1, {FIRST} at {at}"
        )
    );
    assert_eq!(
        directory(repository, "bi/models/clinical-2"),
        files(&bench, "clinical v2"),
        "a directory outside of Omni's own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposed_copy_is_waited_for_until_people_have_merged_it() {
    let bench = Bench::new(with(
        "    copy: Git\n    git: {directory: omni/clinical-v2, propose: true}\n",
    ))
    .await;
    kept_in_git(&bench, Making::GitHttps).await;
    let world = bench.world(&Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v1").await);
    let repository = bench.repository.get().unwrap();
    repository.hook(
        "update",
        "case \"$1\" in refs/heads/main) echo protected; exit 1;; esac",
    );
    for _ in 0..3 {
        let pass = reconcile(&world, "default", "clinical-v2", &Quiet).await.unwrap();
        let told = format!("{:?}", pass.report.findings);
        says(&told, &["GitNotMerged", "wavepin/omni/clinical-v2", "merge it"]);
        assert!(!pass.report.sealed);
        let Next::After(pause) = pass.next else {
            panic!("{:?}", pass.next)
        };
        bench.clock_passes(pause);
    }
    let proposals = repository.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/wavepin"]);
    assert_eq!(proposals, "wavepin/omni/clinical-v2");
    assert_eq!(
        history(repository).0,
        ["Sync", "Start"],
        "nothing is pushed past the people"
    );
    // As a host merges, by a push of its own.
    repository.hook("update", "exit 0");
    repository.git(&["update-ref", "refs/heads/main", "refs/heads/wavepin/omni/clinical-v2"]);
    ready(&bench.drive(&world, "clinical-v2").await);
    assert_eq!(directory(repository, SECOND), files(&bench, "clinical v2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_pushes_meanwhile_keeps_what_was_pushed() {
    let bench = Bench::new(|file, text| Making::GitHttps.declared(file, text)).await;
    kept_in_git(&bench, Making::GitHttps).await;
    let repository = bench.repository.get().unwrap().clone();
    let (other, mut pushed) = (repository.clone(), 0);
    crate::parts::git::GitServer::shared()
        .https()
        .before_push(&repository.name.clone(), move || {
            pushed += 1;
            if pushed <= 3 {
                let text = format!("change {pushed}");
                other.commit("main", &format!("Another {pushed}"), &[file("NOTES.md", &text)]);
            }
        });
    ready(&bench.both().await.1);
    let (commits, _) = history(&repository);
    let wanted = [
        "Version 2 by Wavepin",
        "Cut model version 2 from version 1",
        "Another 3",
        "Another 2",
        "Another 1",
        "Sync",
        "Start",
    ];
    assert_eq!(commits, wanted, "both are there, in order, nothing forced");
    assert_eq!(repository.git(&["show", "main:NOTES.md"]), "change 3");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_arrive_twice_are_looked_at_and_not_given_again() {
    let bench = adopted().await;
    let twice = Fault::once("POST", "/git$", FaultKind::Doubled).unwrap();
    bench.simulator.arm(twice);
    let patience = Duration::from_secs(60);
    let second = tokio::time::timeout(patience, bench.again("clinical-v2")).await;
    ready(&second.expect("it comes to an end"));
    let requests = bench.simulator.requests();
    let given = requests
        .iter()
        .filter(|it| it.method == "POST" && it.path.ends_with("/git"));
    assert_eq!(given.count(), 2, "once for the source, and once for the version");
}

/// Version 1 adopted, its model in a repository, and version 2 declared to come by Git.
async fn adopted() -> Bench {
    let bench = Bench::new(|file, text| Making::GitHttps.declared(file, text)).await;
    kept_in_git(&bench, Making::GitHttps).await;
    ready(&bench.again("clinical-v1").await);
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_in_the_repository_after_the_commit_was_read_is_not_copied() {
    let undisturbed = adopted().await;
    let fuse = Fuse::never();
    let world = undisturbed.world(&fuse).await;
    ready(&undisturbed.drive(&world, "clinical-v2").await);
    let copy = fuse.calls().iter().position(|it| it.what == "copy_directory").unwrap();

    let bench = adopted().await;
    let broken_off = bench.world(&Fuse::after(copy)).await;
    reconcile(&broken_off, "default", "clinical-v2", &Quiet).await.unwrap();
    let repository = bench.repository.get().unwrap();
    let by_hand = file(&format!("{FIRST}/patients.view"), "label: Changed by hand\n");
    repository.commit("main", "By hand", &[by_hand]);
    ready(&bench.again("clinical-v2").await);
    assert_eq!(files(&bench, "clinical v2"), files(&undisturbed, "clinical v2"));
    assert_eq!(directory(repository, SECOND), files(&bench, "clinical v2"));
}
