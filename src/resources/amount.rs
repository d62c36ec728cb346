//! Numbers of tenants, and parts of them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of tenants, or a part of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many: 1 to 1,000,000.
    Count(u32),
    /// So many of a hundred: 1 to 100.
    Percent(u8),
}

impl Amount {
    /// How many of so many, rounded up, at least one.
    #[must_use]
    pub fn of(self, all: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let part = (u64::from(all) * u64::from(percent)).div_ceil(100);
                u32::try_from(part).unwrap_or(u32::MAX).max(1)
            }
        }
    }

    fn read(text: &str) -> Option<Self> {
        let percent: u8 = text.strip_suffix('%')?.parse().ok()?;
        (1..=100).contains(&percent).then_some(Self::Percent(percent))
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(formatter, "{count}"),
            Self::Percent(percent) => write!(formatter, "{percent}%"),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written<'t> {
            Count(u32),
            Text(#[serde(borrow)] Cow<'t, str>),
        }
        let refused = |given: &str| {
            serde::de::Error::custom(format!("{given} is no amount; write a number from 1, or a part as 25%"))
        };
        match Written::deserialize(deserializer)? {
            Written::Count(count @ 1..=1_000_000) => Ok(Self::Count(count)),
            Written::Count(count) => Err(refused(&count.to_string())),
            Written::Text(text) => Self::read(&text).ok_or_else(|| refused(&format!("{text:?}"))),
        }
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "minimum": 1,
            "maximum": 1_000_000,
            "maxLength": 8,
            "pattern": "^([1-9][0-9]?|100)%$",
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_of_the_tenants_is_rounded_up_to_at_least_one() {
        let of = |text: &str, all| Amount::read(text).unwrap().of(all);
        assert_eq!((of("25%", 300), of("1%", 5), of("1%", 0), of("100%", 7)), (75, 1, 1, 7));
        assert_eq!(Amount::Count(10).of(3), 10);
        for no in ["0%", "101%", "25", "-1%", "%", "1.5%"] {
            assert_eq!(Amount::read(no), None, "{no}");
        }
        for (text, amount) in [(json!(5), Amount::Count(5)), (json!("5%"), Amount::Percent(5))] {
            let read: Amount = serde_json::from_value(text.clone()).unwrap();
            assert_eq!((read, serde_json::to_value(read).unwrap()), (amount, text));
        }
        for no in [json!(0), json!("0%"), json!(2_000_000), json!(-1)] {
            assert!(serde_json::from_value::<Amount>(no.clone()).is_err(), "{no}");
        }
    }
}
