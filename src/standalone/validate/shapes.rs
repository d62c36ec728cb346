//! What came of a validation, in each shape that people and programs read.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::ValidatedVersion;
use crate::model_version::{Check, Found};
use crate::standalone::report::columns;

/// Where SARIF is described.
const SARIF: &str = "https://json.schemastore.org/sarif-2.1.0.json";

impl ValidatedVersion {
    /// A line a finding, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let checks: Vec<&str> = self.validated.checks.iter().map(|it| it.word()).collect();
        let head = format!(
            "version {} of {}: {} dashboards, checked: {}",
            self.version,
            self.instance,
            self.validated.dashboards.len(),
            checks.join(", ")
        );
        let all = self.validated.findings.len();
        if all == 0 {
            return format!("{head}\nnothing was found\n");
        }
        let blocking = self.blocking().count();
        let mut lines = vec![
            ["CHECK", "BLOCKS", "DASHBOARD", "TILE", "AS", "WHAT"]
                .map(str::to_owned)
                .to_vec(),
        ];
        for found in &self.validated.findings {
            let cell = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            lines.push(vec![
                found.check.word().to_owned(),
                if found.blocks { "yes" } else { "no" }.to_owned(),
                cell(&found.slug),
                cell(&found.tile),
                cell(&found.asked_as),
                found.text.clone(),
            ]);
        }
        format!("{head}\n{}\n{blocking} of {all} findings block\n", columns(&lines))
    }

    /// The same for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let finding = |it: &Found| {
            json!({
                "check": it.check.word(), "blocks": it.blocks, "dashboard": it.slug, "tile": it.tile,
                "environment": it.environment, "as": it.asked_as,
                "text": it.text, "fingerprint": it.fingerprint,
            })
        };
        json!({
            "instance": self.instance,
            "name": self.name,
            "version": self.version,
            "checks": self.validated.checks.iter().map(|it| it.word()).collect::<Vec<_>>(),
            "dashboards": self.validated.dashboards,
            "blocking": self.blocking().count(),
            "findings": self.validated.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    }

    /// As the results of tests: a suite a check, a case a dashboard; the model is a case of its own. What is let pass
    /// stands in a case's output.
    #[must_use]
    pub fn junit(&self) -> String {
        let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
        let failures = self.blocking().count();
        let suites: Vec<(Check, Vec<Option<&String>>)> =
            self.validated.checks.iter().map(|it| (*it, self.cases(*it))).collect();
        let tests: usize = suites.iter().map(|(_, cases)| cases.len()).sum();
        let name = escaped(&format!("{} version {}", self.instance, self.version));
        let _ = writeln!(
            text,
            "<testsuites name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\">"
        );
        for (check, cases) in suites {
            let failures = self.blocking().filter(|it| it.check == check).count();
            let word = check.word();
            let _ = writeln!(
                text,
                "  <testsuite name=\"{word}\" tests=\"{}\" failures=\"{failures}\">",
                cases.len()
            );
            for case in cases {
                self.case(check, case, &mut text);
            }
            text.push_str("  </testsuite>\n");
        }
        text.push_str("</testsuites>\n");
        text
    }

    fn cases(&self, check: Check) -> Vec<Option<&String>> {
        match check {
            Check::Model => vec![None],
            _ => self.validated.dashboards.iter().map(Some).collect(),
        }
    }

    fn case(&self, check: Check, slug: Option<&String>, text: &mut String) {
        let name = escaped(slug.map_or(self.name.as_str(), String::as_str));
        let own = self.validated.findings.iter();
        let own: Vec<&Found> = own.filter(|it| it.check == check && it.slug.as_ref() == slug).collect();
        let word = check.word();
        if own.is_empty() {
            let _ = writeln!(text, "    <testcase classname=\"{word}\" name=\"{name}\"/>");
            return;
        }
        let _ = writeln!(text, "    <testcase classname=\"{word}\" name=\"{name}\">");
        for found in own.iter().filter(|it| it.blocks) {
            let _ = writeln!(text, "      <failure message=\"{}\"/>", escaped(&said(found)));
        }
        let passed: Vec<String> = own
            .iter()
            .filter(|it| !it.blocks)
            .map(|it| escaped(&said(it)))
            .collect();
        if !passed.is_empty() {
            let _ = writeln!(text, "      <system-out>{}</system-out>", passed.join("\n"));
        }
        text.push_str("    </testcase>\n");
    }

    /// As the results of an analysis, in SARIF 2.1.0.
    #[must_use]
    pub fn sarif(&self) -> Value {
        let rules = self.validated.checks.iter().map(|it| json!({"id": it.word()}));
        let result = |found: &Found| {
            let version = format!("{}/v{}", self.instance, self.version);
            let place = [Some(&version), found.slug.as_ref(), found.tile.as_ref()];
            let place: Vec<&str> = place.into_iter().flatten().map(String::as_str).collect();
            json!({
                "ruleId": found.check.word(),
                "level": if found.blocks { "error" } else { "note" },
                "message": {"text": said(found)},
                "locations": [{"logicalLocations": [{"fullyQualifiedName": place.join("/")}]}],
                "partialFingerprints": {"finding/v1": found.fingerprint},
            })
        };
        json!({
            "$schema": SARIF,
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {
                    "name": "wavepin", "version": env!("CARGO_PKG_VERSION"), "rules": rules.collect::<Vec<_>>(),
                }},
                "results": self.validated.findings.iter().map(result).collect::<Vec<_>>(),
            }],
        })
    }
}

/// What was found, where, and for whom.
fn said(found: &Found) -> String {
    let slug = found.slug.as_ref().map(|it| format!("{it}: ")).unwrap_or_default();
    // The words of the content validation name the tile themselves.
    let tile = match found.check {
        Check::Queries | Check::Routing => found.tile.as_ref().map(|it| format!("tile {it:?}: ")),
        Check::Model | Check::Content => None,
    };
    let asked_as = found
        .asked_as
        .as_ref()
        .map(|it| format!("as {it}: "))
        .unwrap_or_default();
    format!("{slug}{}{asked_as}{}", tile.unwrap_or_default(), found.text)
}

/// A text that may stand in XML; what no XML can hold is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(' '),
            letter if letter < ' ' || letter == '\u{fffe}' || letter == '\u{ffff}' => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_version::Validated;

    fn found(check: Check, slug: Option<&str>, blocks: bool, text: &str) -> Found {
        Found {
            check,
            slug: slug.map(ToOwned::to_owned),
            tile: slug.map(|_| "Beds".to_owned()),
            environment: None,
            asked_as: None,
            text: text.to_owned(),
            blocks,
            fingerprint: "ab12".to_owned(),
        }
    }

    fn version() -> ValidatedVersion {
        ValidatedVersion {
            instance: "clinical".to_owned(),
            name: "clinical-v2".to_owned(),
            version: 2,
            validated: Validated {
                checks: vec![Check::Model, Check::Content],
                dashboards: vec!["a".to_owned(), "b".to_owned()],
                findings: vec![
                    found(Check::Model, None, false, "a \"warning\""),
                    found(Check::Content, Some("a"), true, "1 < 2 & \u{1}more"),
                ],
            },
        }
    }

    #[test]
    fn every_case_stands_in_the_suite_of_its_check_and_names_are_escaped() {
        let wanted = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="clinical version 2" tests="3" failures="1">
  <testsuite name="model" tests="1" failures="0">
    <testcase classname="model" name="clinical-v2">
      <system-out>a &quot;warning&quot;</system-out>
    </testcase>
  </testsuite>
  <testsuite name="content" tests="2" failures="1">
    <testcase classname="content" name="a">
      <failure message="a: 1 &lt; 2 &amp; more"/>
    </testcase>
    <testcase classname="content" name="b"/>
  </testsuite>
</testsuites>
"#;
        assert_eq!(version().junit(), wanted);
    }

    #[test]
    fn what_blocks_is_an_error_and_has_a_place_and_a_name() {
        let sarif = version().sarif();
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        assert_eq!([&results[0]["level"], &results[1]["level"]], ["note", "error"]);
        let place = &results[1]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"];
        assert_eq!(place, "clinical/v2/a/Beds");
        assert_eq!(results[1]["partialFingerprints"]["finding/v1"], "ab12");
    }
}
