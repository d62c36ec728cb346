//! How far channels are that are told of rollouts, whatever database it stands in.

use jiff::SignedDuration;
use wavepin::ports::{ChannelNote, ChannelRecord, ChannelRecords, MappingErrorKind, RolloutStep, StopKind};

use super::bed::Bed;
use super::scenarios::{happens, kind};

fn one(note: ChannelNote) -> [(String, ChannelNote); 1] {
    [("ops".to_owned(), note)]
}

pub(crate) async fn a_channel_begins_after_what_is_on_record_and_is_shown_what_follows(bed: Bed) {
    let mapping = bed.writer().await;
    let wave = "canary".to_owned();
    let opened = |members| RolloutStep::Opened {
        wave: wave.clone(),
        members,
    };
    let begins = [happens(RolloutStep::Started), happens(opened(3))];
    mapping.record_rollout("production", &begins).await.unwrap();
    let look = async || mapping.environment("production", &[], None).await.unwrap().channels;
    assert_eq!(
        look().await,
        Default::default(),
        "nobody is told: nothing is read for it"
    );

    mapping
        .record_channels("production", &one(ChannelNote::Begin))
        .await
        .unwrap();
    let begun = look().await;
    assert!(
        begun.steps.is_empty() && begun.channels["ops"].told_through > 0,
        "{begun:?}"
    );
    let stop = RolloutStep::Stopped {
        kind: StopKind::Paused,
        wave: None,
        why: "3 tenants fail".to_owned(),
    };
    let ended = RolloutStep::Ended { wave: wave.clone() };
    mapping
        .record_rollout("production", &[happens(ended.clone()), happens(stop.clone())])
        .await
        .unwrap();
    let after = look().await;
    let steps: Vec<_> = after
        .steps
        .iter()
        .map(|step| (&step.event.step, step.members))
        .collect();
    assert_eq!(steps, [(&ended, Some(3)), (&stop, None)]);
    assert!(after.steps[0].number > begun.channels["ops"].told_through);

    // Begun twice is begun once, and another environment has channels of its own.
    mapping
        .record_channels("production", &one(ChannelNote::Begin))
        .await
        .unwrap();
    assert_eq!(look().await, after);
    let elsewhere = mapping.environment("staging", &[], None).await.unwrap().channels;
    assert_eq!(elsewhere, Default::default());
}

pub(crate) async fn a_channel_that_is_far_behind_keeps_no_other_from_what_is_news(bed: Bed) {
    let mapping = bed.writer().await;
    let begin = ["down", "up"].map(|name| (name.to_owned(), ChannelNote::Begin));
    mapping.record_channels("production", &begin).await.unwrap();
    let most = ChannelRecords::MOST;
    let opened = |number: u32| {
        happens(RolloutStep::Opened {
            wave: format!("w{number}"),
            members: 1,
        })
    };
    let events: Vec<_> = std::iter::once(happens(RolloutStep::Started))
        .chain((0..most + 5).map(opened))
        .collect();
    mapping.record_rollout("production", &events).await.unwrap();
    let look = async || mapping.environment("production", &[], None).await.unwrap().channels;
    let all = look().await.steps;
    assert_eq!(all.len(), most as usize);
    let last = all.last().unwrap().number;
    let up = ChannelRecord {
        told_through: last,
        ..ChannelRecord::default()
    };
    let up = [("up".to_owned(), ChannelNote::Set(up))];
    mapping.record_channels("production", &up).await.unwrap();
    let seen = look().await.steps;
    assert_eq!(seen[..most as usize], all, "what is due to the one that is behind");
    let news = seen.iter().filter(|step| step.number > last).count();
    assert_eq!(
        (news, seen.len()),
        (6, most as usize + 6),
        "and all that is due to the other, once"
    );
}

pub(crate) async fn how_far_a_channel_is_is_kept_whole_until_it_ends(bed: Bed) {
    let mapping = bed.writer().await;
    mapping
        .record_channels("production", &one(ChannelNote::Begin))
        .await
        .unwrap();
    let view = mapping.environment("production", &[], None).await.unwrap();
    let later = |seconds| Some(view.now + SignedDuration::from_secs(seconds));
    let record = ChannelRecord {
        told_through: 0,
        waiting: Some("1-abc-1_canary_approval-awaited".to_owned()),
        tries: 4,
        failing_since: later(-60),
        retry_at: later(240),
        why: "it answers 503; it's \"down\"".to_owned(),
        declared: "4be0643f1d98573b".to_owned(),
        given_up: 2,
        gave_up_at: later(-3600),
    };
    let set = one(ChannelNote::Set(record.clone()));
    mapping.record_channels("production", &set).await.unwrap();
    let look = async || mapping.environment("production", &[], None).await.unwrap().channels;
    assert_eq!(look().await.channels["ops"], record);
    mapping
        .record_channels("production", &one(ChannelNote::End))
        .await
        .unwrap();
    assert!(look().await.channels.is_empty());
    // What ended meanwhile does not come back by what was told to it.
    mapping.record_channels("production", &set).await.unwrap();
    assert!(look().await.channels.is_empty());
}

pub(crate) async fn who_has_lost_the_fence_notes_nobody_told(bed: Bed) {
    let older = bed.writer().await;
    let _newer = bed.writer().await;
    let refused = older.record_channels("production", &one(ChannelNote::Begin)).await;
    assert!(matches!(kind(refused), MappingErrorKind::Contended));
}
