//! Whether the query of every tile can be planned for those who will ask it, and reads what is theirs.
//!
//! A dashboard is marked once all of its queries were found right, so that a pass that ends in the middle loses no more
//! than one dashboard's. The mark is about what it saw: where model, dashboard or wish are others, it says nothing.

use std::collections::BTreeSet;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::schemas::Stamps;
use super::{Ending, IntentState, Step, View};
use crate::model_version::act::Effect;
use crate::model_version::content::tables::{Schema, schemas};
use crate::model_version::content::tiles::TileQuery;
use crate::model_version::desired::Cut;
use crate::model_version::observe::Look;
use crate::model_version::samples::Sample;
use crate::ports::{DashboardRecord, Failure, IntentStep, LOOK_AGAIN, Next, QueryAnswer, QueryAsk};
use crate::resources::conditions::Reason;
use crate::resources::{QueryMode, QueryValidation, TenantSample};

/// Of so many tenants for each that is wanted it is asked whether they have an embed user.
const LOOKED_FOR: usize = 10;

/// What is wrong with a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// That it cannot be planned, or that it reads what it must not.
    pub(super) reason: Reason,
    /// The dashboard.
    pub(super) slug: String,
    /// The tile, by its name.
    pub(super) tile: String,
    /// For whom.
    pub(super) asked_as: String,
    /// What.
    pub(super) why: String,
}

impl Fault {
    /// Where, and for whom.
    pub(super) fn place(&self) -> String {
        format!("{}, tile {:?}, as {}", self.slug, self.tile, self.asked_as)
    }

    /// Where, for whom, and what.
    pub(super) fn text(&self) -> String {
        format!("{}: {}", self.place(), self.why)
    }

    /// Likewise, as it may be told of this version.
    pub(super) fn told(&self, cut: &Cut) -> String {
        match cut.keeps_secrets() {
            true => self.place(),
            false => self.text(),
        }
    }
}

/// Somebody as whom queries are planned.
struct Asker {
    name: String,
    user: Option<String>,
    tenant: Option<String>,
    is_denied: bool,
}

/// The environments whose tenants a version is looked at as: before it is complete, and for who asks, all that the spec
/// names; afterwards those that have evidence, and those where a pin wishes it.
pub(super) fn environments(view: View<'_>, cut: &Cut) -> BTreeSet<String> {
    if !view.is_complete() {
        return all_environments(view, cut);
    }
    let proved = view.record().map(|it| &it.environments);
    let is_due = |(environment, sample): &(&String, &Sample)| {
        sample.wished || proved.is_some_and(|proved| proved.contains_key(*environment))
    };
    let due = view.seen.samples.iter().filter(is_due);
    due.map(|(environment, _)| environment.clone()).collect()
}

/// All that the spec names.
pub(super) fn all_environments(view: View<'_>, cut: &Cut) -> BTreeSet<String> {
    let queries = cut.validation.queries.as_ref();
    match queries.and_then(|it| it.tenants.as_ref()) {
        None => BTreeSet::new(),
        Some(TenantSample {
            environment: Some(named),
            ..
        }) => [named.clone()].into(),
        Some(_) => {
            let samples = view.seen.samples.iter();
            let to_ask = samples.filter(|(_, sample)| !sample.tenants.is_empty());
            to_ask.map(|(environment, _)| environment.clone()).collect()
        }
    }
}

/// All that is wrong with the queries of the version's tiles, asked as the tenants of this environment, or as those who are
/// bound to none; the next look or mark while that is not known. `excused`: tiles that are broken in the source too, by
/// slug and name. `schemas`: what the plans are made on.
pub(super) fn checked(
    view: View<'_>,
    cut: &Cut,
    excused: &BTreeSet<(String, String)>,
    schemas: &Stamps,
    environment: Option<&str>,
) -> Result<Vec<Fault>, Step> {
    let Some(asked) = &cut.validation.queries else {
        return Ok(Vec::new());
    };
    let only_tenants = asked.tenants.is_some() && asked.as_users.is_empty() && asked.denied_to.is_empty();
    if environment.is_none() && only_tenants {
        return Ok(Vec::new());
    }
    let mut faults = Vec::new();
    let mut askers = None;
    for dashboard in view.seen.dashboards.values() {
        let basis = basis(view, asked, dashboard, schemas);
        // No slug has a slash in it.
        let subject = match environment {
            Some(environment) => format!("{environment}/{}", dashboard.slug),
            None => dashboard.slug.clone(),
        };
        if view.intent(IntentStep::Queries, &subject) == IntentState::Settled(&basis) {
            continue;
        }
        let askers = match &askers {
            Some(askers) => askers,
            None => askers.insert(match environment {
                Some(environment) => tenants(view, cut, asked, environment)?,
                None => bound_to_none(asked),
            }),
        };
        let found = of_dashboard(view, asked, dashboard, askers, excused)?;
        if found.is_empty() {
            return Err(Step::Do(Effect::SettleIntent {
                step: IntentStep::Queries,
                subject,
                result: basis,
            }));
        }
        faults.extend(found);
    }
    Ok(faults)
}

/// What the mark of a dashboard is about.
fn basis(view: View<'_>, asked: &QueryValidation, dashboard: &DashboardRecord, schemas: &Stamps) -> String {
    let files = view.record().and_then(|it| Some(&it.model_state.as_ref()?.files));
    let content = dashboard.state.as_ref().map(|it| &it.content);
    let requested = view.desired.validate_requested.as_ref();
    let requested = requested.map_or_else(String::new, |it| format!("\0requested\0{it}"));
    let text = format!(
        "2\0{}\0{files:?}\0{content:?}\0{}{requested}",
        json!(asked),
        json!(schemas)
    );
    let digest = Sha256::digest(text);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// All that is wrong with the queries of the version's tiles, asked as one tenant; nothing inside where Omni knows no embed
/// user of the tenant.
pub(super) fn of_tenant(
    view: View<'_>,
    asked: &QueryValidation,
    excused: &BTreeSet<(String, String)>,
    tenant: &str,
) -> Result<Option<Vec<Fault>>, Step> {
    let user = match view.seen.embed_users.get(tenant) {
        None => return Err(Step::Look(Look::EmbedUser(tenant.to_owned()))),
        Some(None) => return Ok(None),
        Some(Some(id)) => id.clone(),
    };
    let asker = Asker {
        name: format!("tenant {tenant}"),
        user: Some(user),
        tenant: Some(tenant.to_owned()),
        is_denied: false,
    };
    let mut faults = Vec::new();
    for dashboard in view.seen.dashboards.values() {
        faults.extend(of_dashboard(
            view,
            asked,
            dashboard,
            std::slice::from_ref(&asker),
            excused,
        )?);
    }
    Ok(Some(faults))
}

fn bound_to_none(asked: &QueryValidation) -> Vec<Asker> {
    let user = |id: &String, is_denied: bool| Asker {
        name: format!("user {id}"),
        user: Some(id.clone()),
        tenant: None,
        is_denied,
    };
    let mut askers: Vec<Asker> = asked.as_users.iter().map(|id| user(id, false)).collect();
    if askers.is_empty() && asked.tenants.is_none() {
        askers.push(Asker {
            name: "the owner of the key".to_owned(),
            user: None,
            tenant: None,
            is_denied: false,
        });
    }
    askers.extend(asked.denied_to.iter().map(|id| user(id, true)));
    askers
}

/// The tenants who stand for all of an environment, as far as Omni knows them.
fn tenants(view: View<'_>, cut: &Cut, asked: &QueryValidation, environment: &str) -> Result<Vec<Asker>, Step> {
    let (Some(wanted), Some(sample)) = (&asked.tenants, view.seen.samples.get(environment)) else {
        return Err(nobody_to_ask(cut, Some(environment)));
    };
    // Where only one environment is asked for, its name tells nothing.
    let place = match &wanted.environment {
        Some(_) => String::new(),
        None => format!(" in {environment}"),
    };
    let most = usize::from(wanted.max);
    let mut askers = Vec::new();
    for tenant in sample.tenants.iter().take(most * LOOKED_FOR) {
        if askers.len() == most {
            break;
        }
        match view.seen.embed_users.get(tenant) {
            None => return Err(Step::Look(Look::EmbedUser(tenant.clone()))),
            Some(None) => {}
            Some(Some(id)) => askers.push(Asker {
                name: format!("tenant {tenant}{place}"),
                user: Some(id.clone()),
                tenant: Some(tenant.clone()),
                is_denied: false,
            }),
        }
    }
    if askers.is_empty() {
        return Err(nobody_to_ask(cut, Some(environment)));
    }
    Ok(askers)
}

/// No tenant of this environment, or of any, can be asked as.
pub(super) fn nobody_to_ask(cut: &Cut, environment: Option<&str>) -> Step {
    let queries = cut.validation.queries.as_ref();
    let named = queries.and_then(|it| it.tenants.as_ref()?.environment.as_deref());
    let place = environment.or(named).unwrap_or("any environment");
    let why = format!(
        "validation.queries.tenants: of the tenants that are pinned in {place} none that fits has an embed user in Omni yet, so that no query can be planned as one; an embed user comes to be when the tenant opens a dashboard, or take tenants out of validation.queries"
    );
    let failure = Failure::passing(Reason::NoTenantToAsk, why).next(Next::After(LOOK_AGAIN));
    Step::End(Ending::Halt(failure))
}

fn of_dashboard(
    view: View<'_>,
    asked: &QueryValidation,
    dashboard: &DashboardRecord,
    askers: &[Asker],
    excused: &BTreeSet<(String, String)>,
) -> Result<Vec<Fault>, Step> {
    let slug = &dashboard.slug;
    let Some(tiles) = view.seen.tiles.get(slug) else {
        return Err(Step::Look(Look::Tiles {
            slug: slug.clone(),
            identifier: dashboard.ids.identifier.clone(),
        }));
    };
    let mut faults = Vec::new();
    for tile in tiles {
        let is_excused = excused.contains(&(slug.clone(), tile.name.clone()));
        for asker in askers {
            let key = (slug.clone(), tile.id.clone(), asker.user.clone());
            let Some(answer) = view.seen.answers.get(&key) else {
                return Err(ask(asked, slug, tile, asker));
            };
            let found = if asker.is_denied {
                got_in(asked, answer)
            } else {
                unplanned(answer)
                    .filter(|_| !is_excused)
                    .or_else(|| misrouted(view, asked, asker, answer))
            };
            faults.extend(found.map(|(reason, why)| Fault {
                reason,
                slug: slug.clone(),
                tile: tile.name.clone(),
                asked_as: asker.name.clone(),
                why,
            }));
        }
    }
    Ok(faults)
}

fn ask(asked: &QueryValidation, slug: &str, tile: &TileQuery, asker: &Asker) -> Step {
    Step::Look(Look::Query {
        slug: slug.to_owned(),
        tile: tile.id.clone(),
        ask: Box::new(QueryAsk {
            name: format!("{slug}, tile {:?}", tile.name),
            query: tile.query.clone(),
            user: asker.user.clone(),
            // Who must get nothing is not let near the data.
            run: asked.mode == QueryMode::Run && !asker.is_denied,
        }),
    })
}

/// It cannot be planned, or not as it is meant.
fn unplanned(answer: &QueryAnswer) -> Option<(Reason, String)> {
    let lacks = |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")));
    let why = answer
        .failure
        .clone()
        .or_else(|| lacks("Omni leaves out what does not exist:", &answer.missing_fields))
        .or_else(|| {
            lacks(
                "calculations that refer to what does not exist:",
                &answer.invalid_calculations,
            )
        })?;
    Some((Reason::QueriesInvalid, why))
}

/// A tenant's query that does not read the tenant's schema, or reads another's.
fn misrouted(view: View<'_>, asked: &QueryValidation, asker: &Asker, answer: &QueryAnswer) -> Option<(Reason, String)> {
    let (template, tenant) = (asked.expect_schema.as_ref()?, asker.tenant.as_ref()?);
    // What cannot be planned reads nothing.
    if answer.failure.is_some() {
        return None;
    }
    let own = template.replace("{tenant}", tenant);
    let Some(sql) = &answer.sql else {
        let why = format!(
            "Omni does not show the SQL, so that nobody can tell whether it reads {own}: the user needs the right to see it"
        );
        return Some((Reason::RoutingWrong, why));
    };
    let read = schemas(sql);
    let is_other = |schema: &&Schema| {
        let of = tenant_of(template, &schema.as_in(template));
        of.is_some_and(|of| of != alike(tenant) && known(view).any(|it| alike(it) == of))
    };
    if let Some(other) = read.iter().find(is_other) {
        return Some((
            Reason::RoutingWrong,
            format!("it reads schema {}, another tenant's", other.as_in(template)),
        ));
    }
    let reads_own = read.iter().any(|schema| alike(&schema.as_in(&own)) == alike(&own));
    (!reads_own && !only_shared(asked, &read)).then(|| {
        let why = format!("it reads {} and not schema {own}", named(&read, &own));
        (Reason::RoutingWrong, why)
    })
}

/// Every tenant who may be asked as, of whatever environment.
fn known<'a>(view: View<'a>) -> impl Iterator<Item = &'a str> {
    let sampled = view.seen.samples.values().flat_map(|sample| &sample.tenants);
    let sought = view.seen.intents.keys().filter(|(step, _)| *step == IntentStep::Tenant);
    sampled.chain(sought.map(|(_, tenant)| tenant)).map(String::as_str)
}

/// A query of one who must get nothing.
fn got_in(asked: &QueryValidation, answer: &QueryAnswer) -> Option<(Reason, String)> {
    if answer.failure.is_some() {
        return None;
    }
    let read = answer.sql.as_deref().map(schemas);
    if read.as_ref().is_some_and(|read| only_shared(asked, read)) {
        return None;
    }
    let what = read.map_or_else(|| "data that Omni does not name".to_owned(), |read| named(&read, "a.b"));
    let why = format!("it is planned and reads {what}, though this user must get nothing");
    Some((Reason::RoutingWrong, why))
}

fn named(read: &BTreeSet<Schema>, pattern: &str) -> String {
    let named = read.iter().map(|it| match it.as_in(pattern) {
        none if none.is_empty() => "a table without a schema".to_owned(),
        name => name,
    });
    let named: Vec<String> = named.collect();
    if named.is_empty() {
        "no table".to_owned()
    } else {
        named.join(", ")
    }
}

/// It reads tables that are nobody's in particular, or none at all.
fn only_shared(asked: &QueryValidation, read: &BTreeSet<Schema>) -> bool {
    let is_shared = |schema: &Schema| {
        let mut shared = asked.shared_schemas.iter();
        shared.any(|it| alike(it) == alike(&schema.as_in(it)))
    };
    read.iter().all(is_shared)
}

/// What stands for the tenant in a schema's name, if the template could have made it.
fn tenant_of(template: &str, schema: &str) -> Option<String> {
    let (before, behind) = template.split_once("{tenant}")?;
    let of = alike(schema);
    let of = of.strip_prefix(&alike(before))?.strip_suffix(&alike(behind))?;
    (!of.is_empty()).then(|| of.to_owned())
}

/// Warehouses change the case of names, and a schema's has no hyphens.
fn alike(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}
