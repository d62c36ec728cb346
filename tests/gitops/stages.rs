//! The life of one object of each kind, stage by stage.

use std::time::Duration;

use serde_json::{Value, json};

use super::argo_cd::ArgoCd;
use super::record::Record;
use super::tables::Life;
use super::verdict::{holds_of_every, judge};
use crate::cluster::{Installation, condition, eventually};
use crate::journey::bed::{Bed, KEY, SECOND};
use crate::parts::{Line, Member, Proxy};

/// How long a stage may take to come.
const PATIENCE: Duration = Duration::from_secs(100);

const INSTANCE: &str = "omni/clinical";
const VERSION: &str = "mv/clinical-v2";
const PIN: &str = "tpin/acme-corp-staging";
const ROLLOUT: &str = "vro/live";
const APPROVAL: &str = "wapp/live-all";

/// The lives of the kinds, as far as they were lived.
struct Lives {
    bed: Bed,
    /// To Omni and to the database.
    omni: Proxy,
    mapping: Proxy,
    instance: Life,
    version: Life,
    pin: Life,
    rollout: Life,
    approval: Life,
}

impl Lives {
    async fn new() -> Self {
        let bed = Bed::on(Installation::new("gitops-life"), "gitops-life").await;
        let database = url::Url::parse(&bed.database.url).expect("a URL");
        Self {
            omni: Proxy::to(bed.simulator.addr().port()).await,
            mapping: Proxy::to(database.port().expect("it names its port")).await,
            instance: Life::of("OmniInstance"),
            version: Life::of("ModelVersion"),
            pin: Life::of("TenantPin"),
            rollout: Life::of("VersionRollout"),
            approval: Life::of("WaveApproval"),
            bed,
        }
    }

    /// The database, by way of its proxy.
    fn database_url(&self) -> String {
        let mut url = url::Url::parse(&self.bed.database.url).expect("a URL");
        url.set_port(Some(self.mapping.port())).expect("it has a host");
        url.into()
    }

    fn apply_secret(&self, key: &str) {
        let url = self.database_url();
        self.bed.cluster.keeps(&url);
        self.bed.apply_secret(&[("databaseUrl", &url), ("apiKey", key)]);
    }

    fn apply_instance(&self) {
        let (_, instance) = self.bed.secret_and_instance();
        let by_proxy = format!("http://127.0.0.1:{}", self.omni.port());
        self.bed
            .cluster
            .apply(&instance.replace(self.bed.simulator.base_url(), &by_proxy));
    }

    fn patch(&self, name: &str, patch: &Value) {
        let patch = patch.to_string();
        self.bed
            .cluster
            .kubectl(&["patch", name, "--type=merge", "--patch", &patch]);
    }

    /// The object once a condition is of this verdict for this reason, said of the spec as it is.
    #[track_caller]
    fn once(&self, name: &str, kind: &str, verdict: &str, reason: &str) -> Value {
        let mut found = Value::Null;
        let mut is_so = || {
            found = self.bed.cluster.object(name);
            let is_observed = found["status"]["observedGeneration"] == found["metadata"]["generation"];
            let told = condition(&found, kind);
            is_observed && told.is_some_and(|it| it["status"] == verdict && it["reason"] == reason)
        };
        let deadline = std::time::Instant::now() + PATIENCE;
        while !is_so() {
            let late = std::time::Instant::now() > deadline;
            assert!(
                !late,
                "{name} is not {kind} {verdict} {reason}:\n{}",
                self.bed.conditions()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_say_what_argo_cd_and_flux_say_at_every_stage_of_a_life() {
    let argo_cd = ArgoCd::shared();
    let mut lives = Lives::new().await;
    let record = Record::new(argo_cd.api_server, &lives.bed.cluster.namespace, &argo_cd.namespace);
    let controller = in_any_order(&mut lives);
    a_cut(&mut lives, &record);
    what_keeps_a_pin(&mut lives);
    what_keeps_a_rollout(&mut lives);
    parts_that_are_gone(&mut lives);
    other_hands(&mut lives);
    not_looked_at(&mut lives, &controller);
    suspended_and_deleted(&mut lives);
    let Lives {
        bed,
        instance,
        version,
        pin,
        rollout,
        approval,
        ..
    } = lives;
    bed.cluster.end("controller", controller);
    for life in [instance, version, pin, rollout, approval] {
        life.is_told(argo_cd);
    }
    let moments = record.all().into_iter().filter(|it| !it.gone);
    let judged = judge(
        argo_cd,
        moments.map(|it| it.object).filter(|it| it["kind"] != "Application"),
    );
    assert!(judged.len() > 30, "only {} different moments", judged.len());
    holds_of_every(&judged);
    bed.simulator.shutdown().await;
}

/// From objects that nobody has looked at to an instance that works: each waits for another.
fn in_any_order(lives: &mut Lives) -> Member {
    let pins = lives.bed.manifest("pins.yaml");
    let version = lives
        .bed
        .manifest("clinical-v2.yaml")
        .replace("base_view: wards", "base_view: wardz");
    lives.bed.cluster.apply(&pins);
    lives.bed.cluster.apply(&version);
    lives
        .version
        .add("applied; nothing has looked at it", lives.bed.cluster.object(VERSION));
    lives
        .pin
        .add("applied; nothing has looked at it", lives.bed.cluster.object(PIN));
    lives.bed.cluster.apply(LIVE);
    lives
        .rollout
        .add("applied; nothing has looked at it", lives.bed.cluster.object(ROLLOUT));
    let controller = lives.bed.controller("controller");
    let what = "its instance is not there yet";
    let object = lives.once(ROLLOUT, "Reconciling", "True", "InstanceNotReady");
    lives.rollout.add(what, object);
    let object = lives.once(VERSION, "Reconciling", "True", "InstanceNotReady");
    lives.version.add(what, object);
    let object = lives.once(PIN, "Reconciling", "True", "InstanceNotReady");
    lives.pin.add(what, object);
    controller.signal("STOP");
    lives.apply_instance();
    lives
        .instance
        .add("applied; nothing has looked at it", lives.bed.cluster.object(INSTANCE));
    controller.signal("CONT");
    let object = lives.once(INSTANCE, "Reconciling", "True", "SecretMissing");
    lives.instance.add("its Secret is not there yet", object);
    lives.apply_secret(KEY);
    let object = lives.once(INSTANCE, "Ready", "True", "Converged");
    lives.instance.add("Omni and the mapping answer", object);
    controller
}

/// A version from its source to its tenants.
fn a_cut(lives: &mut Lives, record: &Record) {
    let object = lives.once(VERSION, "Reconciling", "True", "SourceNotReady");
    lives.version.add("the version to cut from is not there yet", object);
    let object = lives.once(PIN, "Reconciling", "True", "VersionNotComplete");
    lives.pin.add("its version is not complete yet", object);
    let object = lives.once(ROLLOUT, "Reconciling", "True", "VersionNotComplete");
    lives.rollout.add("its version is not complete yet", object);
    lives.bed.cluster.apply(&lives.bed.manifest("clinical-v1.yaml"));
    let object = lives.once(VERSION, "Stalled", "True", "ModelInvalid");
    lives.version.add("an edit refers to what is not there", object);
    let before = record.len();
    lives.bed.cluster.apply(&lives.bed.manifest("clinical-v2.yaml"));
    let complete = lives.once(VERSION, "Ready", "True", "Converged");
    let going_on = record.all().into_iter().skip(before).find(|moment| {
        let is_observed = moment.object["status"]["observedGeneration"] == moment.object["metadata"]["generation"];
        let told = condition(&moment.object, "Reconciling");
        moment.is_of("ModelVersion", "clinical-v2")
            && is_observed
            && told.is_some_and(|it| it["reason"] == "Progressing")
    });
    lives
        .version
        .add("the cut goes on", going_on.expect("it was told").object);
    lives.version.add("complete", complete);
    let object = lives.once(PIN, "Pinned", "True", "RowWritten");
    lives.pin.add("its row holds the version", object);
    lives.once(VERSION, "InUse", "True", "TenantsPinned");
}

/// A rollout of an environment of its own, and two pins that follow it.
const LIVE: &str = "
apiVersion: wavepin.dev/v1alpha1
kind: VersionRollout
metadata: {name: live}
spec:
  instanceRef: {name: clinical}
  environment: live
  version: 1
  waves:
    - {name: canary, selector: {matchLabels: {tier: canary}}, soak: 24h}
    - {name: rest}
---
apiVersion: wavepin.dev/v1alpha1
kind: TenantPin
metadata: {name: live-canary, labels: {tier: canary}}
spec: {instanceRef: {name: clinical}, tenant: canary, environment: live}
---
apiVersion: wavepin.dev/v1alpha1
kind: TenantPin
metadata: {name: live-late}
spec: {instanceRef: {name: clinical}, tenant: late, environment: live}
";

/// Gates of a rollout, those that time opens and those that await a person.
fn what_keeps_a_rollout(lives: &mut Lives) {
    let object = lives.once(ROLLOUT, "Waiting", "True", "Soaking");
    lives.rollout.add("a wave has moved, and soaks", object);
    let object = lives.once("tpin/live-late", "Waiting", "True", "Queued");
    lives.pin.add("its wave has not opened", object);
    let waves = json!([{"name": "all"}]);
    lives.patch(ROLLOUT, &json!({"spec": {"waves": waves}}));
    let object = lives.once(ROLLOUT, "Complete", "True", "RolledOut");
    lives.rollout.add("every wave has ended", object);
    let freeze = json!([{"reason": "year end", "until": "2999-01-01T00:00:00Z"}]);
    lives.patch(ROLLOUT, &json!({"spec": {"version": 2, "freeze": freeze}}));
    let object = lives.once(ROLLOUT, "Waiting", "True", "Frozen");
    lives.rollout.add("a freeze lasts", object);
    lives.patch(ROLLOUT, &json!({"spec": {"freeze": null, "suspend": true}}));
    let object = lives.once(ROLLOUT, "Waiting", "True", "Suspended");
    lives.rollout.add("`spec.suspend` is true", object);
    what_becomes_of_an_approval(lives);
    for name in ["tpin/live-canary", "tpin/live-late"] {
        lives.patch(name, &json!({"spec": {"hold": {"reason": "an audit"}}}));
    }
    lives.patch(ROLLOUT, &json!({"spec": {"suspend": false}}));
    let object = lives.once(ROLLOUT, "Waiting", "True", "HeldBack");
    lives.rollout.add("every tenant of a wave is kept back", object);
    let other = LIVE
        .split("---")
        .next()
        .expect("it comes first")
        .replace("name: live}", "name: other}");
    lives.bed.cluster.apply(&other);
    let object = lives.once("vro/other", "Stalled", "True", "Conflict");
    lives.rollout.add("another one is for the environment already", object);
    lives.bed.cluster.kubectl(&["delete", "vro", "other"]);
}

/// One that is early, one that counts, and one that opened its wave.
fn what_becomes_of_an_approval(lives: &mut Lives) {
    let asking = json!([{"name": "all", "approval": "Verified"}]);
    lives.patch(ROLLOUT, &json!({"spec": {"suspend": false, "waves": asking}}));
    let object = lives.once(ROLLOUT, "Waiting", "True", "ApprovalMissing");
    lives.rollout.add("a wave waits for an approval", object.clone());
    let apply = |lives: &Lives, name: &str, rollout: &str, wave: &str, plan: &Value| {
        let approval = json!({
            "apiVersion": "wavepin.dev/v1alpha1", "kind": "WaveApproval", "metadata": {"name": name},
            "spec": {"rolloutRef": {"name": rollout}, "wave": wave, "plan": plan, "approver": "admin"},
        });
        lives.bed.cluster.apply(&approval.to_string());
    };
    let plan = &object["status"]["plan"];
    apply(lives, "alone", "other", "all", plan);
    let object = lives.once("wapp/alone", "Reconciling", "True", "RolloutNotReady");
    lives.approval.add("its rollout is not there yet", object);
    apply(lives, "live-all", "live", "all", plan);
    let object = lives.once(APPROVAL, "Stalled", "True", "ApprovalUnverified");
    lives
        .approval
        .add("the wave asks for a verified one, and it is none", object);
    let object = lives.once(ROLLOUT, "Waiting", "True", "ApprovalUnverified");
    lives.rollout.add("a wave waits for a verified approval", object);
    apply(lives, "misspelt", "live", "al", plan);
    let object = lives.once("wapp/misspelt", "Stalled", "True", "WaveUnknown");
    lives.approval.add("the rollout has no such wave", object);
    let plain = json!([{"name": "all"}]);
    lives.patch(ROLLOUT, &json!({"spec": {"suspend": true, "waves": plain}}));
    let object = lives.once(APPROVAL, "Ready", "True", "ApprovalSuperseded");
    lives.approval.add("the rollout was edited since", object);
}

/// Gates that time opens, and what awaits a person.
fn what_keeps_a_pin(lives: &mut Lives) {
    lives.once("tpin/globex-staging", "Pinned", "True", "RowWritten");
    let requires = json!({"environment": "staging", "soak": "24h"});
    lives.patch(
        "tpin/globex-production",
        &json!({"spec": {"version": 2, "requires": requires}}),
    );
    let object = lives.once("tpin/globex-production", "Waiting", "True", "RequirementNotMet");
    lives.pin.add("it must first run a day in staging", object);
    let hold = json!({"reason": "quarter close", "until": "2999-01-01T00:00:00Z"});
    lives.patch(
        "tpin/initech-production",
        &json!({"spec": {"version": 2, "hold": hold}}),
    );
    let object = lives.once("tpin/initech-production", "Waiting", "True", "Held");
    lives.pin.add("a hold that ends by itself", object);
    lives.patch("tpin/initech-production", &json!({"spec": {"hold": {"until": null}}}));
    let object = lives.once("tpin/initech-production", "Waiting", "True", "Held");
    lives.pin.add("a hold that a person must take out", object);
    lives.bed.database.psql(
        "UPDATE tenant_version SET model_version_id = 2
             WHERE tenant_id = 'acme-corp' AND tenant_environment = 'production';
         INSERT INTO tenant_version (tenant_id, tenant_environment, model_version_id)
             VALUES ('stranger', 'production', 7);",
    );
    for (name, tenant) in [("stranger", "stranger"), ("usurper", "acme-corp")] {
        lives.bed.cluster.apply(&format!(
            "apiVersion: wavepin.dev/v1alpha1\nkind: TenantPin\nmetadata: {{name: {name}}}\nspec: \
             {{instanceRef: {{name: clinical}}, tenant: {tenant}, environment: production, version: 1}}\n"
        ));
    }
    let object = lives.once("tpin/acme-corp-production", "Waiting", "True", "ChangedOutside");
    lives.pin.add("another hand changed the row", object);
    let object = lives.once("tpin/stranger", "Waiting", "True", "UnknownCurrentVersion");
    lives.pin.add("the row holds a version that nobody declared", object);
    let object = lives.once("tpin/usurper", "Stalled", "True", "Conflict");
    lives.pin.add("another pin has the tenant already", object);
}

/// Omni, its key, and the database.
fn parts_that_are_gone(lives: &mut Lives) {
    let answers = |lives: &Lives| lives.bed.is_mended();
    lives.omni.turn(Line::Cut);
    lives.bed.look_again("no-omni");
    let object = lives.once(INSTANCE, "Ready", "Unknown", "OmniUnreachable");
    lives.instance.add("Omni does not answer", object);
    let object = lives.once(VERSION, "Ready", "Unknown", "OmniUnreachable");
    lives.version.add("complete, and Omni does not answer", object);
    lives.omni.turn(Line::Carries);
    answers(lives);
    lives.mapping.turn(Line::Cut);
    lives.bed.look_again("no-database");
    let object = lives.once(INSTANCE, "Ready", "Unknown", "MappingUnreachable");
    lives.instance.add("the database does not answer", object);
    let object = lives.once(PIN, "Ready", "Unknown", "MappingUnreachable");
    lives.pin.add("the database does not answer", object);
    lives.mapping.turn(Line::Carries);
    answers(lives);
    lives.apply_secret("omni_osk_revoked");
    let mut looks = 0;
    eventually("the key is read again", PATIENCE, || {
        looks += 1;
        lives.bed.look_again(&format!("revoked-{looks}"));
        let object = lives.bed.cluster.object(INSTANCE);
        condition(&object, "Stalled").is_some_and(|it| it["reason"] == "KeyRefused")
    });
    let object = lives.once(INSTANCE, "Stalled", "True", "KeyRefused");
    lives.instance.add("Omni refuses the key", object);
    lives.apply_secret(KEY);
    answers(lives);
}

/// What people do in Omni to a complete version.
fn other_hands(lives: &mut Lives) {
    lives.bed.look_again("before-other-hands");
    lives.once(VERSION, "Ready", "True", "Converged");
    let play = |hand: Value| lives.bed.simulator.play(&hand).expect("a person may");
    play(json!({"action": "create_document", "model": "clinical v2", "name": "Scratch", "folder_path": SECOND}));
    lives.bed.look_again("beside");
    let object = lives.once(VERSION, "Drifted", "True", "UnknownInOmni");
    lives.version.add("someone put a dashboard beside its own", object);
    let state = lives.bed.simulator.state();
    let copies = crate::journey::bed::documents(&state, SECOND);
    let copy = copies
        .iter()
        .find(|it| it["name"] == "Patient Summary")
        .expect("it was copied");
    let play = |hand: Value| lives.bed.simulator.play(&hand).expect("a person may");
    play(json!({"action": "edit_document", "identifier": copy["identifier"], "tile_name": "Mine"}));
    lives.bed.look_again("edited");
    let object = lives.once(VERSION, "Stalled", "True", "EditedInOmni");
    lives.version.add("someone edited a dashboard of it", object);
}

/// A spec that changed while nothing looked.
fn not_looked_at(lives: &mut Lives, controller: &Member) {
    controller.signal("STOP");
    lives.patch(INSTANCE, &json!({"spec": {"interval": "200s"}}));
    lives.patch(VERSION, &json!({"spec": {"content": {"drift": "Mend"}}}));
    lives.patch(PIN, &json!({"spec": {"version": 1}}));
    lives.patch(ROLLOUT, &json!({"spec": {"version": 1}}));
    let what = "its spec has changed since";
    lives.rollout.add(what, lives.bed.cluster.object(ROLLOUT));
    lives.instance.add(what, lives.bed.cluster.object(INSTANCE));
    lives.version.add(what, lives.bed.cluster.object(VERSION));
    lives.pin.add(what, lives.bed.cluster.object(PIN));
    controller.signal("CONT");
    lives.once(PIN, "Pinned", "True", "RowWritten");
}

/// The end of all kinds, which a finalizer of somebody else holds up.
fn suspended_and_deleted(lives: &mut Lives) {
    lives.patch(INSTANCE, &json!({"spec": {"suspend": true}}));
    let object = lives.once(INSTANCE, "Ready", "False", "Suspended");
    lives.instance.add("`spec.suspend` is true", object);
    let object = lives.once(VERSION, "Ready", "False", "Suspended");
    lives.version.add("it or its instance is suspended", object);
    let object = lives.once(PIN, "Ready", "False", "Suspended");
    lives.pin.add("its instance is suspended", object);
    let object = lives.once(ROLLOUT, "Ready", "False", "Suspended");
    lives.rollout.add("its instance is suspended", object);
    let object = lives.once(APPROVAL, "Ready", "False", "Suspended");
    lives.approval.add("its instance is suspended", object);
    for name in [PIN, APPROVAL, ROLLOUT, VERSION, INSTANCE] {
        lives.patch(name, &json!({"metadata": {"finalizers": ["example.com/keep"]}}));
        lives.bed.cluster.kubectl(&["delete", name, "--wait=false"]);
        let object = lives.bed.cluster.object(name);
        let life = match name {
            PIN => &mut lives.pin,
            ROLLOUT => &mut lives.rollout,
            APPROVAL => &mut lives.approval,
            VERSION => &mut lives.version,
            _ => &mut lives.instance,
        };
        life.add("being deleted", object);
        lives.patch(name, &json!({"metadata": {"finalizers": null}}));
    }
}
