//! The port's calls, said once for both dialects: each is a method of the adapter, run within its time and named in its
//! error.

/// Implements [`Mapping`](crate::ports::Mapping) and [`Budget`](crate::ports::Budget) by the adapter's own methods. A macro and not a trait between: that would
/// list every call a third time.
macro_rules! calls_by_their_parts {
    ($adapter:ident) => {
        const _: () = {
            use std::collections::{BTreeMap, BTreeSet};

            use async_trait::async_trait;
            use jiff::Timestamp;

            use crate::ports::{
                Ask, Budget, Claim, CompleteVersion, DashboardRecord, DashboardRow, EnvironmentView, Flip, FlipOutcome,
                Intent, IntentStep, Mapping, MappingError, Organization, Place, Return, RowRemoval, Shape, Told,
                VersionChange, VersionRecord,
            };

            #[async_trait]
            impl Budget for $adapter {
                async fn take_place(&self, ask: &Ask) -> Result<Place, MappingError> {
                    self.run(|| "take a place in the request budget".to_owned(), self.take(ask))
                        .await
                }

                async fn give_back(&self, place: &Return) -> Result<(), MappingError> {
                    self.run(
                        || "give a place in the request budget back".to_owned(),
                        self.free(place),
                    )
                    .await
                }

                async fn standing(&self, key: &str, rate: u32) -> Result<Told, MappingError> {
                    self.run(
                        || "read the request budget".to_owned(),
                        self.read_standing(key, rate),
                    )
                    .await
                }
            }

            #[async_trait]
            impl Mapping for $adapter {
                async fn prepare(&self, owner: &str, take_from: Option<&str>) -> Result<Shape, MappingError> {
                    self.run(
                        || "prepare the mapping database".to_owned(),
                        self.prepared(owner, take_from),
                    )
                    .await
                }

                async fn organization(&self) -> Result<Option<Organization>, MappingError> {
                    self.run(
                        || "read what the organisation is recognised by".to_owned(),
                        self.read_organization(),
                    )
                    .await
                }

                async fn record_organization(&self, organization: &Organization) -> Result<(), MappingError> {
                    self.run(
                        || "record what the organisation is recognised by".to_owned(),
                        self.write_organization(organization),
                    )
                    .await
                }

                async fn versions(&self) -> Result<BTreeMap<i32, VersionRecord>, MappingError> {
                    self.run(|| "read the ledger's versions".to_owned(), self.read_versions())
                        .await
                }

                async fn record_version(
                    &self,
                    version: i32,
                    source: &str,
                    holder: &str,
                ) -> Result<VersionRecord, MappingError> {
                    self.run(
                        || format!("record version {version} in the ledger"),
                        self.insert_version(version, source, holder),
                    )
                    .await
                }

                async fn change_version(&self, version: i32, change: &VersionChange) -> Result<(), MappingError> {
                    self.run(
                        || format!("change the ledger's record of version {version}"),
                        self.update_version(version, change),
                    )
                    .await
                }

                async fn intents(&self, version: i32) -> Result<Vec<Intent>, MappingError> {
                    self.run(
                        || format!("read the intents of version {version}"),
                        self.read_intents(version),
                    )
                    .await
                }

                async fn open_intent(
                    &self,
                    version: i32,
                    step: IntentStep,
                    subject: &str,
                    at: Timestamp,
                ) -> Result<(), MappingError> {
                    self.run(
                        || format!("open an intent of version {version} ({step:?} {subject:?})"),
                        self.write_intent(version, step, subject, at, None),
                    )
                    .await
                }

                async fn settle_intent(
                    &self,
                    version: i32,
                    step: IntentStep,
                    subject: &str,
                    at: Timestamp,
                    result: &str,
                ) -> Result<(), MappingError> {
                    self.run(
                        || format!("settle an intent of version {version} ({step:?} {subject:?})"),
                        self.write_intent(version, step, subject, at, Some(result)),
                    )
                    .await
                }

                async fn drop_intent(&self, version: i32, step: IntentStep, subject: &str) -> Result<(), MappingError> {
                    self.run(
                        || format!("drop an intent of version {version} ({step:?} {subject:?})"),
                        self.delete_intent(version, step, subject),
                    )
                    .await
                }

                async fn dashboards(&self, version: i32) -> Result<BTreeMap<String, DashboardRecord>, MappingError> {
                    self.run(
                        || format!("read the recorded dashboards of version {version}"),
                        self.read_dashboards(version),
                    )
                    .await
                }

                async fn record_dashboard(
                    &self,
                    version: i32,
                    dashboard: &DashboardRecord,
                ) -> Result<(), MappingError> {
                    self.run(
                        || format!("record dashboard {:?} of version {version}", dashboard.slug),
                        self.write_dashboard(version, dashboard),
                    )
                    .await
                }

                async fn rows(&self, version: i32) -> Result<Vec<DashboardRow>, MappingError> {
                    self.run(
                        || format!("read the rows of version {version}"),
                        self.read_rows(version),
                    )
                    .await
                }

                async fn complete_version(&self, complete: &CompleteVersion) -> Result<(), MappingError> {
                    self.run(
                        || format!("write the rows of version {}", complete.version),
                        self.write_complete(complete),
                    )
                    .await
                }

                async fn tenants_by_version(&self) -> Result<BTreeMap<i32, u64>, MappingError> {
                    self.run(
                        || "count the tenants of each version".to_owned(),
                        self.count_tenants(),
                    )
                    .await
                }

                async fn claimed_environments(&self) -> Result<BTreeSet<String>, MappingError> {
                    self.run(
                        || "list the claimed environments".to_owned(),
                        self.read_claimed_environments(),
                    )
                    .await
                }

                async fn environment(
                    &self,
                    environment: &str,
                    evidence: &[String],
                ) -> Result<EnvironmentView, MappingError> {
                    self.run(
                        || format!("read environment {environment:?}"),
                        self.read_environment(environment, evidence),
                    )
                    .await
                }

                async fn set_claims(&self, environment: &str, claims: &[Claim]) -> Result<(), MappingError> {
                    self.run(
                        || format!("set claims in environment {environment:?}"),
                        self.write_claims(environment, claims),
                    )
                    .await
                }

                async fn release_claims(&self, environment: &str, tenants: &[String]) -> Result<(), MappingError> {
                    self.run(
                        || format!("release claims in environment {environment:?}"),
                        self.delete_claims(environment, tenants),
                    )
                    .await
                }

                async fn record_outside(
                    &self,
                    environment: &str,
                    changes: &[(String, Option<i32>, Option<i32>, i32)],
                ) -> Result<(), MappingError> {
                    self.run(
                        || format!("record changes by another hand in environment {environment:?}"),
                        self.write_outside(environment, changes),
                    )
                    .await
                }

                async fn flip(&self, flip: &Flip) -> Result<FlipOutcome, MappingError> {
                    self.run(
                        || {
                            format!(
                                "move tenants of environment {:?} to version {}",
                                flip.environment, flip.version
                            )
                        },
                        self.write_flip(flip),
                    )
                    .await
                }

                async fn remove_rows(&self, environment: &str, rows: &[RowRemoval]) -> Result<(), MappingError> {
                    self.run(
                        || format!("delete rows of environment {environment:?}"),
                        self.delete_rows(environment, rows),
                    )
                    .await
                }
            }
        };
    };
}
pub(super) use calls_by_their_parts;
