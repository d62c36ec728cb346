//! The custom resource definitions, as an API server takes them.

use serde_json::{Value, json};
use wavepin::resources::definitions::definitions;

use super::api_server_with_definitions;
use crate::parts::ApiServer;

fn instance() -> Value {
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "OmniInstance", "metadata": {"name": "acme"},
        "spec": {"baseUrl": "https://acme.omniapp.co", "apiKeySecretRef": {"name": "omni", "key": "api-key"}},
    })
}

fn adopted() -> Value {
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "ModelVersion", "metadata": {"name": "v1"},
        "spec": {"instanceRef": {"name": "acme"}, "version": 1, "source": {"adopt": {"modelId": "m",
            "folderPath": "clinical/v1", "dashboards": [{"slug": "summary", "identifier": "12db1a0a"}]}}},
    })
}

fn cut() -> Value {
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "ModelVersion", "metadata": {"name": "v2"},
        "spec": {"instanceRef": {"name": "acme"}, "version": 2, "source": {"fromVersion": 1},
            "model": {"name": "clinical v2"}, "content": {"folder": {"name": "v2"}}},
    })
}

fn pin() -> Value {
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "TenantPin", "metadata": {"name": "one"},
        "spec": {"instanceRef": {"name": "acme"}, "tenant": "one", "environment": "production", "version": 1},
    })
}

fn rollout() -> Value {
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "VersionRollout", "metadata": {"name": "production"},
        "spec": {"instanceRef": {"name": "acme"}, "environment": "production", "version": 2, "waves": [
            {"name": "canary", "selector": {"matchLabels": {"tier": "canary"}}, "soak": "24h"},
            {"name": "early", "selector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
                "batch": {"size": "25%", "every": "15m"}},
            {"name": "rest", "batch": {"size": 100, "every": "1m"}},
        ]},
    })
}

/// A mapping with a table of tenants.
fn tables(table: &str, tenant_column: &str, column: &str) -> Value {
    json!({"tenantTables": {"main": {"table": table, "tenantColumn": tenant_column, "columns": [column]}}})
}

fn approval() -> Value {
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "WaveApproval", "metadata": {"name": "production-rest-3"},
        "spec": {"rolloutRef": {"name": "production"}, "wave": "rest", "plan": "1-0123456789abcdef-3",
            "approver": "admin"},
    })
}

fn checked() -> Value {
    let mut checked = rollout();
    checked["spec"]["checks"] = json!([
        {"name": "errors", "interval": "30s", "prometheus": {"url": "http://prometheus.monitoring.svc:9090/prom", "query": "up", "max": 0.5}},
        {"name": "smoke", "timeout": "1s", "webhook": {"url": "https://checks.example/x?y", "secretRef": {"name": "a", "key": "b"}}},
        {"name": "near", "webhook": {"url": "http://[::1]:4000"}},
    ]);
    checked["spec"]["failureBudget"] = json!({"wave": "0%", "total": 1});
    checked["spec"]["onFailure"] = json!("RollBack");
    checked["spec"]["notify"] = json!([
        {"name": "ops", "events": ["Waiting", "Stopped"], "cloudEvents": {"url": "https://hooks.example/x?y", "secretRef": {"name": "a", "key": "b"}}},
        {"name": "chat", "slack": {"secretRef": {"name": "a", "key": "url"}}},
        {"name": "near", "cloudEvents": {"url": "http://receiver.hooks.svc:8080/wavepin"}},
    ]);
    checked["spec"]["freeze"] = json!([
        {"cron": "0 16 * * FRI", "length": "64h", "timeZone": "Europe/Berlin", "reason": "weekend"},
        {"selector": {"matchLabels": {"region": "emea"}}, "until": "2027-01-11T00:00:00Z", "reason": "close"},
    ]);
    checked
}

/// The manifest with one value set, or taken out where it is null.
fn with(mut manifest: Value, path: &str, value: Value) -> Value {
    let (parent, last) = path.rsplit_once('/').expect("a JSON pointer");
    let parent = manifest.pointer_mut(parent).expect("the parent is there");
    match value {
        Value::Null => drop(parent.as_object_mut().expect("an object").remove(last)),
        value => parent[last] = value,
    }
    manifest
}

/// Checks and budgets that are refused: the field, and the reason.
fn refused_checks() -> Vec<(Value, &'static str, &'static str)> {
    let of = |path: &str, value: Value| with(checked(), &format!("/spec{path}"), value);
    let queries = |validation| {
        with(
            of("/checks/0/prometheus", Value::Null),
            "/spec/checks/0/validation",
            validation,
        )
    };
    let webhook = json!({"url": "https://checks.example"});
    vec![
        (
            of("/checks/1/name", json!("errors")),
            "spec.checks",
            "duplicate entries for key",
        ),
        (
            of("/checks/0/prometheus", Value::Null),
            "spec.checks[0]",
            "exactly one of prometheus, webhook and validation",
        ),
        (
            of("/checks/0/webhook", webhook),
            "spec.checks[0]",
            "exactly one of prometheus, webhook and validation",
        ),
        (
            of("/checks/1/validation", json!({})),
            "spec.checks[1]",
            "exactly one of prometheus, webhook and validation",
        ),
        (
            with(queries(json!({})), "/spec/checks/0/timeout", json!("9s")),
            "spec.checks[0]",
            "timeout goes with prometheus and webhook",
        ),
        (
            queries(json!({"max": 51})),
            "validation.max",
            "less than or equal to 50",
        ),
        (
            of("/checks/0/interval", json!("999ms")),
            "spec.checks[0]",
            "1s at least",
        ),
        (
            of("/checks/0/timeout", json!("10s1ms")),
            "spec.checks[0]",
            "100ms to 10s",
        ),
        (
            of("/checks/0/failureLimit", json!(0)),
            "failureLimit",
            "greater than or equal to 1",
        ),
        (
            of("/checks/1/webhook/url", json!("http://checks.example")),
            "spec.checks[1].webhook.url",
            "must be https",
        ),
        (
            of("/checks/1/webhook/url", json!("http://checks.svc.evil.example/")),
            "spec.checks[1].webhook.url",
            "must be https",
        ),
        (
            of("/checks/0/prometheus/url", json!("ftp://x")),
            "spec.checks[0].prometheus.url",
            "must be https",
        ),
        (
            of("/checks", Value::Null),
            "spec",
            "failureBudget and onFailure go with checks",
        ),
        (
            of("/failureBudget/wave", json!("101%")),
            "spec.failureBudget.wave",
            "should match",
        ),
        (
            of("/failureBudget/total", json!(-1)),
            "spec.failureBudget.total",
            "greater than or equal to 0",
        ),
        (
            of("/failureBudget", json!({})),
            "spec.failureBudget",
            "needs wave, total or both",
        ),
        (of("/onFailure", json!("Panic")), "spec.onFailure", "Unsupported value"),
    ]
}

/// Channels that are refused: the field, and the reason.
fn refused_channels() -> Vec<(Value, &'static str, &'static str)> {
    let of = |path: &str, value: Value| with(checked(), &format!("/spec/notify{path}"), value);
    let slack = json!({"secretRef": {"name": "a", "key": "url"}});
    vec![
        (of("/1/name", json!("ops")), "spec.notify", "duplicate entries for key"),
        (
            of("/0/slack", slack),
            "spec.notify[0]",
            "exactly one of cloudEvents and slack",
        ),
        (
            of("/1/slack", Value::Null),
            "spec.notify[1]",
            "exactly one of cloudEvents and slack",
        ),
        (
            of("/1/slack/secretRef", Value::Null),
            "spec.notify[1].slack.secretRef",
            "Required",
        ),
        (
            of("/2/cloudEvents/url", json!("http://hooks.example")),
            "spec.notify[2].cloudEvents.url",
            "must be https",
        ),
        (
            of("/0/events", json!(["Everything"])),
            "spec.notify[0].events[0]",
            "Unsupported value",
        ),
        (
            of("/0/events", json!(["Waiting", "Waiting"])),
            ".events",
            "duplicate entries for key",
        ),
        (
            of("/0/secret", json!("hunter2")),
            "secret",
            "field not declared in schema",
        ),
    ]
}

fn apply(api_server: &ApiServer, namespace: &str, manifest: &Value) {
    let manifest = manifest.to_string();
    api_server
        .kubectl_stdin(&["apply", "--server-side", "-n", namespace, "-f", "-"], &manifest)
        .success();
}

fn refusal(api_server: &ApiServer, namespace: &str, manifest: &Value) -> String {
    let args = ["apply", "--server-side", "--dry-run=server", "-n", namespace, "-f", "-"];
    api_server.kubectl_stdin(&args, &manifest.to_string()).failure()
}

/// Every property below this schema, with its description.
fn properties(schema: &Value, path: &str, found: &mut Vec<(String, String)>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        found.push((
            path.clone(),
            property["description"].as_str().unwrap_or_default().to_owned(),
        ));
        properties(property, &path, found);
        properties(&property["items"], &path, found);
    }
}

#[test]
fn the_files_hold_exactly_what_the_types_say() {
    for definition in definitions() {
        let plural = definition["spec"]["names"]["plural"].as_str().expect("it has a plural");
        let file = format!("{}/crds/{plural}.yaml", env!("CARGO_MANIFEST_DIR"));
        let yaml = std::fs::read_to_string(&file).expect("it is there");
        let written = serde_saphyr::to_string(&definition).expect("plain data");
        assert_eq!(
            yaml, written,
            "{file} is old: write it again with `cargo run -- crds --out crds`"
        );
    }
}

#[test]
fn every_field_is_explained_by_a_sentence() {
    let api_server = api_server_with_definitions();
    for definition in definitions() {
        let kind = definition["spec"]["names"]["kind"].as_str().expect("it has a kind");
        let mut found = Vec::new();
        properties(
            &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
            kind,
            &mut found,
        );
        assert!(found.len() > 10, "{kind} has fields");
        let unexplained: Vec<_> = found.iter().filter(|(_, words)| words.len() < 8).collect();
        assert!(unexplained.is_empty(), "without a sentence: {unexplained:?}");
    }
    let explained = api_server
        .kubectl(&["explain", "modelversion.spec.content.folder.parentPath"])
        .success();
    assert!(explained.contains("the folder that it stands in"), "{explained}");
    let explained = api_server
        .kubectl(&["explain", "tpin.status.conditions.reason"])
        .success();
    assert!(explained.contains("reason"), "{explained}");
}

/// Some words are more than words to kubectl's YAML: `on` is a truth value as the name of a field.
#[test]
fn the_example_of_notifications_is_taken_as_it_is_written() {
    let api_server = api_server_with_definitions();
    let namespace = api_server.namespace("notify");
    let example = include_str!("../../examples/notify/rollout.yaml");
    let args = [
        "apply",
        "--dry-run=server",
        "-n",
        &namespace,
        "-f",
        "-",
        "--output=yaml",
    ];
    let taken = api_server.kubectl_stdin(&args, example).success();
    assert!(taken.contains("- RolledBack"), "{taken}");
}

#[test]
fn what_nobody_looked_at_yet_is_neither_ready_nor_finished() {
    let api_server = api_server_with_definitions();
    let namespace = api_server.namespace("pending");
    for manifest in [instance(), adopted(), cut(), pin(), rollout(), checked(), approval()] {
        apply(api_server, &namespace, &manifest);
        let kind = manifest["kind"].as_str().expect("a kind");
        let name = manifest["metadata"]["name"].as_str().expect("a name");
        let get = ["get", "-n", &namespace, kind, name, "--output=json"];
        let object: Value = serde_json::from_str(&api_server.kubectl(&get).success()).expect("kubectl prints JSON");
        let status = &object["status"];
        assert_eq!(status["observedGeneration"], -1, "{kind}");
        let ready = &status["conditions"][0];
        assert_eq!(
            (&ready["type"], &ready["status"], &ready["reason"]),
            (&json!("Ready"), &json!("Unknown"), &json!("Pending"))
        );
    }
    let columns = api_server.kubectl(&["get", "-n", &namespace, "wavepin"]).success();
    for word in [
        "omniinstance",
        "modelversion",
        "tenantpin",
        "WAITING",
        "DASHBOARDS",
        "WANTED",
    ] {
        assert!(columns.contains(word), "{word} in\n{columns}");
    }
}

#[test]
fn applied_twice_nothing_changes() {
    let api_server = api_server_with_definitions();
    let namespace = api_server.namespace("twice");
    for manifest in [instance(), adopted(), cut(), pin()] {
        let [first, second, third] = [(); 3].map(|()| {
            apply(api_server, &namespace, &manifest);
            let kind = manifest["kind"].as_str().expect("a kind");
            let name = manifest["metadata"]["name"].as_str().expect("a name");
            let get = ["get", "-n", &namespace, kind, name, "--output=json"];
            let object: Value = serde_json::from_str(&api_server.kubectl(&get).success()).expect("kubectl prints JSON");
            let metadata = &object["metadata"];
            (metadata["generation"].clone(), metadata["resourceVersion"].clone())
        });
        assert_eq!((&first.0, &second.0), (&json!(1), &json!(1)));
        // The first update stores the status that was only shown until then.
        assert_eq!(second, third);
        let diff = ["diff", "--server-side", "-n", &namespace, "-f", "-"];
        api_server.kubectl_stdin(&diff, &manifest.to_string()).success();
    }
}

#[test]
fn what_can_be_wrong_at_first_sight_is_refused_with_the_field_and_the_reason() {
    let api_server = api_server_with_definitions();
    let namespace = api_server.namespace("refused");
    let adopt = adopted()["spec"]["source"]["adopt"].clone();
    let edit = |edit: Value| with(cut(), "/spec/model/edits", json!([edit]));
    let from = |it: Value| with(cut(), "/spec/model/editsFrom", json!([it]));
    let rename = |renames: Value| with(cut(), "/spec/content/renames", renames);
    let slug = |slug: &str| with(adopted(), "/spec/source/adopt/dashboards/0/slug", json!(slug));
    let twice = json!([{"slug": "summary", "identifier": "12db1a0a"}, {"slug": "summary", "identifier": "5e07c1d2"}]);
    let table = [
        (
            with(instance(), "/spec/baseUrl", json!("http://acme.omniapp.co")),
            "spec.baseUrl",
            "baseUrl must be https",
        ),
        (
            with(instance(), "/spec/baseUrl", json!("ftp://acme")),
            "spec.baseUrl",
            "should match",
        ),
        (
            with(adopted(), "/spec/version", json!(0)),
            "spec.version",
            "greater than or equal to 1",
        ),
        (
            with(adopted(), "/spec/version", json!(-2)),
            "spec.version",
            "greater than or equal to 1",
        ),
        (
            with(adopted(), "/spec/source/fromVersion", json!(7)),
            "spec.source",
            "exactly one of fromVersion and adopt",
        ),
        (
            with(cut(), "/spec/source", json!({})),
            "spec.source",
            "exactly one of fromVersion and adopt",
        ),
        (
            with(cut(), "/spec/content", Value::Null),
            "spec",
            "needs model and content",
        ),
        (
            with(cut(), "/spec/model", Value::Null),
            "spec",
            "needs model and content",
        ),
        (
            with(cut(), "/spec/source", json!({"adopt": adopt})),
            "spec",
            "an adopted version is taken as it is",
        ),
        (
            with(cut(), "/spec/source/fromVersion", json!(2)),
            "spec",
            "must be another version than this one",
        ),
        (
            with(adopted(), "/spec/validation", json!({"content": "Required"})),
            "spec",
            "an adopted version is taken as it is",
        ),
        (
            with(cut(), "/spec/validation", json!({"content": "Sometimes"})),
            "spec.validation.content",
            "NewIssuesOnly",
        ),
        (
            with(cut(), "/spec/content/method", json!("Fastest")),
            "spec.content.method",
            "\"ExportImport\", \"DocumentsV2\", \"Auto\"",
        ),
        (
            edit(json!({"name": "a", "yaml": "a: b"})),
            "spec.model.edits[0]",
            "names one place",
        ),
        (
            edit(json!({"name": "a", "fileName": "a.view", "view": "a", "yaml": "a: b"})),
            "spec.model.edits[0]",
            "names one place",
        ),
        (
            edit(json!({"name": "a", "topic": "a", "field": "b", "ignore": true})),
            "spec.model.edits[0]",
            "field needs the view",
        ),
        (
            edit(json!({"name": "a", "fileName": "a.view", "yaml": "a: b", "deleteFile": true})),
            "spec.model.edits[0]",
            "says one thing",
        ),
        (
            edit(json!({"name": "a", "fileName": "a.view", "ignore": true})),
            "spec.model.edits[0]",
            "ignore goes with view",
        ),
        (
            edit(json!({"name": "a", "view": "a", "patch": "a: b"})),
            "spec.model.edits[0]",
            "go with fileName",
        ),
        (
            edit(json!({"name": "a", "view": "a", "yaml": "a: b"})),
            "spec.model.edits[0]",
            "yaml goes with",
        ),
        (from(json!({})), "spec.model.editsFrom[0]", "give one of"),
        (
            from(json!({"configMapRef": {"name": "a"}, "secretRef": {"name": "a"}})),
            "spec.model.editsFrom[0]",
            "give one of",
        ),
        (
            from(json!({"configMapRef": {"name": "../a"}})),
            "spec.model.editsFrom[0].configMapRef.name",
            "should match",
        ),
        (
            from(json!({"secretRef": {"optional": true}})),
            "spec.model.editsFrom[0].secretRef.name",
            "Required value",
        ),
        (
            with(
                cut(),
                "/spec/model/editsFrom",
                json!(vec![json!({"configMapRef": {"name": "a"}}); 21]),
            ),
            "spec.model.editsFrom",
            "must have at most 20 items",
        ),
        (
            rename(json!([{"kind": "Field", "find": "patients", "replace": "people.dob"}])),
            "spec.content.renames[0]",
            "named by view and field",
        ),
        (
            rename(json!([{"kind": "View", "find": "patients", "replace": "people.all"}])),
            "spec.content.renames[0]",
            "named by view and field",
        ),
        (
            rename(json!([{"kind": "Topic", "find": "wards", "replace": "wards"}])),
            "spec.content.renames[0]",
            "find and replace are the same",
        ),
        (
            rename(
                json!([{"kind": "View", "find": "a", "replace": "b"}, {"kind": "View", "find": "a", "replace": "c"}]),
            ),
            "spec.content.renames",
            "duplicate entries for key",
        ),
        (
            with(
                cut(),
                "/spec/validation",
                json!({"queries": {"expectSchema": "T_{tenant}"}}),
            ),
            "spec.validation.queries",
            "expectSchema goes with tenants",
        ),
        (
            with(cut(), "/spec/model/copy", json!("Git")),
            "spec.model",
            "copy: Git needs git",
        ),
        (
            with(cut(), "/spec/model/migrate", json!({"gitRef": "v1"})),
            "spec.model",
            "migrate goes with copy: Migrate",
        ),
        (
            with(
                cut(),
                "/spec/model/git",
                json!({"directory": "omni/v2", "fallback": "Yaml"}),
            ),
            "spec.model",
            "go with copy: Git",
        ),
        (
            with(cut(), "/spec/model/git", json!({"directory": "/omni/../v2"})),
            "spec.model.git.directory",
            "should match",
        ),
        (
            with(
                instance(),
                "/spec/git",
                json!({"urlPrefix": "https://git.example", "secretRef": {"name": "models"}}),
            ),
            "spec.git.urlPrefix",
            "should match",
        ),
        (
            with(cut(), "/spec/model/rolesFrom", json!("Everybody")),
            "spec.model.rolesFrom",
            "Source",
        ),
        (
            with(cut(), "/spec/model/accessBy", json!("Magic")),
            "spec.model.accessBy",
            "ConnectionRoles",
        ),
        (
            with(cut(), "/spec/content/permissionsFrom", json!("Folder")),
            "spec.content.permissionsFrom",
            "Source",
        ),
        (slug("Patient Summary"), "slug", "should match"),
        (slug("a-slug-that-is-longer-than-any-identifier"), "slug", "Too long"),
        (
            with(adopted(), "/spec/source/adopt/dashboards", twice),
            "dashboards",
            "duplicate entries for key",
        ),
        (
            with(cut(), "/spec/model/roles", json!([{"userGroup": "g"}])),
            "role",
            "Required value",
        ),
        (
            with(pin(), "/spec/version", json!(0)),
            "spec.version",
            "greater than or equal to 1",
        ),
        (with(rollout(), "/spec/waves", json!([])), "waves", "at least 1 items"),
        (
            with(rollout(), "/spec/waves/1/name", json!("canary")),
            "spec",
            "two waves have the same name",
        ),
        (
            with(rollout(), "/spec/waves/0/selector", Value::Null),
            "spec",
            "only the last wave may have no selector",
        ),
        (
            with(
                rollout(),
                "/spec/waves/0/requires",
                json!({"environment": "production"}),
            ),
            "spec",
            "requires.environment of a wave must be another environment",
        ),
        (
            with(rollout(), "/spec/waves/1/batch/size", json!("0%")),
            "spec.waves[1].batch.size",
            "should match",
        ),
        (
            with(rollout(), "/spec/waves/1/batch/size", json!("101%")),
            "spec.waves[1].batch.size",
            "should match",
        ),
        (
            with(rollout(), "/spec/waves/2/batch/size", json!(0)),
            "spec.waves[2].batch.size",
            "greater than or equal to 1",
        ),
        (
            with(rollout(), "/spec/members", json!({})),
            "members.rows",
            "Required value",
        ),
        (
            with(rollout(), "/spec/members", json!({"rows": {"labelsFrom": ""}})),
            "labelsFrom",
            "at least 1 chars",
        ),
        (
            with(instance(), "/spec/mapping", tables("a b", "id", "tier")),
            "table",
            "should match",
        ),
        (
            with(instance(), "/spec/mapping", tables("a.b.c", "id", "tier")),
            "table",
            "should match",
        ),
        (
            with(instance(), "/spec/mapping", tables("a", "i\"d", "tier")),
            "tenantColumn",
            "should match",
        ),
        (
            with(instance(), "/spec/mapping", tables("a", "id", "tier_")),
            "columns[0]",
            "should match",
        ),
        (
            with(rollout(), "/spec/freeze", json!([{"from": "2026-01-01T00:00:00Z"}])),
            "reason",
            "Required value",
        ),
        (
            with(rollout(), "/spec/freeze", json!([{"cron": "0 0 * * *", "reason": "x"}])),
            "",
            "cron and length of a freeze go together",
        ),
        (
            with(
                rollout(),
                "/spec/freeze",
                json!([{"selector": "region=emea", "reason": "x"}]),
            ),
            "spec.freeze[0].selector",
            "expected map",
        ),
        (
            with(rollout(), "/spec/freeze", json!([{"timeZone": "UTC", "reason": "x"}])),
            "",
            "timeZone with them",
        ),
        (
            with(
                rollout(),
                "/spec/freeze",
                json!([{"cron": "0 0 * * *", "length": "1h", "until": "2026-01-01T00:00:00Z", "reason": "x"}]),
            ),
            "",
            "make two of it",
        ),
        (
            with(rollout(), "/spec/waves/1/approval", json!("Maybe")),
            "spec.waves[1].approval",
            "\"Required\", \"Verified\"",
        ),
        (
            with(approval(), "/spec/plan", json!("1-0123456789abcdef")),
            "spec.plan",
            "should match",
        ),
        (
            with(approval(), "/spec/plan", json!("1-0123456789ABCDEF-3")),
            "spec.plan",
            "should match",
        ),
        (
            with(approval(), "/spec/approver", Value::Null),
            "spec.approver",
            "Required value",
        ),
        (
            with(approval(), "/spec/approver", json!("")),
            "spec.approver",
            "at least 1 chars long",
        ),
        (
            with(approval(), "/spec/wave", json!("The rest")),
            "spec.wave",
            "should match",
        ),
        (
            with(approval(), "/spec/rolloutRef", json!({})),
            "spec.rolloutRef.name",
            "Required value",
        ),
        (
            with(pin(), "/spec/requires", json!({"environment": "production"})),
            "spec",
            "requires.environment must be another environment",
        ),
        (
            with(
                pin(),
                "/spec/requires",
                json!({"environment": "staging", "soak": "1 day"}),
            ),
            "soak",
            "should match",
        ),
        (
            with(pin(), "/spec/hold", json!({"reason": "x", "until": "soon"})),
            "until",
            "date-time",
        ),
    ];
    for (manifest, field, reason) in table.into_iter().chain(refused_checks()).chain(refused_channels()) {
        let refusal = refusal(api_server, &namespace, &manifest);
        let name = manifest["metadata"]["name"].as_str().expect("a name");
        for word in [name, field, reason] {
            assert!(
                refusal.contains(word),
                "{word:?} is not in {refusal:?} about {manifest}"
            );
        }
    }
}

#[test]
fn what_may_not_change_is_refused_with_the_way_out() {
    let api_server = api_server_with_definitions();
    let namespace = api_server.namespace("immutable");
    for manifest in [adopted(), cut(), pin(), approval()] {
        apply(api_server, &namespace, &manifest);
    }
    let approvals = "an approval cannot be changed; delete it and make another";
    let table = [
        (with(approval(), "/spec/approver", json!("jane")), approvals),
        (with(approval(), "/spec/plan", json!("1-0123456789abcdef-4")), approvals),
        (
            with(cut(), "/spec/instanceRef/name", json!("other")),
            "make another ModelVersion",
        ),
        (with(cut(), "/spec/version", json!(3)), "version cannot be changed"),
        (
            with(cut(), "/spec/source/fromVersion", json!(7)),
            "source cannot be changed",
        ),
        (
            with(adopted(), "/spec/source/adopt/modelId", json!("n")),
            "source cannot be changed",
        ),
        (
            with(pin(), "/spec/tenant", json!("other")),
            "tenant cannot be changed; make another pin",
        ),
        (
            with(pin(), "/spec/environment", json!("staging")),
            "environment cannot be changed; make another pin",
        ),
    ];
    for (manifest, reason) in table {
        let refusal = refusal(api_server, &namespace, &manifest);
        assert!(refusal.contains(reason), "{refusal}");
    }
}

#[test]
fn a_sealed_version_takes_more_dashboards_and_nothing_else() {
    let api_server = api_server_with_definitions();
    let namespace = api_server.namespace("sealed");
    apply(api_server, &namespace, &cut());
    let renamed = with(cut(), "/spec/model/name", json!("another name"));
    apply(api_server, &namespace, &renamed);
    for method in ["DocumentsV2", "Auto"] {
        apply(
            api_server,
            &namespace,
            &with(cut(), "/spec/content/method", json!(method)),
        );
    }
    apply(api_server, &namespace, &cut());
    let seal = [
        "--subresource=status",
        "--type=merge",
        "--patch={\"status\":{\"sealed\":true}}",
    ];
    api_server
        .kubectl(&[&["patch", "-n", &namespace, "modelversion", "v2"][..], &seal].concat())
        .success();

    for model in [
        renamed,
        with(cut(), "/spec/model/rolesFrom", json!("Source")),
        with(cut(), "/spec/model/accessBy", json!("ConnectionRoles")),
        with(
            cut(),
            "/spec/model/editsFrom",
            json!([{"configMapRef": {"name": "more"}}]),
        ),
    ] {
        let model = refusal(api_server, &namespace, &model);
        assert!(
            model.contains("sealed: model cannot be changed; cut a new version from it"),
            "{model}"
        );
    }
    let added = json!({"add": [{"slug": "new-one", "identifier": "5e07c1d2"}]});
    let more = with(cut(), "/spec/content/dashboards", added);
    for content in [
        with(cut(), "/spec/content/method", json!("Auto")),
        with(cut(), "/spec/content/folder/name", json!("v3")),
        with(cut(), "/spec/content/dashboards", json!({"exclude": ["summary"]})),
        with(
            cut(),
            "/spec/content/renames",
            json!([{"kind": "View", "find": "a", "replace": "b"}]),
        ),
        with(cut(), "/spec/content/permissionsFrom", json!("Source")),
    ] {
        let content = refusal(api_server, &namespace, &content);
        assert!(
            content.contains("of content only drift may change and dashboards.add may grow"),
            "{content}"
        );
    }
    apply(api_server, &namespace, &more);
    let fewer = refusal(api_server, &namespace, &cut());
    assert!(
        fewer.contains("of content only drift may change and dashboards.add may grow"),
        "{fewer}"
    );
    apply(api_server, &namespace, &with(more, "/spec/suspend", json!(true)));
}
