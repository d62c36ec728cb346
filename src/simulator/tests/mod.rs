//! The simulator as a client meets it: over HTTP.

use serde_json::{Value, json};

use super::*;

mod access;
mod content;
mod control;
mod documents_v2;
mod embed_users;
mod faults;
mod git;
mod groups;
mod knobs;
mod labels;
mod metadata;
mod models;
mod queries;
mod runs;
mod seeded;

const CONNECTION: &str = "c0f12353-4817-4398-bcc0-d501e6dd2f64";
const CLINICAL: &str = "3fb59130-54fc-4848-832f-d22f61933485";
const FOLDER: &str = "5a4f0a37-0c4d-4d0b-8b2d-4a9e0d9a6e10";
const FOLDER_V1: &str = "5a4f0a37-0c4d-4d0b-8b2d-4a9e0d9a6e11";
const EMBED_GROUP: &str = "eV7kQ2mX";

/// A running simulator and a client with its key.
struct Omni {
    simulator: Simulator,
    client: reqwest::Client,
    key: String,
}

/// A status and a body.
type Met = (u16, Value);

impl Omni {
    async fn start() -> Self {
        Self::with(SimulatorOptions::default()).await
    }

    async fn with(options: SimulatorOptions) -> Self {
        let key = options.api_key.clone();
        let simulator = Simulator::start(options).await.unwrap();
        Self {
            simulator,
            client: reqwest::Client::new(),
            key,
        }
    }

    fn request(&self, method: &str, path: &str, body: Option<Value>) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.simulator.base_url());
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self
            .client
            .request(method, url)
            .header("authorization", format!("Bearer {}", self.key));
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Met {
        let response = self.request(method, path, body).send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn get(&self, path: &str) -> Met {
        self.call("GET", path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Met {
        self.call("POST", path, Some(body)).await
    }

    /// What a call gives that is expected to succeed.
    async fn done(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    async fn export(&self, identifier: &str) -> Value {
        self.done("GET", &format!("/api/unstable/documents/{identifier}/export"), None)
            .await
    }

    /// Makes a shared model with the files of another, through a branch; gives its id.
    async fn copy_model(&self, name: &str) -> String {
        let made = self
            .done(
                "POST",
                "/api/v1/models",
                Some(json!({
            "connectionId": CONNECTION, "modelKind": "SHARED", "modelName": name})),
            )
            .await;
        let id = made["model"]["id"].as_str().unwrap().to_owned();
        let branch = self.branch(&id, "cut").await;
        let source = self
            .done("GET", &format!("/api/v1/models/{CLINICAL}/yaml?mode=extension"), None)
            .await;
        for (file, text) in source["files"].as_object().unwrap() {
            self.write(&id, Some(&branch), file, text.as_str().unwrap()).await;
        }
        self.done(
            "POST",
            &format!("/api/v1/models/{id}/branch/cut/merge"),
            Some(json!({"delete_branch": true})),
        )
        .await;
        id
    }

    async fn branch(&self, model: &str, name: &str) -> String {
        let made = self
            .done(
                "POST",
                "/api/v1/models",
                Some(json!({
            "connectionId": CONNECTION, "modelKind": "BRANCH", "baseModelId": model, "modelName": name})),
            )
            .await;
        made["model"]["id"].as_str().unwrap().to_owned()
    }

    async fn write(&self, model: &str, branch: Option<&str>, file: &str, yaml: &str) {
        let mut body = json!({"fileName": file, "yaml": yaml, "mode": "extension"});
        if let Some(branch) = branch {
            body["branchId"] = json!(branch);
        }
        self.done("POST", &format!("/api/v1/models/{model}/yaml"), Some(body))
            .await;
    }

    /// The authored files of a model.
    async fn files(&self, model: &str) -> Value {
        self.done("GET", &format!("/api/v1/models/{model}/yaml?mode=extension"), None)
            .await["files"]
            .clone()
    }

    /// Imports an export onto a model; gives the answer as it came.
    async fn import(&self, export: &Value, model: &str, identifier: &str) -> Met {
        let mut body = export.clone();
        body["baseModelId"] = json!(model);
        body["identifier"] = json!(identifier);
        body["folderPath"] = json!("clinical/v1");
        self.post("/api/unstable/documents/import", body).await
    }

    async fn see(&self) -> Vec<Value> {
        let seen = self.done("GET", "/_simulator/see?as=acme-corp", None).await;
        seen["documents"].as_array().unwrap().clone()
    }

    /// The plan of one query: the line of its job.
    async fn plan(&self, query: &Value) -> Met {
        let (status, text) = self
            .post("/api/v1/query/run", json!({"query": query, "planOnly": true}))
            .await;
        match text {
            Value::String(lines) => (status, serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap()),
            other => (status, other),
        }
    }

    /// The membership id of an embed user.
    async fn member(&self, external_id: &str) -> String {
        let found = self.embed_users(&format!("embedExternalId eq \"{external_id}\"")).await;
        assert_eq!(found["totalResults"], 1, "{external_id}: {found}");
        found["Resources"][0]["id"].as_str().unwrap().to_owned()
    }

    async fn embed_users(&self, filter: &str) -> Value {
        let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        self.done("GET", &format!("/api/scim/v2/embed/users?filter={filter}"), None)
            .await
    }

    /// The plan of a query as an embed user: the line of its job.
    async fn plan_as(&self, external_id: &str, query: &Value) -> Met {
        let path = format!("/api/v1/query/run?userId={}", self.member(external_id).await);
        let (status, answer) = self.post(&path, json!({"query": query, "planOnly": true})).await;
        match answer {
            Value::String(_) => (status, lines(&answer)[1].clone()),
            other => (status, other),
        }
    }

    async fn sql_as(&self, external_id: &str, query: &Value) -> String {
        let (status, line) = self.plan_as(external_id, query).await;
        assert_eq!((status, &line["status"]), (200, &json!("PLANNED")), "{line}");
        line["summary"]["display_sql"].as_str().unwrap().to_owned()
    }

    async fn hand(&self, body: Value) -> Met {
        self.post("/_simulator/hands", body).await
    }
}

/// A query of the seed.
fn patients() -> Value {
    json!({"modelId": CLINICAL, "table": "patients", "fields": ["patients.count"]})
}

/// The lines of an answer; one line alone is JSON as it is.
fn lines(answer: &Value) -> Vec<Value> {
    match answer.as_str() {
        Some(text) => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        None => vec![answer.clone()],
    }
}

/// The tiles of an export.
fn tiles(export: &Value) -> Vec<Value> {
    documents::tiles(&export["dashboard"]).cloned().collect()
}

fn detail(met: &Met) -> &str {
    met.1["detail"].as_str().unwrap_or_default()
}
