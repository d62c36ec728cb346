//! A mapping that is only looked at, while another process may be working on it.

use std::time::Duration;

use wavepin::mapping::{MappingOptions, open};
use wavepin::ports::{Ask, Outcome, Place, Return};

use super::bed::Bed;
use super::scenarios::complete;

fn looking(bed: &Bed) -> MappingOptions {
    MappingOptions {
        read_only: true,
        ..bed.options.clone()
    }
}

pub(super) async fn where_there_is_no_ledger_an_empty_one_is_shown_and_none_is_made(bed: Bed) {
    let look = open(&bed.url, looking(&bed)).await.unwrap();
    look.mapping.prepare("acme", None).await.unwrap();
    assert!(look.mapping.versions().await.unwrap().is_empty());
    assert_eq!(look.budget.standing("a key", 55).await.unwrap().used, 0);
    let table = format!("SELECT 'there' FROM {}", bed.ledger("model_version"));
    assert!(bed.try_by_hand(&table).await.is_err(), "nothing was made");
}

pub(super) async fn looking_shows_what_is_there_and_shuts_nobody_out(bed: Bed) {
    let writer = bed.writer().await;
    complete(&*writer, 1).await;
    let look = open(&bed.url, looking(&bed)).await.unwrap();
    // Not even the owner matters to who only looks.
    look.mapping.prepare("somebody", None).await.unwrap();
    assert_eq!(look.mapping.rows(1).await.unwrap().len(), 2);
    assert!(look.mapping.versions().await.unwrap()[&1].complete_at.is_some());
    look.mapping.record_version(2, "cut:1", "apps/v2").await.unwrap_err();
    writer
        .record_version(2, "cut:1", "apps/v2")
        .await
        .expect("the fence is where it was");
    assert_eq!(look.mapping.versions().await.unwrap().len(), 2);
}

pub(super) async fn who_reads_from_omni_is_counted_and_shuts_nobody_out(bed: Bed) {
    let writer = bed.writer().await;
    let ask = Ask {
        key: "ab12".to_owned(),
        rate: 1,
        window: Duration::from_secs(60),
        hold: Duration::from_secs(120),
    };
    let look = open(&bed.url, looking(&bed)).await.unwrap();
    look.mapping.prepare("acme", None).await.unwrap();
    look.budget.take_place(&ask).await.unwrap_err();
    let options = MappingOptions {
        takes_places: true,
        ..looking(&bed)
    };
    let reader = open(&bed.url, options).await.unwrap();
    reader.mapping.prepare("acme", None).await.unwrap();
    let Place::Taken { id, told } = reader.budget.take_place(&ask).await.unwrap() else {
        panic!("there is room for one");
    };
    assert_eq!(told.used, 1);
    let again = reader.budget.take_place(&ask).await.unwrap();
    assert!(matches!(again, Place::Later { .. }), "{again:?}");
    let place = Return {
        ask,
        id,
        recovering: false,
        outcome: Outcome::Accepted,
    };
    reader.budget.give_back(&place).await.unwrap();
    assert_eq!(look.budget.standing("ab12", 1).await.unwrap().used, 1, "all see it");
    reader.mapping.record_version(1, "cut:2", "apps/v1").await.unwrap_err();
    writer
        .record_version(1, "cut:2", "apps/v1")
        .await
        .expect("the fence is where it was");
}
