//! Edits that stand in ConfigMaps and Secrets: read out of their texts, and held to all that inline ones are held to. Pure.
//!
//! The value under each key is a list in YAML, of edits as they stand in `model.edits`. Of what stands in a Secret nothing is
//! told: its edits go by their number, and why one is refused is said without quoting it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::why::broken_at;
use super::{Refused, Why, refusal, whole_file};
use crate::resources::{Edit, ModelVersion, schema};

/// All objects of a version together may hold so many bytes: four ConfigMaps of the size that etcd takes.
const LARGEST: usize = 4 * 1024 * 1024;

/// They may hold so many edits; each costs a call to Omni.
const MOST: usize = 1000;

/// An object that holds edits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// It is a Secret, and no ConfigMap.
    pub is_secret: bool,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_secret { "Secret" } else { "ConfigMap" };
        write!(formatter, "{kind} {}/{}", self.namespace, self.name)
    }
}

/// What an object holds.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// The values by key.
    pub values: BTreeMap<String, SecretString>,
    /// The keys whose values are no text.
    pub binary: BTreeSet<String>,
}

/// Where an edit stands that is not in the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    holder: Holder,
    key: String,
    /// Counted from 1.
    number: usize,
}

impl Stand {
    /// Why the edit that stands here is refused, and where that is.
    fn refused(&self, edit: &Edit, why: &Why) -> String {
        match self.holder.is_secret {
            true => why.unquoted_of(&self.call(edit)),
            false => why.of(&self.call(edit)),
        }
    }

    /// What the edit that stands here is called.
    fn call(&self, edit: &Edit) -> String {
        let Self { holder, key, number } = self;
        match holder.is_secret {
            true => format!("edit {number} of {holder}, key {key:?}"),
            false => format!("edit {} of {holder}, key {key:?}", edit.name),
        }
    }
}

/// The edits of a version: those of the spec, and behind them those of objects, each with where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// All of them.
    pub edits: &'a [Edit],
    /// Where the last of them stand; the others are in the spec.
    pub stands: &'a [Stand],
}

impl Listed<'_> {
    fn stand(&self, edit: usize) -> Option<&Stand> {
        let inline = self.edits.len().saturating_sub(self.stands.len());
        self.stands.get(edit.checked_sub(inline)?)
    }

    fn call(&self, edit: usize) -> String {
        match self.stand(edit) {
            Some(stand) => stand.call(&self.edits[edit]),
            None => format!("edit {} of model.edits", self.edits[edit].name),
        }
    }

    /// Why one of them is refused, and where that stands.
    #[must_use]
    pub fn refused(&self, refused: &Refused) -> String {
        let edit = &self.edits[refused.edit];
        match self.stand(refused.edit) {
            Some(stand) => stand.refused(edit, &refused.why),
            None => refused.why.of(&format!("model.edits: edit {}", edit.name)),
        }
    }

    /// What is wrong with them together: no two have the same name or are about the same whole file, and there are not too
    /// many.
    ///
    /// # Errors
    /// That, with both places.
    pub fn fit_together(&self) -> Result<(), String> {
        let (mut names, mut files) = (BTreeMap::new(), BTreeMap::new());
        for (number, edit) in self.edits.iter().enumerate() {
            if let Some(before) = names.insert(&edit.name, number) {
                return Err(format!(
                    "{} has the same name as {}; give one of them another",
                    self.call(number),
                    self.call(before)
                ));
            }
            let before = whole_file(edit).and_then(|file| files.insert(file, number));
            if let Some(before) = before {
                return Err(format!(
                    "{} is about the same whole file as {}; put both changes into one edit",
                    self.call(number),
                    self.call(before)
                ));
            }
        }
        let of_objects = &self.edits[self.edits.len().saturating_sub(self.stands.len())..];
        let texts = of_objects.iter().flat_map(|edit| [&edit.yaml, &edit.patch]);
        let size: usize = texts.flatten().map(String::len).sum();
        if of_objects.len() > MOST || size > LARGEST {
            return Err(format!(
                "the objects of model.editsFrom hold {} edits with {size} bytes of YAML together, but may hold {MOST} with {LARGEST}",
                of_objects.len()
            ));
        }
        Ok(())
    }
}

/// What a list of edits must look like: as the API server would have it.
static LIST: LazyLock<Value> = LazyLock::new(|| {
    let spec = schema::of_spec::<ModelVersion>();
    spec["properties"]["model"]["properties"]["edits"].clone()
});

/// The edits that an object holds, key by key.
///
/// # Errors
/// What is wrong with it, with the key, and the edit where it is one's; without a word of what a Secret holds.
pub fn read(holder: &Holder, texts: &Texts) -> Result<Vec<(Edit, Stand)>, String> {
    if let Some(key) = texts.binary.first() {
        return Err(format!(
            "{holder}, key {key:?}: the value is no text in UTF-8; keep such values in another object"
        ));
    }
    if texts.values.is_empty() {
        return Err(format!("{holder} holds nothing; put a list of edits under a key of it"));
    }
    let mut all = Vec::new();
    for (key, text) in &texts.values {
        let edits = list(holder, text.expose_secret()).map_err(|why| format!("{holder}, key {key:?}: {why}"))?;
        for (index, edit) in edits.into_iter().enumerate() {
            let stand = Stand {
                holder: holder.clone(),
                key: key.clone(),
                number: index + 1,
            };
            if let Some(why) = refusal(&edit) {
                return Err(stand.refused(&edit, &why));
            }
            all.push((edit, stand));
        }
    }
    Ok(all)
}

fn list(holder: &Holder, text: &str) -> Result<Vec<Edit>, String> {
    let options = serde_saphyr::options! { with_snippet: false };
    let parsed = serde_saphyr::from_str_with_options::<Value>(text, options);
    let list = parsed.map_err(|error| match holder.is_secret {
        true => format!("the value is no YAML{}", broken_at(text)),
        false => format!("the value is no YAML: {error}"),
    })?;
    if !list.is_array() {
        return Err("the value must be a list of edits, as model.edits is; write `[]` for none".to_owned());
    }
    let faults = match holder.is_secret {
        true => schema::check_unquoted(&LIST, &list, "edits"),
        false => schema::check(&LIST, &list, "edits"),
    };
    if !faults.is_empty() {
        return Err(faults.join("; "));
    }
    serde_json::from_value(list).map_err(|error| match holder.is_secret {
        true => "the value is no list of edits, as model.edits is".to_owned(),
        false => format!("the value is no list of edits: {error}"),
    })
}

/// A hash of what edits say, however they are written down. The order of whole files does not count.
#[must_use]
pub fn hash(edits: &[Edit]) -> String {
    let (mut whole, on_top): (Vec<&Edit>, Vec<&Edit>) = edits.iter().partition(|edit| whole_file(edit).is_some());
    whole.sort_by(|one, other| one.name.cmp(&other.name));
    let mut digest = Sha256::new();
    for edit in whole.into_iter().chain(on_top) {
        // As JSON, which leaves out what is not said: a field that a later release adds changes no hash.
        digest.update(json!(edit).to_string());
        digest.update([0]);
    }
    let digest = digest.finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn holder(is_secret: bool) -> Holder {
        Holder {
            is_secret,
            namespace: "apps".to_owned(),
            name: "edits".to_owned(),
        }
    }

    fn texts(values: &[(&str, &str)]) -> Texts {
        let values = values.iter();
        Texts {
            values: values
                .map(|(key, text)| ((*key).to_owned(), SecretString::from(*text)))
                .collect(),
            binary: BTreeSet::new(),
        }
    }

    const TWO: &str =
        "# why\n- {name: b, fileName: b.view, yaml: 'label: B'}\n- {name: c, view: p, field: f, ignore: true}\n";

    #[test]
    fn keys_come_in_the_order_of_the_alphabet_and_edits_in_that_of_their_lists() {
        let values = [
            ("z.yaml", "[]"),
            ("b", TWO),
            ("a", "[{name: a, fileName: a.view, deleteFile: true}]"),
        ];
        let read = read(&holder(false), &texts(&values)).unwrap();
        let names: Vec<&str> = read.iter().map(|(edit, _)| edit.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let inline = [read[0].0.clone()];
        let edits: Vec<Edit> = inline
            .into_iter()
            .chain(read[1..].iter().map(|it| it.0.clone()))
            .collect();
        let stands: Vec<Stand> = read[1..].iter().map(|it| it.1.clone()).collect();
        let (edits, stands) = (&edits, &stands);
        let listed = Listed { edits, stands };
        assert_eq!(listed.fit_together(), Ok(()));
        let refused = |edit| {
            listed.refused(&Refused {
                edit,
                why: Why::plain("no"),
            })
        };
        assert_eq!(refused(0), "model.edits: edit a: no");
        assert_eq!(refused(2), "edit c of ConfigMap apps/edits, key \"b\": no");
    }

    #[test]
    fn a_name_or_a_whole_file_that_stands_twice_is_refused_with_both_places() {
        let one = read(&holder(false), &texts(&[("k", TWO)])).unwrap();
        let other = read(&holder(true), &texts(&[("k", TWO)])).unwrap();
        let together = |(edit, stand): &(Edit, Stand), rename: &str| {
            let mut edits = vec![one[0].0.clone(), edit.clone()];
            edits[0].name = rename.to_owned();
            let stands = [stand.clone()];
            let (edits, stands) = (&edits, &stands);
            Listed { edits, stands }.fit_together().unwrap_err()
        };
        assert_eq!(
            together(&one[0], "b"),
            "edit b of ConfigMap apps/edits, key \"k\" has the same name as edit b of model.edits; give one of them another"
        );
        assert_eq!(
            together(&other[0], "x"),
            "edit 1 of Secret apps/edits, key \"k\" is about the same whole file as edit x of model.edits; put both changes into one edit"
        );
    }

    #[rstest]
    #[case::no_yaml("- {name: hidden", "is no YAML")]
    #[case::two_documents("[]\n---\nhidden: 1\n", "is no YAML")]
    #[case::a_map("name: hidden", "must be a list of edits")]
    #[case::nothing("# hidden\n", "must be a list of edits")]
    #[case::no_name("- {fileName: hidden.view, yaml: 'a: b'}", "edits[0].name is missing")]
    #[case::an_unknown_field("- {name: a, hidden: 1}", "is no")]
    #[case::a_key_twice("- {name: a, name: hidden, topic: t, ignore: true}", "is no YAML")]
    #[case::a_wrong_file("- {name: a, fileName: hidden, yaml: 'a: b'}", "edits[0].fileName")]
    #[case::two_things(
        "- {name: hidden, fileName: a.view, yaml: 'a: b', deleteFile: true}",
        "give fileName with one of"
    )]
    #[case::a_name_twice(
        "- {name: hidden, topic: a, ignore: true}\n- {name: hidden, topic: b, ignore: true}",
        "twice"
    )]
    #[case::broken_yaml("- {name: hidden, fileName: hidden.view, yaml: 'hidden: [1'}", "is no YAML")]
    #[case::no_map("- {name: hidden, fileName: hidden.view, patch: '[hidden]'}", "must be a map")]
    fn what_is_no_list_of_edits_is_refused_by_its_key_and_a_secret_is_not_quoted(
        #[case] text: &str,
        #[case] says: &str,
    ) {
        let read = |is_secret| read(&holder(is_secret), &texts(&[("k.yaml", text)])).unwrap_err();
        let told = read(false);
        assert!(
            told.contains("ConfigMap apps/edits, key \"k.yaml\"") && told.contains(says),
            "{told}"
        );
        let told = read(true);
        assert!(told.contains("Secret apps/edits, key \"k.yaml\""), "{told}");
        assert!(!told.contains("hidden"), "{told}");
    }

    #[test]
    fn what_is_no_text_and_what_is_nothing_is_refused() {
        let mut odd = texts(&[("a", "[]")]);
        odd.binary.insert("b".to_owned());
        assert!(
            read(&holder(true), &odd)
                .unwrap_err()
                .contains("key \"b\": the value is no text")
        );
        assert!(read(&holder(false), &texts(&[])).unwrap_err().contains("holds nothing"));
        assert!(read(&holder(false), &texts(&[("a", "[]")])).unwrap().is_empty());
    }

    #[test]
    fn the_hash_is_about_what_the_edits_say() {
        let hash_of = |text: &str| {
            let read = read(&holder(false), &texts(&[("k", text)])).unwrap();
            hash(&read.into_iter().map(|(edit, _)| edit).collect::<Vec<_>>())
        };
        let other_style =
            "- name: b\n  yaml: 'label: B'\n  fileName: b.view\n- {ignore: true, name: c, field: f, view: p}\n";
        assert_eq!(hash_of(TWO), hash_of(other_style));
        assert_eq!(hash_of(TWO), "083ea8119dac1f6e");
        assert_ne!(hash_of(TWO), hash_of(&TWO.replace("label: B", "label: C")));
        assert_ne!(hash_of(TWO), hash_of("[]"));
    }
}
