//! What a pass writes: one effect after the other, each safe to do twice.
//!
//! An effect for many tenants is one transaction. Where the database refuses it because of one of them, or that
//! one's row is locked, the effect is halved until the culprit stands alone: the others are not kept waiting. Where it refuses
//! a way back to several versions, each is tried by itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use tracing::Instrument as _;

use super::decide::{Plan, is_of_rollout};
use super::validation;
use crate::ports::{
    Claim, Clients, Failure, Flip, Mapping, MappingError, MappingErrorKind, Move, Question, RowRemoval,
};

/// How many locks a pass waits for before it leaves the rest of an effect to the next pass: enough to find two
/// locked rows among a thousand.
const LOCK_WAITS: usize = 24;

/// What could not be written.
#[derive(Debug, Clone, Default)]
pub(super) struct Failed {
    /// For these tenants.
    pub(super) tenants: BTreeMap<String, Failure>,
    /// What happens to the rollout.
    pub(super) rollout: Option<Failure>,
}

impl Failed {
    /// Takes out of a plan what is not tried again in this pass.
    pub(super) fn leave_out_of(&self, plan: &mut Plan) {
        plan.leave_out(|tenant| self.tenants.contains_key(tenant));
        if self.rollout.is_some() {
            plan.leave_rollout();
        }
    }

    /// Adds what failed later; `told` is what is said of it.
    pub(super) fn add(&mut self, later: Self, told: impl Fn(Failure) -> Failure) {
        let tenants = later
            .tenants
            .into_iter()
            .map(|(tenant, failure)| (tenant, told(failure)));
        self.tenants.extend(tenants);
        if let Some(failure) = later.rollout {
            self.rollout = Some(told(failure));
        }
    }
}

/// What was asked in this pass.
#[derive(Debug, Default)]
pub(super) struct Asked(BTreeSet<(String, String, Timestamp)>);

impl Asked {
    /// Takes out of a plan what was asked before in this pass, unless tenants of the wave have moved since; takes in the
    /// rest. However slow the other side is, a pass waits for it once a step.
    pub(super) fn leave_out_of(&mut self, plan: &mut Plan) {
        plan.questions
            .retain(|it| self.0.insert((it.wave.clone(), it.check.name.clone(), it.moved_at)));
    }
}

/// Carries a plan out and returns what failed; `sought` takes in the versions whose own passes are to ask something for
/// a check.
///
/// A flip that finds a row moved, or its version no longer complete, has written nothing and failed nothing: the next
/// look decides anew.
pub(super) async fn carry_out(
    (clients, mapping): (&dyn Clients, &dyn Mapping),
    environment: &str,
    plan: &Plan,
    sought: &mut BTreeSet<i32>,
) -> Failed {
    let mut rollout = None;
    if !plan.rollout.is_empty() {
        let span = tracing::info_span!(target: "wavepin::trace", "step", step = "record_rollout");
        let recorded = mapping
            .record_rollout(environment, &plan.rollout)
            .instrument(span)
            .await;
        rollout = recorded.err().map(|error| Failure::from(&error));
    }
    let mut effects = effects(plan);
    if rollout.is_some() {
        effects.retain(|effect| !matches!(effect, Effect::Flip(flip) if is_of_rollout(flip)));
    }
    let tenants = write_rows(mapping, environment, effects).await;
    if rollout.is_none() && !plan.questions.is_empty() {
        let asked = ask((clients, mapping), environment, &plan.questions, sought).await;
        rollout = asked.err().map(|error| Failure::from(&error));
    }
    Failed { tenants, rollout }
}

/// Asks all checks that are due, side by side, and puts the answers on record. A process that ends in between has asked, and
/// knows nothing: the next one asks again.
async fn ask(
    (clients, mapping): (&dyn Clients, &dyn Mapping),
    environment: &str,
    questions: &[Question],
    sought: &mut BTreeSet<i32>,
) -> Result<(), MappingError> {
    let span = tracing::info_span!(target: "wavepin::trace", "step", step = "ask_checks", checks = questions.len());
    let asked = questions.iter().map(|question| async move {
        let (answer, seeks) = match question.check.validation {
            Some(check) => validation::ask(mapping, question, check).await?,
            None => (clients.ask_check(question).await, false),
        };
        Ok((question.answered(answer), seeks.then_some(question.version)))
    });
    let (mut results, mut failed) = (Vec::new(), None);
    for one in futures::future::join_all(asked).instrument(span).await {
        match one {
            Ok((result, seeks)) => {
                results.push(result);
                sought.extend(seeks);
            }
            Err(error) => failed = Some(error),
        }
    }
    let span = tracing::info_span!(target: "wavepin::trace", "step", step = "record_checks");
    mapping.record_checks(environment, &results).instrument(span).await?;
    failed.map_or(Ok(()), Err)
}

/// Sends effects and returns what failed, by tenant.
async fn write_rows(
    mapping: &dyn Mapping,
    environment: &str,
    mut effects: VecDeque<Effect>,
) -> BTreeMap<String, Failure> {
    let mut failed = BTreeMap::new();
    let mut waits = LOCK_WAITS;
    while let Some(effect) = effects.pop_front() {
        let keeps_books = !matches!(effect, Effect::Flip(_));
        // The larger parts first, so that most are through when the waiting is given up.
        let mut parts = VecDeque::from([effect]);
        while let Some(mut part) = parts.pop_front() {
            // No row moves on books that could not be kept.
            part.retain(|tenant| !failed.contains_key(tenant));
            if part.tenants().is_empty() {
                continue;
            }
            let span = tracing::info_span!(target: "wavepin::trace", "step", step = part.name(), tenants = part.tenants().len());
            let Err(error) = part.send(mapping, environment).instrument(span).await else {
                continue;
            };
            let culprit = culprit(&error.kind, &mut waits);
            if culprit == Culprit::OneTenant && part.tenants().len() > 1 {
                parts.extend(part.halves());
                continue;
            }
            // What is wrong with one version keeps nobody from another.
            if culprit == Culprit::Effect && part.versions().len() > 1 {
                parts.extend(part.by_version());
                continue;
            }
            note(&mut failed, [&part], &error);
            if culprit != Culprit::OneTenant {
                let of = part.versions();
                let (same, others) = parts
                    .drain(..)
                    .partition(|it| culprit == Culprit::Database || it.versions() == of);
                parts = others;
                note(&mut failed, &same, &error);
            }
            if culprit == Culprit::Database || (keeps_books && culprit == Culprit::Effect) {
                note(&mut failed, &effects, &error);
                return failed;
            }
        }
    }
    failed
}

/// What one call of the mapping writes, for one tenant or for many.
enum Effect {
    Outside(Vec<(String, Option<i32>, Option<i32>, i32)>),
    Claims(Vec<Claim>),
    Releases(Vec<String>),
    Removals(Vec<RowRemoval>),
    Flip(Flip),
}

/// The effects of a plan in their order: what other hands did, and who has which tenant; the rows that go with their
/// pins; the rows that move.
fn effects(plan: &Plan) -> VecDeque<Effect> {
    let books = [
        Effect::Outside(plan.outside.clone()),
        Effect::Claims(plan.claims.clone()),
        Effect::Releases(plan.releases.clone()),
        Effect::Removals(plan.removals.clone()),
    ];
    let flips = plan.flips.iter().cloned().map(Effect::Flip);
    books.into_iter().chain(flips).collect()
}

impl Effect {
    /// What is done, in traces.
    const fn name(&self) -> &'static str {
        match self {
            Self::Outside(_) => "record_outside",
            Self::Claims(_) => "set_claims",
            Self::Releases(_) => "release_claims",
            Self::Removals(_) => "remove_rows",
            Self::Flip(_) => "flip",
        }
    }

    fn tenants(&self) -> Vec<&str> {
        match self {
            Self::Outside(changes) => changes.iter().map(|(tenant, ..)| tenant.as_str()).collect(),
            Self::Claims(claims) => claims.iter().map(|claim| claim.tenant.as_str()).collect(),
            Self::Releases(tenants) => tenants.iter().map(String::as_str).collect(),
            Self::Removals(removals) => removals.iter().map(|removal| removal.tenant.as_str()).collect(),
            Self::Flip(flip) => flip.moves.iter().map(|one| one.tenant.as_str()).collect(),
        }
    }

    fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        match self {
            Self::Outside(changes) => changes.retain(|(tenant, ..)| keep(tenant)),
            Self::Claims(claims) => claims.retain(|claim| keep(&claim.tenant)),
            Self::Releases(tenants) => tenants.retain(|tenant| keep(tenant)),
            Self::Removals(removals) => removals.retain(|removal| keep(&removal.tenant)),
            Self::Flip(flip) => flip.moves.retain(|one| keep(&one.tenant)),
        }
    }

    /// The same for one half of the tenants, and for the other.
    fn halves(self) -> [Self; 2] {
        fn split<T>(mut all: Vec<T>) -> [Vec<T>; 2] {
            let second = all.split_off(all.len() / 2);
            [all, second]
        }
        match self {
            Self::Outside(changes) => split(changes).map(Self::Outside),
            Self::Claims(claims) => split(claims).map(Self::Claims),
            Self::Releases(tenants) => split(tenants).map(Self::Releases),
            Self::Removals(removals) => split(removals).map(Self::Removals),
            Self::Flip(mut flip) => {
                let moves = std::mem::take(&mut flip.moves);
                split(moves).map(|moves| Self::Flip(Flip { moves, ..flip.clone() }))
            }
        }
    }

    /// The versions that rows get by it.
    fn versions(&self) -> BTreeSet<i32> {
        match self {
            Self::Flip(flip) => flip.moves.iter().map(|one| one.to).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// The same for each of these versions by itself.
    fn by_version(self) -> Vec<Self> {
        let Self::Flip(mut flip) = self else {
            return vec![self];
        };
        let mut moves: BTreeMap<i32, Vec<Move>> = BTreeMap::new();
        for one in std::mem::take(&mut flip.moves) {
            moves.entry(one.to).or_default().push(one);
        }
        let of = |moves| Self::Flip(Flip { moves, ..flip.clone() });
        moves.into_values().map(of).collect()
    }

    async fn send(&self, mapping: &dyn Mapping, environment: &str) -> Result<(), MappingError> {
        match self {
            Self::Outside(changes) => mapping.record_outside(environment, changes).await,
            Self::Claims(claims) => mapping.set_claims(environment, claims).await,
            Self::Releases(tenants) => mapping.release_claims(environment, tenants).await,
            Self::Removals(removals) => mapping.remove_rows(environment, removals).await,
            Self::Flip(flip) => mapping.flip(flip).await.map(|_| ()),
        }
    }
}

/// What a failure lies with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Culprit {
    /// Perhaps with one of the tenants: a value that the application's table does not take, a lock on one row.
    OneTenant,
    /// With the effect: with all of its tenants.
    Effect,
    /// With the database: nothing else would succeed now.
    Database,
}

fn culprit(kind: &MappingErrorKind, waits: &mut usize) -> Culprit {
    match kind {
        MappingErrorKind::Refused { .. } => Culprit::OneTenant,
        MappingErrorKind::Locked { .. } if *waits > 0 => {
            *waits -= 1;
            Culprit::OneTenant
        }
        MappingErrorKind::Unreachable { .. } | MappingErrorKind::Contended | MappingErrorKind::Superseded => {
            Culprit::Database
        }
        _ => Culprit::Effect,
    }
}

fn note<'e>(
    failed: &mut BTreeMap<String, Failure>,
    effects: impl IntoIterator<Item = &'e Effect>,
    error: &MappingError,
) {
    let failure = Failure::from(error);
    for tenant in effects.into_iter().flat_map(Effect::tenants) {
        failed.entry(tenant.to_owned()).or_insert_with(|| failure.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::fakes::question;

    fn plan_asking(moved: i64) -> Plan {
        let at = |second| Timestamp::from_second(second).unwrap();
        let check = serde_json::json!({"name": "errors", "webhook": {"url": "https://checks.example"}});
        let question = Question {
            asked_at: at(moved),
            moved_at: at(moved),
            ..question(check)
        };
        Plan {
            questions: vec![question],
            ..Plan::default()
        }
    }

    #[test]
    fn a_pass_asks_a_check_once_and_again_only_when_tenants_have_moved_since() {
        let mut asked = Asked::default();
        for (moved, questions) in [(1, 1), (1, 0), (2, 1), (2, 0)] {
            let mut plan = plan_asking(moved);
            asked.leave_out_of(&mut plan);
            assert_eq!(plan.questions.len(), questions, "moved at {moved}");
        }
    }

    #[test]
    fn a_pass_waits_for_so_many_locks_and_no_more() {
        let mut waits = LOCK_WAITS;
        let locked = MappingErrorKind::Locked { why: "busy".to_owned() };
        for _ in 0..LOCK_WAITS {
            assert_eq!(culprit(&locked, &mut waits), Culprit::OneTenant);
        }
        assert_eq!(culprit(&locked, &mut waits), Culprit::Effect);
    }
}
