//! The ways in which Omni may be otherwise while a version is cut.

use serde_json::{Value, json};
use wavepin::simulator::{Fault, FaultKind, Knobs, LoggedRequest, SERVED, Simulator};

use crate::contract::check::is_of;

/// A way in which Omni may be otherwise.
#[derive(Debug, Clone)]
pub(super) enum Otherwise {
    Knob(&'static str, Value),
    /// It befalls calls of the cut.
    Fault(Value, Place),
}

/// Which calls of a cut a fault befalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The first that makes the model.
    Model,
    /// The first that makes the folder.
    Folder,
    /// The first that makes a copy of a dashboard.
    Copy,
    /// The first of every kind that reads.
    Reads,
    /// Two, whatever they are, from the one with this number on.
    From(u32),
}

impl Place {
    /// Those of which a table tells: what each befalls does not depend on the order of calls.
    pub(super) const TOLD: [Self; 4] = [Self::Model, Self::Folder, Self::Copy, Self::Reads];

    /// Method, path and number of the calls, of a cut that reads by these calls.
    fn calls(self, reads: &[&str]) -> Vec<(Option<&'static str>, String, u32)> {
        let one = |path: &str| vec![(Some("POST"), path.to_owned(), 1)];
        match self {
            Self::Model => one("^/api/v1/models$"),
            Self::Folder => one("^/api/v1/folders$"),
            Self::Copy => one("/documents/import$"),
            Self::Reads => reads.iter().map(|it| (Some("GET"), pattern(it), 1)).collect(),
            Self::From(_) => vec![(None, String::new(), 2)],
        }
    }

    /// Whether every one of its calls was befallen.
    pub(super) fn struck(self, reads: &[&str], requests: &[LoggedRequest]) -> bool {
        let mut befallen = requests.iter().filter(|it| it.fault.is_some());
        match self {
            Self::Reads => {
                let read: Vec<&str> = befallen.filter_map(reading).collect();
                reads.iter().all(|it| read.contains(it))
            }
            Self::Model | Self::Folder | Self::Copy | Self::From(_) => befallen.next().is_some(),
        }
    }
}

/// The path of a served call, as a regular expression.
fn pattern(template: &str) -> String {
    let segments = template.split('/');
    let segments = segments.map(|it| if it.starts_with('{') { "[^/]+" } else { it });
    format!("^{}$", segments.collect::<Vec<_>>().join("/"))
}

/// The served call that a request reads by, as a template of its path; none where it does not only read.
pub(super) fn reading(request: &LoggedRequest) -> Option<&'static str> {
    let served = SERVED.iter().map(|(method, template)| (*method, *template));
    let served = served.chain([("GET", "/openapi.json")]);
    let mut of_it = served.filter(|(method, template)| *method == "GET" && is_of(template, &request.path));
    let read = of_it.next().map(|(_, template)| template);
    read.filter(|_| request.method == "GET")
}

impl Otherwise {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Knob(name, setting) => format!("knob `{name}` = `{setting}`"),
            Self::Fault(fault, place) => format!("{} of {place:?}", fault_name(fault)),
        }
    }

    /// From now on Omni is so; the cut reads by these calls.
    pub(super) fn befall(&self, simulator: &Simulator, reads: &[&str]) {
        match self {
            Self::Knob(name, setting) => {
                let mut knobs: Knobs = simulator.knobs();
                knobs.turn(name, setting.clone()).expect("the setting makes sense");
                // By itself it changes nothing.
                if *name == "list_lag_changes" {
                    knobs.list_lag_millis = 5000;
                }
                simulator.turn(|present| *present = knobs);
            }
            Self::Fault(fault, place) => {
                let kind: FaultKind = serde_json::from_value(fault.clone()).expect("there is such a fault");
                let after = match place {
                    Place::From(call) => *call,
                    _ => 0,
                };
                for (method, path, times) in place.calls(reads) {
                    let once = Fault::once("GET", &path, kind.clone()).expect("a pattern");
                    let method = method.map(str::to_owned);
                    simulator.arm(Fault {
                        method,
                        times,
                        after,
                        ..once
                    });
                }
            }
        }
    }
}

/// A fault by its kind, and by its settings where it has some.
pub(super) fn fault_name(fault: &Value) -> String {
    match fault.as_object().is_some_and(|it| it.len() == 1) {
        true => format!("fault `{}`", fault["kind"].as_str().unwrap_or_default()),
        false => format!("fault `{fault}`"),
    }
}

/// Every knob, each away from its default.
pub(super) fn knobs() -> Vec<Otherwise> {
    [
        ("import_answer", json!("workbook")),
        ("import_answer", json!("unknown")),
        ("import_mini_uuid_map", json!(false)),
        ("import_folder", json!("root")),
        ("import_folder", json!("personal")),
        ("import_ignores_folder_id", json!(true)),
        ("import_fills_query_models", json!(true)),
        ("import_drops_tile", json!(true)),
        ("import_renews_upload_ids", json!(true)),
        ("documents_flat_charts", json!(true)),
        ("documents_need_fields", json!(true)),
        ("documents_tile_cap", json!(48)),
        ("identifier_clash", json!("overwrite")),
        ("identifier_clash", json!("suffix")),
        ("validate_answer", json!("object")),
        ("checksum_mismatch", json!(409)),
        ("yaml_answers_files", json!(true)),
        ("unstable_yaml_gone", json!(true)),
        ("folder_clash", json!("reject")),
        ("folder_clash", json!("twin")),
        ("permissions_show_inherited", json!(false)),
        ("permissions_answer", json!("principals")),
        ("document_defaults", json!("documentation")),
        ("document_labels", json!("objects")),
        ("environments_answer", json!("data")),
        ("move_by_post", json!(true)),
        ("model_name_unique", json!(true)),
        ("model_twin", json!(true)),
        ("schema_model", json!("unrefreshed")),
        ("schema_model", json!("absent")),
        ("create_model_fails_inside", json!(true)),
        ("failed_drafts", json!(2)),
        ("git_first_sync", json!("erase")),
        ("branch_schema_refresh", json!(true)),
        ("caller_attribute", json!(null)),
        ("query_user_routes", json!(false)),
        ("unset_schema_attribute", json!("fails")),
        ("run_timeouts", json!(2)),
        ("key_is_personal", json!(true)),
        ("bad_key_status", json!(401)),
        ("connection_admin", json!(false)),
        ("retry_after", json!(1)),
        ("list_lag_millis", json!(5000)),
        ("list_lag_changes", json!(true)),
        ("requests_per_minute", json!(20)),
        ("budget_window_millis", json!(500)),
        ("openapi", json!("absent")),
        ("openapi_patch", json!({"paths": {"/api/v1/models": null}})),
        ("another_organisation", json!(true)),
    ]
    .map(|(name, setting)| Otherwise::Knob(name, setting))
    .into()
}

/// Every kind of fault, some with other settings too.
pub(super) fn faults() -> Vec<Value> {
    [
        // Those that take long stand first, so that the others are done meanwhile.
        json!({"kind": "hang"}),
        json!({"kind": "slow_body"}),
        json!({"kind": "status_429"}),
        json!({"kind": "status_429", "retry_after": 1}),
        json!({"kind": "status", "code": 503}),
        json!({"kind": "status_500_before"}),
        json!({"kind": "status_500_after"}),
        json!({"kind": "lost_answer"}),
        json!({"kind": "drop_before"}),
        json!({"kind": "doubled"}),
        json!({"kind": "slow", "millis": 50}),
        json!({"kind": "truncated"}),
        json!({"kind": "wrong_json"}),
        json!({"kind": "renamed_field", "from": "id", "to": "uuid"}),
        json!({"kind": "changed_field", "name": "id", "to": 7}),
        json!({"kind": "failure_inside"}),
        json!({"kind": "missing"}),
        json!({"kind": "gone", "successor": "/api/v2/models"}),
        json!({"kind": "forbidden"}),
        json!({"kind": "not_json"}),
        json!({"kind": "redirect", "to": "https://elsewhere.example/"}),
        json!({"kind": "huge", "bytes": 100_000_000}),
        json!({"kind": "endless"}),
        json!({"kind": "nested", "depth": 100_000}),
        json!({"kind": "invalid_utf8"}),
    ]
    .into()
}
