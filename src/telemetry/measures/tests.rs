//! What a scrape says.

use super::*;

#[track_caller]
fn says(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|it| it == *line), "no {line} in\n{text}");
    }
}

fn budget() -> Vec<BudgetMeasure> {
    vec![BudgetMeasure {
        budget: "ab12".to_owned(),
        limit: 55,
        used: 12,
        paused: Duration::from_millis(2500),
        waiting: vec![("unstick", 0), ("check", 3)],
    }]
}

#[test]
fn a_scrape_tells_requests_budgets_and_the_longest_cut() {
    let measures = Measures::default();
    let took = Duration::from_millis(30);
    measures.request("GET /v1/models", "accepted", took);
    measures.request("GET /v1/models", "accepted", took);
    measures.request("GET /v1/models", "throttled", took);
    measures.read_budgets(budget);
    measures.cut("apps/v2", Some(Duration::from_secs(90)));
    measures.cut("apps/v3", Some(Duration::from_secs(200)));
    measures.cut("apps/v3", None);
    for text in [measures.text(), measures.text()] {
        says(
            &text,
            &[
                r#"wavepin_omni_requests_total{operation="GET /v1/models",outcome="accepted"} 2"#,
                r#"wavepin_omni_requests_total{operation="GET /v1/models",outcome="throttled"} 1"#,
                r#"wavepin_omni_request_duration_seconds_bucket{le="0.1"} 3"#,
                r#"wavepin_budget_limit{budget="ab12"} 55"#,
                r#"wavepin_budget_used{budget="ab12"} 12"#,
                r#"wavepin_budget_waiting{budget="ab12",urgency="check"} 3"#,
                r#"wavepin_budget_paused_seconds{budget="ab12"} 2.5"#,
                "wavepin_cut_left_seconds 90.0",
            ],
        );
        assert!(text.ends_with("# EOF\n") && !text.contains("apps"), "{text}");
    }
}

#[test]
fn what_is_gone_is_not_told_any_more() {
    let measures = Measures::default();
    let there = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let reads = Arc::clone(&there);
    measures.read_objects(move || {
        let mut objects = ObjectsMeasure::default();
        if reads.load(std::sync::atomic::Ordering::SeqCst) {
            objects.tenants.insert("2".to_owned(), 7);
        }
        objects
    });
    says(&measures.text(), &[r#"wavepin_tenants{version="2"} 7"#]);
    there.store(false, std::sync::atomic::Ordering::SeqCst);
    assert!(!measures.text().contains("wavepin_tenants{"));
}

#[test]
fn a_database_counts_as_its_last_call_ended_and_for_as_long_as_somebody_keeps_it() {
    let measures = Measures::default();
    let (first, second) = (measures.database(), measures.database());
    let took = Duration::from_millis(2);
    says(&measures.text(), &[r#"wavepin_databases{state="up"} 0"#]);
    first.called("read", "done", took);
    second.called("budget", "unreachable", took);
    second.called("budget", "forbidden", took);
    first.called("connect", "unreachable", took);
    says(
        &measures.text(),
        &[
            r#"wavepin_databases{state="up"} 1"#,
            r#"wavepin_databases{state="down"} 1"#,
            r#"wavepin_database_calls_total{class="budget",outcome="unreachable"} 1"#,
            r#"wavepin_database_call_duration_seconds_count{class="budget"} 2"#,
        ],
    );
    drop(first);
    says(&measures.text(), &[r#"wavepin_databases{state="down"} 0"#]);
}

#[test]
fn the_lead_is_told_and_what_became_of_it() {
    let measures = Measures::default();
    says(&measures.text(), &["wavepin_leader 0"]);
    measures.lease("acquired");
    says(&measures.text(), &["wavepin_leader 1"]);
    measures.lease("released");
    says(
        &measures.text(),
        &[
            "wavepin_leader 0",
            r#"wavepin_lease_transitions_total{transition="acquired"} 1"#,
            r#"wavepin_lease_transitions_total{transition="lost"} 0"#,
        ],
    );
}

#[test]
fn the_older_format_names_counters_by_their_samples_and_knows_no_exemplars() {
    let text = "# HELP a A thing.\n# TYPE a counter\na_total{b=\"c\"} 1\n# HELP d Others.\n# TYPE d histogram\n# UNIT d seconds\n\
                d_bucket{le=\"1.0\"} 2 # {trace_id=\"e\"} 0.4\nd_count 2\n# EOF\n";
    let expected = "# HELP a_total A thing.\n# TYPE a_total counter\na_total{b=\"c\"} 1\n# HELP d Others.\n\
                    # TYPE d histogram\nd_bucket{le=\"1.0\"} 2\nd_count 2\n";
    assert_eq!(classic::classic(text), expected);
}

#[test]
fn every_measure_is_described_once_as_a_scrape_has_it() {
    let measures = Measures::default();
    let text = measures.classic_text();
    let names: std::collections::BTreeSet<&str> = measures.described().iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names.len(), measures.described().len());
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let described = measures.described().iter().find(|it| it.name == name);
        assert_eq!(described.map(|it| it.kind), Some(kind), "{name}");
    }
}
