//! Three hundred tenants move by waves, and back in one breath, while somebody looks.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::approved::{POLICY, User, approval, in_force, plan};
use super::bed::{Bed, FILES};
use crate::cluster::{condition, eventually};
use crate::parts::Site;

/// How many tenants are in each wave: canary, early, rest.
const TENANTS: [(&str, usize); 3] = [("canary", 10), ("early", 90), ("late", 200)];

const PATIENCE: Duration = Duration::from_secs(60);

/// One page of one tenant, and the page of all: how many tenants have other than five dashboards, or more than one
/// version; and which versions the tenants of the last wave are on.
const LOOK: &str = "
SELECT count(*) FILTER (WHERE page.dashboards <> 5 OR page.versions <> 1) || ' ' ||
    count(DISTINCT page.version) FILTER (WHERE page.tenant LIKE 'late-%') || ' ' || count(*)
FROM (
    SELECT tv.tenant_id AS tenant, count(*) AS dashboards, count(DISTINCT dm.model_version_id) AS versions,
        min(dm.model_version_id) AS version
    FROM tenant_version tv JOIN dashboard_model dm ON dm.model_version_id = tv.model_version_id
    WHERE tv.tenant_environment = 'live' GROUP BY tv.tenant_id
) AS page;
";

fn pins() -> String {
    let mut pins = Vec::new();
    for (tier, tenants) in TENANTS {
        pins.extend((0..tenants).map(|number| {
            let name = format!("{tier}-{number}");
            json!({
                "apiVersion": "wavepin.dev/v1alpha1", "kind": "TenantPin",
                "metadata": {"name": name, "labels": {"tier": tier}},
                "spec": {"instanceRef": {"name": "clinical"}, "tenant": name, "environment": "live"},
            })
        }));
    }
    json!({"apiVersion": "v1", "kind": "List", "items": pins}).to_string()
}

fn rollout(version: i32, soak: &str) -> String {
    let tier = |tier: &str| json!({"matchLabels": {"tier": tier}});
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "VersionRollout", "metadata": {"name": "live"},
        "spec": {"instanceRef": {"name": "clinical"}, "environment": "live", "version": version, "waves": [
            {"name": "canary", "selector": tier("canary"), "soak": soak},
            {"name": "early", "selector": tier("early"), "batch": {"size": "40%", "every": soak}},
            {"name": "rest"},
        ]},
    })
    .to_string()
}

/// How many tenants are on each version.
fn on(bed: &Bed) -> Vec<String> {
    let sql = "SELECT model_version_id || ':' || count(*) FROM tenant_version WHERE tenant_environment = 'live' \
               GROUP BY model_version_id ORDER BY model_version_id";
    bed.database.psql(sql).lines().map(str::to_owned).collect()
}

fn complete(bed: &Bed) {
    let cluster = &bed.cluster;
    let wait = ["wait", "--for=condition=Complete", "vro/live", "--timeout=60s"];
    let args = [&["-n", &cluster.namespace], &wait[..]].concat();
    let waited = cluster.api_server.kubectl(&args);
    let object = cluster.object("vro/live");
    assert!(waited.status.success(), "{waited}\n{:#}", object["status"]);
}

/// Ends the looking when it goes.
struct Ended<'d>(&'d AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A second client that reads whole pages all the while, and what it saw that must not be.
fn looks(bed: &Bed, done: &AtomicBool, looks: &AtomicUsize) -> Vec<String> {
    let mut wrong = Vec::new();
    while !done.load(Ordering::SeqCst) {
        // Many looks a connection: the start of psql is most of one.
        let seen = bed.database.psql(&LOOK.repeat(40));
        for line in seen.lines().filter(|line| !line.trim().is_empty()) {
            looks.fetch_add(1, Ordering::SeqCst);
            let [mixed, versions_of_last, tenants] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            // The last wave has no batches: all of it is on one version in every look.
            if mixed != "0" || !["0", "1"].contains(&versions_of_last) || !["0", "300"].contains(&tenants) {
                wrong.push(line.to_owned());
            }
        }
    }
    wrong
}

pub(crate) async fn three_hundred_tenants_move_by_waves_and_back_and_nobody_sees_a_mix() {
    let bed = Bed::new("waves").await;
    bed.cluster.helm(&POLICY);
    let site = Site::saying(json!({"passed": true})).await;
    let controller = bed.controller("controller");
    for file in FILES {
        bed.cluster.apply(&bed.manifest(file));
    }
    bed.all_ready("60s");
    bed.cluster.apply(&pins());
    bed.told("tpin/canary-0", "Reconciling", "NoRollout");
    let everybody = json!({"spec": {"version": 1, "waves": [{"name": "all"}]}});
    let first: Value = serde_json::from_str(&rollout(1, "0s")).unwrap();
    let mut first = first;
    first["spec"]["waves"] = everybody["spec"]["waves"].clone();
    bed.cluster.apply(&first.to_string());
    complete(&bed);
    assert_eq!(on(&bed), ["1:300"]);

    let (done, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let wrong = std::thread::scope(|scope| {
        let looking = scope.spawn(|| looks(&bed, &done, &count));
        // Also where it fails: the other client would look for ever.
        let ended = Ended(&done);
        there_and_back(&bed);
        approved_and_failing(&bed, &site);
        drop(ended);
        looking.join().unwrap()
    });
    let count = count.load(Ordering::SeqCst);
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(count > 500, "{count} looks only");
    println!("{count} looks at whole pages, none wrong");
    let policies = "validatingadmissionpolicy,validatingadmissionpolicybinding";
    let name = format!("{}-wavepin-approver", bed.cluster.home);
    bed.cluster.api_server.kubectl(&["delete", policies, &name]).success();
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}

/// Another user approves the second wave, an impostor does not, and the check finds more of it failing than may.
fn approved_and_failing(bed: &Bed, site: &Site) {
    let [verbs, kinds] = ["--verb=get,create,patch", "--resource=versionrollouts.wavepin.dev"];
    bed.cluster.kubectl(&["create", "role", "author", verbs, kinds]);
    let author = User::new(bed, "author", "author");
    let [jane, impostor] = ["jane", "impostor"].map(|name| User::new(bed, name, "wavepin-approver"));
    let mut checked: Value = serde_json::from_str(&rollout(2, "1s")).unwrap();
    let spec = &mut checked["spec"];
    spec["waves"][1] = json!({
        "name": "early", "selector": {"matchLabels": {"tier": "early"}}, "approval": "Verified", "soak": "1h",
    });
    let smoke = json!({"name": "smoke", "interval": "1s", "failureLimit": 1, "webhook": {"url": site.url}});
    spec["checks"] = json!([smoke]);
    spec["failureBudget"] = json!({"wave": "10%"});
    spec["onFailure"] = json!("RollBack");
    author
        .kubectl(bed, &["apply", "-f", "-"], &checked.to_string())
        .success();

    let told = bed.told_of("vro/live", "Waiting", "ApprovalMissing", "wave early");
    assert_eq!(
        on(bed),
        ["1:290", "2:10"],
        "the canary has moved, and its check has passed"
    );
    in_force(bed, &impostor, &plan(bed));
    let refused = author.types(&told).failure();
    assert!(
        refused.contains("cannot create resource \"waveapprovals\""),
        "{refused}"
    );
    let wrong = approval("wrong", "early", &plan(bed), &jane.name);
    let refused = impostor.kubectl(bed, &["create", "-f", "-"], &wrong).failure();
    assert!(refused.contains("nobody approves in another's name"), "{refused}");
    assert_eq!(on(bed), ["1:290", "2:10"]);

    // Nine of ninety may fail, and ten do: all go back to what they had, in one transaction.
    let failing: Vec<String> = (10..20).map(|number| format!("early-{number}")).collect();
    site.says(json!({"passed": false, "failing": failing, "message": "lab results are off"}));
    jane.types(&told).success();
    let told = bed.told("vro/live", "Stalled", "RolloutFailed");
    assert!(
        told.contains("fail their checks") && told.contains("wavepin.dev/retry-rollout"),
        "{told}"
    );
    eventually("all are back", PATIENCE, || on(bed) == ["1:300"]);
    let back = "SELECT reason || ' ' || cardinality(tenants) FROM wavepin.pin_event ORDER BY id DESC LIMIT 1";
    assert_eq!(
        bed.database.psql(back).trim(),
        "rolled-back 99",
        "but for the one that is held, all that had moved"
    );
    let who = "SELECT approver || ' ' || verified FROM wavepin.rollout_event WHERE kind = 'Approved'";
    assert_eq!(bed.database.psql(who).trim(), format!("{} true", jane.name));
    let asked = site.asked();
    assert!(
        asked.iter().all(|(_, body)| !body.contains("late-")),
        "nobody asks about who has not moved"
    );
}

fn there_and_back(bed: &Bed) {
    // Frozen: nobody moves, and it is said until when.
    let frozen: Value = serde_json::from_str(&rollout(2, "2s")).unwrap();
    let mut frozen = frozen;
    frozen["spec"]["freeze"] = json!([{"until": "2199-01-01T00:00:00Z", "reason": "quarter close"}]);
    bed.cluster.apply(&frozen.to_string());
    let told = bed.told("vro/live", "Waiting", "Frozen");
    assert!(told.contains("until 2199-01-01T00:00:00Z: quarter close"), "{told}");
    assert_eq!(on(bed), ["1:300"]);
    let ready = condition(&bed.cluster.object("vro/live"), "Ready").cloned().unwrap();
    assert_eq!(ready["status"], "True", "what may be true now is true");

    // One is held; it is left out, and named.
    let held = r#"{"spec": {"hold": {"reason": "an audit"}}}"#;
    bed.cluster
        .kubectl(&["patch", "tpin", "early-7", "--type=merge", "-p", held]);
    bed.cluster.apply(&rollout(2, "24h"));
    bed.told("vro/live", "Waiting", "Soaking");
    assert_eq!(on(bed), ["1:290", "2:10"]);
    bed.told("tpin/late-3", "Waiting", "Queued");
    // Another soak is another rollout: the canary has moved, and soaks anew.
    bed.cluster.apply(&rollout(2, "2s"));
    complete(bed);
    assert_eq!(on(bed), ["1:1", "2:299"]);
    let status = &bed.cluster.object("vro/live")["status"];
    assert_eq!(
        (&status["leftOut"], &status["leftOutTenants"]),
        (&json!(1), &json!(["early-7: Held"]))
    );
    assert_eq!(status["progress"], "299/300");
    eventually("the pins say what their rows hold", PATIENCE, || {
        let pins = bed.cluster.kubectl(&[
            "get",
            "tpin",
            "-l",
            "tier",
            "--output=jsonpath={.items[*].status.version}",
        ]);
        pins.split_whitespace().filter(|version| *version == "2").count() == 299
    });
    batches_keep_their_size_and_distance(bed);
    one_event_a_wave(bed);

    // Back: in one transaction, though a freeze lasts.
    let calls = bed.simulator.requests().len();
    frozen["spec"]["version"] = json!(1);
    bed.cluster.apply(&frozen.to_string());
    eventually("all are back", PATIENCE, || on(bed) == ["1:300"]);
    let back = "SELECT reason || ' ' || cardinality(tenants) FROM wavepin.pin_event ORDER BY id DESC LIMIT 1";
    assert_eq!(bed.database.psql(back).trim(), "rollout-back 299");
    let since = &bed.simulator.requests()[calls..];
    let writes = since.iter().filter(|request| request.method != "GET");
    assert_eq!(writes.count(), 0, "Omni has no part in it: {since:?}");
}

fn batches_keep_their_size_and_distance(bed: &Bed) {
    let sql = "SELECT wave || ' ' || cardinality(tenants) || ' ' ||
        coalesce(at - lag(at) OVER (PARTITION BY wave ORDER BY id) >= interval '2 seconds', true)
        FROM wavepin.pin_event WHERE attempt = (SELECT max(attempt) FROM wavepin.pin_event) ORDER BY id";
    let batches = bed.database.psql(sql);
    // Two of five of ninety at a time, but for the one that is held.
    let expected = ["early 36 true", "early 36 true", "early 17 true", "rest 200 true"];
    assert_eq!(batches.lines().collect::<Vec<_>>(), expected);
    let sql = "SELECT kind || ' ' || wave FROM wavepin.rollout_event
        WHERE attempt = (SELECT max(attempt) FROM wavepin.rollout_event) ORDER BY id";
    let steps = [
        "Started ",
        "Opened canary",
        "Ended canary",
        "Opened early",
        "Ended early",
        "Opened rest",
        "Ended rest",
        "Completed ",
    ];
    assert_eq!(bed.database.psql(sql).lines().collect::<Vec<_>>(), steps);
}

/// Of a rollout's members no event is told but what they say of themselves; of the rollout some for each wave.
fn one_event_a_wave(bed: &Bed) {
    eventually("the end is told", PATIENCE, || {
        let events = bed.cluster.kubectl(&["get", "events", "--output=json"]);
        let events: Value = serde_json::from_str(&events).unwrap();
        let of_rollout = events["items"].as_array().unwrap().iter();
        let of_rollout = of_rollout.filter(|event| event["involvedObject"]["kind"] == "VersionRollout");
        let notes: Vec<&str> = of_rollout.filter_map(|event| event["message"].as_str()).collect();
        assert!(notes.len() < 25, "{notes:#?}");
        ["wave canary (1 of 3)", "wave early (2 of 3)", "every wave has ended"]
            .iter()
            .all(|told| notes.iter().any(|note| note.contains(told)))
    });
}
