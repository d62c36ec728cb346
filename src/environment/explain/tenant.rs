//! Why a tenant is on its version.

use super::super::decide::{Kept, Member, Row, Standing, Wait};
use super::super::report::{claimed, goes_on, held, kept_back, who};
use super::{Cause, Ends, Explanation, Look, Outlook, Places, moved_by, rollout, row};
use crate::ports::{Object, PinEvent};
use crate::resources::conditions::Reason;
use crate::resources::{TenantPinSpec, WavePhase};

/// The chain of a tenant; `None` where it has neither pin nor row here.
pub(super) fn explained(look: &Look<'_>, tenant: &str) -> Option<Explanation> {
    let seen = look.seen;
    let pins = seen.pins.iter().zip(&look.decision.standings);
    let own: Vec<usize> = pins
        .enumerate()
        .filter(|(_, (pin, _))| pin.spec.tenant == tenant)
        .map(|(place, _)| place)
        .collect();
    // The one that counts, where one does.
    let counts = |place: &usize| !matches!(look.decision.standings[*place], Standing::Conflict { .. });
    let Some(place) = own.iter().copied().find(counts).or_else(|| own.first().copied()) else {
        return row::explained(look, tenant).or_else(|| undeclared(look, tenant));
    };
    let pin = &*seen.pins[place];
    let wish = look.decision.wishes[place];
    let row = Row::of(seen, Member::of(pin), wish);
    let standing = &look.decision.standings[place];
    let mut causes = vec![
        Cause::fact(row_of(look, tenant, row.holds, row.oddity())),
        asks(look, pin, wish),
    ];
    for other in own.iter().filter(|other| **other != place) {
        let name = seen.pins[*other].key();
        causes.push(Cause::fact(format!(
            "TenantPin {name} is for this tenant too, and does not count"
        )));
    }
    if let Some(until) = row.expired_hold().and_then(|hold| hold.until) {
        causes.push(Cause::fact(format!("its hold ended at {until} and is ignored")));
    }
    causes.extend(why(look, pin, &row, standing, wish.unwrap_or_default()));
    let outlook = match standing {
        Standing::Pinned => Outlook::AsWished,
        _ => Outlook::Waits,
    };
    let shall = match wish {
        Some(_) if *standing == Standing::Pinned => ", as asked for".to_owned(),
        // It is to go back.
        Some(wish) if row.holds == Some(wish) => String::new(),
        Some(wish) => format!(", to be on version {wish}"),
        None => String::new(),
    };
    let now = match row.oddity() {
        Some(_) => "is on no version".to_owned(),
        None => held(row.holds),
    };
    Some(Explanation {
        about: format!("{} {now}{shall}", who(pin)),
        environment: seen.key.environment.clone(),
        outlook,
        holds: row.holds,
        wish,
        progress: None,
        causes,
    })
}

/// What its row holds, and who put it there when.
pub(super) fn row_of(look: &Look<'_>, tenant: &str, holds: Option<i32>, oddity: Option<String>) -> String {
    let recorded = &look.seen.view;
    let last = recorded.events.get(tenant).and_then(|events| events.last());
    let by = |last: &PinEvent| {
        // Of attempts before these the name is not read here.
        let attempt = recorded.rollouts.attempt.as_ref();
        let own = last.cause.wave.as_ref().zip(attempt);
        let own = own.filter(|(wave, attempt)| (attempt.first..=attempt.number).contains(&wave.attempt));
        moved_by(last, own.map(|(_, attempt)| attempt.holder.as_str()))
    };
    let now = match (holds, oddity) {
        (_, Some(odd)) => format!("its row holds {odd}, which can be no version"),
        (Some(version), None) => format!("its row holds version {version}"),
        (None, None) => "it has no row".to_owned(),
    };
    let version = |of: Option<i32>| of.map_or_else(|| "no row".to_owned(), |version| format!("version {version}"));
    match last {
        None if holds.is_none() => format!("{now}, and none is on record"),
        None => format!("{now}; no recorded move put it there"),
        Some(last) if last.to == holds => {
            let from = version(last.from);
            format!("{now} since {}, from {from}: {}", last.at, by(last))
        }
        Some(last) => {
            let to = version(last.to);
            format!(
                "{now}, which another hand put there; by the ledger it was {to} since {}: {}",
                last.at,
                by(last)
            )
        }
    }
}

/// What is asked for, and by whom.
fn asks(look: &Look<'_>, pin: &Object<TenantPinSpec>, wish: Option<i32>) -> Cause {
    let name = pin.key();
    Cause::fact(match (pin.spec.version, look.lead(), wish) {
        (Some(version), ..) => format!("TenantPin {name} asks for version {version}"),
        (None, Some((rollout, _)), Some(wish)) => format!(
            "TenantPin {name} has no version of its own: it follows VersionRollout {}, which moves tenants to version \
             {wish}",
            rollout.key()
        ),
        (None, ..) => format!("TenantPin {name} has no version of its own, and there is no VersionRollout to follow"),
    })
}

/// Why it stands where it stands.
fn why(look: &Look<'_>, pin: &Object<TenantPinSpec>, row: &Row<'_>, standing: &Standing, wish: i32) -> Vec<Cause> {
    let name = pin.key();
    let one = |said: (Reason, String), ends: Ends| vec![Cause::new(said, ends)];
    match standing {
        Standing::Invalid(refusal) => one(
            (Reason::Invalid, format!("{refusal}; nothing is done for it")),
            Ends::person(format!("correct TenantPin {name}")),
        ),
        Standing::Deleting => one(goes_on(standing, wish), look.when(format!("TenantPin {name} is gone"))),
        Standing::Conflict { holder, fate } => one(
            (Reason::Conflict, claimed(holder, *fate)),
            Look::ends_conflict(holder, *fate, pin),
        ),
        Standing::Pinned => vec![pinned(look, pin, row)],
        Standing::Moving => one(
            (
                Reason::Progressing,
                "nothing keeps it: its row is to be moved now".to_owned(),
            ),
            look.when("its row has been moved"),
        ),
        Standing::NotComplete { declared } => {
            let cause = Cause::new(goes_on(standing, wish), look.ends_not_complete(*declared, wish));
            rollout::version(look, wish).into_iter().chain([cause]).collect()
        }
        Standing::Retired => {
            let whose = match (pin.spec.version, look.lead()) {
                (None, Some((rollout, _))) => format!("VersionRollout {}", rollout.key()),
                _ => format!("TenantPin {name}"),
            };
            one(
                (
                    Reason::VersionNotComplete,
                    format!("version {wish} is retired for good"),
                ),
                Ends::person(format!("set spec.version of {whose} to another one")),
            )
        }
        Standing::NoRollout => one(
            goes_on(standing, wish),
            Ends::person(format!(
                "declare a VersionRollout for {} of OmniInstance {}, or set spec.version of TenantPin {name}",
                pin.spec.environment, pin.spec.instance_ref.name
            )),
        ),
        Standing::Kept(kept) => {
            let cause = Cause::new(kept_back(kept, wish), look.ends_kept(kept, pin, wish));
            match kept {
                Kept::Queued { wave, .. } => queued(look, wave, cause),
                _ => vec![cause],
            }
        }
    }
}

/// All is as it shall be; what a person does to have it otherwise.
fn pinned(look: &Look<'_>, pin: &Object<TenantPinSpec>, row: &Row<'_>) -> Cause {
    let doubt = if row.holds_complete() {
        ""
    } else {
        ", though that version is not on record as complete"
    };
    let what = format!("its row holds what is asked for{doubt}; nothing is waited for");
    let whose = match (pin.spec.version, look.lead()) {
        (None, Some((rollout, _))) => format!("spec.version of VersionRollout {}", rollout.key()),
        _ => format!("spec.version of TenantPin {}", pin.key()),
    };
    Cause::new(
        (Reason::Converged, what),
        Ends::person(format!("set {whose} to another version")),
    )
}

/// Which wave it is in and why, and what that wave waits for.
pub(super) fn queued(look: &Look<'_>, wave: &str, cause: Cause) -> Vec<Cause> {
    let Some((rollout, lead)) = look.lead() else {
        return vec![cause];
    };
    let places = Places::of(&rollout.spec);
    let Some(place) = lead.waves.iter().position(|it| it.name == wave) else {
        return vec![cause];
    };
    let own = &lead.waves[place];
    let (number, all) = (place + 1, lead.waves.len());
    let phase = match own.phase {
        WavePhase::Pending => "has not opened",
        WavePhase::Open => "is open",
        WavePhase::Soaking => "soaks",
        WavePhase::Ended => "has ended",
    };
    let place_of = Cause {
        what: format!(
            "it is in wave {wave} of VersionRollout {}, {number} of {all}, {}; the wave {phase}",
            rollout.key(),
            places.why(place)
        ),
        ends: Some(Ends {
            looks_again_by: None,
            ..cause.ends.unwrap_or_default()
        }),
        ..cause
    };
    let (before, wait) = match &own.waits {
        Some(wait) => (String::new(), Some(wait)),
        // What the first of those before it waits for keeps all after it.
        None => {
            let first = lead.waves[..place].iter().find(|it| it.phase != WavePhase::Ended);
            let before = first.map(|it| format!("wave {} comes before it: ", it.name));
            (before.unwrap_or_default(), first.and_then(|it| it.waits.as_ref()))
        }
    };
    let mut chain = vec![place_of];
    match wait {
        Some(wait) => chain.extend(keeps(look, wait, &before)),
        None => {
            let what = format!("{before}nothing keeps it, and the next step is to be taken now");
            chain.push(Cause::new(
                (Reason::Progressing, what),
                look.when("the next pass has looked"),
            ));
        }
    }
    chain
}

/// What the wave waits for, after what is known of the target where it is about that.
fn keeps(look: &Look<'_>, wait: &Wait, before: &str) -> Vec<Cause> {
    let Some((rollout, _)) = look.lead() else {
        return Vec::new();
    };
    let mut chain = rollout::waits_for(look, rollout, wait);
    if let Some(last) = chain.last_mut() {
        last.what = format!("{before}{}", last.what);
    }
    chain
}

/// What is said of a tenant that no pin names.
fn undeclared(look: &Look<'_>, tenant: &str) -> Option<Explanation> {
    let view = &look.seen.view;
    let holds = view.rows.get(tenant).copied();
    let odd = view.odd_rows.get(tenant);
    let odd = odd.map(|odd| odd.map_or_else(|| "NULL".to_owned(), |number| number.to_string()));
    if holds.is_none() && odd.is_none() && !view.events.contains_key(tenant) {
        return None;
    }
    let environment = &look.seen.key.environment;
    let ends = Ends::person(format!("declare a TenantPin for it in {environment}"));
    let what = "no TenantPin names it here, so that nobody says where it shall be; its row stays as it is".to_owned();
    Some(Explanation {
        about: format!("tenant {tenant} in {environment} {}", held(holds)),
        environment: environment.clone(),
        outlook: Outlook::Waits,
        holds,
        wish: None,
        progress: None,
        causes: vec![
            Cause::fact(row_of(look, tenant, holds, odd)),
            Cause {
                reason: None,
                what,
                ends: Some(ends),
            },
        ],
    })
}
