//! The port's calls, said once for both dialects: each is a method of the adapter, run within its time and named in its
//! error.

/// Implements [`Mapping`](crate::ports::Mapping) and [`Budget`](crate::ports::Budget) by the adapter's own methods. A
/// macro and not a trait between: that would list every call a third time.
macro_rules! calls_by_their_parts {
    ($adapter:ident) => {
        const _: () = {
            use std::collections::{BTreeMap, BTreeSet};

            use async_trait::async_trait;
            use jiff::Timestamp;

            use crate::mapping::calls::calls;
            use crate::ports::{
                Ask, Budget, ChannelNote, CheckResult, Claim, Command, CompleteVersion, DashboardRecord, DashboardRow, EnvironmentView, Flip, FlipOutcome,
                FoundLine, FoundReport, History, HistoryAsk, Intent, IntentStep, Mapping, MappingError, Organization, Place, Return, RolloutEvent, RowRemoval, Shape,
                Told, VersionChange, VersionRecord,
            };
            use crate::resources::TenantTable;

            calls! { Budget for $adapter:
                fn take_place(ask: &Ask) -> Place
                    = take(ask) as budget, "take a place in the request budget";
                fn give_back(place: &Return) -> ()
                    = free(place) as budget, "give a place in the request budget back";
                fn standing(key: &str, rate: u32) -> Told
                    = read_standing(key, rate) as budget, "read the request budget";
            }

            calls! { Mapping for $adapter:
                fn prepare(owner: &str, take_from: Option<&str>) -> Shape
                    = prepared(owner, take_from) as prepare, "prepare the mapping database";
                fn organization() -> Option<Organization>
                    = read_organization() as read, "read what the organisation is recognised by";
                fn record_organization(organization: &Organization) -> ()
                    = write_organization(organization) as write, "record what the organisation is recognised by";

                fn versions() -> BTreeMap<i32, VersionRecord>
                    = read_versions() as read, "read the ledger's versions";
                fn record_version(version: i32, source: &str, holder: &str) -> VersionRecord
                    = insert_version(version, source, holder) as write, "record version {version} in the ledger";
                fn change_version(version: i32, change: &VersionChange) -> ()
                    = update_version(version, change) as write, "change the ledger's record of version {version}";

                fn found(version: i32) -> Vec<FoundLine>
                    = read_found(version) as read, "read what was found in version {version}";
                fn record_found(version: i32, report: &FoundReport) -> ()
                    = write_found(version, report) as write, "record what was found in version {version}";

                fn intents(version: i32) -> Vec<Intent>
                    = read_intents(version) as read, "read the intents of version {version}";
                fn open_intent(version: i32, step: IntentStep, subject: &str, at: Timestamp) -> ()
                    = write_intent(version, step, subject, at, None) as write,
                    "open an intent of version {version} ({step:?} {subject:?})";
                fn settle_intent(version: i32, step: IntentStep, subject: &str, at: Timestamp, result: &str) -> ()
                    = write_intent(version, step, subject, at, Some(result)) as write,
                    "settle an intent of version {version} ({step:?} {subject:?})";
                fn drop_intent(version: i32, step: IntentStep, subject: &str) -> ()
                    = delete_intent(version, step, subject) as write,
                    "drop an intent of version {version} ({step:?} {subject:?})";

                fn dashboards(version: i32) -> BTreeMap<String, DashboardRecord>
                    = read_dashboards(version) as read, "read the recorded dashboards of version {version}";
                fn record_dashboard(version: i32, dashboard: &DashboardRecord) -> ()
                    = write_dashboard(version, dashboard) as write, "record dashboard {:?} of version {version}", dashboard.slug;
                fn rows(version: i32) -> Vec<DashboardRow>
                    = read_rows(version) as read, "read the rows of version {version}";
                fn complete_version(complete: &CompleteVersion) -> ()
                    = write_complete(complete) as write, "write the rows of version {}", complete.version;
                fn tenants_by_version() -> BTreeMap<i32, u64>
                    = count_tenants() as read, "count the tenants of each version";

                fn tended_environments() -> BTreeSet<String>
                    = read_tended_environments() as read, "list the environments of claims and orders";
                fn environment(environment: &str, evidence: &[String], tenants: Option<&TenantTable>) -> EnvironmentView
                    = read_environment(environment, evidence, tenants) as read, "read environment {environment:?}";
                fn history(ask: &HistoryAsk) -> History
                    = read_history(ask) as read, "read the ledger's history";
                fn set_claims(environment: &str, claims: &[Claim]) -> ()
                    = write_claims(environment, claims) as write, "set claims in environment {environment:?}";
                fn release_claims(environment: &str, tenants: &[String]) -> ()
                    = delete_claims(environment, tenants) as write, "release claims in environment {environment:?}";
                fn record_outside(environment: &str, changes: &[(String, Option<i32>, Option<i32>, i32)]) -> ()
                    = write_outside(environment, changes) as write,
                    "record changes by another hand in environment {environment:?}";
                fn record_rollout(environment: &str, events: &[RolloutEvent]) -> ()
                    = write_rollout(environment, events) as write, "record the rollout of environment {environment:?}";
                fn record_checks(environment: &str, results: &[CheckResult]) -> ()
                    = write_checks(environment, results) as write, "record checks of environment {environment:?}";
                fn record_channels(environment: &str, notes: &[(String, ChannelNote)]) -> ()
                    = write_channels(environment, notes) as write,
                    "record who was told of the rollout of environment {environment:?}";
                fn flip(flip: &Flip) -> FlipOutcome
                    = write_flip(flip) as write,
                    "move tenants of environment {:?} ({})", flip.environment, flip.reason;
                fn newest_command() -> i64
                    = read_newest_command() as read, "look for commands";
                fn give_command(command: &Command) -> i64
                    = write_command(command) as write, "record a command for environment {:?}", command.environment;
                fn remove_rows(environment: &str, rows: &[RowRemoval]) -> ()
                    = delete_rows(environment, rows) as write, "delete rows of environment {environment:?}";
            }
        };
    };
}

/// A call a line: its signature, the adapter's method behind it, its class in measures, and what an error says was tried.
macro_rules! calls {
    ($port:ident for $adapter:ty:
        $(fn $name:ident($($arg:ident: $type:ty),*) -> $answer:ty
            = $part:ident($($given:expr),*) as $class:ident, $what:literal $(, $told:expr)*;)+
    ) => {
        #[async_trait]
        impl $port for $adapter {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$answer, MappingError> {
                let action = || format!($what $(, $told)*);
                self.run(stringify!($class), action, self.$part($($given),*)).await
            })+
        }
    };
}

pub(super) use {calls, calls_by_their_parts};
