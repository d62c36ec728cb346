//! Git settings, and models that migrate at a ref.

use super::*;

const GIT: &str = "/api/v1/models/3fb59130-54fc-4848-832f-d22f61933485/git";
const URL: &str = "git@example.com:hospital/omni.git";

async fn link(omni: &Omni, model: &str) -> Met {
    let path = format!("/api/v1/models/{model}/git");
    omni.post(&path, json!({"cloneUrl": URL, "requirePullRequest": "users-only"}))
        .await
}

async fn migrate(omni: &Omni, body: Value) -> Met {
    omni.post(&format!("/api/v1/models/{CLINICAL}/migrate"), body).await
}

#[tokio::test]
async fn git_is_linked_once_changed_and_unlinked() {
    let omni = Omni::start().await;
    let none = omni.get(GIT).await;
    assert_eq!(
        (none.0, detail(&none)),
        (404, "Git configuration not found for this model")
    );
    assert_eq!(
        omni.post(GIT, json!({"baseBranch": "main"})).await.0,
        400,
        "without an address"
    );
    let (status, made) = link(&omni, CLINICAL).await;
    assert_eq!(
        (status, &made["cloneUrl"], &made["sshUrl"]),
        (201, &json!(URL), &json!(URL))
    );
    assert_eq!(
        (&made["baseBranch"], &made["modelPath"], &made["requirePullRequest"]),
        (&json!("main"), &json!("omni/clinical"), &json!("users-only"))
    );
    assert_eq!(link(&omni, CLINICAL).await.0, 409);
    let change = json!({"baseBranch": "release/v1", "gitFollower": true});
    omni.done("PATCH", GIT, Some(change)).await;
    let read = omni.done("GET", GIT, None).await;
    assert_eq!(
        (&read["baseBranch"], &read["gitFollower"], &read["cloneUrl"]),
        (&json!("release/v1"), &json!(true), &json!(URL))
    );
    assert!(read.get("webhookSecret").is_none());
    let secret = omni.done("GET", &format!("{GIT}?include=webhookSecret"), None).await;
    assert!(secret["webhookSecret"].is_string());
    for wrong in [
        json!({"requirePullRequest": "sometimes"}),
        json!({"authMethod": "https_token"}),
        json!({"branch": "x"}),
    ] {
        assert_eq!(omni.call("PATCH", GIT, Some(wrong.clone())).await.0, 400, "{wrong}");
    }
    let token = json!({"authMethod": "https_token", "token": "abc-1"});
    let by_token = omni.done("PATCH", GIT, Some(token)).await;
    assert!(
        by_token["publicKey"].is_null() && !by_token.to_string().contains("abc-1"),
        "{by_token}"
    );
    omni.simulator.turn(|knobs| knobs.connection_admin = false);
    assert_eq!(omni.get(GIT).await.0, 403);
    omni.simulator.turn(|knobs| knobs.connection_admin = true);
    omni.done("DELETE", GIT, None).await;
    assert_eq!(omni.call("DELETE", GIT, None).await.0, 404);
}

#[tokio::test]
async fn a_model_migrates_as_it_was_at_a_ref() {
    let mut omni = Omni::start().await;
    link(&omni, CLINICAL).await;
    let tag = json!({"action": "set_git_ref", "model": "clinical", "git_ref": "v1.0"});
    omni.done("POST", "/_simulator/hands", Some(tag)).await;
    let before = omni.files(CLINICAL).await;
    omni.write(CLINICAL, None, "payers.view", "label: Insurers\n").await;
    let new = json!({"connectionId": CONNECTION, "modelKind": "SHARED", "modelName": "clinical v2"});
    let target = omni.done("POST", "/api/v1/models", Some(new)).await["model"]["id"].clone();
    let id = target.as_str().unwrap().to_owned();
    omni.write(&id, None, "vips.view", "schema: CLINICAL\ntable_name: PATIENTS\n")
        .await;
    omni.write(&id, None, "wards.view", "label: Old\n").await;
    let tagged = json!({"targetModelId": target, "gitRef": "v1.0"});
    assert_eq!(migrate(&omni, tagged.clone()).await, (200, json!({"success": true})));
    let mut files = omni.files(&id).await;
    assert_eq!(
        files["vips.view"], "ignored: true\n",
        "what the source lacks is there no more"
    );
    files.as_object_mut().unwrap().remove("vips.view");
    assert_eq!(files, before, "as it was at the tag");
    let rest = json!({"targetModelId": target, "deleteViewsAndTopicsMissingFromSource": false});
    assert_eq!(migrate(&omni, rest).await.0, 200);
    assert_eq!(
        omni.files(&id).await,
        omni.files(CLINICAL).await,
        "without a ref, as it is"
    );

    for (body, why) in [
        (json!({"targetModelId": target, "gitRef": ""}), "gitRef is empty"),
        (json!({"targetModelId": target, "gitRef": "v9"}), "there is no v9"),
        (json!({"targetModelId": "v2"}), "targetModelId is not a valid UUID"),
        (json!({"targetModelId": target, "ref": "v1.0"}), "'ref'"),
    ] {
        let met = migrate(&omni, body.clone()).await;
        assert!(met.0 == 400 && detail(&met).contains(why), "{body}: {met:?}");
    }
    assert_eq!(migrate(&omni, json!({"targetModelId": CONNECTION})).await.0, 404);
    omni.key = "omni_pat_simulator".to_owned();
    assert_eq!(migrate(&omni, tagged).await.0, 403, "that takes an organization key");
}

#[tokio::test]
async fn a_target_with_git_takes_a_migration_on_a_branch() {
    let omni = Omni::start().await;
    link(&omni, CLINICAL).await;
    let copy = omni.copy_model("clinical v2").await;
    omni.write(CLINICAL, None, "payers.view", "label: Insurers\n").await;
    let before = omni.files(&copy).await;
    let from_copy = omni
        .post(
            &format!("/api/v1/models/{copy}/migrate"),
            json!({"targetModelId": CLINICAL}),
        )
        .await;
    assert!(
        from_copy.0 == 400 && detail(&from_copy).contains("no git"),
        "{from_copy:?}"
    );
    link(&omni, &copy).await;
    let refused = migrate(&omni, json!({"targetModelId": copy})).await;
    assert_eq!(
        (refused.0, detail(&refused).contains("branchName was not provided")),
        (400, true)
    );
    for _ in 0..2 {
        assert_eq!(
            migrate(&omni, json!({"targetModelId": copy, "branchName": "next"}))
                .await
                .0,
            200
        );
    }
    assert_eq!(omni.files(&copy).await, before, "only the branch changed");
    let listed = format!("/api/v1/models?modelId={copy}&include=activeBranches");
    let listed = omni.done("GET", &listed, None).await;
    let branches = listed["records"][0]["branches"].as_array().unwrap();
    assert_eq!(branches.len(), 1, "the second time it is there");
    let path = format!(
        "/api/v1/models/{copy}/yaml?mode=extension&branchId={}",
        branches[0]["id"].as_str().unwrap()
    );
    let on_branch = omni.done("GET", &path, None).await;
    assert_eq!(on_branch["files"]["payers.view"], "label: Insurers\n");
}

/// A bare repository with a directory for the model of a version 2, and another's file beside it.
fn repository() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str], input: &str| {
        use std::io::Write as _;
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(home.path()).args(arguments);
        let mut git = git.stdin(std::process::Stdio::piped()).spawn().unwrap();
        git.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(git.wait().unwrap().success(), "{arguments:?}");
    };
    git(&["init", "--quiet", "--bare", "--initial-branch=main"], "");
    let commit = "commit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 5\nStart\n\
                  M 100644 inline omni/clinical-v2/payers.view\ndata 16\nlabel: Insurers\n\n\
                  M 100644 inline README.md\ndata 6\nModels\n";
    git(&["fast-import", "--quiet"], commit);
    home
}

/// A new model that is linked to the directory, synchronised for the first time.
async fn first_sync(omni: &Omni, home: &tempfile::TempDir) -> (String, Value) {
    let known = json!({"action": "add_repository", "clone_url": URL, "path": home.path()});
    omni.done("POST", "/_simulator/hands", Some(known)).await;
    let new = json!({"connectionId": CONNECTION, "modelKind": "SHARED", "modelName": "clinical v2"});
    let made = omni.done("POST", "/api/v1/models", Some(new)).await["model"]["id"].clone();
    let id = made.as_str().unwrap().to_owned();
    let path = format!("/api/v1/models/{id}/git");
    omni.done(
        "POST",
        &path,
        Some(json!({"cloneUrl": URL, "modelPath": "clinical-v2"})),
    )
    .await;
    let synced = omni.done("POST", &format!("{path}/sync"), Some(json!({}))).await;
    (id, synced)
}

#[tokio::test]
async fn a_first_sync_does_with_a_directory_what_the_knob_says() {
    for (knob, in_sync, holds) in [
        ("import", true, Some("label: Insurers\n")),
        ("ignore", true, None),
        ("erase", true, None),
        ("conflict", false, None),
    ] {
        let (omni, home) = (Omni::start().await, repository());
        let turned = json!({"git_first_sync": knob});
        omni.done("POST", "/_simulator/knobs", Some(turned)).await;
        let (id, synced) = first_sync(&omni, &home).await;
        assert_eq!(synced["inSync"], in_sync, "{knob}: {synced}");
        assert_eq!(omni.files(&id).await["payers.view"].as_str(), holds, "{knob}");
        let mut listed = std::process::Command::new("git");
        listed
            .arg("-C")
            .arg(home.path())
            .args(["ls-tree", "-r", "--name-only", "main"]);
        let listed = String::from_utf8(listed.output().unwrap().stdout).unwrap();
        let kept = listed.contains("omni/clinical-v2/payers.view");
        assert_eq!(kept, knob != "erase", "{knob}: {listed}");
        assert!(listed.contains("README.md"), "{knob}");
    }
}

#[tokio::test]
async fn without_a_repository_nothing_is_synchronised() {
    let omni = Omni::start().await;
    link(&omni, CLINICAL).await;
    let met = omni.post(&format!("{GIT}/sync"), json!({})).await;
    assert!(met.0 == 400 && detail(&met).contains("cannot be reached"), "{met:?}");
}
