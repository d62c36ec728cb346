//! Patches of YAML texts that leave the rest of a text as its author wrote it: comments, order, style.

use std::str::FromStr as _;

use serde_json::{Map, Value};
use yaml_edit::{Document, Mapping};

use super::merged;
use crate::model_version::definition::parse;

/// The text with the patches applied, one after the other.
///
/// What the editor makes of the text is read back and held against the same patch of its meaning; where the two differ the
/// meaning is what counts, and the text is written anew.
///
/// # Errors
/// The text is no YAML.
pub(super) fn patched(text: &str, patches: &[Value]) -> Result<String, String> {
    let mut text = text.to_owned();
    for patch in patches {
        let meant = merged(&parse(&text)?, patch);
        let edited = edited(&text, patch).filter(|edited| parse(edited).as_ref() == Ok(&meant));
        text = match edited {
            Some(edited) => edited,
            None => written(&meant)?,
        };
    }
    Ok(text)
}

fn written(value: &Value) -> Result<String, String> {
    serde_saphyr::to_string(value).map_err(|error| error.to_string())
}

/// The text edited in place; `None` where the editor does not understand it.
fn edited(text: &str, patch: &Value) -> Option<String> {
    let document = Document::from_str(text).ok()?;
    apply(&document.as_mapping()?, patch.as_object()?)?;
    Some(document.to_string())
}

fn apply(mapping: &Mapping, patch: &Map<String, Value>) -> Option<()> {
    for (name, value) in patch {
        match value {
            Value::Null => drop(mapping.remove(name.as_str())),
            Value::Object(inner) => match mapping.get_mapping(name.as_str()) {
                Some(there) => apply(&there, inner)?,
                None => set(mapping, name, &without_nulls(value))?,
            },
            value => set(mapping, name, value)?,
        }
    }
    Some(())
}

fn set(mapping: &Mapping, name: &str, value: &Value) -> Option<()> {
    match value {
        Value::Object(_) => {
            let document = Document::from_str(&written(value).ok()?).ok()?;
            mapping.set(name, document.as_mapping()?);
        }
        Value::Array(_) => {
            let document = Document::from_str(&written(value).ok()?).ok()?;
            mapping.set(name, document.as_sequence()?);
        }
        Value::String(text) => mapping.set(name, text.as_str()),
        Value::Bool(flag) => mapping.set(name, *flag),
        Value::Number(number) => match number.as_i64() {
            Some(number) => mapping.set(name, number),
            None => mapping.set(name, number.as_f64()?),
        },
        Value::Null => {}
    }
    Some(())
}

/// There is nothing to take out of what was not there.
fn without_nulls(value: &Value) -> Value {
    merged(&Value::Null, value)
}
