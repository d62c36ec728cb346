//! What measures make of the reasons that the decisions give.

use crate::environment::decide::{BY_BASELINE, BY_ORDER, BY_RESTORE, BY_ROLLED_BACK, BY_SPEC, BY_WAY_BACK};
use crate::ports::{Flip, WaveOfFlip};

#[test]
fn the_way_back_is_told_from_the_way_forward_and_from_what_is_none_of_a_rollout() {
    let flip = |reason: &str, wave: Option<&str>| Flip {
        environment: "production".to_owned(),
        moves: Vec::new(),
        reason: reason.to_owned(),
        wave: wave.map(|wave| WaveOfFlip {
            attempt: 1,
            wave: wave.to_owned(),
        }),
    };
    assert_eq!(flip("rollout", Some("canary")).direction(), Some("forward"));
    for back in [BY_WAY_BACK, BY_ROLLED_BACK, BY_ORDER] {
        assert_eq!(flip(back, None).direction(), Some("back"), "{back}");
    }
    for other in [BY_SPEC, BY_RESTORE, BY_BASELINE] {
        assert_eq!(flip(other, None).direction(), None, "{other}");
    }
}
