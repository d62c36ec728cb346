//! A directory copied: one commit, nothing else.

use wavepin::ports::{ModelRepository as _, RepositoryErrorKind, Revision, Whereabouts};

use super::{Way, request, told, with_model};
use crate::parts::git::{GitServer, file, gone};

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_one_commit_whose_only_change_is_the_directory() {
    for way in Way::ALL {
        let repository = with_model("copy");
        let before = repository.git(&["rev-parse", "main"]);
        let copied = way.to(&repository).copy_directory(&request()).await.unwrap();
        assert!(
            copied.changed && copied.whereabouts == Whereabouts::OnBranch,
            "{way:?}: {copied:?}"
        );
        assert_eq!(repository.git(&["rev-parse", "main"]), copied.commit, "{way:?}");
        assert_eq!(repository.git(&["rev-list", "main", "--count"]), "2", "{way:?}");
        assert_eq!(repository.git(&["rev-parse", "main^"]), before, "{way:?}");
        assert_eq!(
            repository.git(&["diff-tree", "-r", "--no-commit-id", "--name-status", "main"]),
            "A\tomni/clinical-v2/PUBLIC/visits.view\nA\tomni/clinical-v2/model\nA\tomni/clinical-v2/patients.view",
            "{way:?}"
        );
        for version in ["v1", "v2"] {
            let tree = repository.git(&["rev-parse", &format!("main:omni/clinical-{version}")]);
            assert_eq!(tree, copied.tree, "{way:?}");
        }
        assert_eq!(
            repository
                .git(&["log", "-1", "--format=%an <%ae> %at|%cn <%ce> %ct|%B", "main"])
                .trim(),
            "Wavepin <wavepin@example.com> 1700000100|Wavepin <wavepin@example.com> 1700000100|Cut clinical v2 from v1",
            "{way:?}"
        );
        repository.git(&["fsck", "--strict", "--full"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doing_it_again_makes_no_second_commit() {
    for way in [Way::Https, Way::OldSsh] {
        let repository = with_model("again");
        let git = way.to(&repository);
        let first = git.copy_directory(&request()).await.unwrap();
        let second = git.copy_directory(&request()).await.unwrap();
        assert!(first.changed && !second.changed);
        assert_eq!((&second.commit, &second.tree), (&first.commit, &first.tree));
        // Nor after somebody else's commit, which is then the newest that has it.
        let newest = repository.commit("main", "More", &[file("more.txt", "more")]);
        let third = git.copy_directory(&request()).await.unwrap();
        assert!(!third.changed && third.commit == newest, "{third:?}");
        assert_eq!(repository.git(&["rev-list", "main", "--count"]), "3");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_at_a_commit_is_of_that_commit_however_the_source_has_changed_since() {
    for way in [Way::Https, Way::HttpsUnfiltered] {
        let repository = with_model("at");
        let then = repository.git(&["rev-parse", "main"]);
        repository.commit(
            "main",
            "Edit",
            &[file("omni/clinical-v1/patients.view", "label: Edited")],
        );
        let mut request = request();
        request.at = Some(then.clone());
        let git = way.to(&repository);
        let copied = git.copy_directory(&request).await.unwrap();
        assert_eq!(
            repository.git(&["show", "main:omni/clinical-v2/patients.view"]),
            "label: Patients"
        );
        // The source moves on once more, and is gone in the end: the copy is what it was.
        repository.commit("main", "Edit again", &[file("omni/clinical-v1/model", "label: Again")]);
        assert!(!git.copy_directory(&request).await.unwrap().changed);
        repository.commit("main", "Take it away", &[gone("omni/clinical-v1")]);
        let last = git.copy_directory(&request).await.unwrap();
        assert!(!last.changed && last.tree == copied.tree);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_makes_the_directories_above_it_and_sorts_as_git_does() {
    let repository = with_model("deep");
    repository.commit(
        "main",
        "Names around it",
        &[
            file("bi", "a file"),
            file("bi.a", "a"),
            file("bi-a", "a"),
            file("bi0", "a"),
        ],
    );
    let mut request = request();
    request.to = "bi.d/models/größe v2".to_owned();
    let copied = Way::Ssh.to(&repository).copy_directory(&request).await.unwrap();
    repository.git(&["fsck", "--strict", "--full"]);
    assert_eq!(repository.git(&["rev-parse", "main:bi.d/models/größe v2"]), copied.tree);
    // A file in the way is named.
    request.to = "bi/models/v2".to_owned();
    let error = Way::Ssh.to(&repository).copy_directory(&request).await.unwrap_err();
    assert!(
        matches!(&error.kind, RepositoryErrorKind::NotDirectory { path, .. } if path == "bi"),
        "{}",
        told(&error)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposed_copy_waits_on_its_branch_until_it_is_merged() {
    for way in [Way::Https, Way::Ssh, Way::OldSshUnfiltered] {
        let repository = with_model("propose");
        let main = repository.git(&["rev-parse", "main"]);
        let git = way.to(&repository);
        let mut request = request();
        request.propose = Some("wavepin/clinical-v2".to_owned());
        let proposed = git.copy_directory(&request).await.unwrap();
        assert!(
            proposed.changed && proposed.whereabouts == Whereabouts::Proposed,
            "{proposed:?}"
        );
        assert_eq!(repository.git(&["rev-parse", "main"]), main);
        assert_eq!(repository.git(&["rev-parse", "wavepin/clinical-v2"]), proposed.commit);
        assert_eq!(repository.git(&["rev-parse", "wavepin/clinical-v2^"]), main);

        // While it waits, also after others went on, there is nothing to do.
        repository.commit("main", "More", &[file("more.txt", "more")]);
        let waiting = git.copy_directory(&request).await.unwrap();
        assert!(
            !waiting.changed && waiting.whereabouts == Whereabouts::Proposed,
            "{waiting:?}"
        );
        let on_main = Revision::Branch("main".to_owned());
        assert_eq!(git.tree(&on_main, &request.to).await.unwrap(), None);

        let tree = repository.git(&["merge-tree", "--write-tree", "main", "wavepin/clinical-v2"]);
        let author = ["-c", "user.name=A", "-c", "user.email=a@example.com"];
        let commit = [
            "commit-tree",
            &tree,
            "-p",
            "main",
            "-p",
            "wavepin/clinical-v2",
            "-m",
            "Merge",
        ];
        let merge = repository.git(&[&author[..], &commit[..]].concat());
        repository.git(&["update-ref", "refs/heads/main", &merge]);
        repository.git(&["update-ref", "-d", "refs/heads/wavepin/clinical-v2"]);
        let merged = git.copy_directory(&request).await.unwrap();
        assert!(!merged.changed && merged.whereabouts == Whereabouts::OnBranch && merged.commit == merge);
        assert_eq!(git.tree(&on_main, &request.to).await.unwrap(), Some(proposed.tree));
        assert_eq!(
            repository.git(&["for-each-ref", "--format=%(refname)"]),
            "refs/heads/main"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_of_somebody_else_is_not_written_over() {
    let repository = with_model("branch-taken");
    repository.git(&["branch", "wavepin/clinical-v2", "main"]);
    let mut request = request();
    request.propose = Some("wavepin/clinical-v2".to_owned());
    let error = Way::Https.to(&repository).copy_directory(&request).await.unwrap_err();
    let RepositoryErrorKind::BranchTaken { branch } = &error.kind else {
        panic!("{}", told(&error))
    };
    assert_eq!(branch, "wavepin/clinical-v2");
    assert_eq!(repository.git(&["rev-list", "--all", "--count"]), "1");
}

/// Files beside the directory are half a megabyte that nothing compresses; the answers are a fraction of it.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_large_repository_only_the_way_to_the_directory_is_fetched() {
    let repository = with_model("large");
    let mut seed: u64 = 88_172_645_463_325_252;
    let mut noise = || {
        let mut text = String::new();
        for _ in 0..64 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            text.push_str(&format!("{seed:016x}"));
        }
        text
    };
    let files: Vec<String> = (0..1000)
        .map(|number| file(&format!("data/{}/{number}", number % 50), &noise()))
        .collect();
    repository.commit("main", "Data", &files);
    let copied = Way::Https.to(&repository).copy_directory(&request()).await.unwrap();
    assert!(copied.changed);
    let answered = GitServer::shared().https().answered(&repository.name);
    let fetched: usize = answered.iter().map(|one| one.length).sum();
    assert!(fetched < 8_000, "{fetched} bytes: {answered:#?}");
    assert!(answered.len() <= 9, "{answered:#?}");
    repository.git(&["fsck", "--strict", "--full"]);
}
