//! Edits that ConfigMaps and Secrets hold: fetched at every look, and put behind those of the spec.
//!
//! A version that is not complete needs them: what is absent is waited for, and what has changed since the last look is what
//! counts. A complete one needs none of them any more. Its plan on record tells what they were, so that what became of them
//! can be said; it is never applied.

use secrecy::SecretString;

use super::desired::{Desired, Origin};
use super::edits::from::{self, Holder, Stand, Texts};
use super::observe::Observed;
use crate::ports::{CREDENTIAL_PACE, ConfigMapRecord, Failure, Next, SECRET_PACE, SecretRecord, World};
use crate::resources::conditions::Reason;
use crate::resources::{Edit, EditsFrom};

/// What stands in a plan for an object that was not there and need not be.
const NONE: &str = "none";

/// Fetches the objects that a version's spec names, and puts their edits behind those of the spec. Of a complete version it
/// only notes what became of them.
///
/// # Errors
/// Of a version that is not complete: an object is absent or cannot be read, or an edit in it is refused.
pub(super) async fn bring(
    world: &World,
    namespace: &str,
    desired: &mut Desired,
    seen: &Observed,
) -> Result<(), Failure> {
    let Origin::Cut(cut) = &desired.origin else {
        return Ok(());
    };
    let mut fetched = Vec::new();
    for named in &cut.model.edits_from {
        fetched.extend(fetch(world, namespace, named).await);
    }
    let complete = seen
        .versions
        .get(&desired.version)
        .filter(|it| it.complete_at.is_some());
    match complete {
        Some(record) => {
            note(desired, record.plan.as_deref().unwrap_or_default(), &fetched);
            Ok(())
        }
        None => put(desired, &fetched),
    }
}

/// Whether a version that stands still may be mended by edits that no watch tells of. What is wrong with dashboards by
/// themselves is none of it.
pub(super) fn may_mend(desired: &Desired, seen: &Observed, failure: &Failure) -> bool {
    let Origin::Cut(cut) = &desired.origin else {
        return false;
    };
    let by_edits = matches!(
        failure.reason,
        Reason::EditRefused
            | Reason::ModelInvalid
            | Reason::ContentInvalid
            | Reason::QueriesInvalid
            | Reason::RoutingWrong
    );
    let record = seen.versions.get(&desired.version);
    let complete = record.is_some_and(|record| record.complete_at.is_some());
    !cut.model.edits_from.is_empty() && failure.stalled && by_edits && !complete && seen.set_aside.is_empty()
}

/// An object, and what was found of it.
struct Fetched {
    holder: Holder,
    optional: bool,
    found: Result<Option<Texts>, String>,
}

async fn fetch(world: &World, namespace: &str, named: &EditsFrom) -> Option<Fetched> {
    let (is_secret, it) = match (&named.config_map_ref, &named.secret_ref) {
        (Some(it), _) => (false, it),
        (None, it) => (true, it.as_ref()?),
    };
    let found = if is_secret {
        let found = world.secrets.secret(namespace, &it.name).await;
        found
            .map(|record| record.map(Texts::from))
            .map_err(|error| error.to_string())
    } else {
        let found = world.config_maps.config_map(namespace, &it.name).await;
        found
            .map(|record| record.map(Texts::from))
            .map_err(|error| error.to_string())
    };
    let holder = Holder {
        is_secret,
        namespace: namespace.to_owned(),
        name: it.name.clone(),
    };
    Some(Fetched {
        holder,
        optional: it.optional,
        found,
    })
}

impl From<ConfigMapRecord> for Texts {
    fn from(record: ConfigMapRecord) -> Self {
        let values = record.values.into_iter();
        Self {
            values: values.map(|(key, text)| (key, SecretString::from(text))).collect(),
            binary: record.binary,
        }
    }
}

impl From<SecretRecord> for Texts {
    fn from(record: SecretRecord) -> Self {
        Self {
            values: record.values,
            binary: record.binary,
        }
    }
}

impl Fetched {
    /// Its edits; none where it is not there and need not be.
    fn edits(&self) -> Result<Option<Vec<(Edit, Stand)>>, Failure> {
        let holder = &self.holder;
        match &self.found {
            Err(why) => Err(Failure::passing(Reason::EditsMissing, why.clone()).unseen()),
            Ok(None) if self.optional => Ok(None),
            Ok(None) => Err(Failure::passing(
                Reason::EditsMissing,
                format!(
                    "{holder} is not there; model.editsFrom names it. Create it with a list of edits under a key, or correct the name"
                ),
            )
            .next(Next::After(SECRET_PACE))),
            Ok(Some(texts)) => {
                let read = from::read(holder, texts);
                read.map(Some)
                    .map_err(|why| refused(format!("model.editsFrom: {why}")))
            }
        }
    }
}

/// What a person corrects in an object that is not watched.
fn refused(why: String) -> Failure {
    Failure::stalled(Reason::EditRefused, why).next(Next::After(CREDENTIAL_PACE))
}

/// The hash of an object's edits, as it stands in a plan.
fn hash(edits: Option<&[(Edit, Stand)]>) -> String {
    edits.map_or_else(
        || NONE.to_owned(),
        |edits| from::hash(&edits.iter().map(|(edit, _)| edit.clone()).collect::<Vec<_>>()),
    )
}

/// Puts the edits of every object behind those of the spec, and their hashes behind the plan's.
fn put(desired: &mut Desired, fetched: &[Fetched]) -> Result<(), Failure> {
    let read = fetched.iter().map(Fetched::edits).collect::<Result<Vec<_>, _>>()?;
    for edits in read {
        desired.plan = format!("{}-{}", desired.plan, hash(edits.as_deref()));
        if let Origin::Cut(cut) = &mut desired.origin {
            let (edits, stands): (Vec<_>, Vec<_>) = edits.unwrap_or_default().into_iter().unzip();
            cut.model.edits.extend(edits);
            cut.stands.extend(stands);
        }
    }
    match &desired.origin {
        Origin::Cut(cut) if !fetched.is_empty() => cut.listed().fit_together().map_err(refused),
        _ => Ok(()),
    }
}

/// The plan of a complete version is the one on record where its spec is what it was; what became of the objects since is
/// noted.
fn note(desired: &mut Desired, plan: &str, fetched: &[Fetched]) {
    let mut parts = plan.split('-');
    let is_same = parts.next() == Some(desired.plan.as_str());
    let hashes: Vec<&str> = parts.collect();
    // Another spec is told as such.
    if !is_same || hashes.len() != fetched.len() {
        return;
    }
    plan.clone_into(&mut desired.plan);
    let version = desired.version;
    let became = |(it, was): (&Fetched, &&str)| {
        let holder = &it.holder;
        match it.edits() {
            Ok(edits) if hash(edits.as_deref()) == **was => None,
            Ok(None) => Some(format!("{holder} is not there any more, which changes nothing")),
            // What cannot be read tells nothing.
            Err(_) if it.found.is_err() => None,
            Err(_) if matches!(it.found, Ok(None)) => {
                Some(format!("{holder} is not there any more, which changes nothing"))
            }
            Ok(Some(_)) if *was == NONE => Some(format!(
                "{holder} was not there when version {version} was cut, and its edits are not applied: cut a new version with them"
            )),
            Ok(Some(_)) | Err(_) => Some(format!(
                "{holder} has changed since version {version} was cut with it, which is not applied: put it back, or cut a new version with it"
            )),
        }
    };
    desired.left = fetched.iter().zip(&hashes).filter_map(became).collect();
}
