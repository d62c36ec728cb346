//! What cannot be done: each says which object and the way out, holds no secret, and leaves the repository as it was.

use std::time::Duration;

use secrecy::SecretString;
use wavepin::model_repository::{GitCredential, GitOptions, GitRepository};
use wavepin::ports::{ModelRepository as _, RepositoryError, RepositoryErrorKind as Kind, Revision};

use super::{Way, key, options, request, token, told, with_model};
use crate::parts::git::{GitServer, Repository, file, link, submodule};
use crate::parts::{Line, Proxy};

/// What a copy of version 1 to version 2 fails with. The repository is as it was.
async fn refusal(repository: &Repository, git: &GitRepository) -> RepositoryError {
    let refs = || repository.git(&["for-each-ref"]);
    let before = refs();
    let error = git.copy_directory(&request()).await.unwrap_err();
    assert_eq!(refs(), before, "{}", told(&error));
    error
}

/// The adapter with another credential.
fn with(address: &str, credential: &GitCredential) -> GitRepository {
    GitRepository::new(address, credential, options()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_or_key_is_refused_and_not_repeated() {
    let repository = with_model("credentials");
    let GitCredential::Token { authorities, .. } = token() else {
        unreachable!()
    };
    let wrong = GitCredential::Token {
        user: None,
        token: SecretString::from("token-of-nobody"),
        authorities,
    };
    let error = refusal(&repository, &with(&repository.https(), &wrong)).await;
    let said = told(&error);
    // The server repeats what it was given.
    assert!(
        matches!(
            error.kind,
            Kind::CredentialRefused {
                credential: "token",
                ..
            }
        ),
        "{said}"
    );
    assert!(said.contains("[redacted]") && said.contains("401"), "{said}");

    let server = GitServer::shared();
    let wrong = GitCredential::Key {
        private_key: SecretString::from(server.keys().1),
        known_hosts: server.known_hosts().0,
    };
    let error = refusal(&repository, &with(&repository.ssh(), &wrong)).await;
    let said = told(&error);
    assert!(
        matches!(
            error.kind,
            Kind::CredentialRefused {
                credential: "deploy key",
                ..
            }
        ),
        "{said}"
    );
    assert!(said.contains("SHA256:"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_only_read_says_which_right_is_missing() {
    let repository = with_model("read-only");
    repository.git(&["config", "http.receivepack", "false"]);
    let error = refusal(&repository, &Way::Https.to(&repository)).await;
    let right = |kind: &Kind| matches!(kind, Kind::CredentialRefused { right: "write to", .. });
    assert!(right(&error.kind), "{}", told(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_and_a_changed_host_key_get_no_key_of_ours() {
    let repository = with_model("host-key");
    let server = GitServer::shared();
    let (known, changed) = server.known_hosts();
    let knowing = |known_hosts: &str| GitCredential::Key {
        private_key: SecretString::from(server.keys().0),
        known_hosts: known_hosts.to_owned(),
    };
    let error = refusal(
        &repository,
        &with(&repository.ssh(), &knowing("github.com ssh-ed25519 AAAA")),
    )
    .await;
    let said = told(&error);
    let Kind::HostUnknown { line, .. } = &error.kind else {
        panic!("{said}")
    };
    // The line that it tells is the one that makes it known.
    assert!(known.lines().any(|one| one == line), "{said}");
    let made_known = with(&repository.ssh(), &knowing(line)).head("main").await;
    assert_eq!(made_known.unwrap(), repository.git(&["rev-parse", "main"]));

    let error = refusal(&repository, &with(&repository.ssh(), &knowing(&changed))).await;
    let said = told(&error);
    assert!(matches!(error.kind, Kind::HostKeyChanged { .. }), "{said}");
    assert!(said.contains("nothing was sent"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_nobody_vouches_for_gets_no_token() {
    let repository = with_model("untrusted");
    let GitCredential::Token { token, .. } = token() else {
        unreachable!()
    };
    let untrusting = GitCredential::Token {
        user: None,
        token,
        authorities: None,
    };
    let error = refusal(&repository, &with(&repository.https(), &untrusting)).await;
    let said = told(&error);
    assert!(
        matches!(error.kind, Kind::Unreachable { .. }) && said.contains("certificate"),
        "{said}"
    );
    assert!(
        GitServer::shared().https().answered(&repository.name).is_empty(),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_told_and_not_followed() {
    let repository = with_model("moved");
    let moved = repository.https().replace("/moved-", "/moved/moved-");
    let error = refusal(&repository, &with(&moved, &token())).await;
    let said = told(&error);
    assert!(matches!(error.kind, Kind::Address { .. }), "{said}");
    assert!(
        said.contains(&format!("https://localhost:1/{}", repository.name)),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_not_there_is_told_from_a_server_that_is_not() {
    let repository = with_model("absent");
    let gone = |address: String| address.replace("absent-", "gone-");
    for (address, credential) in [(gone(repository.https()), token()), (gone(repository.ssh()), key())] {
        let error = with(&address, &credential).head("main").await.unwrap_err();
        assert!(matches!(error.kind, Kind::NoRepository { .. }), "{}", told(&error));
    }
    // Nobody listens on port 1.
    let elsewhere = with("https://127.0.0.1:1/x.git", &token());
    let error = elsewhere.head("main").await.unwrap_err();
    assert!(matches!(error.kind, Kind::Unreachable { .. }), "{}", told(&error));
    let elsewhere = with("ssh://git@127.0.0.1:1/x.git", &key());
    let error = elsewhere.head("main").await.unwrap_err();
    assert!(matches!(error.kind, Kind::Unreachable { .. }), "{}", told(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_silent_is_waited_for_no_longer_than_said() {
    let repository = with_model("silent");
    let limit = Duration::from_millis(300);
    let options = GitOptions {
        timeout: limit,
        ..options()
    };
    for (address, credential) in [(repository.https(), token()), (repository.ssh(), key())] {
        let port = wavepin::model_repository::destination(&address).unwrap().1;
        let proxy = Proxy::to(port).await;
        proxy.turn(Line::Silent);
        let address = address.replace(&format!(":{port}/"), &format!(":{}/", proxy.port()));
        let git = GitRepository::new(&address, &credential, options.clone()).unwrap();
        let error = git.head("main").await.unwrap_err();
        assert!(
            matches!(error.kind, Kind::TimedOut { limit: told } if told == limit),
            "{}",
            told(&error)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_and_a_taken_directory_are_named() {
    for way in [Way::Https, Way::OldSsh] {
        let repository = with_model("directories");
        let git = way.to(&repository);
        let mut missing = request();
        missing.from = "omni/clinical-v7".to_owned();
        let error = git.copy_directory(&missing).await.unwrap_err();
        let head = repository.git(&["rev-parse", "main"]);
        assert!(
            matches!(&error.kind, Kind::NoDirectory { path, commit } if path == "omni/clinical-v7" && *commit == head),
            "{}",
            told(&error)
        );
        repository.commit("main", "By hand", &[file("omni/clinical-v2/model", "label: By hand")]);
        let error = refusal(&repository, &git).await;
        let Kind::DirectoryTaken { path, holds, wanted } = &error.kind else {
            panic!("{}", told(&error))
        };
        assert_eq!(path, "omni/clinical-v2");
        assert_eq!(*holds, repository.git(&["rev-parse", "main:omni/clinical-v2"]));
        assert_eq!(*wanted, repository.git(&["rev-parse", "main:omni/clinical-v1"]));
        let mut nowhere = request();
        nowhere.branch = "nowhere".to_owned();
        let error = git.copy_directory(&nowhere).await.unwrap_err();
        assert!(matches!(error.kind, Kind::NoBranch { .. }), "{}", told(&error));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_omni_would_not_read_is_named_wherever_it_lies() {
    let bad = "omni/clinical-v1/PUBLIC/bad.view";
    for way in [Way::Https, Way::SshUnfiltered] {
        for (change, path) in [
            (link(bad, "visits.view"), bad),
            (submodule(bad), bad),
            (
                file(r#""omni/clinical-v1/PUBLIC/a\\b.view""#, "x"),
                r"omni/clinical-v1/PUBLIC/a\b.view",
            ),
            (
                file(r#""omni/clinical-v1/a\tb.view""#, "x"),
                "omni/clinical-v1/a\tb.view",
            ),
            (
                file(r#""omni/clinical-v1/\377.view""#, "x"),
                "omni/clinical-v1/\u{fffd}.view",
            ),
        ] {
            let repository = with_model("bad-entry");
            repository.commit("main", "A bad one", &[change]);
            let git = way.to(&repository);
            let error = refusal(&repository, &git).await;
            let named = match &error.kind {
                Kind::Entry { path, .. } | Kind::FileName { path, .. } => path,
                _ => panic!("{}", told(&error)),
            };
            assert_eq!(named, path, "{}", told(&error));
            let main = Revision::Branch("main".to_owned());
            let error = git.directory(&main, "omni/clinical-v1").await.unwrap_err();
            assert!(
                matches!(error.kind, Kind::Entry { .. } | Kind::FileName { .. }),
                "{}",
                told(&error)
            );
        }
    }
    // What lies beside the directory is nobody's business.
    let repository = with_model("bad-beside");
    repository.commit("main", "Beside it", &[link("omni/link", "other"), submodule("lib")]);
    assert!(
        Way::Https
            .to(&repository)
            .copy_directory(&request())
            .await
            .unwrap()
            .changed
    );
    repository.git(&["fsck", "--strict", "--full"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_limits_is_not_taken() {
    let repository = with_model("large");
    let small = |change: fn(&mut GitOptions)| {
        let mut options = options();
        change(&mut options);
        options
    };
    let git = Way::Https.with(&repository, small(|options| options.file_limit = 3));
    let error = refusal(&repository, &git).await;
    let said = told(&error);
    assert!(
        matches!(&error.kind, Kind::TooLarge { limit, .. } if limit == "3"),
        "{said}"
    );
    assert!(said.contains("number of files in \"omni/clinical-v1\""), "{said}");

    let long = "long line of a view\n".repeat(3000);
    repository.commit("main", "A long one", &[file("omni/clinical-v1/long.view", &long)]);
    let main = Revision::Branch("main".to_owned());
    for (way, options) in [
        (Way::Https, small(|options| options.object_limit = 20_000)),
        (Way::OldSsh, small(|options| options.object_limit = 20_000)),
        (Way::Https, small(|options| options.answer_limit = 100)),
        (Way::Ssh, small(|options| options.answer_limit = 100)),
    ] {
        let git = way.with(&repository, options);
        let error = git.directory(&main, "omni/clinical-v1").await.unwrap_err();
        assert!(matches!(error.kind, Kind::TooLarge { .. }), "{way:?}: {}", told(&error));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_text_is_named() {
    let repository = with_model("binary");
    let id = {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), [0xff, 0xfe, 0]).unwrap();
        repository.git(&["hash-object", "-w", path.path().to_str().unwrap()])
    };
    repository.commit(
        "main",
        "No text",
        &[format!("M 100644 {id} omni/clinical-v1/logo.png\n")],
    );
    let main = Revision::Branch("main".to_owned());
    let error = Way::Https
        .to(&repository)
        .directory(&main, "omni/clinical-v1")
        .await
        .unwrap_err();
    assert!(
        matches!(&error.kind, Kind::NotText { path } if path == "omni/clinical-v1/logo.png"),
        "{}",
        told(&error)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_branch_is_told_with_the_words_of_its_hook_and_takes_a_proposal() {
    let protect = r#"while read old new ref; do
  if [ "$ref" = refs/heads/main ]; then echo "main is protected: open a pull request" >&2; exit 1; fi
done"#;
    let update = r#"if [ "$1" = refs/heads/main ]; then echo "main is protected: open a pull request" >&2; exit 1; fi"#;
    for (way, hook, script) in [
        (Way::Https, "pre-receive", protect),
        (Way::Ssh, "update", update),
        (Way::OldSsh, "pre-receive", protect),
    ] {
        let repository = with_model("protected");
        repository.hook(hook, script);
        let git = way.to(&repository);
        let error = refusal(&repository, &git).await;
        let said = told(&error);
        let Kind::Protected { branch, words } = &error.kind else {
            panic!("{said}")
        };
        assert_eq!(branch, "main");
        assert!(
            words.contains("hook declined") && words.contains("open a pull request"),
            "{said}"
        );
        let mut request = request();
        request.propose = Some("wavepin/clinical-v2".to_owned());
        assert!(git.copy_directory(&request).await.unwrap().changed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_for_a_request_that_cannot_be_meant() {
    let repository = with_model("names");
    let git = Way::Https.to(&repository);
    let from = request().from;
    for to in [
        from.clone(),
        format!("{from}/v2"),
        "/omni/v2".to_owned(),
        "omni/../v2".to_owned(),
        String::new(),
    ] {
        let mut request = request();
        request.to = to;
        let error = git.copy_directory(&request).await.unwrap_err();
        assert!(matches!(error.kind, Kind::Name { .. }), "{}", told(&error));
    }
    let mut request = request();
    request.propose = Some("a branch".to_owned());
    let error = git.copy_directory(&request).await.unwrap_err();
    assert!(matches!(error.kind, Kind::Name { .. }), "{}", told(&error));
    assert!(GitServer::shared().https().answered(&repository.name).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_goes_with_its_way_alone() {
    let repository = with_model("mixed");
    for (address, credential) in [(repository.https(), key()), (repository.ssh(), token())] {
        let error = GitRepository::new(&address, &credential, options()).unwrap_err();
        assert!(matches!(error.kind, Kind::Address { .. }), "{}", told(&error));
    }
}
