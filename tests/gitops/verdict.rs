//! What Argo CD and Flux take an object for, each asked by its own code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::argo_cd::ArgoCd;
use crate::cluster::condition;
use crate::parts::{Output, gitops_tool};

/// What one of them says of one object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Verdict {
    pub(super) status: String,
    pub(super) message: String,
}

/// What both say of one object.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) object: Arc<Value>,
    pub(super) argo_cd: Verdict,
    pub(super) kstatus: Verdict,
}

impl Judged {
    /// For messages.
    pub(super) fn told(&self) -> String {
        let Self {
            object,
            argo_cd,
            kstatus,
        } = self;
        format!(
            "{} {}: Argo CD says {argo_cd:?}, kstatus says {kstatus:?} of\n{object:#}",
            object["kind"], object["metadata"]["name"]
        )
    }

    /// The object as Argo CD and Flux see it has been looked at since it was changed last.
    pub(super) fn is_observed(&self) -> bool {
        self.object["status"]["observedGeneration"] == self.object["metadata"]["generation"]
    }

    pub(super) fn is_going(&self) -> bool {
        self.object["metadata"]["deletionTimestamp"].is_string()
    }

    /// Whether a condition is true.
    pub(super) fn is(&self, kind: &str) -> bool {
        condition(&self.object, kind).is_some_and(|found| found["status"] == "True")
    }
}

/// Judges objects. Those that differ in messages and times only are judged once.
#[track_caller]
pub(super) fn judge(argo_cd: &ArgoCd, objects: impl IntoIterator<Item = Arc<Value>>) -> Vec<Judged> {
    let different: BTreeMap<String, Arc<Value>> = objects.into_iter().map(|it| (essence(&it), it)).collect();
    let different: Vec<Arc<Value>> = different.into_values().collect();
    let verdicts = by_argo_cd(argo_cd, &different).into_iter().zip(by_kstatus(&different));
    let judged = different.into_iter().zip(verdicts);
    judged
        .map(|(object, (argo_cd, kstatus))| Judged {
            object,
            argo_cd,
            kstatus,
        })
        .collect()
}

/// All of an object that may decide what it is taken for.
fn essence(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array();
    let conditions: Vec<Value> = conditions
        .into_iter()
        .flatten()
        .map(|it| json!([it["type"], it["status"], it["reason"]]))
        .collect();
    let metadata = &object["metadata"];
    let is_observed = object["status"]["observedGeneration"] == metadata["generation"];
    let is_going = metadata["deletionTimestamp"].is_string();
    json!([
        object["kind"],
        metadata["name"],
        object["spec"],
        is_observed,
        is_going,
        conditions
    ])
    .to_string()
}

/// As Flux computes it.
#[track_caller]
fn by_kstatus(objects: &[Arc<Value>]) -> Vec<Verdict> {
    let lines: String = objects.iter().map(|object| format!("{object}\n")).collect();
    let program = gitops_tool("kstatus").expect("the tools are there");
    let verdicts = Output::of(&mut Command::new(program), &lines)
        .expect("it starts")
        .success();
    let verdicts: Vec<Verdict> = verdicts
        .lines()
        .map(|line| serde_json::from_str(line).expect("a verdict a line"))
        .collect();
    assert_eq!(verdicts.len(), objects.len(), "a verdict an object");
    verdicts
}

/// As Argo CD's own command line runs the checks of its settings, which are the controller's too.
#[track_caller]
fn by_argo_cd(argo_cd: &ArgoCd, objects: &[Arc<Value>]) -> Vec<Verdict> {
    let folder = tempfile::tempdir().expect("the temporary folder takes folders");
    let settings = folder.path().join("argocd-cm.yaml");
    let get = [
        "-n",
        &argo_cd.namespace,
        "get",
        "configmap",
        "argocd-cm",
        "--output=yaml",
    ];
    let text = argo_cd.api_server.kubectl(&get).success();
    std::fs::write(&settings, text).expect("a fresh folder takes files");
    let files: Vec<PathBuf> = (0..objects.len())
        .map(|number| folder.path().join(format!("{number}.json")))
        .collect();
    for (file, object) in files.iter().zip(objects) {
        std::fs::write(file, object.to_string()).expect("a fresh folder takes files");
    }
    // Each call is a program that starts: as many at once as there are cores.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = files.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let shares: Vec<_> = files
            .chunks(share)
            .map(|files| {
                let settings = &settings;
                scope.spawn(move || {
                    files
                        .iter()
                        .map(|file| check(argo_cd, settings, file))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let verdicts = shares.into_iter();
        verdicts
            .flat_map(|share| share.join().expect("every check ran"))
            .collect()
    })
}

/// One object, by one call.
fn check(argo_cd: &ArgoCd, settings: &Path, object: &Path) -> Verdict {
    let mut command = argo_cd.command_line();
    command
        .args(["admin", "settings", "resource-overrides", "health"])
        .arg(object)
        .arg("--argocd-cm-path")
        .arg(settings);
    let told = Output::of(&mut command, "").expect("it starts").success();
    let (status, message) = told.split_once('\n').unwrap_or((&told, ""));
    let word = |text: &str, name: &str| text.trim().strip_prefix(name).map(|it| it.trim().to_owned());
    Verdict {
        status: word(status, "STATUS:").unwrap_or_else(|| panic!("no status in {told:?}")),
        message: word(message, "MESSAGE:").unwrap_or_default(),
    }
}

/// What must hold of every state that an object was ever in, whatever its kind.
#[track_caller]
pub(super) fn holds_of_every(judged: &[Judged]) {
    for it in judged {
        let (argo_cd, kstatus) = (it.argo_cd.status.as_str(), it.kstatus.status.as_str());
        let told = || it.told();
        if it.is_going() {
            assert_eq!((argo_cd, kstatus), ("Progressing", "Terminating"), "{}", told());
            continue;
        }
        if !it.is_observed() {
            assert_eq!((argo_cd, kstatus), ("Progressing", "InProgress"), "{}", told());
            continue;
        }
        let is_right = it.is("Ready") && !it.is("Stalled") && !it.is("Reconciling");
        assert_eq!(kstatus == "Current", is_right, "{}", told());
        assert!(argo_cd != "Healthy" || is_right, "{}", told());
        assert!(!is_right || ["Healthy", "Suspended"].contains(&argo_cd), "{}", told());
        assert_eq!(kstatus == "Failed", it.is("Stalled"), "{}", told());
        assert_eq!(argo_cd == "Degraded", it.is("Stalled"), "{}", told());
        if it.is("Stalled") {
            let stalled = condition(&it.object, "Stalled").expect("it is true");
            for word in ["reason", "message"] {
                let word = stalled[word].as_str().expect("a condition says why");
                assert!(it.argo_cd.message.contains(word.trim()), "{}", told());
            }
        }
    }
}
