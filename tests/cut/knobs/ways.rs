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
    /// The first of every other kind that writes.
    Writes,
    /// The first of every kind about models, but the one that makes the model itself.
    OfModel,
    /// Two, whatever they are, from the one with this number on.
    From(u32),
}

/// A kind of call: the method, and the path as it is served.
pub(super) type Kind = (&'static str, &'static str);

/// It makes the model, and later its branch.
const MODELS: Kind = ("POST", "/api/v1/models");
const FOLDERS: Kind = ("POST", "/api/v1/folders");
const IMPORT: Kind = ("POST", "/api/unstable/documents/import");

impl Place {
    /// Those of which a table tells: what each befalls does not depend on the order of calls.
    pub(super) const TOLD: [Self; 5] = [Self::Model, Self::Folder, Self::Copy, Self::Writes, Self::Reads];

    /// The kinds of call that it is about, of a cut that makes these.
    fn kinds(self, calls: &[Kind]) -> Vec<Kind> {
        let of = |is_it: fn(&Kind) -> bool| calls.iter().copied().filter(is_it).collect();
        match self {
            Self::Model => vec![MODELS],
            Self::Folder => vec![FOLDERS],
            Self::Copy => vec![IMPORT],
            Self::Reads => of(|it| it.0 == "GET"),
            Self::Writes => of(|it| it.0 != "GET" && *it != FOLDERS && *it != IMPORT),
            Self::OfModel => of(|it| it.1.starts_with("/api/v1/models")),
            Self::From(_) => Vec::new(),
        }
    }

    /// What befalls them, by one fault.
    fn faults(self, calls: &[Kind], fault: &FaultKind) -> Vec<Fault> {
        if let Self::From(after) = self {
            let any = Fault::once("GET", "", fault.clone()).expect("a pattern");
            let (method, times) = (None, 2);
            return vec![Fault {
                method,
                times,
                after,
                ..any
            }];
        }
        let befalling = |kind: Kind| {
            let once = Fault::once(kind.0, &pattern(kind.1), fault.clone()).expect("a pattern");
            // The branch is made after the model.
            let is_branch = kind == MODELS && self != Self::Model;
            Fault {
                after: u32::from(is_branch),
                ..once
            }
        };
        self.kinds(calls).into_iter().map(befalling).collect()
    }

    /// Whether every one of its calls was befallen.
    pub(super) fn struck(self, calls: &[Kind], requests: &[LoggedRequest]) -> bool {
        let befallen: Vec<Kind> = requests
            .iter()
            .filter(|it| it.fault.is_some())
            .filter_map(kind)
            .collect();
        self.kinds(calls).iter().all(|it| befallen.contains(it))
    }
}

/// The path of a served call, as a regular expression.
fn pattern(template: &str) -> String {
    let segments = template.split('/');
    let segments = segments.map(|it| if it.starts_with('{') { "[^/]+" } else { it });
    format!("^{}$", segments.collect::<Vec<_>>().join("/"))
}

/// The kind of a call that is served.
pub(super) fn kind(request: &LoggedRequest) -> Option<Kind> {
    let served = SERVED.into_iter().chain([("GET", "/openapi.json")]);
    let of_it = served.filter(|(method, template)| *method == request.method && is_of(template, &request.path));
    // A literal segment is nearer than a parameter.
    of_it.min_by_key(|(_, template)| template.matches('{').count())
}

impl Otherwise {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Knob(name, setting) => format!("knob `{name}` = `{setting}`"),
            Self::Fault(fault, place) => format!("{} of {place:?}", fault_name(fault)),
        }
    }

    /// From now on Omni is so; the cut makes these kinds of call.
    pub(super) fn befall(&self, simulator: &Simulator, calls: &[Kind]) {
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
                place.faults(calls, &kind).into_iter().for_each(|it| simulator.arm(it));
            }
        }
    }

    /// It is waited for in real time.
    pub(super) fn waits(&self) -> bool {
        let name = self.name();
        ["`hang`", "`slow_body`", "retry_after"]
            .iter()
            .any(|slow| name.contains(slow))
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
