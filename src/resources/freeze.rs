//! Times in which nobody moves forward, or some do not.

use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HumanDuration, WaveSelector};

/// A time in which nobody moves forward, or some tenants do not: once, or again and again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Freeze {
    /// When it begins (RFC 3339). Absent: it lasts already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub from: Option<Timestamp>,
    /// When it ends by itself (RFC 3339). Absent: when it is taken out of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub until: Option<Timestamp>,
    /// When it begins, again and again: minute, hour, day of the month, month and day of the week, as `0 16 * * FRI`. In place of `from` and `until`, and with `length`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 100))]
    pub cron: Option<String>,
    /// For how long each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<HumanDuration>,
    /// The time zone of `cron`, by its name in the IANA database, as `Europe/Berlin`. Absent: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// Whom it keeps, by the labels by which waves select: others move on, and a wave does not end before those whom it keeps have moved. Absent: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Why, for whoever asks: `quarter close`.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
}

/// What of a freeze lasts at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastingFreeze {
    /// When it ends by itself; absent where it never does, as where each time begins before the last one has ended.
    pub until: Option<Timestamp>,
    /// Whom it keeps, as kubectl takes a selector; absent: everybody.
    pub scope: Option<String>,
    /// Why.
    pub reason: String,
}

/// How often a recurring freeze is followed from one time into the next, before it counts as one that never ends.
const CHAIN: usize = 64;

impl Freeze {
    /// What of it lasts at this time, also of one that comes again and again. What is refused never lasts.
    #[must_use]
    pub fn lasting(&self, now: Timestamp) -> Option<LastingFreeze> {
        let scope = self.selector.as_ref().map(WaveSelector::by).transpose().ok()?;
        let lasts = |from: Option<Timestamp>, until: Option<Timestamp>| {
            let lasts = from.is_none_or(|from| from <= now) && until.is_none_or(|until| now < until);
            lasts.then(|| LastingFreeze {
                until,
                scope: scope.as_ref().map(ToString::to_string),
                reason: self.reason.clone(),
            })
        };
        let Some(cron) = &self.cron else {
            return lasts(self.from, self.until);
        };
        let cron = read(cron).ok()?;
        let zone = zone(self.time_zone.as_deref()).ok()?;
        let length = SignedDuration::try_from(self.length?.0).ok()?;
        let first = previous(&cron, &now.to_zoned(zone))?;
        let end = |of: &Zoned| of.timestamp().checked_add(length).ok();
        let (mut last, mut until) = (first.clone(), end(&first)?);
        for _ in 0..CHAIN {
            match next(&cron, &last) {
                Some(next) if next.timestamp() <= until => (until, last) = (end(&next)?, next),
                _ => return lasts(Some(first.timestamp()), Some(until)),
            }
        }
        lasts(Some(first.timestamp()), None)
    }

    /// Whether it lasts at this time.
    #[must_use]
    pub fn lasts_at(&self, now: Timestamp) -> bool {
        self.lasting(now).is_some()
    }

    /// What is wrong with it, if anything; `at` names it.
    #[must_use]
    pub fn refusal(&self, at: &str) -> Option<String> {
        if let (Some(from), Some(until)) = (self.from, self.until)
            && until <= from
        {
            return Some(format!("{at} ends at {until}, before it begins at {from}"));
        }
        if let Some(Err(why)) = self.selector.as_ref().map(WaveSelector::by) {
            return Some(format!("{at}.selector cannot be used: {why}"));
        }
        let Some(cron) = &self.cron else {
            let alone = [
                (self.length.is_some(), "length"),
                (self.time_zone.is_some(), "timeZone"),
            ];
            let (_, field) = alone.into_iter().find(|(given, _)| *given)?;
            return Some(format!("{at}.{field} goes with cron; say cron too, or leave it out"));
        };
        if self.from.is_some() || self.until.is_some() {
            return Some(format!("{at} has cron beside from or until; make two freezes of it"));
        }
        if self.length.is_none_or(|length| length.0.is_zero()) {
            return Some(format!(
                "{at}.cron goes with length, for how long it lasts each time; give it one"
            ));
        }
        let zone = match zone(self.time_zone.as_deref()) {
            Ok(zone) => zone,
            Err(why) => return Some(format!("{at}.timeZone: {why}")),
        };
        let cron = match read(cron) {
            Ok(cron) => cron,
            Err(why) => return Some(format!("{at}.cron: {why}")),
        };
        let fires = cron.find_next_occurrence(&Timestamp::UNIX_EPOCH.to_zoned(zone), true);
        fires
            .err()
            .map(|_| format!("{at}.cron never comes: there is no such day; correct it"))
    }
}

/// How many times by the clock on the wall are looked at: more than one gap of an hour holds that come at other times.
const BY_WALL: usize = 64;

/// When it last came, at this time at the latest. A time that the clocks skip comes as much later as they skip: croner carries
/// single times past such a gap, and leaves those of lists out.
fn previous(cron: &croner::Cron, now: &Zoned) -> Option<Zoned> {
    let (mut wall, mut inclusive) = (now.datetime(), true);
    let by_wall = (0..BY_WALL).find_map(|_| {
        wall = cron
            .find_previous_occurrence(&wall, std::mem::take(&mut inclusive))
            .ok()?;
        wall.to_zoned(now.time_zone().clone()).ok().filter(|at| at <= now)
    });
    let walked = cron.find_previous_occurrence(now, true).ok();
    walked.into_iter().chain(by_wall).max_by_key(Zoned::timestamp)
}

/// When it comes next after this time; likewise.
fn next(cron: &croner::Cron, after: &Zoned) -> Option<Zoned> {
    let mut wall = after.datetime();
    let by_wall = (0..BY_WALL).find_map(|_| {
        wall = cron.find_next_occurrence(&wall, false).ok()?;
        wall.to_zoned(after.time_zone().clone()).ok().filter(|at| at > after)
    });
    let walked = cron.find_next_occurrence(after, false).ok();
    walked.into_iter().chain(by_wall).min_by_key(Zoned::timestamp)
}

fn read(cron: &str) -> Result<croner::Cron, String> {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    parser.parse(cron).map_err(|why| {
        format!("{cron:?} is none ({why}); it has five fields: minute, hour, day of the month, month, day of the week")
    })
}

fn zone(name: Option<&str>) -> Result<TimeZone, String> {
    let Some(name) = name else { return Ok(TimeZone::UTC) };
    TimeZone::get(name).map_err(|_| format!("there is no time zone {name:?}; take a name as Europe/Berlin"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn weekly(cron: &str, length: u64, time_zone: Option<&str>) -> Freeze {
        Freeze {
            cron: Some(cron.to_owned()),
            length: Some(HumanDuration::from_secs(length)),
            time_zone: time_zone.map(str::to_owned),
            reason: "weekend".to_owned(),
            ..Freeze::default()
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[rstest]
    // On that morning the clocks of New York go from two to three.
    #[case("0 2,14 * * *", "2026-03-08T07:30:00Z", Some("2026-03-08T11:00:00Z"))]
    #[case("0 2 * * *", "2026-03-08T07:30:00Z", Some("2026-03-08T11:00:00Z"))]
    #[case("30 2,14 * * *", "2026-03-08T07:10:00Z", None)]
    #[case("30 2,14 * * *", "2026-03-08T07:30:00Z", Some("2026-03-08T11:30:00Z"))]
    #[case("0 2,14 * * *", "2026-03-08T06:59:59Z", None)]
    #[case("0 2,14 * * *", "2026-03-08T19:00:00Z", Some("2026-03-08T22:00:00Z"))]
    // And in November from two to one: half past one comes twice, and a list begins at both.
    #[case("30 1 * * *", "2026-11-01T06:10:00Z", Some("2026-11-01T09:30:00Z"))]
    #[case("30 1,13 * * *", "2026-11-01T06:10:00Z", Some("2026-11-01T10:30:00Z"))]
    fn a_time_that_the_clocks_skip_comes_when_they_have(
        #[case] cron: &str,
        #[case] now: &str,
        #[case] until: Option<&str>,
    ) {
        let freeze = weekly(cron, 4 * 3600, Some("America/New_York"));
        let lasting = freeze.lasting(at(now)).map(|it| it.until.unwrap().to_string());
        assert_eq!(lasting.as_deref(), until);
    }

    #[test]
    fn a_freeze_comes_again_and_again_by_the_clock_of_its_zone() {
        // From Friday 18:00 in Berlin for 62 hours: until Monday 8:00, but for the night in which the clock goes back.
        let weekend = weekly("0 18 * * FRI", 62 * 3600, Some("Europe/Berlin"));
        let until = |now: &str| weekend.lasting(at(now)).map(|it| it.until.unwrap().to_string());
        assert_eq!(
            until("2026-11-20T16:59:59Z"),
            None,
            "in winter it is five in the afternoon in UTC"
        );
        for lasts in ["2026-11-20T17:00:00Z", "2026-11-22T12:00:00Z", "2026-11-23T06:59:59Z"] {
            assert_eq!(until(lasts).as_deref(), Some("2026-11-23T07:00:00Z"), "{lasts}");
        }
        assert_eq!(until("2026-11-23T07:00:00Z"), None);
        assert_eq!(
            until("2026-07-03T16:00:00Z").as_deref(),
            Some("2026-07-06T06:00:00Z"),
            "in summer"
        );
        assert_eq!(
            until("2026-10-24T12:00:00Z").as_deref(),
            Some("2026-10-26T06:00:00Z"),
            "62 hours all the same"
        );
    }

    #[test]
    fn times_that_run_into_each_other_are_one_and_may_never_end() {
        let daily = weekly("0 0 * * MON,TUE", 24 * 3600, None);
        let monday = daily.lasting(at("2026-11-23T12:00:00Z")).unwrap();
        assert_eq!(monday.until, Some(at("2026-11-25T00:00:00Z")));
        let always = weekly("0 0 * * *", 25 * 3600, None);
        assert_eq!(always.refusal("x"), None, "allowed");
        assert_eq!(
            always.lasting(at("2026-11-23T12:00:00Z")).unwrap().until,
            None,
            "and said"
        );
    }

    #[test]
    fn a_freeze_of_some_tells_whom_it_keeps() {
        let mut close = weekly("0 0 * * MON", 3600, None);
        let monday = at("2026-11-23T00:30:00Z");
        assert_eq!(close.lasting(monday).unwrap().scope, None);
        close.selector = serde_json::from_value(serde_json::json!({"matchLabels": {"region": "emea"}})).unwrap();
        assert_eq!(close.lasting(monday).unwrap().scope.as_deref(), Some("region=emea"));
        assert_eq!(close.refusal("f"), None);
        let odd = serde_json::json!({"matchExpressions": [{"key": "region", "operator": "Near", "values": ["emea"]}]});
        close.selector = serde_json::from_value(odd).unwrap();
        assert!(close.refusal("f").unwrap().starts_with("f.selector cannot be used"));
        assert_eq!(close.lasting(monday), None);
    }

    #[rstest]
    #[case::never(weekly("0 0 31 2 *", 60, None), "f.cron never comes")]
    #[case::no_cron(weekly("whenever", 60, None), "f.cron: \"whenever\" is none")]
    #[case::seconds(weekly("0 0 0 * * *", 60, None), "five fields")]
    #[case::no_zone(weekly("0 0 * * *", 60, Some("Mars/Olympus")), "no time zone \"Mars/Olympus\"")]
    #[case::no_length(Freeze { length: None, ..weekly("0 0 * * *", 60, None) }, "goes with length")]
    #[case::no_time(weekly("0 0 * * *", 0, None), "goes with length")]
    #[case::both(Freeze { until: Some(Timestamp::UNIX_EPOCH), ..weekly("0 0 * * *", 60, None) }, "make two freezes")]
    #[case::alone(Freeze { cron: None, ..weekly("0 0 * * *", 60, None) }, "f.length goes with cron")]
    fn what_can_be_no_freeze_is_refused_and_never_lasts(#[case] freeze: Freeze, #[case] told: &str) {
        let refusal = freeze.refusal("f").unwrap_or_default();
        assert!(refusal.contains(told), "{refusal}");
    }
}
