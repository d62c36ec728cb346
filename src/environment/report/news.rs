//! What a pass says of a rollout's past, and of those who are told of it.

use crate::ports::{AttemptEnd, ChannelRecord, ChannelRecords, Object, Rollouts};
use crate::resources::conditions::{Finding, NOTIFICATIONS_FAILING, Reason};
use crate::resources::{ChannelStatus, PastRollout, RolloutOutcome, VersionRolloutSpec};

/// The last attempts, newest first.
pub(super) fn history(rollouts: &Rollouts) -> Vec<PastRollout> {
    let newest_first = rollouts.past.iter().rev();
    let told = newest_first.map(|past| PastRollout {
        attempt: past.number,
        version: past.target,
        started_at: past.started_at,
        ended_at: past.ended.map(|(_, at)| at),
        outcome: match past.ended {
            None => RolloutOutcome::Progressing,
            Some((AttemptEnd::Completed, _)) => RolloutOutcome::Completed,
            Some((AttemptEnd::Superseded, _)) => RolloutOutcome::Superseded,
            Some((AttemptEnd::Paused, _)) => RolloutOutcome::Paused,
            Some((AttemptEnd::RolledBack, _)) => RolloutOutcome::RolledBack,
        },
        moved: rollouts.moved_by(past.number),
    });
    told.collect()
}

/// The declared channels that are on record, in their order.
fn declared<'a>(
    rollout: &'a Object<VersionRolloutSpec>,
    records: &'a ChannelRecords,
) -> impl Iterator<Item = (&'a str, &'a ChannelRecord)> {
    let names = rollout.spec.notify.iter().map(|channel| channel.name.as_str());
    names.filter_map(|name| Some((name, records.channels.get(name)?)))
}

/// How the channels fare.
pub(super) fn channels(rollout: &Object<VersionRolloutSpec>, records: &ChannelRecords) -> Vec<ChannelStatus> {
    let told = declared(rollout, records).map(|(name, record)| ChannelStatus {
        name: name.to_owned(),
        failing_since: record.failing_since.or(record.gave_up_at),
        message: Some(record.why.clone()).filter(|why| !why.is_empty()),
        given_up: Some(record.given_up).filter(|given_up| *given_up > 0),
    });
    told.collect()
}

/// The condition that tells of the first channel that cannot be told, if there is one: of those first to which something was
/// given up.
pub(super) fn finding(rollout: &Object<VersionRolloutSpec>, records: &ChannelRecords) -> Option<Finding> {
    let failing: Vec<_> = declared(rollout, records).filter(|(_, it)| it.is_failing()).collect();
    let given_up = failing.iter().find(|(_, record)| record.gave_up_at.is_some());
    let (name, record) = given_up.or(failing.first())?;
    let others = match failing.len() - 1 {
        0 => String::new(),
        others => format!("; {others} more channels fail too, see status.notify"),
    };
    let why = &record.why;
    Some(if record.gave_up_at.is_some() {
        let text = format!(
            "channel {name} was not told what happened, and will not be: {why}; {} notifications to it were given up{others}. \
             `wavepin history --rollout {}` tells what happened",
            record.given_up, rollout.name
        );
        Finding::holds(NOTIFICATIONS_FAILING, Reason::NotificationGivenUp, text)
    } else {
        let text = format!("channel {name} cannot be told what happens: {why}; it is tried again{others}");
        Finding::holds(NOTIFICATIONS_FAILING, Reason::ReceiverFailing, text)
    })
}
