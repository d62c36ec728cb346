//! Reading an answer field by field, so that one that lacks what is needed can be told by the field's path.

use serde_json::Value;

/// A value inside an answer, with the way to it.
#[derive(Debug, Clone)]
pub(super) struct Field<'a> {
    value: &'a Value,
    path: String,
}

/// The path of the field that is missing or of another type than needed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Drift(pub(super) String);

impl<'a> Field<'a> {
    /// The answer itself.
    pub(super) const fn root(value: &'a Value) -> Self {
        Self {
            value,
            path: String::new(),
        }
    }

    /// The value, whatever it is.
    pub(super) const fn value(&self) -> &'a Value {
        self.value
    }

    /// The field of this name; absent and null are the same.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Self {
            value,
            path: self.path_of(name),
        })
    }

    /// The field of this name, which must be there.
    pub(super) fn need(&self, name: &str) -> Result<Self, Drift> {
        self.get(name).ok_or_else(|| Drift(self.path_of(name)))
    }

    /// The field at the end of these names, if every one is there.
    pub(super) fn at(&self, names: &[&str]) -> Option<Self> {
        names.iter().try_fold(self.clone(), |field, name| field.get(name))
    }

    /// A text or nothing; another type is drift.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Drift> {
        self.get(name).map(|field| field.as_text()).transpose()
    }

    /// A text that must be there.
    pub(super) fn need_text(&self, name: &str) -> Result<String, Drift> {
        self.need(name)?.as_text()
    }

    /// Yes, no or nothing; another type is drift.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Drift> {
        let flag = |field: Self| field.value.as_bool().ok_or(Drift(field.path));
        self.get(name).map(flag).transpose()
    }

    /// This value as a text.
    pub(super) fn as_text(&self) -> Result<String, Drift> {
        let text = self.value.as_str().ok_or_else(|| self.drift())?;
        Ok(text.to_owned())
    }

    /// This value as a count.
    pub(super) fn as_count(&self) -> Result<u64, Drift> {
        self.value.as_u64().ok_or_else(|| self.drift())
    }

    /// The elements of this value, which must be a list.
    pub(super) fn items(&self) -> Result<Vec<Self>, Drift> {
        let items = self.value.as_array().ok_or_else(|| self.drift())?;
        let item = |(index, value)| Self {
            value,
            path: format!("{}[{index}]", self.path),
        };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// The entries of this value, which must be an object.
    pub(super) fn entries(&self) -> Result<Vec<(&'a str, Self)>, Drift> {
        let entries = self.value.as_object().ok_or_else(|| self.drift())?;
        let entry = |(name, value): (&'a String, &'a Value)| {
            let path = self.path_of(name);
            (name.as_str(), Self { value, path })
        };
        Ok(entries.iter().map(entry).collect())
    }

    /// That this value is not what is needed.
    pub(super) fn drift(&self) -> Drift {
        Drift(if self.path.is_empty() {
            "the answer itself".to_owned()
        } else {
            self.path.clone()
        })
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_is_named_by_its_path() {
        let answer = json!({"records": [{"id": "a", "folder": null}, {"id": 7}]});
        let records = Field::root(&answer).need("records").unwrap().items().unwrap();
        assert_eq!(records[0].need_text("id"), Ok("a".to_owned()));
        assert_eq!(records[0].text("folder"), Ok(None));
        assert_eq!(records[1].need_text("id"), Err(Drift("records[1].id".to_owned())));
        assert_eq!(records[0].need_text("name"), Err(Drift("records[0].name".to_owned())));
        let root = Field::root(&answer);
        assert_eq!(root.items().unwrap_err(), Drift("the answer itself".to_owned()));
    }
}
