//! `wavepin rollout status --watch` on a real API server: what a status comes to be is shown by a watch.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::api_server_with_definitions;
use crate::parts::{ApiServer, Line, Proxy};

/// How long a line is awaited. None takes seconds; the watch that broke is begun again after one.
const PATIENCE: Duration = Duration::from_secs(60);

struct Follower {
    child: Child,
    said: Receiver<String>,
    told: Receiver<String>,
}

impl Follower {
    fn start(kubeconfig: &Path, namespace: &str, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wavepin"))
            .args(["rollout", "status", "production", "--watch", "-n", namespace])
            .args(more)
            .env("KUBECONFIG", kubeconfig)
            .env_remove("WAVEPIN_DATABASE_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = lines(child.stdout.take().unwrap());
        let told = lines(child.stderr.take().unwrap());
        Self { child, said, told }
    }

    /// The code that it ends with, and the last lines that were not awaited.
    #[track_caller]
    fn end(mut self) -> (Option<i32>, Vec<String>, Vec<String>) {
        let said = self.said.iter().collect();
        let told = self.told.iter().collect();
        (self.child.wait().unwrap().code(), said, told)
    }
}

fn lines(of: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(of).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}

#[track_caller]
fn awaited(lines: &Receiver<String>, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    let mut before = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) if line.contains(text) => return,
            Ok(line) => before.push(line),
            Err(why) => panic!("no {text:?}, but {before:?}: {why}"),
        }
    }
}

fn rollout() -> String {
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "VersionRollout", "metadata": {"name": "production"},
        "spec": {"instanceRef": {"name": "acme"}, "environment": "production", "version": 2, "waves": [{"name": "all"}]},
    })
    .to_string()
}

/// Writes a status, as the controller does.
fn patch(api_server: &ApiServer, namespace: &str, moved: u32, conditions: &[(&str, &str, &str)]) {
    let condition = |(kind, status, reason): &(&str, &str, &str)| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": format!("{moved} of 3"),
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    let conditions: Vec<Value> = conditions.iter().map(condition).collect();
    let waves = json!([{"name": "all", "phase": "Open", "tenants": 3, "moved": moved, "leftOut": 0}]);
    let status = json!({"status": {"observedGeneration": 1, "waves": waves, "conditions": conditions}}).to_string();
    let patch = [
        "-n",
        namespace,
        "patch",
        "vro",
        "production",
        "--subresource=status",
        "--type=merge",
        "-p",
        &status,
    ];
    api_server.kubectl(&patch).success();
}

/// Somebody who may do this with rollouts, and nothing else: the token.
fn somebody(api_server: &ApiServer, namespace: &str, name: &str, verbs: &[&str]) -> String {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name},
        "rules": [{"apiGroups": ["wavepin.dev"], "resources": ["versionrollouts"], "verbs": verbs}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name}],
    });
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [account, role, binding]}).to_string();
    api_server
        .kubectl_stdin(&["-n", namespace, "apply", "-f", "-"], &list)
        .success();
    api_server
        .kubectl(&["-n", namespace, "create", "token", name])
        .success()
        .trim()
        .to_owned()
}

/// How often an account has asked for this with this verb.
fn asked(api_server: &ApiServer, namespace: &str, verb: &str) -> usize {
    let log = std::fs::read_to_string(api_server.audit_log()).unwrap();
    let own = format!("system:serviceaccount:{namespace}:follower");
    let requests = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of = requests.filter(|it| it["user"]["username"] == own.as_str() && it["verb"] == verb);
    let ids: std::collections::BTreeSet<String> = of.map(|it| it["auditID"].to_string()).collect();
    ids.len()
}

const OPEN: [(&str, &str, &str); 2] = [("Complete", "False", "Progressing"), ("Ready", "True", "Progressing")];

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_shown_when_it_is_written_and_a_lost_connection_is_made_again() {
    let api_server = api_server_with_definitions();
    let namespace = api_server.namespace("followed");
    api_server
        .kubectl_stdin(&["-n", &namespace, "apply", "-f", "-"], &rollout())
        .success();
    let token = somebody(api_server, &namespace, "follower", &["list", "watch"]);
    let line = Proxy::to(api_server.port()).await;
    let kubeconfig = api_server.kubeconfig_by(line.port(), &token);
    let follower = Follower::start(
        &kubeconfig,
        &namespace,
        &["--environment", "production", "--instance", "acme"],
    );
    awaited(
        &follower.said,
        "the controller has not looked at what the rollout is now",
    );
    for moved in [1, 2] {
        patch(api_server, &namespace, moved, &OPEN);
        awaited(&follower.said, &format!("wave all: Open, {moved}/3 moved, 0 left out"));
        awaited(&follower.said, &format!("Progressing: {moved} of 3"));
    }
    assert_eq!(asked(api_server, &namespace, "list"), 1, "the rest came by the watch");

    line.turn(Line::Cut);
    awaited(&follower.told, "; watching again");
    let waiting = [OPEN[1], ("Waiting", "True", "Soaking")];
    patch(api_server, &namespace, 3, &waiting);
    line.turn(Line::Carries);
    awaited(&follower.said, "wave all: Open, 3/3 moved, 0 left out");
    awaited(&follower.said, "Soaking: 3 of 3");
    patch(api_server, &namespace, 3, &[("Complete", "True", "RolledOut")]);
    let (code, said, _) = follower.end();
    assert_eq!((code, said), (Some(0), vec!["RolledOut: 3 of 3".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_is_awaited_ends_the_watch_and_so_does_what_is_not_there() {
    let api_server = api_server_with_definitions();
    let namespace = api_server.namespace("followed");
    let admin = api_server.kubeconfig();
    let absent = Follower::start(&admin, &namespace, &[]).end();
    assert_eq!(absent.0, Some(2), "{absent:?}");
    assert!(
        absent.2[0].contains("there is no VersionRollout production in namespace"),
        "{absent:?}"
    );

    api_server
        .kubectl_stdin(&["-n", &namespace, "apply", "-f", "-"], &rollout())
        .success();
    let other = Follower::start(&admin, &namespace, &["--environment", "staging"]).end();
    assert!(
        other.0 == Some(2) && other.2[0].contains("is of environment production"),
        "{other:?}"
    );
    let token = somebody(api_server, &namespace, "nobody", &["get"]);
    let refused = Follower::start(&api_server.kubeconfig_of(&token), &namespace, &[]).end();
    assert_eq!((refused.0, refused.2.len()), (Some(1), 1), "{refused:?}");
    assert!(
        refused.2[0].contains("`list` and `watch` on versionrollouts granted to you"),
        "{refused:?}"
    );

    let follower = Follower::start(&admin, &namespace, &[]);
    awaited(&follower.said, "the controller has not looked");
    patch(
        api_server,
        &namespace,
        1,
        &[OPEN[1], ("Waiting", "True", "ApprovalMissing")],
    );
    let (code, said, _) = follower.end();
    assert_eq!(code, Some(3));
    assert_eq!(said.last().map(String::as_str), Some("ApprovalMissing: 1 of 3"));

    patch(api_server, &namespace, 1, &OPEN);
    let follower = Follower::start(&admin, &namespace, &[]);
    awaited(&follower.said, "Progressing: 1 of 3");
    api_server
        .kubectl(&["-n", &namespace, "delete", "vro", "production"])
        .success();
    let (code, _, told) = follower.end();
    assert!(code == Some(2) && told[0].contains("was deleted"), "{told:?}");
}
