//! Telling channels what happened: side by side, each in its order, and on record after each.
//!
//! It comes when there is nothing else to do, so that it delays no move; and it is tried once a pass, however slow the other side is.

use std::time::{Duration, Instant};

use tracing::Instrument as _;

use super::decide::{Errand, Errands};
use crate::ports::{ChannelNote, Clients, Delivery, Failure, Mapping, MappingError};

/// For how long one channel is told in one pass; what is left then is told by the next.
const TOLD_FOR: Duration = Duration::from_secs(10);

/// Puts on record which channels begin and end. Nothing may happen to the rollout before: a channel that begins is told of it.
pub(super) async fn begin(mapping: &dyn Mapping, environment: &str, errands: &Errands) -> Option<Failure> {
    if errands.notes.is_empty() {
        return None;
    }
    let span = tracing::info_span!(target: "wavepin::trace", "step", step = "record_channels");
    let recorded = mapping
        .record_channels(environment, &errands.notes)
        .instrument(span)
        .await;
    recorded.err().map(|error| Failure::from(&error))
}

/// Tells what is due.
pub(super) async fn tell(
    clients: &dyn Clients,
    mapping: &dyn Mapping,
    environment: &str,
    due: &[Errand],
) -> Option<Failure> {
    let span = tracing::info_span!(target: "wavepin::trace", "step", step = "notify", channels = due.len());
    let told = due.iter().map(|errand| tell_one(clients, mapping, environment, errand));
    let told = futures::future::join_all(told).instrument(span).await;
    let mut failed = told.into_iter().filter_map(Result::err);
    failed.next().map(|error| Failure::from(&error))
}

async fn tell_one(
    clients: &dyn Clients,
    mapping: &dyn Mapping,
    environment: &str,
    errand: &Errand,
) -> Result<(), MappingError> {
    let mut record = errand.record.clone();
    let began = Instant::now();
    let mut due = errand.notices.as_slice();
    let note = |record| vec![(errand.channel.clone(), ChannelNote::Set(record))];
    if due.is_empty() {
        return mapping.record_channels(environment, &note(record)).await;
    }
    while let Some(notice) = due.first() {
        let delivery = clients.notify(notice).await;
        record.take_in(&delivery, due, errand.now);
        // A process that ends before this tells it again, with the same id.
        mapping.record_channels(environment, &note(record.clone())).await?;
        if delivery != Delivery::Told || began.elapsed() > TOLD_FOR {
            break;
        }
        due = &due[1..];
    }
    Ok(())
}
