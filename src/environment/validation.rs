//! The check of a wave that asks the version's queries as tenants of the wave.
//!
//! To ask takes a call to Omni for each tile and tenant, for minutes, and a pass over an environment must not depend on Omni.
//! So it only says in the ledger as whom it wants to know it; the version's own pass asks, and puts what it finds there
//! ([`IntentStep::Tenant`]). Until then the answer is unknown.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::ports::{
    Answer, Intent, IntentStep, Mapping, MappingError, Question, TenantEvidence, TenantFound, VersionRecord,
};
use crate::resources::ValidationCheck;

/// Of so many tenants for each that is wanted it is asked whether they have an embed user.
const LOOKED_FOR: usize = 10;

/// What is known, and what is to be asked.
#[derive(Debug, PartialEq, Eq)]
struct Judged {
    answer: Answer,
    /// As whom the version's pass is to ask, or to ask again.
    to_ask: Vec<String>,
}

/// Answers such a check by the ledger, and whether the version's pass has something to ask now.
pub(super) async fn ask(
    mapping: &dyn Mapping,
    question: &Question,
    check: ValidationCheck,
) -> Result<(Answer, bool), MappingError> {
    let version = question.version;
    let versions = mapping.versions().await?;
    let Some(record) = versions.get(&version) else {
        return Ok((Answer::unknown(format!("version {version} is not recorded")), false));
    };
    let basis = TenantEvidence::basis_of(record, &mapping.dashboards(version).await?);
    let mut intents = mapping.intents(version).await?;
    intents.retain(|it| it.step == IntentStep::Tenant);
    let intents: BTreeMap<&str, &Intent> = intents.iter().map(|it| (it.subject.as_str(), it)).collect();
    let Judged { answer, to_ask } = judged(question, usize::from(check.max), record, &basis, &intents);
    for tenant in &to_ask {
        mapping
            .open_intent(version, IntentStep::Tenant, tenant, question.asked_at)
            .await?;
    }
    Ok((answer, !to_ask.is_empty()))
}

/// What the ledger says of the first tenants of the wave who can be asked as. Only what was asked for since tenants of the
/// wave last moved counts, and of the version as it is. Whoever was found wrong is asked again once all were answered, so
/// that none counts twice, and no answer is of a part of them.
fn judged(
    question: &Question,
    most: usize,
    record: &VersionRecord,
    basis: &str,
    intents: &BTreeMap<&str, &Intent>,
) -> Judged {
    let version = question.version;
    if let Some(why) = record.evidence.as_ref().and_then(|it| it.void.as_deref()) {
        let why = format!("the evidence for version {version} does not hold ({why}): its ModelVersion says what to do");
        return Judged::unknown(why, Vec::new());
    }
    let (mut right, mut pending, mut without_user, mut unasked) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut wrong: BTreeMap<&str, String> = BTreeMap::new();
    for tenant in question.tenants.iter().take(most * LOOKED_FOR) {
        if right.len() + pending.len() + wrong.len() == most {
            break;
        }
        let tenant = tenant.as_str();
        let intent = intents.get(tenant);
        match intent.and_then(|it| counted(it, basis, question.moved_at)) {
            Some(TenantFound::Right) => right.push(tenant),
            Some(TenantFound::NoUser) => without_user.push((intent.map(|it| it.opened_at), tenant.to_owned())),
            Some(TenantFound::Wrong(what)) => drop(wrong.insert(tenant, what)),
            None => {
                pending.push(tenant);
                let waits = |it: &&&Intent| it.result.is_none() && it.opened_at >= question.moved_at;
                if intent.filter(waits).is_none() {
                    unasked.push(tenant.to_owned());
                }
            }
        }
    }
    if !pending.is_empty() {
        let why = format!(
            "the ModelVersion has yet to ask as {}; its conditions say what keeps it, and where none is declared any more nobody asks",
            pending.join(", ")
        );
        return Judged::unknown(why, unasked);
    }
    if let Some(first) = wrong.values().next() {
        let to_ask: Vec<String> = wrong.keys().map(|it| (*it).to_owned()).collect();
        // Those who were asked stand for the others: where none of them is right, nobody is.
        let failing = if right.is_empty() { Vec::new() } else { to_ask.clone() };
        return Judged {
            answer: Answer::failed(failing.into_iter().collect(), first.clone()),
            to_ask,
        };
    }
    if right.is_empty() {
        let why = format!(
            "of the first {} tenants of the wave none has an embed user in Omni yet, so that nothing can be asked as one; let one open a dashboard",
            without_user.len()
        );
        // Who was asked for longest ago, and no more than would be asked as: the others come in their turn.
        without_user.sort_unstable();
        let to_ask = without_user.into_iter().take(most).map(|(_, tenant)| tenant);
        return Judged::unknown(why, to_ask.collect());
    }
    Judged {
        answer: Answer::passed(format!("asked as {}", right.join(", "))),
        to_ask: Vec::new(),
    }
}

/// What was found, where that was asked for since then, of the version as it is.
fn counted(intent: &Intent, basis: &str, since: Timestamp) -> Option<TenantFound> {
    let evidence = TenantEvidence::parse(intent.result.as_ref()?)?;
    (evidence.basis == basis && evidence.asked_at >= since).then_some(evidence.found)
}

impl Judged {
    fn unknown(why: String, to_ask: Vec<String>) -> Self {
        Self {
            answer: Answer::unknown(why),
            to_ask,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ports::Evidence;
    use crate::ports::fakes::question;

    const NOW: &str = "basis";

    /// Of so many tenants two are wanted.
    fn about(tenants: &[&str]) -> Question {
        Question {
            tenants: tenants.iter().map(|it| (*it).to_owned()).collect(),
            ..question(serde_json::json!({"name": "queries", "validation": {"max": 2}}))
        }
    }

    fn found(tenant: &str, basis: &str, found: TenantFound) -> Intent {
        let basis = basis.to_owned();
        let asked_at = asked(tenant).opened_at;
        let evidence = TenantEvidence { basis, asked_at, found };
        Intent {
            result: Some(evidence.text()),
            ..asked(tenant)
        }
    }

    fn asked(tenant: &str) -> Intent {
        Intent {
            step: IntentStep::Tenant,
            subject: tenant.to_owned(),
            opened_at: Timestamp::UNIX_EPOCH,
            result: None,
        }
    }

    fn right(tenant: &str) -> Intent {
        found(tenant, NOW, TenantFound::Right)
    }

    fn wrong(tenant: &str) -> Intent {
        found(tenant, NOW, TenantFound::Wrong("1 of 8 queries".to_owned()))
    }

    fn no_user(tenant: &str) -> Intent {
        found(tenant, NOW, TenantFound::NoUser)
    }

    /// The outcome, its failing tenants, and who is asked next, of tenants a to d of whom two are wanted.
    fn told(intents: &[Intent]) -> (Answer, Vec<String>) {
        let intents = intents.iter().map(|it| (it.subject.as_str(), it)).collect();
        let record = VersionRecord::default();
        let judged = judged(&about(&["a", "b", "c", "d"]), 2, &record, NOW, &intents);
        (judged.answer, judged.to_ask)
    }

    fn unknown_about(told: (Answer, Vec<String>), about: &str, asks: &[&str]) {
        assert!(told.0.message.contains(about), "{told:?}");
        assert_eq!(told.0.outcome, crate::ports::CheckOutcome::Unknown, "{told:?}");
        assert_eq!(told.1, asks, "{told:?}");
    }

    #[test]
    fn what_nobody_asked_yet_is_unknown_and_asked_for_once() {
        unknown_about(told(&[]), "ask as a, b;", &["a", "b"]);
        unknown_about(told(&[asked("a")]), "ask as a, b;", &["b"]);
        unknown_about(told(&[asked("a"), asked("b")]), "ask as a, b;", &[]);
        unknown_about(told(&[right("a"), asked("b")]), "ask as b;", &[]);
    }

    #[test]
    fn as_many_as_are_wanted_must_be_right_and_who_has_no_user_is_passed_over() {
        assert_eq!(
            told(&[right("a"), right("b")]),
            (Answer::passed("asked as a, b".to_owned()), Vec::new())
        );
        unknown_about(told(&[right("a"), no_user("b")]), "ask as c;", &["c"]);
        let passed = told(&[no_user("a"), no_user("b"), no_user("c"), right("d")]);
        assert_eq!(passed, (Answer::passed("asked as d".to_owned()), Vec::new()));
    }

    #[test]
    fn where_nobody_has_a_user_some_are_looked_for_again_in_their_turn() {
        let mut nobody: Vec<Intent> = ["a", "b", "c", "d"].map(no_user).into();
        unknown_about(told(&nobody), "of the first 4 tenants", &["a", "b"]);
        for asked_again in [0, 1] {
            nobody[asked_again].opened_at = Timestamp::from_second(60).unwrap();
        }
        unknown_about(told(&nobody), "embed user", &["c", "d"]);
    }

    #[test]
    fn who_was_found_wrong_fails_by_name_once_all_were_answered_and_is_asked_again_before_it_counts_again() {
        unknown_about(told(&[wrong("a"), asked("b")]), "ask as b;", &[]);
        let (answer, asks) = told(&[wrong("a"), right("b")]);
        let failing = BTreeSet::from(["a".to_owned()]);
        assert_eq!(answer, Answer::failed(failing, "1 of 8 queries".to_owned()));
        assert_eq!(asks, ["a"]);
        unknown_about(told(&[asked("a"), right("b")]), "ask as a;", &[]);
    }

    #[test]
    fn where_all_who_were_asked_are_wrong_the_whole_wave_fails() {
        let (answer, asks) = told(&[wrong("a"), wrong("b")]);
        assert_eq!(answer, Answer::failed(BTreeSet::new(), "1 of 8 queries".to_owned()));
        assert_eq!(asks, ["a", "b"]);
    }

    #[test]
    fn what_was_asked_for_before_tenants_of_the_wave_last_moved_says_nothing() {
        let moved_at = Timestamp::from_second(60).unwrap();
        let moved = Question {
            moved_at,
            ..about(&["a", "b", "c", "d"])
        };
        let intents = [right("a"), no_user("b"), asked("c")];
        let intents = intents.iter().map(|it| (it.subject.as_str(), it)).collect();
        let judged = judged(&moved, 3, &VersionRecord::default(), NOW, &intents);
        unknown_about((judged.answer, judged.to_ask), "ask as a, b, c;", &["a", "b", "c"]);
    }

    #[test]
    fn what_was_found_of_another_state_of_the_version_says_nothing() {
        let stale = [found("a", "other", TenantFound::Right), right("b")];
        unknown_about(told(&stale), "ask as a;", &["a"]);
        let unreadable = Intent {
            result: Some("{}".to_owned()),
            ..asked("a")
        };
        unknown_about(told(&[unreadable, right("b")]), "ask as a;", &["a"]);
    }

    #[test]
    fn while_the_versions_own_evidence_is_void_nobody_is_asked() {
        let evidence = Evidence {
            void: Some("ContentInvalid".to_owned()),
            ..Evidence::default()
        };
        let record = VersionRecord {
            evidence: Some(evidence),
            ..VersionRecord::default()
        };
        let judged = judged(&about(&["a"]), 2, &record, NOW, &BTreeMap::new());
        unknown_about((judged.answer, judged.to_ask), "(ContentInvalid)", &[]);
    }

    #[test]
    fn what_the_evidence_rests_on_is_the_versions_own_or_its_parts() {
        let record = VersionRecord::default();
        let none = TenantEvidence::basis_of(&record, &BTreeMap::new());
        let evidence = Evidence {
            basis: "b".to_owned(),
            ..Evidence::default()
        };
        let proved = VersionRecord {
            evidence: Some(evidence),
            ..record
        };
        let some = TenantEvidence::basis_of(&proved, &BTreeMap::new());
        assert!(none != some && none.len() == 16);
    }
}
