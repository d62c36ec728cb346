//! What is read of a repository.

use std::collections::BTreeMap;

use wavepin::ports::{ModelRepository as _, RepositoryErrorKind, Revision};

use super::{Way, told, with_model};
use crate::parts::git::file;

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_read_with_all_its_files() {
    for way in Way::ALL {
        let repository = with_model("read");
        // Like what is there already, so that the server sends one as a difference to the other.
        let long: String = (0..400).map(|number| format!("- line {number}\n")).collect();
        let first = repository.git(&["rev-parse", "main"]);
        let longer = format!("{long}- one more");
        repository.commit(
            "main",
            "Long ones",
            &[
                file("omni/clinical-v1/long.view", &long),
                file("omni/clinical-v1/longer.view", &longer),
            ],
        );
        repository.git(&["repack", "-adfq", "--depth=50"]);
        let git = way.to(&repository);
        let main = Revision::Branch("main".to_owned());
        assert_eq!(
            git.head("main").await.unwrap(),
            repository.git(&["rev-parse", "main"]),
            "{way:?}"
        );
        let directory = git.directory(&main, "omni/clinical-v1").await.unwrap().unwrap();
        let files = [
            ("PUBLIC/visits.view", "label: Visits"),
            ("long.view", &long),
            ("longer.view", &longer),
            ("model", "label: Clinical"),
            ("patients.view", "label: Patients"),
        ];
        let files: BTreeMap<String, String> = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        assert_eq!(directory.files, files, "{way:?}");
        assert_eq!(
            directory.tree,
            repository.git(&["rev-parse", "main:omni/clinical-v1"]),
            "{way:?}"
        );
        assert_eq!(
            git.tree(&main, "omni/clinical-v1").await.unwrap(),
            Some(directory.tree),
            "{way:?}"
        );
        for absent in ["omni/clinical-v9", "nowhere/at/all"] {
            assert_eq!(git.tree(&main, absent).await.unwrap(), None, "{way:?}");
            assert_eq!(git.directory(&main, absent).await.unwrap(), None, "{way:?}");
        }
        if way.is_modern() {
            let before = git
                .directory(&Revision::Commit(first), "omni/clinical-v1")
                .await
                .unwrap();
            assert_eq!(before.unwrap().files.len(), 3, "{way:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_are_told_apart_from_those_whose_names_begin_alike() {
    for way in [Way::Https, Way::OldSsh] {
        let repository = with_model("branches");
        let main = repository.git(&["rev-parse", "main"]);
        repository.commit("main-2", "Another line", &[file("a", "a")]);
        let git = way.to(&repository);
        assert_eq!(git.head("main").await.unwrap(), main);
        let error = git.head("mai").await.unwrap_err();
        assert!(
            matches!(&error.kind, RepositoryErrorKind::NoBranch { branch } if branch == "mai"),
            "{}",
            told(&error)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_gone_is_named() {
    for way in [Way::Https, Way::Ssh, Way::OldSsh] {
        let repository = with_model("no-commit");
        let commit = "1234567890123456789012345678901234567890";
        let at = Revision::Commit(commit.to_owned());
        let error = way.to(&repository).tree(&at, "omni/clinical-v1").await.unwrap_err();
        let said = told(&error);
        assert!(
            matches!(&error.kind, RepositoryErrorKind::NoCommit { commit: named, .. } if named == commit),
            "{said}"
        );
        let tree = repository.git(&["rev-parse", "main:omni"]);
        if way != Way::OldSsh {
            let error = way
                .to(&repository)
                .tree(&Revision::Commit(tree), "x")
                .await
                .unwrap_err();
            assert!(
                matches!(error.kind, RepositoryErrorKind::NoCommit { .. }),
                "{}",
                told(&error)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_repository_has_no_branch() {
    for way in [Way::Https, Way::OldSsh] {
        let repository = crate::parts::git::GitServer::shared().repository("empty");
        let error = way.to(&repository).head("main").await.unwrap_err();
        assert!(
            matches!(error.kind, RepositoryErrorKind::NoBranch { .. }),
            "{}",
            told(&error)
        );
    }
}
