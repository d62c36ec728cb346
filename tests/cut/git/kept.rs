//! A model that is sent or migrated and kept in a repository afterwards.

use super::{Making, SECOND, directory, files, history, kept_in_git, with};
use crate::cut::bench::{Bench, ready, says, stalled};
use crate::parts::git::file;

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_directory_already_is_never_touched() {
    for copy in ["", "    copy: Migrate\n"] {
        let spec = format!("{copy}    git: {{directory: omni/clinical-v2}}\n");
        let bench = Bench::new(with(&spec)).await;
        kept_in_git(&bench, Making::SentAndKept).await;
        let repository = bench.repository.get().unwrap();
        repository.commit("main", "By hand", &[file("omni/clinical-v2/own.view", "label: Own\n")]);
        let before = (history(repository), bench.outcome());
        ready(&bench.again("clinical-v1").await);
        let told = stalled(&bench.again("clinical-v2").await);
        says(&told, &["GitDirectoryTaken", "omni/clinical-v2", "model.git.directory"]);
        assert_eq!(
            (history(repository), bench.outcome()),
            before,
            "{copy}: nothing was written anywhere"
        );
        // The way out.
        let moved = spec.replace("clinical-v2", "clinical-two");
        bench.declare(with(&moved));
        ready(&bench.again("clinical-v2").await);
        assert_eq!(directory(repository, "omni/clinical-two"), files(&bench, "clinical v2"));
        assert_eq!(directory(repository, SECOND)["own.view"], "label: Own");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migrated_model_is_kept_with_its_edits() {
    let bench = Bench::new(with("    copy: Migrate\n    git: {directory: omni/clinical-v2}\n")).await;
    kept_in_git(&bench, Making::Migrated).await;
    ready(&bench.both().await.1);
    let repository = bench.repository.get().unwrap();
    assert_eq!(directory(repository, SECOND), files(&bench, "clinical v2"));
    assert!(directory(repository, SECOND)["wards.topic"].is_string());
}
