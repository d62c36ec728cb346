//! What one version shall be: read out of its object and checked against itself. Pure.

mod plan;

use std::collections::BTreeSet;
use std::time::Duration;

use super::content::identifier::{LONGEST, Tag, is_slug};
use super::content::renames;
use super::edits::from::{Listed, Stand};
use super::edits::{self, Refused};
use crate::ports::{Failure, Object};
use crate::resources::conditions::Reason;
use crate::resources::{
    Adopt, Content, DashboardIdHolds, HumanDuration, Model, ModelCopy, ModelVersionSpec, OmniInstanceSpec, Validation,
    annotations,
};

/// All inline edits of a version together may hold so many bytes; an object of more would not fit into etcd.
const LARGEST_EDITS: usize = 200 * 1024;

/// The looks at an instance's versions come together at first and drift apart by the time that they take.
const OLDEST_LIST: Duration = Duration::from_secs(30);

/// In place of Omni's words on a model whose edits stand in a Secret: they may quote them.
pub(super) const WITHHELD: &str = "what it says is not shown here, since edits stand in a Secret; look at it in Omni";

/// What one version shall be.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The object, as `<namespace>/<name>`.
    pub holder: String,
    /// The number.
    pub version: i32,
    /// Where it comes from.
    pub origin: Origin,
    /// The hash of everything that is sealed once the version is complete; behind it one of the edits of each object that
    /// `model.editsFrom` names, once those were read.
    pub plan: String,
    /// Of a complete version: what became of those objects since, as sentences.
    pub left: Vec<String>,
    /// Who the mapping belongs to; part of every identifier's tag.
    pub owner: String,
    /// What `dashboard_id` holds where it is a UUID, as the instance says it.
    pub id_holds: Option<DashboardIdHolds>,
    /// The model that a person allows this version to take as its own.
    pub adopt_model: Option<String>,
    /// The word for the changes by other hands that a person takes as they are.
    pub accept_drift: Option<String>,
    /// What a person who asks for a validation now called it.
    pub validate_requested: Option<String>,
    /// How old a list may be that serves a look at a complete version.
    pub list_age: Duration,
    /// How long lists of Omni may lag.
    pub list_lag: HumanDuration,
}

/// Where a version comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// Taken as it is.
    Adopt(Adopt),
    /// Cut from another version.
    Cut(Box<Cut>),
}

/// A version that is cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// The version to cut from.
    pub from: i32,
    /// The model. Its edits are those of the spec, and behind them those of objects, once these were read.
    pub model: Model,
    /// Where the edits of objects stand.
    pub stands: Vec<Stand>,
    /// The folder and dashboards.
    pub content: Content,
    /// What must hold before tenants see it.
    pub validation: Validation,
}

impl Cut {
    /// The path of the version's folder.
    #[must_use]
    pub fn folder_path(&self) -> String {
        match &self.content.folder.parent_path {
            Some(parent) => format!("{parent}/{}", self.content.folder.name),
            None => self.content.folder.name.clone(),
        }
    }

    /// The edits, with where each stands.
    #[must_use]
    pub fn listed(&self) -> Listed<'_> {
        Listed {
            edits: &self.model.edits,
            stands: &self.stands,
        }
    }

    /// Some edits stand in a Secret: nothing is told that may quote them, so that others' words on the model are not.
    #[must_use]
    pub fn keeps_secrets(&self) -> bool {
        self.model.edits_from.iter().any(|it| it.secret_ref.is_some())
    }

    /// Where a person corrects them.
    #[must_use]
    pub const fn where_edits_are(&self) -> &'static str {
        match self.model.edits_from.is_empty() {
            true => "model.edits",
            false => "model.edits, or the objects that model.editsFrom names",
        }
    }

    /// The name of the branch that the definition is built on.
    #[must_use]
    pub fn branch_name(version: i32) -> String {
        format!("wavepin-v{version}")
    }
}

impl Desired {
    /// What the ledger calls the source: the number belongs to it for ever.
    #[must_use]
    pub fn source(&self) -> String {
        match &self.origin {
            Origin::Adopt(adopt) => format!("adopt:{}", adopt.model_id),
            Origin::Cut(cut) => format!("cut:{}", cut.from),
        }
    }

    /// The version that this one is cut from; none where it is adopted.
    #[must_use]
    pub const fn from(&self) -> Option<i32> {
        match &self.origin {
            Origin::Adopt(_) => None,
            Origin::Cut(cut) => Some(cut.from),
        }
    }

    /// A failure as it may be told of this version.
    #[must_use]
    pub(super) fn told(&self, failure: Failure) -> Failure {
        match &self.origin {
            Origin::Cut(cut) if cut.keeps_secrets() => failure.without_words(),
            Origin::Cut(_) | Origin::Adopt(_) => failure,
        }
    }

    /// What makes this version's identifiers unlike any others in the organisation.
    #[must_use]
    pub fn tag(&self, connection_id: &str) -> Tag {
        Tag::new(connection_id, &self.owner, self.version)
    }

    /// Reads and checks an object.
    ///
    /// # Errors
    /// What the API server's schema and rules refuse too, for objects that never met them; and what they cannot check.
    pub fn new(object: &Object<ModelVersionSpec>, instance: &Object<OmniInstanceSpec>) -> Result<Self, Failure> {
        let spec = &object.spec;
        let refuse = |why: String| Failure::stalled(Reason::Invalid, format!("ModelVersion {}: {why}", object.name));
        if spec.version < 1 {
            let why = format!("spec.version is {}, but must be 1 or more", spec.version);
            return Err(refuse(why));
        }
        let origin = match (&spec.source.adopt, spec.source.from_version) {
            (Some(adopt), None) => {
                if spec.model.is_some() || spec.content.is_some() || spec.validation.is_some() {
                    let why = "spec.model, spec.content and spec.validation belong to versions with source.fromVersion; take them out";
                    return Err(refuse(why.into()));
                }
                check_adopt(adopt).map_err(refuse)?;
                Origin::Adopt(adopt.clone())
            }
            (None, Some(from)) => {
                let (Some(model), Some(content)) = (&spec.model, &spec.content) else {
                    let why = "a version with source.fromVersion needs spec.model and spec.content";
                    return Err(refuse(why.into()));
                };
                if from == spec.version {
                    return Err(refuse(format!(
                        "source.fromVersion is {from}, the version itself; name another one"
                    )));
                }
                let cut = Cut {
                    from,
                    model: model.clone(),
                    stands: Vec::new(),
                    content: content.clone(),
                    validation: spec.validation.clone().unwrap_or_default(),
                };
                check_cut(&cut).map_err(refuse)?;
                check_edits(&object.name, &cut)?;
                Origin::Cut(Box::new(cut))
            }
            (Some(_), Some(_)) => return Err(refuse("spec.source names both adopt and fromVersion; keep one".into())),
            (None, None) => {
                let why = "spec.source names neither adopt nor fromVersion; give one";
                return Err(refuse(why.into()));
            }
        };
        let said = |annotation: &str| object.requests.get(annotation).cloned();
        Ok(Self {
            holder: object.key(),
            version: spec.version,
            plan: plan::plan(spec.version, &origin),
            left: Vec::new(),
            origin,
            owner: instance.spec.mapping.owner.clone().unwrap_or_else(|| instance.key()),
            id_holds: instance.spec.mapping.dashboard_id_holds,
            adopt_model: said(annotations::ADOPT_MODEL),
            accept_drift: said(annotations::ACCEPT_DRIFT),
            validate_requested: said(annotations::VALIDATE_REQUESTED_AT),
            list_age: (Duration::from(instance.spec.interval) / 10).min(OLDEST_LIST),
            list_lag: instance.spec.list_lag,
        })
    }
}

/// Every edit of the spec can be meant.
fn check_edits(object: &str, cut: &Cut) -> Result<(), Failure> {
    for (edit, it) in cut.model.edits.iter().enumerate() {
        if let Some(why) = edits::refusal(it) {
            let why = cut.listed().refused(&Refused { edit, why });
            let message = format!("ModelVersion {object}: {why}");
            return Err(Failure::stalled(Reason::EditRefused, message));
        }
    }
    Ok(())
}

fn check_adopt(adopt: &Adopt) -> Result<(), String> {
    if adopt.dashboards.is_empty() {
        return Err("source.adopt.dashboards is empty; name at least one".into());
    }
    check_slugs(
        "source.adopt.dashboards",
        adopt.dashboards.iter().map(|dashboard| dashboard.slug.as_str()),
    )?;
    let mut seen = BTreeSet::new();
    match adopt
        .dashboards
        .iter()
        .find(|dashboard| !seen.insert(&dashboard.identifier))
    {
        Some(twice) => Err(format!(
            "source.adopt.dashboards: identifier {:?} stands there twice",
            twice.identifier
        )),
        None => Ok(()),
    }
}

fn check_cut(cut: &Cut) -> Result<(), String> {
    let folder = &cut.content.folder;
    if !is_slug(&folder.name) {
        return Err(format!(
            "content.folder.name {:?} must be lower-case letters, digits and hyphens",
            folder.name
        ));
    }
    if folder
        .parent_path
        .as_ref()
        .is_some_and(|path| !path.split('/').all(is_slug))
    {
        return Err(format!(
            "content.folder.parentPath {:?} must be slugs with / between them",
            folder.parent_path
        ));
    }
    check_git(&cut.model)?;
    renames::check(&cut.content.renames)?;
    let queries = cut.validation.queries.as_ref();
    if queries.is_some_and(|it| it.expect_schema.is_some() && it.tenants.is_none()) {
        return Err(
            "validation.queries.expectSchema says what tenants must read; say as which of them with tenants".into(),
        );
    }
    check_slugs(
        "content.dashboards.add",
        cut.content.dashboards.add.iter().map(|added| added.slug.as_str()),
    )?;
    let texts = cut.model.edits.iter().flat_map(|edit| [&edit.yaml, &edit.patch]);
    let size: usize = texts.flatten().map(String::len).sum();
    if size > LARGEST_EDITS {
        return Err(format!(
            "model.edits hold {size} bytes of YAML together, but may hold {LARGEST_EDITS}"
        ));
    }
    check_edits_from(&cut.model)?;
    cut.listed().fit_together()
}

/// The rules of the API server, for objects that never met them; and no object twice, since its edits would be.
fn check_edits_from(model: &Model) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for it in &model.edits_from {
        let (kind, named) = match (&it.config_map_ref, &it.secret_ref) {
            (Some(named), None) => ("ConfigMap", named),
            (None, Some(named)) => ("Secret", named),
            _ => return Err("model.editsFrom: give one of configMapRef and secretRef".into()),
        };
        if !seen.insert((kind, &named.name)) {
            return Err(format!(
                "model.editsFrom names {kind} {:?} twice; take one of them out",
                named.name
            ));
        }
    }
    Ok(())
}

/// The rules of the API server, for objects that never met them; and what a directory may not be.
fn check_git(model: &Model) -> Result<(), String> {
    if model.copy != ModelCopy::Migrate && model.migrate.is_some() {
        return Err("model.migrate goes with model.copy: Migrate".into());
    }
    let Some(git) = &model.git else {
        return match model.copy {
            ModelCopy::Git => Err("model.copy: Git needs model.git, with the directory to copy to".into()),
            ModelCopy::Yaml | ModelCopy::Migrate => Ok(()),
        };
    };
    let of_copies = git.propose || git.fallback.is_some() || git.author.is_some() || git.message.is_some();
    if model.copy != ModelCopy::Git && of_copies {
        return Err(
            "model.git.propose, fallback, author and message go with model.copy: Git; with another copy Omni writes the directory".into(),
        );
    }
    let rest = git.directory.replace("{version}", "");
    match rest.contains(['{', '}']) {
        true => Err(format!(
            "model.git.directory {:?} has braces that are not {{version}}, which stands for the number",
            git.directory
        )),
        false => Ok(()),
    }
}

fn check_slugs<'a>(place: &str, slugs: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for slug in slugs {
        if !is_slug(slug) {
            return Err(format!(
                "{place}: {slug:?} is no slug; use lower-case letters, digits and hyphens"
            ));
        }
        let identifier = Tag::new("", "", i32::MAX).identifier(slug, i32::MAX);
        if identifier.len() > LONGEST {
            let most = slug.len() - (identifier.len() - LONGEST);
            return Err(format!(
                "{place}: {slug:?} is too long: with version and tag behind it an identifier may have {LONGEST} characters, so a slug {most}"
            ));
        }
        if !seen.insert(slug) {
            return Err(format!("{place}: {slug:?} stands there twice"));
        }
    }
    Ok(())
}
