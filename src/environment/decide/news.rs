//! What of a rollout is to be told now, and to whom. Pure, and gates nothing: who cannot be told holds nobody.
//!
//! | what is told | comes of |
//! |---|---|
//! | that it began, that a wave with tenants has ended, that all have, that it was stopped or taken back | the step on record |
//! | that a person is awaited | what the rollout waits for now, once for each wave and reason |
//!
//! A channel is told in the order of the record. One that begins is told what goes on record from then on, and who is awaited
//! now. While one cannot be told, the steps wait for it; what nobody waits for any more is not told late.

#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use super::super::observe::Observed;
use super::rollout::RolloutStanding;
use super::rollout::checks::without_names;
use super::{Checked, Decision, Found, Lead, Wait, later};
use crate::ports::{
    ChannelNote, ChannelRecord, ChannelRecords, News, Notice, NumberedStep, Object, RolloutStep, StopKind,
};
use crate::resources::{NotifyChannel, NotifyOn, VersionRolloutSpec, spec_hash};

/// What is to be done about channels.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::environment) struct Errands {
    /// Channels that begin, or are declared no longer: to be put on record before what happens next.
    pub(in crate::environment) notes: Vec<(String, ChannelNote)>,
    /// What is due now, a channel each.
    pub(in crate::environment) due: Vec<Errand>,
    /// When something is tried again, by this process's clock.
    retry: Option<Timestamp>,
}

/// What is due to one channel.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::environment) struct Errand {
    /// The channel's name.
    pub(in crate::environment) channel: String,
    /// How far it is, and beyond what is not for it.
    pub(in crate::environment) record: ChannelRecord,
    /// What it is told, in this order; nothing where only its record is to be written.
    pub(in crate::environment) notices: Vec<Notice>,
    /// Now, by the database's clock.
    pub(in crate::environment) now: Timestamp,
}

/// What is to be told now, after this decision.
pub(in crate::environment) fn errands(seen: &Observed, decision: &Decision) -> Errands {
    let mut errands = Errands::default();
    let mut leads = seen.rollouts.iter().zip(&decision.rollouts);
    let lead = leads.find_map(|(rollout, standing)| match standing {
        RolloutStanding::Leads(lead) => Some((rollout.as_ref(), lead)),
        _ => None,
    });
    // Who is to be told is not known while no rollout is declared: what is on record stays, for when it comes back.
    let Some((rollout, lead)) = lead else { return errands };
    let ChannelRecords { channels, steps } = &seen.view.channels;
    for channel in &rollout.spec.notify {
        let Some(record) = channels.get(&channel.name) else {
            errands.notes.push((channel.name.clone(), ChannelNote::Begin));
            continue;
        };
        let desk = Desk { seen, rollout, channel };
        if let Some(errand) = desk.errand(record, steps, lead) {
            match errand.record.waits_until(channel).filter(|at| *at > errand.now) {
                Some(at) => errands.retries_at(seen, at),
                None => errands.due.push(errand),
            }
        }
    }
    let is_declared = |name: &String| rollout.spec.notify.iter().any(|channel| channel.name == *name);
    let gone = channels.keys().filter(|name| !is_declared(name));
    errands.notes.extend(gone.map(|name| (name.clone(), ChannelNote::End)));
    errands
}

impl Errands {
    fn retries_at(&mut self, seen: &Observed, at: Timestamp) {
        let at = later(seen.now, at.duration_since(seen.view.now));
        self.retry = Some(self.retry.map_or(at, |retry| retry.min(at)));
    }

    /// When a pass is wanted for it: soon, where something is left that is due.
    pub(in crate::environment) fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        let left = (!self.due.is_empty()).then(|| later(now, SignedDuration::from_secs(1)));
        self.retry.into_iter().chain(left).min()
    }
}

/// Where what one channel is told is written.
struct Desk<'a> {
    seen: &'a Observed,
    rollout: &'a Object<VersionRolloutSpec>,
    channel: &'a NotifyChannel,
}

impl Desk<'_> {
    /// What is due to the channel, or to be put on record of it, if anything.
    fn errand(&self, record: &ChannelRecord, steps: &[NumberedStep], lead: &Lead) -> Option<Errand> {
        let mut ahead = record.clone();
        let mut notices: Vec<Notice> = Vec::new();
        // Beyond those there may be a gap: what is read is read for others too.
        let untold = steps.iter().filter(|step| step.number > record.told_through);
        for step in untold.take(ChannelRecords::MOST as usize) {
            match self.of_step(step).filter(|news| self.channel.hears(news.of)) {
                Some(news) => notices.push(self.notice(news, step.number)),
                // What is not for it is passed over with what it was told before.
                None => match notices.last_mut() {
                    Some(before) => before.through = step.number,
                    None => ahead.told_through = step.number,
                },
            }
        }
        let through = notices.last().map_or(ahead.told_through, |last| last.through);
        let awaited = self.awaited(lead).filter(|news| self.channel.hears(news.of));
        let awaited = awaited.filter(|news| record.waiting.as_ref() != Some(&news.id));
        notices.extend(awaited.map(|news| self.notice(news, through)));
        if notices.is_empty() && ahead.retry_at.is_some() {
            ahead.rest();
        }
        let is_at_rest = notices.is_empty() && ahead == *record;
        (!is_at_rest).then(|| Errand {
            channel: self.channel.name.clone(),
            record: ahead,
            notices,
            now: self.seen.view.now,
        })
    }

    /// The same for the same, and for nothing else: an attempt has each step once. Plans and numbers of two rollouts may be
    /// equal, and one receiver may be told of both.
    fn id(&self, plan: &str, wave: Option<&str>, what: &str) -> String {
        let key = &self.seen.key;
        let of = [
            &self.seen.owner,
            &key.namespace,
            &key.instance,
            &key.environment,
            &self.rollout.name,
        ];
        let of = spec_hash(&of);
        match wave {
            Some(wave) => format!("{of}_{plan}_{wave}_{what}"),
            None => format!("{of}_{plan}_{what}"),
        }
    }

    fn notice(&self, news: News, through: i64) -> Notice {
        Notice {
            channel: self.channel.clone(),
            namespace: self.rollout.namespace.clone(),
            rollout: self.rollout.name.clone(),
            instance: self.rollout.spec.instance_ref.name.clone(),
            environment: self.seen.key.environment.clone(),
            news,
            through,
        }
    }

    /// What is told of a step on record, if anything is.
    fn of_step(&self, step: &NumberedStep) -> Option<News> {
        let event = &step.event;
        let (of, what, wave, message) = match &event.step {
            RolloutStep::Started => (NotifyOn::Started, "started", None, String::new()),
            RolloutStep::Ended { wave } if step.members != Some(0) => {
                (NotifyOn::WaveCompleted, "wave-completed", Some(wave), String::new())
            }
            RolloutStep::Completed => (NotifyOn::Completed, "completed", None, String::new()),
            RolloutStep::Stopped { kind, wave, why } => {
                let of = match kind.takes_back() {
                    true => NotifyOn::RolledBack,
                    false => NotifyOn::Stopped,
                };
                // What people order by hand says what they wrote.
                let why = match kind {
                    StopKind::Ordered => why,
                    StopKind::Paused | StopKind::RolledBack => without_names(why),
                };
                (of, kind.slug(), wave.as_ref(), clipped(why))
            }
            RolloutStep::Opened { .. } | RolloutStep::Approved { .. } | RolloutStep::Ended { .. } => return None,
        };
        let plan = format!("{}-{}", event.plan, event.attempt);
        let moved = &self.seen.view.rollouts.moved_in;
        let moved = wave.map(|wave| moved.get(&(event.attempt, wave.clone())).copied().unwrap_or_default());
        Some(News {
            id: self.id(&plan, wave.map(String::as_str), what),
            at: step.at,
            of,
            attempt: event.attempt,
            plan,
            version: event.target,
            wave: wave.cloned(),
            tenants: step.members.filter(|_| wave.is_some()),
            moved,
            message,
        })
    }

    /// The person who is awaited now, if one is.
    fn awaited(&self, lead: &Lead) -> Option<News> {
        let (wave, what, message) = match lead.wait.as_ref()? {
            wait @ Wait::Approval(awaited) if !wait.comes_by_itself() => {
                let wave = &awaited.wave;
                let rollout = &self.rollout.name;
                let message = format!(
                    "wave {wave} opens once it is approved: a WaveApproval with rollout {rollout}, wave {wave} and plan {}",
                    awaited.plan
                );
                (wave, "approval-awaited", message)
            }
            Wait::Check(Checked {
                wave,
                check,
                found: Found::NobodyLeft,
                ..
            }) => {
                let message = format!(
                    "check {check} had not passed when all who had moved in wave {wave} were taken back, and nobody is left to ask \
                     about"
                );
                (wave, "nobody-left", message)
            }
            Wait::HeldBack(wave, _) => {
                let message = format!(
                    "every tenant of wave {wave} is kept back by something of its own; status.leftOutTenants names them"
                );
                (wave, "held-back", message)
            }
            _ => return None,
        };
        let rollouts = &self.seen.view.rollouts;
        // One that is not on record yet waits for nobody.
        let attempt = rollouts.attempt.as_ref().filter(|it| it.word() == lead.plan)?;
        let began = rollouts.past.last().map(|past| past.started_at);
        let ended = attempt.waves.values().filter_map(|wave| wave.ended_at);
        let tenants = lead.waves.iter().find(|it| it.name == *wave).map(|it| it.tenants);
        Some(News {
            id: self.id(&attempt.word(), Some(wave), what),
            at: ended.chain(began).max().unwrap_or(self.seen.view.now),
            of: NotifyOn::Waiting,
            attempt: attempt.number,
            plan: attempt.word(),
            version: attempt.target,
            wave: Some(wave.clone()),
            tenants,
            moved: None,
            message: clipped(&message),
        })
    }
}

/// One line of the length that is told.
fn clipped(text: &str) -> String {
    let plain = |it: char| if it.is_control() { ' ' } else { it };
    let mut text: String = text.chars().map(plain).collect();
    if text.len() > News::LONGEST {
        text.truncate(text.floor_char_boundary(News::LONGEST - 3));
        text.push_str("...");
    }
    text
}
