//! Every request and every answer against the published contract.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};
use wavepin::simulator::{DIFFERENCES, Difference, Exchange, FaultKind, SERVED, Simulator, SimulatorOptions};

use super::published::contract;

/// The contract, compiled once for all tests.
static CONTRACT: LazyLock<Vec<Operation>> = LazyLock::new(|| compile(&contract()));

/// One place where an exchange and the contract part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Departure {
    /// The method, and the path with the contract's names of parameters where it has the path.
    pub operation: String,
    /// Which part of the exchange, as [`DIFFERENCES`] writes it.
    pub place: String,
    /// What is there.
    pub what: String,
}

struct Operation {
    method: String,
    path: String,
    query: BTreeMap<String, Parameter>,
    body: Option<Body>,
    /// By status; none where the contract shows no body.
    answers: BTreeMap<u16, Option<Validator>>,
}

struct Parameter {
    schema: Validator,
    kind: Value,
    needed: bool,
}

impl Parameter {
    /// The value that a text in the query stands for.
    fn read(&self, text: &str) -> Value {
        let plain = Value::from(text);
        match self.kind.as_str() {
            None if self.kind.is_null() => plain,
            Some("string") => plain,
            Some("array") => Value::from(vec![plain]),
            _ => serde_json::from_str(text).unwrap_or(plain),
        }
    }
}

struct Body {
    schema: Validator,
    names: BTreeSet<String>,
}

fn compile(contract: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    // What is not served cannot be met; compiling it all takes seconds.
    let paths = contract["paths"].as_object().unwrap().iter();
    for (path, item) in paths.filter(|(path, _)| SERVED.iter().any(|(_, served)| served == path)) {
        for (method, operation) in item.as_object().unwrap() {
            operations.push(compile_operation(contract, method, path, operation));
        }
    }
    operations
}

fn compile_operation(contract: &Value, method: &str, path: &str, operation: &Value) -> Operation {
    // A schema is compiled with the components beside it, where its references lead.
    let schema = |schema: &Value| {
        let mut whole = schema.clone();
        whole["components"] = json!({"schemas": contract["components"]["schemas"]});
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .build(&whole)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    };
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let query = parameters.filter(|it| it["in"] == "query").map(|it| {
        let parameter = Parameter {
            schema: schema(&it["schema"]),
            kind: it["schema"]["type"].clone(),
            needed: it["required"] == true,
        };
        (it["name"].as_str().unwrap().to_owned(), parameter)
    });
    let body = operation.pointer("/requestBody/content/application~1json/schema");
    let body = body.map(|body| {
        let resolved = body["$ref"]
            .as_str()
            .and_then(|reference| contract.pointer(&reference[1..]));
        let properties = resolved.unwrap_or(body)["properties"].as_object();
        Body {
            schema: schema(body),
            names: properties.into_iter().flatten().map(|(name, _)| name.clone()).collect(),
        }
    });
    let answers = operation["responses"].as_object().unwrap().iter();
    let answers = answers.filter_map(|(status, answer)| {
        let shown = answer.pointer("/content/application~1json/schema");
        Some((status.parse().ok()?, shown.map(&schema)))
    });
    Operation {
        method: method.to_uppercase(),
        path: path.to_owned(),
        query: query.collect(),
        body,
        answers: answers.collect(),
    }
}

/// Whether a path is one of a template; a parameter holds one segment.
pub fn is_of(template: &str, path: &str) -> bool {
    let (mut names, mut segments) = (template.split('/'), path.split('/'));
    names
        .by_ref()
        .zip(segments.by_ref())
        .all(|(name, segment)| name.starts_with('{') || name == segment)
        && template.split('/').count() == path.split('/').count()
}

/// Where these exchanges part from the contract, each place once. A fault spoils answers, so that of what it befell only
/// the request is looked at.
pub fn departures(exchanges: &[Exchange]) -> BTreeSet<Departure> {
    let mut found = BTreeSet::new();
    for exchange in exchanges {
        let request = &exchange.request;
        if request.path == "/openapi.json" {
            continue;
        }
        // A literal segment is nearer than a parameter.
        let of_path = CONTRACT
            .iter()
            .filter(|it| it.method == request.method && is_of(&it.path, &request.path));
        match of_path.min_by_key(|it| it.path.matches('{').count()) {
            Some(operation) => {
                let name = format!("{} {}", operation.method, operation.path);
                let mut say = |place: String, what: String| {
                    let operation = name.clone();
                    found.insert(Departure { operation, place, what });
                };
                request_departs(operation, exchange, &mut say);
                let spoilt = !matches!(request.fault, None | Some(FaultKind::Slow { .. }));
                if let Some(status) = request.status.filter(|_| !spoilt) {
                    answer_departs(operation, status, exchange, &mut say);
                }
            }
            None => {
                let operation = format!("{} {}", request.method, without_ids(&request.path));
                found.insert(Departure {
                    operation,
                    place: "call".to_owned(),
                    what: "the contract has no such call".to_owned(),
                });
            }
        }
    }
    found
}

/// A path that the contract does not have, with `{}` for the segment that names an object.
fn without_ids(path: &str) -> String {
    let objects = ["models", "documents"];
    let mut segments: Vec<&str> = path.split('/').collect();
    for at in 1..segments.len() {
        if objects.contains(&segments[at - 1]) {
            segments[at] = "{}";
        }
    }
    segments.join("/")
}

fn request_departs(operation: &Operation, exchange: &Exchange, say: &mut impl FnMut(String, String)) {
    let given: BTreeMap<String, String> = url::form_urlencoded::parse(exchange.request.query.as_bytes())
        .into_owned()
        .collect();
    for (key, value) in &given {
        match operation.query.get(key) {
            None => say(format!("query {key}"), "not in the contract".to_owned()),
            Some(parameter) => {
                if let Err(error) = parameter.schema.validate(&parameter.read(value)) {
                    say(format!("query {key}"), error.to_string());
                }
            }
        }
    }
    for (key, _) in operation
        .query
        .iter()
        .filter(|(key, parameter)| parameter.needed && !given.contains_key(*key))
    {
        say(format!("query {key}"), "required, and not sent".to_owned());
    }
    match (&operation.body, serde_json::from_str::<Value>(&exchange.body)) {
        (Some(body), Ok(sent)) => {
            let keys = sent.as_object().into_iter().flatten().map(|(key, _)| key);
            for key in keys.filter(|key| !body.names.contains(*key)) {
                say(format!("body /{key}"), "not in the contract".to_owned());
            }
            errors("body", &body.schema, &sent, say);
        }
        (Some(_), Err(_)) if exchange.body.is_empty() => {}
        (Some(_), Err(error)) => say("body".to_owned(), format!("no JSON: {error}")),
        (None, _) if exchange.body.is_empty() => {}
        (None, _) => say("body".to_owned(), "the contract has none".to_owned()),
    }
}

fn answer_departs(operation: &Operation, status: u16, exchange: &Exchange, say: &mut impl FnMut(String, String)) {
    match operation.answers.get(&status) {
        None => say(format!("status {status}"), exchange.answer.chars().take(200).collect()),
        Some(None) => {}
        Some(Some(schema)) => match serde_json::from_str::<Value>(&exchange.answer) {
            Ok(answer) => errors("answer", schema, &answer, say),
            Err(_) => say(format!("answer {}", exchange.content_type), "no JSON".to_owned()),
        },
    }
}

/// Says each error of a value where it is, lists' places as `*`.
fn errors(part: &str, schema: &Validator, value: &Value, say: &mut impl FnMut(String, String)) {
    for error in schema.iter_errors(value) {
        let path = error.instance_path().to_string();
        let mut place: Vec<&str> = path
            .split('/')
            .map(|segment| if segment.parse::<usize>().is_ok() { "*" } else { segment })
            .collect();
        let absent = match error.kind() {
            ValidationErrorKind::Required { property } => property.as_str().map(str::to_owned),
            _ => None,
        };
        place.extend(absent.as_deref());
        let text: String = error.to_string().chars().take(200).collect();
        say(format!("{part} {}", place.join("/")).trim_end().to_owned(), text);
    }
}

/// Whether a known difference is where these part.
pub fn explains(known: &Difference, departure: &Departure) -> bool {
    known.place == departure.place && ["*", departure.operation.as_str()].contains(&known.operation)
}

fn is_known(departure: &Departure) -> bool {
    DIFFERENCES.iter().any(|known| explains(known, departure))
}

/// Asserts that every exchange keeps to the contract, known differences aside.
#[track_caller]
pub fn holds(exchanges: &[Exchange]) {
    let unknown: Vec<Departure> = departures(exchanges).into_iter().filter(|it| !is_known(it)).collect();
    assert!(
        unknown.is_empty(),
        "{} exchanges part from the published contract where src/simulator/differences.rs does not say so:\n{unknown:#?}",
        exchanges.len()
    );
}

/// A simulator whose every exchange is held to the contract when the test that has it ends.
pub struct Held(Option<Simulator>);

impl Held {
    /// Starts one that keeps its exchanges.
    pub async fn start(options: SimulatorOptions) -> std::io::Result<Self> {
        let options = SimulatorOptions {
            keep_exchanges: true,
            ..options
        };
        Simulator::start(options).await.map(|simulator| Self(Some(simulator)))
    }

    /// Ends it as [`Simulator::shutdown`] does, with all that it heard held to the contract.
    pub async fn shutdown(mut self) {
        if let Some(simulator) = self.0.take() {
            holds(&simulator.exchanges());
            simulator.shutdown().await;
        }
    }
}

impl Deref for Held {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        self.0.as_ref().expect("only its end takes it out")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // A test that has failed already says why.
        if let Some(simulator) = self.0.take().filter(|_| !std::thread::panicking()) {
            holds(&simulator.exchanges());
        }
    }
}
