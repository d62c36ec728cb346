//! The contract sentinel: Omni's own description of its API, held against what the client relies on. Pure.
//!
//! Omni has no version of its API to pin. What it says of itself is the earliest sign of a change: a call that is gone or
//! that asks for more can be kept back before it does half of something. What the description has besides is told and
//! stops nothing. The flip side: a description that is behind its own server stops a call that would have worked; the
//! differences of that kind that are known stand in one table, [`relied::KNOWN`].

mod document;
mod relied;
mod served;

use std::collections::BTreeSet;

use serde_json::Value;

use self::document::{Document, Operation, Presence};
use self::relied::{KNOWN, RELIED, Relied};
use crate::ports::{Contract, Difference};

/// How many new things are named.
const MOST_NAMED: usize = 5;

/// So deep are fields told apart.
const FACT_DEPTH: u32 = 8;

/// Every call of Omni's published description of May 2026, and every field and word of those that the client makes: what
/// is not in it is new. `make generated` writes it.
const KNOWN_FACTS: &str = include_str!("known.txt");

/// What of a description touches the client, and what in it is new. `None` for what is no OpenAPI 3 document, or one that
/// is too large to be one of Omni.
pub(super) fn compare(document: &Value) -> Option<Contract> {
    let document = Document::new(document)?;
    let mut touching = differences(&document);
    touching.retain(|difference| !is_known(difference));
    let known: BTreeSet<&str> = KNOWN_FACTS.lines().collect();
    let mut new = facts(&document);
    new.retain(|fact| !known.contains(fact.as_str()));
    if document.is_too_much() {
        return None;
    }
    Some(Contract {
        touching,
        new: new.len(),
        new_first: new.into_iter().take(MOST_NAMED).collect(),
    })
}

fn is_known(difference: &Difference) -> bool {
    KNOWN
        .iter()
        .any(|(operation, what, _)| *operation == difference.operation && *what == difference.what)
}

/// Everything that the client relies on and the document does not have, known or not.
fn differences(document: &Document<'_>) -> Vec<Difference> {
    let mut all = Vec::new();
    for relied in RELIED {
        let told = what_differs(document, relied).into_iter();
        all.extend(told.map(|what| Difference {
            operation: relied.operation,
            what,
        }));
    }
    all
}

fn what_differs(document: &Document<'_>, relied: &Relied) -> Vec<String> {
    let (method, path) = relied.operation.split_once(' ').unwrap_or_default();
    let Some(methods) = document.methods(path) else {
        return vec!["the call is gone".to_owned()];
    };
    let Some(operation) = document.operation(method, path) else {
        return vec![format!("the method is gone; the path has {}", methods.join(", "))];
    };
    let mut differs = query_differs(document, &operation, relied);
    differs.extend(body_differs(document, &operation, relied));
    differs.extend(answer_differs(document, &operation, relied));
    differs
}

fn query_differs(document: &Document<'_>, operation: &Operation<'_>, relied: &Relied) -> Vec<String> {
    let query = document.query(operation);
    let mut differs = Vec::new();
    for name in relied.query.iter().filter(|name| !query.contains_key(*name)) {
        differs.push(format!("the query parameter {name} is gone"));
    }
    for (name, _) in query.iter().filter(|(_, (_, required))| *required) {
        if !relied.query.contains(name) {
            differs.push(format!("the query parameter {name} is required"));
        }
    }
    for (place, words) in relied.words {
        let schema = place.strip_prefix("query ").and_then(|name| query.get(name));
        if let Some((schema, _)) = schema {
            differs.extend(refused_words(document, schema, place, words));
        }
    }
    differs
}

fn body_differs(document: &Document<'_>, operation: &Operation<'_>, relied: &Relied) -> Vec<String> {
    let Some(body) = document.body(operation) else {
        let sends_body = !relied.sends.is_empty();
        return sends_body
            .then(|| "it takes no JSON body any more".to_owned())
            .into_iter()
            .collect();
    };
    let mut differs = Vec::new();
    for field in relied.sends {
        if document.presence(body, field) == Presence::Missing {
            differs.push(format!("the body has no {field}"));
        }
    }
    for field in document.unsent(body, relied.sends) {
        differs.push(format!("the body needs {field}"));
    }
    for (place, words) in relied.words {
        let schema = place
            .strip_prefix("body ")
            .and_then(|field| document.field(body, field));
        if let Some(schema) = schema {
            differs.extend(refused_words(document, schema, place, words));
        }
    }
    differs
}

fn refused_words(document: &Document<'_>, schema: &Value, place: &str, words: &[&str]) -> Vec<String> {
    let Some(allowed) = document.words(schema) else {
        return Vec::new();
    };
    let refused = words.iter().filter(|word| !allowed.contains(**word));
    refused.map(|word| format!("the {place} takes no {word}")).collect()
}

fn answer_differs(document: &Document<'_>, operation: &Operation<'_>, relied: &Relied) -> Vec<String> {
    let answers = document.answers(operation);
    let lacks = |places: &&&str| {
        let presence = |place| answers.iter().map(move |answer| document.presence(answer, place));
        places.split('|').flat_map(presence).max() == Some(Presence::Missing)
    };
    let missing = relied.needs.iter().filter(lacks);
    missing
        .map(|places| format!("the answer has no {}", places.replace('|', " or ")))
        .collect()
}

/// Every call of the document; and of the client's calls every parameter, field and word.
fn facts(document: &Document<'_>) -> BTreeSet<String> {
    let mut facts: BTreeSet<String> = document.calls().collect();
    for relied in RELIED {
        let (method, path) = relied.operation.split_once(' ').unwrap_or_default();
        let Some(operation) = document.operation(method, path) else {
            continue;
        };
        let name = document::nameless(path);
        for (parameter, (schema, _)) in document.query(&operation) {
            let fact = format!("{method} {name} query {parameter}");
            document.facts(schema, &fact, FACT_DEPTH, &mut facts);
            facts.insert(fact);
        }
        if let Some(body) = document.body(&operation) {
            document.facts(body, &format!("{method} {name} body"), FACT_DEPTH, &mut facts);
        }
        for answer in document.answers(&operation) {
            document.facts(answer, &format!("{method} {name} answer"), FACT_DEPTH, &mut facts);
        }
    }
    facts
}

#[cfg(test)]
mod tests;
