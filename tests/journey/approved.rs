//! Who writes a rollout and who approves its waves are different people: by RBAC, and by the admission policy of the chart.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::asked::ask;
use super::bed::{Bed, FILES};
use crate::cluster::{condition, eventually};
use crate::parts::Output;
use crate::parts::program::find;

const PATIENCE: Duration = Duration::from_secs(60);

pub(super) const POLICY: [&str; 4] = [
    "--set",
    "approvals.policy.enabled=true",
    "--set",
    "approvals.approverRole.create=true",
];

/// A user of the cluster, with the rights of a ServiceAccount.
pub(super) struct User {
    pub(super) name: String,
    kubeconfig: PathBuf,
}

impl User {
    /// With this Role.
    pub(super) fn new(bed: &Bed, account: &str, role: &str) -> Self {
        let cluster = &bed.cluster;
        cluster.kubectl(&["create", "serviceaccount", account]);
        let name = format!("{}:{account}", cluster.namespace);
        let subject = format!("--serviceaccount={name}");
        let of = format!("--role={role}");
        cluster.kubectl(&["create", "rolebinding", account, &of, &subject]);
        let token = cluster.kubectl(&["create", "token", account]);
        Self {
            name: format!("system:serviceaccount:{name}"),
            kubeconfig: cluster.api_server.kubeconfig_of(token.trim()),
        }
    }

    pub(super) fn kubectl(&self, bed: &Bed, args: &[&str], input: &str) -> Output {
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig.display());
        let args = [&["-n", &bed.cluster.namespace, &kubeconfig], args].concat();
        bed.cluster.api_server.kubectl_stdin(&args, input)
    }

    /// Types what a message says.
    pub(super) fn types(&self, told: &str) -> Output {
        let (_, command) = told.split_once("echo ").expect("it says what to type");
        let kubectl = find("kubectl").expect("the tests have it");
        let path = format!(
            "{}:{}",
            kubectl.parent().expect("a folder").display(),
            std::env::var("PATH").expect("there is one")
        );
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", &format!("echo {command}")]);
        // Its caches are keyed by host and port only, which another run may have had.
        shell.env("KUBECACHEDIR", self.kubeconfig.with_extension("cache"));
        Output::of(shell.env("PATH", path).env("KUBECONFIG", &self.kubeconfig), "").expect("a shell is everywhere")
    }
}

fn pins() -> String {
    let tiers = ["canary", "early", "early", "late", "late"];
    let pins = tiers.iter().enumerate().map(|(number, tier)| {
        let name = format!("t{number}");
        json!({
            "apiVersion": "wavepin.dev/v1alpha1", "kind": "TenantPin",
            "metadata": {"name": name, "labels": {"tier": tier}},
            "spec": {"instanceRef": {"name": "clinical"}, "tenant": name, "environment": "live"},
        })
    });
    json!({"apiVersion": "v1", "kind": "List", "items": pins.collect::<Vec<_>>()}).to_string()
}

fn rollout(version: i32, every: &str) -> String {
    let tier = |tier: &str| json!({"matchLabels": {"tier": tier}});
    let batch = json!({"size": 10, "every": every});
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "VersionRollout", "metadata": {"name": "live"},
        "spec": {"instanceRef": {"name": "clinical"}, "environment": "live", "version": version, "waves": [
            {"name": "canary", "selector": tier("canary"), "batch": batch},
            {"name": "early", "selector": tier("early"), "approval": "Required"},
            {"name": "rest", "approval": "Verified"},
        ]},
    })
    .to_string()
}

/// How many tenants are on each version.
fn on(bed: &Bed) -> String {
    let sql =
        "SELECT string_agg(line, ' ') FROM (SELECT model_version_id || ':' || count(*) AS line FROM tenant_version
        WHERE tenant_environment = 'live' GROUP BY model_version_id ORDER BY model_version_id) AS lines";
    bed.database.psql(sql).trim().to_owned()
}

/// What became of an approval, once it is this.
#[track_caller]
fn became(bed: &Bed, approval: &str, reason: &str) -> Value {
    let mut found = Value::Null;
    eventually(&format!("{approval} is {reason}"), PATIENCE, || {
        found = bed.cluster.object(&format!("wapp/{approval}"));
        condition(&found, "Ready").is_some_and(|ready| ready["reason"] == reason)
    });
    found["status"].clone()
}

/// Waits until the policy refuses an impostor, and has done so for long enough that what is made now is verified.
pub(super) fn in_force(bed: &Bed, impostor: &User, plan: &str) {
    let wrong = approval("impostor", "rest", plan, "jane@example.com");
    let try_it = || impostor.kubectl(bed, &["create", "--dry-run=server", "-f", "-"], &wrong);
    eventually("the policy is in force", PATIENCE, || !try_it().status.success());
    let told = try_it().failure();
    let words = format!("you are {}: nobody approves in another's name", impostor.name);
    assert!(told.contains(&words), "{told}");
    let name = format!("{}-wavepin-approver", bed.cluster.home);
    let age = || {
        let policy = "validatingadmissionpolicy,validatingadmissionpolicybinding";
        let get = [
            "get",
            policy,
            &name,
            "--output=jsonpath={.items[*].metadata.creationTimestamp}",
        ];
        let made = bed.cluster.api_server.kubectl(&get).success();
        let made = made.split_whitespace().map(|at| at.parse::<jiff::Timestamp>().unwrap());
        jiff::Timestamp::now().duration_since(made.max().expect("both are there"))
    };
    eventually("it has settled", PATIENCE, || age().as_secs() > 10);
}

pub(super) fn approval(name: &str, wave: &str, plan: &str, approver: &str) -> String {
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "WaveApproval", "metadata": {"name": name},
        "spec": {"rolloutRef": {"name": "live"}, "wave": wave, "plan": plan, "approver": approver},
    })
    .to_string()
}

pub(super) fn plan(bed: &Bed) -> String {
    let status = &bed.cluster.object("vro/live")["status"];
    status["plan"].as_str().expect("it has one").to_owned()
}

pub(crate) async fn a_wave_opens_by_whom_the_rights_and_the_policy_let_approve_and_the_ledger_says_who() {
    let bed = Bed::new("approved").await;
    bed.cluster.helm(&POLICY);
    let controller = bed.controller("controller");
    for file in FILES {
        bed.cluster.apply(&bed.manifest(file));
    }
    let [verbs, kinds] = ["--verb=get,create,patch", "--resource=versionrollouts.wavepin.dev"];
    bed.cluster.kubectl(&["create", "role", "author", verbs, kinds]);
    let author = User::new(&bed, "author", "author");
    let [jane, impostor] = ["jane", "impostor"].map(|name| User::new(&bed, name, "wavepin-approver"));
    bed.all_ready("60s");
    bed.cluster.apply(&pins());
    let write = |version: i32, every: &str| {
        let written = author.kubectl(&bed, &["apply", "-f", "-"], &rollout(version, every));
        written.success();
    };
    // The first rollout puts everybody on version 1: it asks as well, and its last wave for a proof.
    write(1, "0s");
    let told = bed.told_of("vro/live", "Waiting", "ApprovalMissing", "wave early");
    in_force(&bed, &impostor, &plan(&bed));
    jane.types(&told).success();
    let told = bed.told_of("vro/live", "Waiting", "ApprovalMissing", "wave rest");
    jane.types(&told).success();
    eventually("all are on version 1", PATIENCE, || on(&bed) == "1:5");

    the_author_may_not_approve_nor_may_an_impostor(&bed, [&author, &jane, &impostor], &write);
    an_old_approval_opens_nothing(&bed, &jane, &write);
    what_is_not_proved_opens_no_wave_that_asks_for_it(&bed, &jane, &impostor);
    the_ledger_says_who(&bed, &jane);
    // Whoever deletes in the foreground has others update the object, which approves nothing.
    let delete = ["delete", "wapp", "live-rest-3", "--cascade=foreground", "--timeout=60s"];
    bed.cluster.kubectl(&delete);
    let policies = "validatingadmissionpolicy,validatingadmissionpolicybinding";
    let name = format!("{}-wavepin-approver", bed.cluster.home);
    bed.cluster.api_server.kubectl(&["delete", policies, &name]).success();
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}

fn the_author_may_not_approve_nor_may_an_impostor(
    bed: &Bed,
    [author, jane, impostor]: [&User; 3],
    write: &dyn Fn(i32, &str),
) {
    write(2, "0s");
    let told = bed.told_of("vro/live", "Waiting", "ApprovalMissing", "wave early");
    assert_eq!(on(bed), "1:4 2:1");
    let object = bed.cluster.object("vro/live");
    assert_eq!(
        condition(&object, "Ready").unwrap()["status"],
        "True",
        "a person is awaited"
    );
    let plan = plan(bed);
    assert!(told.contains(&plan), "{told}");

    let refused = author.types(&told).failure();
    assert!(
        refused.contains("cannot create resource \"waveapprovals\""),
        "{refused}"
    );
    let refused = jane.kubectl(bed, &["apply", "-f", "-"], &rollout(2, "1s")).failure();
    assert!(refused.contains("versionrollouts"), "{refused}");
    let wrong = approval("impostor", "early", &plan, &jane.name);
    let refused = impostor.kubectl(bed, &["create", "-f", "-"], &wrong).failure();
    let words = format!("spec.approver is {}, and you are {}", jane.name, impostor.name);
    assert!(refused.contains(&words), "{refused}");
    assert_eq!(on(bed), "1:4 2:1");

    jane.types(&told).success();
    eventually("the early ones have moved", PATIENCE, || on(bed) == "1:2 2:3");
    let status = became(bed, "live-early-2", "ApprovalUsed");
    assert_eq!(status["verified"], true);
    assert!(status["usedAt"].is_string(), "{status}");
}

/// One is left where it was, as in git, and the rollout is edited.
fn an_old_approval_opens_nothing(bed: &Bed, jane: &User, write: &dyn Fn(i32, &str)) {
    let old = plan(bed);
    write(2, "1s");
    // What has moved stays; who asks is the next one with somebody to move, but the gates of all ask again.
    let told = bed.told_of("vro/live", "Waiting", "ApprovalMissing", "wave early");
    let stale = approval("left-in-git", "rest", &old, &jane.name);
    jane.kubectl(bed, &["create", "-f", "-"], &stale).success();
    let stale = approval("left-in-git-too", "early", &old, &jane.name);
    jane.kubectl(bed, &["create", "-f", "-"], &stale).success();
    for name in ["left-in-git", "left-in-git-too", "live-early-2"] {
        let status = became(bed, name, "ApprovalSuperseded");
        let ready = status["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["type"] == "Ready");
        assert_eq!(ready.unwrap()["status"], "True", "it may be left in git");
        assert!(
            ready.unwrap()["message"].as_str().unwrap().contains(&plan(bed)),
            "{status}"
        );
    }
    assert_eq!(on(bed), "1:2 2:3");
    let unknown = approval("misspelt", "erly", &plan(bed), &jane.name);
    jane.kubectl(bed, &["create", "-f", "-"], &unknown).success();
    became(bed, "misspelt", "WaveUnknown");
    let elsewhere = unknown
        .replace("misspelt", "elsewhere")
        .replace("\"live\"", "\"other\"");
    jane.kubectl(bed, &["create", "-f", "-"], &elsewhere).success();
    became(bed, "elsewhere", "RolloutNotReady");
    jane.types(&told).success();
    bed.told_of("vro/live", "Waiting", "ApprovalMissing", "wave rest");
    assert_eq!(on(bed), "1:2 2:3");
}

/// The binding goes, an approval is made, and the binding comes back.
fn what_is_not_proved_opens_no_wave_that_asks_for_it(bed: &Bed, jane: &User, impostor: &User) {
    let told = bed.told_of("vro/live", "Waiting", "ApprovalMissing", "wave rest");
    let name = format!("{}-wavepin-approver", bed.cluster.home);
    let delete = ["delete", "validatingadmissionpolicybinding", &name];
    bed.cluster.api_server.kubectl(&delete).success();
    jane.types(&told).success();
    let why = format!("there is no ValidatingAdmissionPolicyBinding {name}");
    bed.told_of("wapp/live-rest-3", "Stalled", "ApprovalUnverified", &why);
    bed.told_of("vro/live", "Waiting", "ApprovalUnverified", &why);
    bed.cluster.helm(&POLICY);
    in_force(bed, impostor, &plan(bed));
    bed.look_again("bound-again");
    let why = "was not in force yet when the approval was made";
    let told = bed.told_of("vro/live", "Waiting", "ApprovalUnverified", why);
    assert_eq!(on(bed), "1:2 2:3");
    let waves = &bed.cluster.object("vro/live")["status"]["waves"];
    assert_eq!(
        (&waves[2]["waitsFor"], &waves[2]["until"]),
        (&json!("ApprovalUnverified"), &Value::Null)
    );
    // Who asks at a terminal hears what the controller has found.
    let admin = bed.cluster.api_server.kubeconfig();
    let (code, said, error) = ask(bed, &admin, Some(&bed.database.url), &["explain", "rollout", "live"]);
    assert_eq!(code, Some(3), "{said}{error}");
    for part in ["ApprovalUnverified", why, "delete WaveApproval"] {
        assert!(said.contains(part), "{part:?} in\n{said}");
    }
    jane.kubectl(bed, &["delete", "wapp", "live-rest-3"], "").success();
    jane.types(&told).success();
    eventually("all have moved", PATIENCE, || on(bed) == "2:5");
    became(bed, "live-rest-3", "ApprovalUsed");
}

fn the_ledger_says_who(bed: &Bed, jane: &User) {
    let sql = "SELECT attempt || ' ' || wave || ' ' || approver || ' ' || verified || ' ' || approval
        FROM wavepin.rollout_event WHERE kind = 'Approved' ORDER BY id";
    let (jane, namespace) = (&jane.name, &bed.cluster.namespace);
    let line = |attempt: i32, wave: &str| format!("{attempt} {wave} {jane} true {namespace}/live-{wave}-{attempt}");
    let expected = [
        line(1, "early"),
        line(1, "rest"),
        line(2, "early"),
        line(3, "early"),
        line(3, "rest"),
    ];
    let told = bed.database.psql(sql);
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    bed.cluster
        .kubectl(&["wait", "--for=condition=Complete", "vro/live", "--timeout=60s"]);
    let waves = &bed.cluster.object("vro/live")["status"]["waves"];
    assert_eq!(waves[0]["approvedBy"], Value::Null);
    assert_eq!(
        (&waves[2]["approvedBy"], &waves[2]["approvalVerified"]),
        (&json!(jane), &json!(true))
    );
}
