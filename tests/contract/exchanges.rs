//! Whole exchanges against the contract: every served call once, a version adopted and one cut.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use wavepin::simulator::{
    DEFAULT_API_KEY, DIFFERENCES, DocumentDefaults, DocumentLabels, EnvironmentsAnswer, Exchange, Fault, FaultKind,
    ImportAnswer, ImportFolder, Knobs, PermissionsAnswer, SERVED, Simulator, SimulatorOptions, ValidateAnswer,
};

use super::check::{departures, explains, holds, is_of};
use crate::cut::bench::{Bench, ready};
use crate::parts::generated;
use crate::parts::git::{GitServer, file};

const CONNECTION: &str = "c0f12353-4817-4398-bcc0-d501e6dd2f64";
const CLINICAL: &str = "3fb59130-54fc-4848-832f-d22f61933485";
const FOLDER: &str = "5a4f0a37-0c4d-4d0b-8b2d-4a9e0d9a6e10";
const FOLDER_V1: &str = "5a4f0a37-0c4d-4d0b-8b2d-4a9e0d9a6e11";
const GROUP: &str = "aN3pT9sL";

/// A client of one simulator.
struct Caller {
    simulator: Simulator,
    client: reqwest::Client,
    key: &'static str,
}

impl Caller {
    async fn start() -> Self {
        let options = SimulatorOptions {
            keep_exchanges: true,
            ..SimulatorOptions::default()
        };
        Self {
            simulator: Simulator::start(options).await.unwrap(),
            client: reqwest::Client::new(),
            key: DEFAULT_API_KEY,
        }
    }

    async fn send(&self, call: &str, body: Option<Value>) -> (u16, Value) {
        let (method, path) = call.split_once(' ').unwrap();
        let url = format!("{}{path}", self.simulator.base_url());
        let request = self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        let request = request.header("authorization", format!("Bearer {}", self.key));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn done(&self, call: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.send(call, body).await;
        assert!((200..300).contains(&status), "{call}: {status} {answer}");
        answer
    }
}

/// Every served call, answered well, in an order in which it can be.
async fn every_call(caller: &Caller) {
    let done = async |call: &str, body: Option<Value>| caller.done(call, body).await;
    for list in ["whoami", "connections", "connection-environments", "user-attributes"] {
        done(&format!("GET /api/v1/{list}"), None).await;
    }
    models(caller).await;
    for (kind, id) in [("user-groups", GROUP.to_owned()), ("users", membership(caller).await)] {
        let roles = format!("/api/v1/{kind}/{id}/model-roles");
        done(
            &format!("POST {roles}"),
            Some(json!({"roleName": "QUERIER", "modelId": CLINICAL})),
        )
        .await;
        done(&format!("GET {roles}?modelId={CLINICAL}"), None).await;
    }
    folders(caller).await;
    documents(caller).await;
    queries(caller).await;
    labels(caller).await;
    access(caller).await;
    git(caller).await;
}

async fn membership(caller: &Caller) -> String {
    let who = caller.done("GET /api/v1/whoami", None).await;
    who["user"]["membershipId"].as_str().unwrap().to_owned()
}

async fn models(caller: &Caller) {
    let done = async |call: String, body: Option<Value>| caller.done(&call, body).await;
    let list =
        "GET /api/v1/models?modelKind=SHARED&include=activeBranches&sortField=name&sortDirection=asc&pageSize=100";
    done(list.to_owned(), None).await;
    let new = json!({"connectionId": CONNECTION, "modelKind": "BRANCH", "modelName": "edit", "baseModelId": CLINICAL});
    let branch = done("POST /api/v1/models".to_owned(), Some(new.clone())).await["model"]["id"].clone();
    for version in ["v1", "unstable"] {
        let yaml = format!("/api/{version}/models/{CLINICAL}/yaml");
        done(format!("GET {yaml}?mode=extension&includeChecksums=true"), None).await;
        let file =
            json!({"fileName": "scratch.view", "yaml": "label: Scratch\n", "mode": "extension", "branchId": branch});
        done(format!("POST {yaml}"), Some(file)).await;
        let id = branch.as_str().unwrap();
        done(
            format!("DELETE {yaml}?fileName=scratch.view&mode=extension&branchId={id}"),
            None,
        )
        .await;
    }
    let id = branch.as_str().unwrap();
    done(format!("GET /api/v1/models/{CLINICAL}/validate?branchId={id}"), None).await;
    let content = "folder_paths=clinical%2Fv1&content_filter_mode=ALL&force_full_validation=true";
    done(
        format!("GET /api/v1/models/{CLINICAL}/content-validator?{content}"),
        None,
    )
    .await;
    let merge = json!({"commit_message": "Edit", "delete_branch": true});
    done(format!("POST /api/v1/models/{CLINICAL}/branch/edit/merge"), Some(merge)).await;
    done("POST /api/v1/models".to_owned(), Some(new)).await;
    done(format!("DELETE /api/v1/models/{CLINICAL}/branch/edit"), None).await;
}

async fn folders(caller: &Caller) {
    let done = async |call: String, body: Option<Value>| caller.done(&call, body).await;
    done("GET /api/v1/folders?path=clinical&pageSize=100".to_owned(), None).await;
    let (absent, _) = caller.send("GET /api/v1/folders?path=no%2Fwhere", None).await;
    assert_eq!(absent, 404);
    let new = json!({"name": "scratch", "scope": "organization", "parentFolderId": FOLDER});
    let made = done("POST /api/v1/folders".to_owned(), Some(new)).await;
    let folder = format!("/api/v1/folders/{}", made["id"].as_str().unwrap());
    let permit = json!({"role": "VIEWER", "userGroupIds": [GROUP]});
    done(format!("POST {folder}/permissions"), Some(permit.clone())).await;
    done(format!("PATCH {folder}/permissions"), Some(permit)).await;
    done(format!("GET {folder}/permissions"), None).await;
    let whose = json!({"userGroupIds": [GROUP]});
    done(format!("DELETE {folder}/permissions"), Some(whose)).await;
    done(format!("DELETE {folder}?force=true"), None).await;
}

async fn documents(caller: &Caller) {
    let done = async |call: String, body: Option<Value>| caller.done(&call, body).await;
    let list = format!("GET /api/v1/documents?folderId={FOLDER_V1}&sortField=name&sortDirection=asc&pageSize=100");
    let listed = done(list, None).await;
    assert_eq!(listed["records"].as_array().unwrap().len(), 5);
    done("GET /api/v1/documents/12db1a0a".to_owned(), None).await;
    let queries = done("GET /api/v1/documents/12db1a0a/queries".to_owned(), None).await;
    let environments = done("GET /api/v1/connection-environments".to_owned(), None).await;
    let list = environments.as_object().unwrap().values().next().unwrap();
    let plan =
        json!({"query": queries["queries"][0]["query"], "planOnly": true, "connectionEnvironmentId": list[0]["id"]});
    done("POST /api/v1/query/run".to_owned(), Some(plan)).await;
    let mut copy = done("GET /api/unstable/documents/12db1a0a/export".to_owned(), None).await;
    copy["baseModelId"] = json!(CLINICAL);
    copy["identifier"] = json!("scratch-copy");
    copy["folderPath"] = json!("clinical/v1");
    done("POST /api/unstable/documents/import".to_owned(), Some(copy)).await;
    let mut again = done("GET /api/v2/documents/12db1a0a".to_owned(), None).await;
    for own in ["workbookModelId", "description"] {
        again.as_object_mut().unwrap().remove(own);
    }
    again["identifier"] = json!("scratch-again");
    done("POST /api/v2/documents".to_owned(), Some(again)).await;
    done("DELETE /api/v1/documents/scratch-again".to_owned(), None).await;
    let to = json!({"folderPath": "clinical"});
    for (method, by_post) in [("PUT", false), ("POST", true)] {
        caller.simulator.turn(|knobs| knobs.move_by_post = by_post);
        done(
            format!("{method} /api/v1/documents/scratch-copy/move"),
            Some(to.clone()),
        )
        .await;
    }
    done("DELETE /api/v1/documents/scratch-copy".to_owned(), None).await;
    let whole = json!({"modelId": CLINICAL, "name": "Patient Summary", "facetFilters": false, "filterOrder": [],
        "queryPresentations": [{"name": "Patients"}], "refreshInterval": null});
    for (method, body) in [("PUT", whole), ("PATCH", json!({"name": "Patient Summary"}))] {
        let (gone, _) = caller
            .send(&format!("{method} /api/v1/documents/12db1a0a"), Some(body))
            .await;
        assert_eq!(gone, 410);
    }
}

/// Labels, on documents and off again.
async fn labels(caller: &Caller) {
    let done = async |call: &str, body: Option<Value>| caller.done(call, body).await;
    let new = json!({"name": "stable", "color": null, "description": "x", "homepage": false, "verified": true});
    done("POST /api/v1/labels", Some(new)).await;
    done("GET /api/v1/labels", None).await;
    done("GET /api/v1/labels/stable", None).await;
    done("PUT /api/v1/labels/stable", Some(json!({"color": "#00ff00"}))).await;
    done("PUT /api/v1/documents/5e07c1d2/labels/stable", None).await;
    done("DELETE /api/v1/documents/5e07c1d2/labels/stable", None).await;
    let of_document = "PATCH /api/v1/documents/12db1a0a/labels";
    done(of_document, Some(json!({"add": ["stable"], "remove": []}))).await;
    let listed = done("GET /api/v1/documents?labels=stable&include=labels,_count", None).await;
    assert_eq!(listed["records"].as_array().unwrap().len(), 1);
    let validated = format!("GET /api/v1/models/{CLINICAL}/content-validator?labels=stable");
    done(&validated, None).await;
    assert_eq!(caller.send("DELETE /api/v1/labels/stable", None).await.0, 409);
    assert_eq!(
        caller
            .send("POST /api/v1/labels", Some(json!({"name": "STABLE"})))
            .await
            .0,
        409
    );
    done(of_document, Some(json!({"add": [], "remove": ["stable"]}))).await;
    done("DELETE /api/v1/labels/stable", None).await;
    assert_eq!(caller.send("GET /api/v1/labels/stable", None).await.0, 404);
}

/// Who may do what with a document, and whose favourite it is.
async fn access(caller: &Caller) {
    let done = async |call: String, body: Option<Value>| caller.done(&call, body).await;
    let user = membership(caller).await;
    let permissions = "/api/v1/documents/12db1a0a/permissions";
    let permit = json!({"role": "VIEWER", "userGroupIds": [GROUP], "userIds": [], "accessBoost": true});
    for method in ["POST", "PATCH"] {
        done(format!("{method} {permissions}"), Some(permit.clone())).await;
    }
    done(
        format!("PUT {permissions}"),
        Some(json!({"canDownload": false, "organizationRole": "viewer"})),
    )
    .await;
    done(format!("GET {permissions}?userId={user}"), None).await;
    done(
        "GET /api/scim/v2/Groups?excludedAttributes=members&startIndex=1&count=100".to_owned(),
        None,
    )
    .await;
    let schedule = json!({"action": "add_schedule", "identifier": "12db1a0a", "name": "Mondays", "alert": true});
    caller.simulator.play(&schedule).unwrap();
    done(
        "GET /api/v1/schedules?sortField=scheduleName&sortDirection=asc&pageSize=100".to_owned(),
        None,
    )
    .await;
    let list = "/api/v1/documents/12db1a0a/access-list?pageSize=2&accessSource=direct&type=userGroup";
    done(format!("GET {list}"), None).await;
    let whose = json!({"userGroupIds": [GROUP]});
    done(format!("DELETE {permissions}"), Some(whose)).await;
    for method in ["PUT", "DELETE"] {
        done(
            format!("{method} /api/v1/documents/12db1a0a/favorite?userId={user}"),
            None,
        )
        .await;
    }
}

/// Git settings, and a migration to a model that is new.
async fn git(caller: &Caller) {
    let done = async |call: String, body: Option<Value>| caller.done(&call, body).await;
    let git = format!("/api/v1/models/{CLINICAL}/git");
    let link = json!({"cloneUrl": "git@example.com:hospital/omni.git", "requirePullRequest": "users-only"});
    done(format!("POST {git}"), Some(link.clone())).await;
    assert_eq!(caller.send(&format!("POST {git}"), Some(link)).await.0, 409);
    done(format!("PATCH {git}"), Some(json!({"baseBranch": "release"}))).await;
    done(format!("GET {git}?include=webhookSecret"), None).await;
    let repository = GitServer::shared().repository("contract");
    repository.commit("release", "Start", &[file("README.md", "Models of a hospital")]);
    let known = json!({"action": "add_repository", "clone_url": "git@example.com:hospital/omni.git",
        "path": repository.path()});
    caller.simulator.play(&known).unwrap();
    let synced = done(format!("POST {git}/sync"), Some(json!({"commitMessage": "Sync"}))).await;
    assert_eq!((&synced["didSync"], &synced["inSync"]), (&json!(true), &json!(true)));
    let new = json!({"connectionId": CONNECTION, "modelKind": "SHARED", "modelName": "migrated"});
    let made = done("POST /api/v1/models".to_owned(), Some(new)).await;
    let body = json!({"targetModelId": made["model"]["id"], "gitRef": "release"});
    done(format!("POST /api/v1/models/{CLINICAL}/migrate"), Some(body)).await;
    done(format!("DELETE {git}"), None).await;
    assert_eq!(caller.send(&format!("GET {git}"), None).await.0, 404);
}

/// A query as an embed user: planned, run, and waited for.
async fn queries(caller: &Caller) {
    let done = async |call: String, body: Option<Value>| caller.done(&call, body).await;
    let filter = "filter=embedExternalId%20eq%20%22acme-corp%22";
    let listed = done(format!("GET /api/scim/v2/embed/users?{filter}"), None).await;
    let again = done(
        format!("GET /api/scim/v2/embed/Users?{filter}&count=1&startIndex=1"),
        None,
    )
    .await;
    assert_eq!(listed, again, "one call, spelt in two ways");
    let user = listed["Resources"][0]["id"].as_str().unwrap();
    let query = json!({"modelId": CLINICAL, "table": "patients", "fields": ["patients.count"]});
    let plan = json!({"query": query, "planOnly": true, "cache": "SkipCache"});
    done(format!("POST /api/v1/query/run?userId={user}"), Some(plan)).await;
    done(
        "POST /api/v1/query/run".to_owned(),
        Some(json!({"query": query, "userId": user})),
    )
    .await;
    caller.simulator.turn(|knobs| knobs.run_timeouts = 2);
    let run = Some(json!({"query": query}));
    let lines = done("POST /api/v1/query/run".to_owned(), run).await;
    let last = lines.as_str().unwrap().lines().last().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    let job = last["remaining_job_ids"][0].as_str().unwrap();
    for _ in 0..2 {
        done(format!("GET /api/v1/query/wait?jobIds={job}"), None).await;
    }
    let timed_out = json!({"query": query, "resultType": "json"});
    assert_eq!(caller.send("POST /api/v1/query/run", Some(timed_out)).await.0, 408);
    caller.simulator.turn(|knobs| knobs.run_timeouts = 0);
}

/// What every call may answer, whatever the contract says of it.
async fn refusals(caller: &mut Caller) {
    assert_eq!(caller.send("GET /api/v1/models?cursor=nonsense", None).await.0, 400);
    caller.simulator.turn(|knobs| knobs.requests_per_minute = Some(1));
    caller.key = "omni_osk_wrong";
    assert_eq!(caller.send("GET /api/v1/documents", None).await.0, 403);
    assert_eq!(caller.send("GET /api/v1/documents", None).await.0, 429);
    caller.key = DEFAULT_API_KEY;
    caller.simulator.turn(|knobs| knobs.requests_per_minute = None);
}

/// Every call as Omni is thought to be, and as its other sources have it.
async fn routes() -> Vec<Exchange> {
    let mut caller = Caller::start().await;
    every_call(&caller).await;
    refusals(&mut caller).await;
    let mut exchanges = caller.simulator.exchanges();
    caller.simulator.reset();
    caller.simulator.turn(|knobs| {
        knobs.validate_answer = ValidateAnswer::Object;
        knobs.yaml_answers_files = true;
        knobs.import_answer = ImportAnswer::Workbook;
        knobs.permissions_answer = PermissionsAnswer::Principals;
        knobs.environments_answer = EnvironmentsAnswer::Data;
        knobs.document_defaults = DocumentDefaults::Documentation;
        knobs.document_labels = DocumentLabels::Objects;
    });
    every_call(&caller).await;
    exchanges.extend(caller.simulator.exchanges());
    exchanges
}

/// The clinical example: version 1 adopted, version 2 cut.
async fn cut() -> Vec<Exchange> {
    let bench = Bench::new(|_, text| text).await;
    let (first, second) = bench.both().await;
    ready(&first);
    ready(&second);
    bench.simulator.exchanges()
}

#[test]
fn generated_differences() {
    let mut table = String::from("| call | where | Omni instead | who says so |\n|---|---|---|---|\n");
    for it in DIFFERENCES {
        let operation = if it.operation == "*" {
            "every call"
        } else {
            it.operation
        };
        table += &format!("| `{operation}` | {} | {} | {} |\n", it.place, it.instead, it.source);
    }
    generated::part_holds("docs/simulator.md", "differences", &table);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_served_call_keeps_to_the_contract() {
    let exchanges = routes().await;
    let called: BTreeSet<String> = exchanges
        .iter()
        .map(|it| it.request.method.clone() + " " + &it.request.path)
        .collect();
    for (method, template) in SERVED {
        let is_called = called.iter().any(|call| {
            let (made, path) = call.split_once(' ').unwrap();
            made == method && is_of(template, path)
        });
        assert!(is_called, "{method} {template} was not called");
    }
    holds(&exchanges);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_cut_keeps_to_the_contract_on_both_sides() {
    let exchanges = cut().await;
    assert!(exchanges.len() > 50, "it was a cut: {}", exchanges.len());
    holds(&exchanges);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_known_difference_is_needed() {
    let mut exchanges = routes().await;
    exchanges.extend(cut().await);
    let found = departures(&exchanges);
    for known in DIFFERENCES {
        assert!(
            found.iter().any(|it| explains(&known, it)),
            "nothing differs any more at {known:?}"
        );
    }
    let all: BTreeSet<(&str, &str)> = DIFFERENCES.iter().map(|it| (it.operation, it.place)).collect();
    assert_eq!(all.len(), DIFFERENCES.len(), "each is named once");
}

/// A check that lets everything through would hold too.
#[tokio::test]
async fn what_parts_from_the_contract_is_seen() {
    let caller = Caller::start().await;
    caller.done("GET /api/v1/models?pageSize=5", None).await;
    caller
        .done("POST /api/v1/folders", Some(json!({"name": "scratch"})))
        .await;
    let [list, create] = &caller.simulator.exchanges()[..] else {
        panic!("two calls were made");
    };
    assert!(departures(&[list.clone(), create.clone()]).is_empty());
    type Change = fn(&mut Exchange);
    let changes: [(&Exchange, Change, &str); 10] = [
        (list, |it| it.request.query = "pagesize=5".into(), "query pagesize"),
        (list, |it| it.request.query = "pageSize=many".into(), "query pageSize"),
        (list, |it| it.request.status = Some(418), "status 418"),
        (list, |it| it.request.path = "/api/v1/modules".into(), "call"),
        (
            list,
            |it| it.answer = it.answer.replace("createdAt", "madeAt"),
            "answer /records/*/createdAt",
        ),
        (list, |it| it.answer = "<html>".into(), "answer application/json"),
        (
            create,
            |it| it.body = json!({"title": "x", "name": "x"}).to_string(),
            "body /title",
        ),
        (create, |it| it.body = json!({}).to_string(), "body /name"),
        (
            create,
            |it| it.body = json!({"name": "x", "scope": "galaxy"}).to_string(),
            "body /scope",
        ),
        (
            create,
            |it| it.answer = it.answer.replace("\"organization\"", "7"),
            "answer /scope",
        ),
    ];
    for (exchange, change, place) in changes {
        let mut changed = exchange.clone();
        change(&mut changed);
        let found = departures(&[changed]);
        assert!(found.iter().any(|it| it.place == place), "{place}: {found:?}");
    }
}

/// A fault spoils the answer, or leaves none, but the request is as ours as ever.
#[tokio::test]
async fn a_request_that_a_fault_befell_is_held_to_the_contract_too() {
    let caller = Caller::start().await;
    for kind in [FaultKind::WrongJson, FaultKind::LostAnswer, FaultKind::DropBefore] {
        for (body, departs) in [
            (json!({"name": "x"}), false),
            (json!({"name": "x", "title": "x"}), true),
        ] {
            caller.simulator.reset();
            let fault = Fault::once("POST", "^/api/v1/folders$", kind.clone()).unwrap();
            caller.simulator.arm(fault);
            let url = format!("{}/api/v1/folders", caller.simulator.base_url());
            let sent = caller.client.post(url).bearer_auth(caller.key).json(&body);
            let _lost = sent.send().await;
            let found = departures(&caller.simulator.exchanges());
            let places: Vec<&str> = found.iter().map(|it| it.place.as_str()).collect();
            assert_eq!(places.contains(&"body /title"), departs, "{kind:?}: {found:?}");
            assert!(departs || found.is_empty(), "{kind:?}: {found:?}");
        }
    }
}

/// Copies that land at the root are moved, while lists still show them there and the merged branch too.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_over_lists_that_lag_behind_everything_keeps_to_the_contract_and_makes_nothing_twice() {
    for import_folder in [ImportFolder::Honour, ImportFolder::Root] {
        let knobs = Knobs {
            list_lag_millis: 20_000,
            list_lag_changes: true,
            import_folder,
            ..Knobs::default()
        };
        let options = SimulatorOptions {
            knobs,
            ..SimulatorOptions::default()
        };
        let bench = Bench::with(options, |_, text| text).await;
        // What the seed has is not new.
        bench.clock_passes(Duration::from_secs(21));
        let before = bench.simulator.state();
        let (first, second) = bench.both().await;
        ready(&first);
        ready(&second);
        let state = bench.simulator.state();
        let count = |state: &Value, list: &str| state[list].as_array().unwrap().len();
        assert_eq!(count(&state, "documents") - count(&before, "documents"), 5);
        assert_eq!(count(&state, "folders") - count(&before, "folders"), 1);
    }
}
