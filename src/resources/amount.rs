//! Numbers of tenants, and parts of them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of tenants, or a part of them, of which the least is `LEAST`: 1, or 0 where nobody may be meant too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenants<const LEAST: u8> {
    /// So many: `LEAST` to 1,000,000.
    Count(u32),
    /// So many of a hundred: `LEAST` to 100.
    Percent(u8),
}

/// A number of tenants of which at least one is meant, or a part of them, rounded up.
pub type Amount = Tenants<1>;

/// A number of tenants that may fail, or a part of them, rounded down; nobody too.
pub type Allowance = Tenants<0>;

impl<const LEAST: u8> Tenants<LEAST> {
    /// How many of so many. A part is rounded up to at least one where one is the least, else down.
    #[must_use]
    pub fn of(self, all: u32) -> u32 {
        let least = u32::from(LEAST);
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let hundredths = u64::from(all) * u64::from(percent);
                let part = if LEAST == 0 {
                    hundredths / 100
                } else {
                    hundredths.div_ceil(100)
                };
                u32::try_from(part).unwrap_or(u32::MAX).max(least)
            }
        }
    }

    fn read(text: &str) -> Option<Self> {
        let digits = text.strip_suffix('%')?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let percent: u8 = digits.parse().ok().filter(|_| plain)?;
        (LEAST..=100).contains(&percent).then_some(Self::Percent(percent))
    }
}

impl<const LEAST: u8> std::fmt::Display for Tenants<LEAST> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(formatter, "{count}"),
            Self::Percent(percent) => write!(formatter, "{percent}%"),
        }
    }
}

impl<const LEAST: u8> Serialize for Tenants<LEAST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de, const LEAST: u8> Deserialize<'de> for Tenants<LEAST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written<'t> {
            Count(u32),
            Text(#[serde(borrow)] Cow<'t, str>),
        }
        let refused = |given: &str| {
            serde::de::Error::custom(format!(
                "{given} is no number of tenants; write a number from {LEAST}, or a part to 100% as 25%"
            ))
        };
        match Written::deserialize(deserializer)? {
            Written::Count(count) if (u32::from(LEAST)..=1_000_000).contains(&count) => Ok(Self::Count(count)),
            Written::Count(count) => Err(refused(&count.to_string())),
            Written::Text(text) => Self::read(&text).ok_or_else(|| refused(&format!("{text:?}"))),
        }
    }
}

impl<const LEAST: u8> JsonSchema for Tenants<LEAST> {
    fn schema_name() -> Cow<'static, str> {
        format!("TenantsFrom{LEAST}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let digits = if LEAST == 0 { "[0-9]|[1-9][0-9]" } else { "[1-9][0-9]?" };
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "minimum": LEAST,
            "maximum": 1_000_000,
            "maxLength": 8,
            "pattern": format!("^({digits}|100)%$"),
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
        for no in ["0%", "101%", "25", "-1%", "+1%", "%", "1.5%"] {
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

    #[test]
    fn what_may_fail_is_rounded_down_and_may_be_nobody() {
        let of = |text: &str, all| Allowance::read(text).unwrap().of(all);
        assert_eq!((of("2%", 99), of("2%", 100), of("0%", 7), of("100%", 7)), (1, 2, 0, 7));
        assert_eq!(Allowance::Count(10).of(3), 10);
        for no in ["101%", "2", "-1%", "+1%", "%", "1.5%"] {
            assert_eq!(Allowance::read(no), None, "{no}");
        }
        for yes in [json!(0), json!("0%"), json!(5), json!("5%")] {
            let read: Allowance = serde_json::from_value(yes.clone()).unwrap();
            assert_eq!(serde_json::to_value(read).unwrap(), yes);
        }
        for no in [json!("101%"), json!(-1), json!(2_000_000), json!("many")] {
            assert!(serde_json::from_value::<Allowance>(no.clone()).is_err(), "{no}");
        }
    }
}
