//! What is late and must not count: a list from before a model was made.

use std::time::Duration;

use wavepin::resources::conditions::DRIFTED;

use super::bench::{Bench, ready, verdict};
use super::breaking::Fuse;

/// Looks at many versions share a list of models. One that was read before a model was made would show it as missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_was_cut_after_a_look_at_another_is_not_told_to_be_missing() {
    let bench = Bench::new(|_, text| text).await;
    let world = bench.world(&Fuse::never()).await;
    for name in ["clinical-v1", "clinical-v2"] {
        ready(&bench.drive(&world, name).await);
        // So long that nothing excuses a list that lacks it, and by the clock here alone: for the client it is a moment.
        bench.clock_passes(Duration::from_secs(120));
        let look = bench.drive(&world, name).await;
        ready(&look);
        assert_eq!(verdict(&look.findings, DRIFTED), None, "{look:#?}");
    }
}
