//! Durations as people write them: `45s`, `24h`, `1h30m`.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest that is taken: ten years, so that no sum with a time of today is beyond the calendar.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A length of time, at most ten years, written in hours, minutes, seconds and milliseconds, largest first: `24h`, `1h30m`, `500ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration(pub Duration);

impl HumanDuration {
    /// So many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl From<HumanDuration> for Duration {
    fn from(duration: HumanDuration) -> Self {
        duration.0
    }
}

impl FromStr for HumanDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || format!("{text:?} is no duration; write it like 45s, 24h or 1h30m");
        let signed: jiff::SignedDuration = text.parse().map_err(|_| refused())?;
        let duration = Duration::try_from(signed).map_err(|_| refused())?;
        if duration > LONGEST {
            return Err(format!(
                "{text:?} is longer than ten years (87600h); write a shorter one"
            ));
        }
        Ok(Self(duration))
    }
}

impl std::fmt::Display for HumanDuration {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = self.0.subsec_millis();
        let seconds = self.0.as_secs();
        let parts = [
            (seconds / 3600, "h"),
            (seconds % 3600 / 60, "m"),
            (seconds % 60, "s"),
            (millis.into(), "ms"),
        ];
        let mut empty = true;
        for (amount, unit) in parts {
            if amount > 0 {
                empty = false;
                write!(formatter, "{amount}{unit}")?;
            }
        }
        if empty { formatter.write_str("0s") } else { Ok(()) }
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for HumanDuration {
    fn schema_name() -> Cow<'static, str> {
        "HumanDuration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 24,
            "pattern": r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["45s", "24h", "1h30m", "500ms", "0s", "1h1m1s1ms"] {
            let duration: HumanDuration = text.parse().unwrap();
            assert_eq!(duration.to_string(), text);
        }
        assert_eq!("90m".parse::<HumanDuration>().unwrap().to_string(), "1h30m");
    }

    #[test]
    fn ten_years_are_the_longest() {
        assert!("87600h".parse::<HumanDuration>().is_ok());
        for text in ["87600h1ms", "999999999999h", "99999999999999999999h"] {
            let refusal = text.parse::<HumanDuration>().unwrap_err();
            assert!(refusal.contains("87600h") || refusal.contains("1h30m"), "{refusal}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in ["", "soon", "-5s", "1 fortnight"] {
            let refusal = text.parse::<HumanDuration>().unwrap_err();
            assert!(refusal.contains("1h30m"), "{refusal}");
        }
    }
}
