//! Chance that follows from a seed, so that a run can be repeated.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Write as _;

/// Random numbers that a seed tells (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One of so many numbers, from none on.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((it ^ (it >> 31)) % sides as u64).expect("less than the sides")
    }
}

/// The number in a variable of the environment; none where it is not set.
pub(crate) fn number(name: &str) -> Option<u64> {
    let said = std::env::var(name).ok()?;
    Some(
        said.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {said:?}")),
    )
}

/// The seed in `WAVEPIN_SEED`, or another one in every run.
pub(crate) fn seed() -> u64 {
    number("WAVEPIN_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish())
}

/// Says something past the test's capture: seeds and counts belong into the log of a run that passes, too.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
