//! An OpenAPI 3 document, read as far as a comparison needs it and no further than a bound.
//!
//! The document comes from outside: references may lead in circles, and branches may multiply. Whatever is asked, no
//! more than [`MOST_STEPS`] schemas are looked at; after that nothing more is said of the document.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// So many schemas are looked at in one comparison. The document of May 2026 takes a hundredth of it.
const MOST_STEPS: u32 = 200_000;

/// So deep is a schema looked into, references included.
const DEEPEST: u32 = 24;

/// The methods that a path may have.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "patch", "head", "options"];

/// What a reference leads to that leads nowhere.
static NOTHING: Value = Value::Null;

/// Whether a schema has a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Presence {
    /// It lists its fields, and this is none of them.
    Missing,
    /// It does not say which fields there are.
    Open,
    /// It is listed.
    Found,
}

/// The document.
pub(super) struct Document<'d> {
    root: &'d Value,
    /// By path with nameless parameters: `/v1/models/{}/yaml`.
    paths: BTreeMap<String, &'d Value>,
    steps: Cell<u32>,
}

/// One call of the document.
pub(super) struct Operation<'d> {
    path: &'d Value,
    own: &'d Value,
}

/// The path without the names of its parameters, and without the prefix under which the client finds every call.
pub(super) fn nameless(path: &str) -> String {
    let path = path
        .strip_prefix("/api")
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path);
    let segment = |segment| if str::starts_with(segment, '{') { "{}" } else { segment };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

impl<'d> Document<'d> {
    /// `None` for what describes no calls.
    pub(super) fn new(root: &'d Value) -> Option<Self> {
        let paths = root.get("paths")?.as_object()?;
        let is_openapi = root
            .get("openapi")
            .and_then(Value::as_str)
            .is_some_and(|it| it.starts_with("3."));
        is_openapi.then(|| Self {
            root,
            paths: paths.iter().map(|(path, item)| (nameless(path), item)).collect(),
            steps: Cell::new(0),
        })
    }

    /// Whether the bound was reached, so that not everything was looked at.
    pub(super) fn is_too_much(&self) -> bool {
        self.steps.get() > MOST_STEPS
    }

    /// A path's methods, in capitals; `None` where there is no such path.
    pub(super) fn methods(&self, path: &str) -> Option<Vec<String>> {
        let item = self.paths.get(&nameless(path))?;
        let has = |method: &&&str| item.get(**method).is_some();
        Some(METHODS.iter().filter(has).map(|method| method.to_uppercase()).collect())
    }

    pub(super) fn operation(&self, method: &str, path: &str) -> Option<Operation<'d>> {
        let path: &'d Value = self.paths.get(&nameless(path))?;
        let own = path.get(method.to_lowercase())?;
        Some(Operation { path, own })
    }

    /// Every call, as method and nameless path.
    pub(super) fn calls(&self) -> impl Iterator<Item = String> + '_ {
        self.paths.iter().flat_map(|(path, item)| {
            let methods = METHODS.iter().filter(|method| item.get(**method).is_some());
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
    }

    /// The query parameters of a call: each schema, and whether it must be sent.
    pub(super) fn query(&self, operation: &Operation<'d>) -> BTreeMap<&'d str, (&'d Value, bool)> {
        let lists = [operation.path, operation.own]
            .into_iter()
            .filter_map(|it| it.get("parameters")?.as_array());
        let mut query = BTreeMap::new();
        for parameter in lists.flatten().map(|it| self.resolved(it)) {
            if parameter["in"] == "query"
                && let Some(name) = parameter["name"].as_str()
            {
                query.insert(name, (&parameter["schema"], parameter["required"] == true));
            }
        }
        query
    }

    /// The schema of the JSON body that the call takes; `None` where it takes none.
    pub(super) fn body(&self, operation: &Operation<'d>) -> Option<&'d Value> {
        json_of(self.resolved(&operation.own["requestBody"]))
    }

    /// The schemas of the JSON bodies that the call may answer with when it succeeds.
    pub(super) fn answers(&self, operation: &Operation<'d>) -> Vec<&'d Value> {
        let Some(responses) = operation.own["responses"].as_object() else {
            return Vec::new();
        };
        let good = responses.iter().filter(|(status, _)| status.starts_with('2'));
        good.filter_map(|(_, response)| json_of(self.resolved(response)))
            .collect()
    }

    fn step(&self) -> bool {
        self.steps.set(self.steps.get().saturating_add(1));
        !self.is_too_much()
    }

    /// What a reference leads to, and everything else as it is.
    fn resolved(&self, mut value: &'d Value) -> &'d Value {
        for _ in 0..DEEPEST {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
                return value;
            };
            let pointed = reference
                .strip_prefix('#')
                .and_then(|pointer| self.root.pointer(pointer));
            match pointed {
                Some(pointed) => value = pointed,
                None => return &NOTHING,
            }
        }
        &NOTHING
    }

    /// Whether a schema has the field at the end of a path like `records[].id`.
    pub(super) fn presence(&self, schema: &'d Value, path: &str) -> Presence {
        self.presence_at(schema, &steps(path), DEEPEST)
    }

    fn presence_at(&self, schema: &'d Value, path: &[&str], left: u32) -> Presence {
        let Some((step, rest)) = path.split_first() else {
            return Presence::Found;
        };
        if left == 0 || !self.step() {
            return Presence::Open;
        }
        let schema = self.resolved(schema);
        let at = |schema, path| self.presence_at(schema, path, left - 1);
        let mut said = Vec::new();
        if *step == "[]" {
            said.extend(schema.get("items").map(|items| at(items, rest)));
        } else if let Some(properties) = schema.get("properties") {
            let field = properties.get(step);
            said.push(field.map_or(Presence::Missing, |field| at(field, rest)));
        }
        let members = |name: &str| schema.get(name).and_then(Value::as_array).into_iter().flatten();
        said.extend(members("allOf").map(|member| at(member, path)));
        for choice in ["anyOf", "oneOf"] {
            said.extend(members(choice).map(|member| at(member, path)).max());
        }
        let best = said.iter().max().copied().filter(|it| *it == Presence::Found);
        // What says nothing leaves it to those that say something.
        let worst = said.into_iter().min();
        best.or(worst).unwrap_or_else(|| silent(schema, step))
    }

    /// The words that a schema allows; `None` where it allows any.
    pub(super) fn words(&self, schema: &'d Value) -> Option<BTreeSet<String>> {
        self.words_at(schema, DEEPEST)
    }

    fn words_at(&self, schema: &'d Value, left: u32) -> Option<BTreeSet<String>> {
        if left == 0 || !self.step() {
            return None;
        }
        let schema = self.resolved(schema);
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            return Some(words.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        }
        if let Some(word) = schema.get("const") {
            return Some(word.as_str().map(str::to_owned).into_iter().collect());
        }
        let members = |name: &str| schema.get(name).and_then(Value::as_array);
        for choice in ["anyOf", "oneOf"] {
            if let Some(members) = members(choice) {
                let real = members.iter().filter(|member| self.resolved(member)["type"] != "null");
                let sets: Option<Vec<_>> = real.map(|member| self.words_at(member, left - 1)).collect();
                return sets.map(|sets| sets.into_iter().flatten().collect());
            }
        }
        members("allOf")?
            .iter()
            .find_map(|member| self.words_at(member, left - 1))
    }

    /// The schema of a field directly in a schema.
    pub(super) fn field(&self, schema: &'d Value, name: &str) -> Option<&'d Value> {
        self.field_at(schema, name, DEEPEST)
    }

    fn field_at(&self, schema: &'d Value, name: &str, left: u32) -> Option<&'d Value> {
        if left == 0 || !self.step() {
            return None;
        }
        let schema = self.resolved(schema);
        if let Some(field) = schema.get("properties").and_then(|properties| properties.get(name)) {
            return Some(field);
        }
        let members = ["allOf", "anyOf", "oneOf"]
            .into_iter()
            .filter_map(|it| schema.get(it)?.as_array());
        members
            .flatten()
            .find_map(|member| self.field_at(member, name, left - 1))
    }

    /// The fields that a body must have beyond those that are sent.
    pub(super) fn unsent(&self, schema: &'d Value, sent: &[&str]) -> BTreeSet<&'d str> {
        self.unsent_at(schema, sent, DEEPEST)
    }

    fn unsent_at(&self, schema: &'d Value, sent: &[&str], left: u32) -> BTreeSet<&'d str> {
        if left == 0 || !self.step() {
            return BTreeSet::new();
        }
        let schema = self.resolved(schema);
        let members = |name: &str| schema.get(name).and_then(Value::as_array).into_iter().flatten();
        let required = members("required").filter_map(Value::as_str);
        let mut unsent: BTreeSet<&str> = required.filter(|field| !sent.contains(field)).collect();
        for member in members("allOf") {
            unsent.extend(self.unsent_at(member, sent, left - 1));
        }
        for choice in ["anyOf", "oneOf"] {
            let least = members(choice).map(|member| self.unsent_at(member, sent, left - 1));
            unsent.extend(least.min_by_key(BTreeSet::len).unwrap_or_default());
        }
        unsent
    }

    /// The path of every field of a schema, and every word that it allows, below `prefix`.
    pub(super) fn facts(&self, schema: &'d Value, prefix: &str, left: u32, facts: &mut BTreeSet<String>) {
        if left == 0 || !self.step() {
            return;
        }
        let schema = self.resolved(schema);
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for (name, field) in properties {
                let path = format!("{prefix}.{name}");
                self.facts(field, &path, left - 1, facts);
                facts.insert(path);
            }
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            let words = words.iter().filter_map(Value::as_str);
            facts.extend(words.map(|word| format!("{prefix} = {word}")));
        }
        if let Some(items) = schema.get("items") {
            self.facts(items, &format!("{prefix}[]"), left - 1, facts);
        }
        let members = ["allOf", "anyOf", "oneOf"]
            .into_iter()
            .filter_map(|it| schema.get(it)?.as_array());
        for member in members.flatten() {
            self.facts(member, prefix, left - 1, facts);
        }
    }
}

/// What a schema that names neither fields nor alternatives says of a step: of an array nothing is known below it, of
/// anything else that is no object there is nothing to find.
fn silent(schema: &Value, step: &str) -> Presence {
    let is = |kind: &str| match &schema["type"] {
        Value::String(one) => one == kind,
        Value::Array(several) => several.iter().any(|it| it == kind),
        _ => false,
    };
    let typed = !schema["type"].is_null();
    let fits = if step == "[]" { is("array") } else { is("object") };
    if (typed && !fits) || (step != "[]" && schema["additionalProperties"] == false) {
        Presence::Missing
    } else {
        Presence::Open
    }
}

/// The steps of `records[].id`: a field, into the list, a field.
fn steps(path: &str) -> Vec<&str> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let name = part.trim_end_matches("[]");
        steps.extend((!name.is_empty()).then_some(name));
        steps.extend(part.ends_with("[]").then_some("[]"));
    }
    steps
}

fn json_of(content: &Value) -> Option<&Value> {
    let content = content.get("content")?.as_object()?;
    let json = content.iter().find(|(kind, _)| kind.contains("json") || *kind == "*/*");
    json.and_then(|(_, media)| media.get("schema"))
}
