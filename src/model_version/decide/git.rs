//! The definition by way of a Git repository, or kept in one.
//!
//! How far it is, the mark of [`IntentStep::Git`] tells:
//!
//! | mark | what is done | what comes next |
//! |---|---|---|
//! | none | nothing | the commit to copy at is read and kept, so that doing it again copies the same |
//! | `at REF` | the commit is chosen | the directory is copied and pushed; or the definition migrates |
//! | `copied REF` | that | the model gets its Git settings, is synced, read back, and compared with the source's |
//! | `taken REF` | Omni holds what the source holds | the branch brings the edits |
//! | `left REF` | Omni did not take the files, and may have them otherwise | the branch brings everything |
//! | `kept REF` | Omni has written the merged model to its directory | nothing |

use std::time::Duration;

use super::{Ending, Step, View, halt};
use crate::model_version::act::Effect;
use crate::model_version::definition;
use crate::model_version::desired::{Cut, Desired};
use crate::model_version::observe::{Look, Observed, RepositorySeen, Route};
use crate::ports::{Failure, GitSettings, IntentStep, Migration, Next};
use crate::resources::conditions::Reason;
use crate::resources::{GitFallback, ModelCopy};

const AT: &str = "at ";
pub(in crate::model_version) const COPIED: &str = "copied ";
const TAKEN: &str = "taken ";
const MIGRATION: &str = "migration to ";
const LEFT: &str = "left ";
const KEPT: &str = "kept ";

/// How often is looked whether people have merged a proposal.
const MERGE_PACE: Duration = Duration::from_secs(60);
/// How many files a message names.
const SHOWN: usize = 5;

/// What the mark is about: the model's directory, or the model itself where it has none, and the ref that it migrates
/// at. What is declared anew is begun anew.
pub(in crate::model_version) fn subject(desired: &Desired, cut: &Cut) -> String {
    let subject = directory(desired, cut).unwrap_or_else(|| cut.model.name.clone());
    match cut.model.migrate.as_ref().and_then(|it| it.git_ref.as_ref()) {
        Some(git_ref) => format!("{subject} at {git_ref}"),
        None => subject,
    }
}

/// What the mark of the migrating call is about: made before it is sent, since it writes over what stands there whenever it
/// takes effect, edits that came after it included.
pub(in crate::model_version) fn migrating(desired: &Desired, cut: &Cut) -> String {
    format!("{MIGRATION}{}", subject(desired, cut))
}

/// A migration that got no answer and is not what is declared now is awaited before anything else is written: it would write
/// over that. One of what is declared now is awaited where it would be sent again.
pub(super) fn lost_migration(view: View<'_>, cut: &Cut) -> Option<Step> {
    let own = (IntentStep::Git, migrating(view.desired, cut));
    let migrates = cut.model.copy == ModelCopy::Migrate;
    let lost = view.seen.intents.iter().filter(|(key, intent)| {
        let is_migration = key.0 == IntentStep::Git && key.1.starts_with(MIGRATION);
        is_migration && intent.result.is_none() && !view.seen.unsent.contains(key) && !(migrates && **key == own)
    });
    let until = lost.map(|(_, intent)| view.settled_by(intent.opened_at)).max()?;
    (view.now < until).then(|| {
        Step::End(Ending::Wait {
            until,
            message: "a migration that was begun by what was declared before got no answer; what came of it is awaited before \
                      anything else is written to the model"
                .to_owned(),
        })
    })
}

fn directory(desired: &Desired, cut: &Cut) -> Option<String> {
    let git = cut.model.git.as_ref()?;
    Some(git.directory.replace("{version}", &desired.version.to_string()))
}

/// The commit that the files were copied at.
pub(in crate::model_version) fn commit(seen: &Observed) -> Option<String> {
    let mut marks = seen.intents.values().filter(|it| it.step == IntentStep::Git);
    let commit = marks.find_map(|it| it.result.as_deref()?.split_once(' '))?.1;
    (!commit.is_empty()).then(|| commit.to_owned())
}

/// How far it is, in one word.
enum Mark<'a> {
    None,
    At(&'a str),
    Copied(&'a str),
    /// The files came that way, or come by the branch.
    Done(&'a str),
    Kept,
}

fn mark<'a>(view: View<'a>, cut: &Cut) -> Mark<'a> {
    let key = (IntentStep::Git, subject(view.desired, cut));
    let result = view.seen.intents.get(&key).and_then(|it| it.result.as_deref());
    let Some(result) = result else {
        return Mark::None;
    };
    let rest = |word: &str| result.strip_prefix(word);
    match (rest(AT), rest(COPIED), rest(TAKEN).or(rest(LEFT)), rest(KEPT)) {
        (Some(at), ..) => Mark::At(at),
        (_, Some(at), ..) => Mark::Copied(at),
        (_, _, Some(at), _) => Mark::Done(at),
        (_, _, _, Some(_)) => Mark::Kept,
        _ => Mark::None,
    }
}

fn settle(view: View<'_>, cut: &Cut, word: &str, commit: &str) -> Step {
    Step::Do(Effect::SettleIntent {
        step: IntentStep::Git,
        subject: subject(view.desired, cut),
        result: format!("{word}{commit}"),
    })
}

/// What can be known of the repository before the first write.
pub(super) fn fit(view: View<'_>, cut: &Cut) -> Option<Step> {
    let names_ref = cut.model.migrate.as_ref().is_some_and(|it| it.git_ref.is_some());
    match (cut.model.copy, &cut.model.git) {
        (ModelCopy::Yaml, None) => None,
        (ModelCopy::Migrate, None) if names_ref => source(view, cut).err(),
        _ => looked_at(view, cut).err(),
    }
}

/// The repository, as it was seen, where it is fit for what is asked.
fn looked_at<'a>(view: View<'a>, cut: &Cut) -> Result<&'a RepositorySeen, Step> {
    let route = route(view, cut)?;
    let Some(seen) = &view.seen.repository else {
        return Err(Step::Look(Look::Repository(Box::new(route))));
    };
    let (to, branch) = (route.to.unwrap_or_default(), &route.branch);
    match (cut.model.copy, &seen.source, &seen.present) {
        (ModelCopy::Git, None, _) => Err(halt(
            Reason::GitUnfit,
            format!(
                "{} has no directory {:?} at commit {} of {:?}, where Omni keeps the model of version {}; synchronise that model with its repository in Omni, or take model.copy: Yaml",
                route.address, route.from, seen.commit, route.base, cut.from
            ),
        )),
        (ModelCopy::Git, Some(source), Some(present)) if source != present => Err(taken(&route.address, &to, branch)),
        (ModelCopy::Yaml | ModelCopy::Migrate, _, Some(_)) => Err(taken(&route.address, &to, branch)),
        _ => Ok(seen),
    }
}

fn taken(address: &str, directory: &str, branch: &str) -> Step {
    halt(
        Reason::GitDirectoryTaken,
        format!(
            "{address} has a directory {directory:?} on {branch:?} already, with other content, which is not written over. Take it away, or name another with model.git.directory"
        ),
    )
}

/// The way from the source's directory to the version's own.
fn route(view: View<'_>, cut: &Cut) -> Result<Route, Step> {
    let (settings, name) = source(view, cut)?;
    let branch = cut.model.git.as_ref().and_then(|git| git.branch.clone());
    Ok(Route {
        address: settings.clone_url.clone(),
        base: settings.base_branch.clone(),
        from: settings.directory(name),
        branch: branch.unwrap_or_else(|| settings.base_branch.clone()),
        to: directory(view.desired, cut),
    })
}

/// The Git settings of the source's model, with its name, where files can be copied from there.
fn source<'a>(view: View<'a>, cut: &Cut) -> Result<(&'a GitSettings, &'a str), Step> {
    let id = view.source(cut).and_then(|source| source.model_id.as_ref());
    let id = id.map(String::as_str).unwrap_or_default();
    let models = view.seen.models.iter().flatten();
    let name = models.clone().find(|it| it.id == id).and_then(|it| it.name.as_deref());
    let unfit = |why: &str| {
        let (model, version) = (name.unwrap_or(id), cut.from);
        let message = format!("model {model:?} of version {version} {why}, or take model.copy: Yaml and no model.git");
        halt(Reason::GitUnfit, message)
    };
    match view.seen.git.get(id) {
        None => Err(Step::Look(Look::Git(id.to_owned()))),
        Some(None) => Err(unfit("has no Git settings in Omni; link it to a repository there")),
        Some(Some(settings)) if settings.follower => Err(unfit(
            "follows another model in Git, so that its directory is not its own; cut from the version that it follows",
        )),
        Some(Some(settings)) if settings.require_pull_request == "always" => Err(unfit(
            "demands pull requests of everybody, Omni's own changes included, and so would its copy; set that to users-only in Omni",
        )),
        Some(Some(settings)) => Ok((settings, name.unwrap_or_default())),
    }
}

/// The files of the source, on the model by way of its repository; nothing more once the rest is for the branch.
pub(super) fn brought(view: View<'_>, cut: &Cut, id: &str) -> Option<Step> {
    match cut.model.copy {
        ModelCopy::Yaml => None,
        ModelCopy::Git => copied(view, cut, id),
        ModelCopy::Migrate if matches!(mark(view, cut), Mark::Done(_) | Mark::Kept) => None,
        ModelCopy::Migrate => match view.seen.git.get(id) {
            None if !view.seen.model_is_new => Some(Step::Look(Look::Git(id.to_owned()))),
            Some(Some(_)) => None,
            _ => migrated(view, cut, id, None),
        },
    }
}

/// The same on the branch of a model that has Git settings already, whose main line Omni's migration does not write to
/// (`API.md` §7).
pub(super) fn brought_on_branch(view: View<'_>, cut: &Cut, id: &str, branch: (&str, &str)) -> Option<Step> {
    let linked = matches!(view.seen.git.get(id), Some(Some(_)));
    match cut.model.copy {
        ModelCopy::Migrate if linked => migrated(view, cut, id, Some(branch)),
        _ => None,
    }
}

fn copied(view: View<'_>, cut: &Cut, id: &str) -> Option<Step> {
    let commit = match mark(view, cut) {
        Mark::Done(_) | Mark::Kept => return None,
        Mark::None => {
            return Some(match looked_at(view, cut) {
                Ok(seen) => settle(view, cut, AT, &seen.commit),
                Err(step) => step,
            });
        }
        Mark::At(commit) => return Some(copy(view, cut, commit)),
        Mark::Copied(commit) => commit,
    };
    let step = linked(view, cut, id).or_else(|| match &view.seen.synced {
        None => Some(Step::Do(Effect::SyncGit { model: id.to_owned() })),
        Some(synced) if !synced.in_sync => {
            let why = format!("Omni reports a conflict with the directory: {}", synced.message);
            Some(not_taken(view, cut, id, commit, &why))
        }
        Some(_) => None,
    });
    Some(step.unwrap_or_else(|| compared(view, cut, (id, None), commit)))
}

fn copy(view: View<'_>, cut: &Cut, commit: &str) -> Step {
    if let Some(branch) = &view.seen.proposed {
        let directory = directory(view.desired, cut).unwrap_or_default();
        let message =
            format!("the directory {directory:?} is proposed on the branch {branch:?}; merge it, and the cut goes on");
        let waits = Failure::passing(Reason::GitNotMerged, message).next(Next::After(MERGE_PACE));
        return Step::End(super::Ending::Halt(waits));
    }
    match route(view, cut) {
        Ok(route) => Step::Do(Effect::CopyDirectory {
            route: Box::new(route),
            commit: commit.to_owned(),
        }),
        Err(step) => step,
    }
}

/// The model's Git settings, given where it has none. One that is linked elsewhere is left to a person: what its
/// repository holds would be mixed with what is cut.
fn linked(view: View<'_>, cut: &Cut, id: &str) -> Option<Step> {
    let wanted = match settings(view, cut) {
        Ok(wanted) => wanted,
        Err(step) => return Some(step),
    };
    let link = || {
        Step::Do(Effect::LinkGit {
            model: id.to_owned(),
            settings: Box::new(wanted.clone()),
        })
    };
    let place = |it: &GitSettings| {
        (
            it.clone_url.clone(),
            it.base_branch.clone(),
            it.directory(&cut.model.name),
        )
    };
    match view.seen.git.get(id) {
        None if view.seen.model_is_new && !view.seen.linked_before.contains(id) => Some(link()),
        None => Some(Step::Look(Look::Git(id.to_owned()))),
        Some(None) => Some(link()),
        Some(Some(has)) if place(has) == place(&wanted) && !has.follower => None,
        Some(Some(has)) => {
            let (address, branch, directory) = place(has);
            let why = format!(
                "model {id} ({:?}) is linked to {directory:?} on {branch:?} of {address}, and not as model.git says; unlink it in Omni, or correct model.git",
                cut.model.name
            );
            Some(halt(Reason::GitUnfit, why))
        }
    }
}

/// The version's own settings: the source's, with a directory of its own.
fn settings(view: View<'_>, cut: &Cut) -> Result<GitSettings, Step> {
    let route = route(view, cut)?;
    let (source, _) = source(view, cut)?;
    let directory = route.to.unwrap_or_default();
    let plain = directory.strip_prefix("omni/").filter(|name| !name.contains('/'));
    Ok(GitSettings {
        base_branch: route.branch,
        model_path: Some(plain.map_or_else(|| format!("/{directory}"), str::to_owned)),
        ..source.clone()
    })
}

fn migrated(view: View<'_>, cut: &Cut, id: &str, branch: Option<(&str, &str)>) -> Option<Step> {
    let commit = match mark(view, cut) {
        Mark::Done(_) | Mark::Kept => return None,
        Mark::None => return Some(migrates_at(view, cut)),
        Mark::At(commit) => {
            let source = view.source(cut).and_then(|source| source.model_id.clone());
            let call = Effect::Migrate {
                source: source.unwrap_or_default(),
                migration: Box::new(Migration {
                    target: id.to_owned(),
                    git_ref: commit.to_owned(),
                    branch: branch.map(|(_, name)| name.to_owned()),
                    message: format!("Version {} by Wavepin", view.desired.version),
                }),
            };
            let step = view.create(IntentStep::Git, &migrating(view.desired, cut), "the definition", call);
            return Some(step);
        }
        Mark::Copied(commit) => commit,
    };
    Some(compared(view, cut, (id, branch.map(|(id, _)| id)), commit))
}

fn migrates_at(view: View<'_>, cut: &Cut) -> Step {
    let named = cut.model.migrate.as_ref().and_then(|it| it.git_ref.as_deref());
    match named {
        Some(git_ref) => settle(view, cut, AT, git_ref),
        None => match looked_at(view, cut) {
            Ok(seen) => settle(view, cut, AT, &seen.commit),
            Err(step) => step,
        },
    }
}

/// Whether Omni holds what the source's model holds.
fn compared(view: View<'_>, cut: &Cut, (id, branch): (&str, Option<&str>), commit: &str) -> Step {
    let place = (id.to_owned(), branch.map(str::to_owned));
    let Some(present) = view.seen.files.get(&place) else {
        let (model, branch) = place;
        return Step::Look(Look::Files { model, branch });
    };
    let source = view.source(cut).and_then(|source| source.model_id.clone());
    let source = view.seen.files.get(&(source.unwrap_or_default(), None));
    let wanted = source.map(definition::authored).unwrap_or_default();
    let differing = definition::differing(&wanted, present);
    if differing.is_empty() {
        return settle(view, cut, TAKEN, commit);
    }
    let shown = differing.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = if differing.len() > SHOWN { ", …" } else { "" };
    let why = format!(
        "{} of the model's {} files are not as version {} has them: {shown}{more}",
        differing.len(),
        wanted.len(),
        cut.from
    );
    not_taken(view, cut, id, commit, &why)
}

fn not_taken(view: View<'_>, cut: &Cut, id: &str, commit: &str, why: &str) -> Step {
    let git = cut.model.git.as_ref();
    if git.is_some_and(|git| git.fallback == Some(GitFallback::Yaml)) {
        return settle(view, cut, LEFT, commit);
    }
    let (how, way_out) = match cut.model.copy {
        ModelCopy::Migrate => (
            "the migration at",
            "Name another model.migrate.gitRef, or take model.copy: Yaml",
        ),
        _ => (
            "the directory was copied at",
            "Say model.git.fallback: Yaml, or take model.copy: Yaml",
        ),
    };
    halt(
        Reason::FilesNotTaken,
        format!(
            "after {how} {commit}, Omni's model {id} does not hold what version {} does: {why}. {way_out}",
            cut.from
        ),
    )
}

/// The merged model in a directory of its own, which Omni has written.
pub(super) fn kept(view: View<'_>, cut: &Cut, id: &str) -> Option<Step> {
    cut.model.git.as_ref()?;
    let commit = match (mark(view, cut), cut.model.copy) {
        (Mark::Kept, _) | (Mark::Done(_), ModelCopy::Git) => return None,
        (Mark::Done(commit) | Mark::At(commit) | Mark::Copied(commit), _) => commit,
        (Mark::None, _) => "",
    };
    let unlinked = match view.seen.git.get(id) {
        None => return Some(Step::Look(Look::Git(id.to_owned()))),
        Some(settings) => settings.is_none(),
    };
    // What stands there before it is linked, Omni may take for the model, or erase.
    if unlinked && let Err(step) = looked_at(view, cut) {
        return Some(step);
    }
    linked(view, cut, id).or_else(|| {
        let not_kept = |why: String| halt(Reason::FilesNotTaken, format!("model {id}: {why}"));
        match &view.seen.synced {
            None => return Some(Step::Do(Effect::SyncGit { model: id.to_owned() })),
            Some(synced) if !synced.in_sync => {
                return Some(not_kept(format!(
                    "Omni reports a conflict with its directory: {}. Resolve it in Omni",
                    synced.message
                )));
            }
            Some(_) => {}
        }
        let route = match route(view, cut) {
            Ok(route) => route,
            Err(step) => return Some(step),
        };
        Some(match &view.seen.repository {
            None => Step::Look(Look::Repository(Box::new(route))),
            Some(seen) if seen.present.is_some() => settle(view, cut, KEPT, commit),
            Some(_) => not_kept(format!(
                "Omni says that it is in sync, and {} has no directory {:?} on {:?}. Synchronise it in Omni, or take model.git out",
                route.address,
                route.to.unwrap_or_default(),
                route.branch
            )),
        })
    })
}
