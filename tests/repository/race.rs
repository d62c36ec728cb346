//! Others push too, and answers are lost.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use wavepin::model_repository::{GitCredential, GitOptions, GitRepository, destination};
use wavepin::ports::{ModelRepository as _, RepositoryErrorKind};

use super::{Way, key, options, request, token, told, with_model};
use crate::parts::git::{GitServer, file};
use crate::parts::{Line, Proxy};

#[tokio::test(flavor = "multi_thread")]
async fn in_fifty_races_both_commits_are_there_in_order() {
    const RACES: usize = 50;
    let repository = with_model("race");
    let raced = Arc::new(AtomicUsize::new(0));
    let (others, count) = (repository.clone(), Arc::clone(&raced));
    let mut lost = true;
    GitServer::shared().https().before_push(&repository.name, move || {
        // Of each two pushes the first is outrun, between the look at the branch and the push itself.
        if lost {
            let number = count.fetch_add(1, Ordering::SeqCst);
            others.commit(
                "main",
                &format!("Other {number}"),
                &[file(&format!("others/{number}"), "theirs")],
            );
        }
        lost = !lost;
    });
    let git = Way::Https.to(&repository);
    for number in 0..RACES {
        let mut request = request();
        request.to = format!("omni/copy-{number}");
        request.message = format!("Ours {number}");
        let copied = git.copy_directory(&request).await.unwrap();
        assert!(copied.changed);
    }
    assert_eq!(raced.load(Ordering::SeqCst), RACES);
    let log = repository.git(&["log", "--reverse", "--format=%s", "main"]);
    let wanted = (0..RACES).flat_map(|number| [format!("Other {number}"), format!("Ours {number}")]);
    let wanted: Vec<String> = std::iter::once("Start".to_owned()).chain(wanted).collect();
    assert_eq!(log.lines().collect::<Vec<_>>(), wanted);
    // One line of history, each commit with one change: nothing was forced away or done twice.
    assert_eq!(repository.git(&["rev-list", "--count", "--merges", "main"]), "0");
    let files = repository.git(&["ls-tree", "-r", "--name-only", "main"]);
    assert_eq!(files.lines().filter(|path| path.starts_with("others/")).count(), RACES);
    assert_eq!(
        files.lines().filter(|path| path.starts_with("omni/copy-")).count(),
        3 * RACES
    );
    repository.git(&["fsck", "--strict", "--full"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_copy_the_same_directory_make_one_commit() {
    for way in [Way::Https, Way::Ssh] {
        let repository = with_model("twins");
        let (one, other) = (way.to(&repository), way.to(&repository));
        let request = request();
        let (one, other) = tokio::join!(one.copy_directory(&request), other.copy_directory(&request));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.tree, other.tree);
        assert_eq!(one.commit, other.commit);
        assert_eq!(repository.git(&["rev-list", "main", "--count"]), "2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_that_is_always_lost_ends_and_says_so() {
    let repository = with_model("outrun");
    let others = repository.clone();
    let mut number = 0;
    GitServer::shared().https().before_push(&repository.name, move || {
        number += 1;
        others.commit("main", "Other", &[file(&format!("others/{number}"), "theirs")]);
    });
    let options = GitOptions { tries: 3, ..options() };
    let error = Way::Https
        .with(&repository, options)
        .copy_directory(&request())
        .await
        .unwrap_err();
    let RepositoryErrorKind::Outrun { branch, tries, .. } = &error.kind else {
        panic!("{}", told(&error))
    };
    assert_eq!((branch.as_str(), *tries), ("main", 3));
    told(&error);
    assert_eq!(
        repository.git(&["log", "--reverse", "--format=%s", "main"]),
        "Start\nOther\nOther\nOther"
    );
}

/// More often than the conversations that sshd allows a connection at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_race_may_be_lost_often_on_one_connection() {
    for way in [Way::Ssh, Way::OldSsh] {
        let repository = with_model("outrun-often");
        let commit = "commit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 5\nOther\n\
                      from refs/heads/main^0\n";
        // Where the commit that is pushed is not let see its surroundings, the hook commits as from elsewhere.
        let script = format!("env -i PATH=\"$PATH\" git --git-dir=\"$PWD\" fast-import --quiet <<'END'\n{commit}END");
        repository.hook("pre-receive", &script);
        let options = GitOptions { tries: 12, ..options() };
        let error = way
            .with(&repository, options)
            .copy_directory(&request())
            .await
            .unwrap_err();
        let said = told(&error);
        assert!(
            matches!(error.kind, RepositoryErrorKind::Outrun { tries: 12, .. }),
            "{way:?}: {said}"
        );
        assert_eq!(repository.git(&["rev-list", "--count", "main"]), "13", "{way:?}");
    }
}

/// The line is cut when the server has moved the branch and not yet said so.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_answer_doing_it_again_makes_no_second_commit() {
    let repository = with_model("lost-answer");
    for (number, (address, credential)) in [(repository.https(), token()), (repository.ssh(), key())]
        .into_iter()
        .enumerate()
    {
        let folder = tempfile::tempdir().unwrap();
        let (moved, on) = (folder.path().join("moved"), folder.path().join("on"));
        // It looks a minute long, so that it ends where the test does not let it go on.
        let wait = format!(
            "for i in $(seq 600); do [ -e {} ] && exit; sleep 0.1; done",
            on.display()
        );
        let script = format!("[ \"$1\" = committed ] || exit 0\ntouch {}\n{wait}", moved.display());
        repository.hook("reference-transaction", &script);
        let port = destination(&address).unwrap().1;
        let proxy = Proxy::to(port).await;
        let near = address.replace(&format!(":{port}/"), &format!(":{}/", proxy.port()));
        let git = GitRepository::new(&near, &knowing(&credential, port, proxy.port()), options()).unwrap();
        let mut request = request();
        request.to = format!("omni/copy-{number}");
        let (copied, ()) = tokio::join!(git.copy_directory(&request), async {
            appears(&moved).await;
            proxy.turn(Line::Cut);
        });
        let error = copied.unwrap_err();
        assert!(
            matches!(error.kind, RepositoryErrorKind::Unreachable { .. }),
            "{}",
            told(&error)
        );
        std::fs::write(&on, "").unwrap();
        let git = GitRepository::new(&address, &credential, options()).unwrap();
        let again = git.copy_directory(&request).await.unwrap();
        assert!(!again.changed);
        assert_eq!(again.commit, repository.git(&["rev-parse", "main"]));
        assert_eq!(
            repository.git(&["rev-list", "main", "--count"]),
            (number + 2).to_string()
        );
    }
}

/// The same credential, for a server that is seen at another port.
fn knowing(credential: &GitCredential, port: u16, seen: u16) -> GitCredential {
    match credential.clone() {
        GitCredential::Key {
            private_key,
            known_hosts,
        } => GitCredential::Key {
            private_key,
            known_hosts: known_hosts.replace(&format!(":{port} "), &format!(":{seen} ")),
        },
        token => token,
    }
}

/// Waits until a file is there.
async fn appears(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} does not appear", path.display());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
