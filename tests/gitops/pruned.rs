//! A commit that takes a version away which tenants are on.

use super::bed::GitOps;
use crate::journey::bed::{FIRST, SECOND, TENANTS};

#[tokio::test(flavor = "multi_thread")]
async fn pruning_a_live_version_breaks_no_tenant_and_the_next_commit_moves_its_tenants() {
    let it = GitOps::new("gitops-pruned").await;
    let controller = it.bed.controller("controller");
    it.commit_the_first();
    it.hand_over();
    let files = ["clinical-v2.yaml", "pins.yaml"].map(|file| (file, it.manifest(file)));
    let files = files.each_ref().map(|(file, text)| (*file, Some(text.as_str())));
    let both = it.commit("Offer version 2 in staging", &files);
    it.settles(&both, "Healthy");

    let rows = it.bed.row_writes();
    let before = it.bed.simulator.state();
    let pruned = it.commit("Forget version 1", &[("clinical-v1.yaml", None)]);
    it.settles(&pruned, "Healthy");
    let left = it.bed.cluster.kubectl(&["get", "modelversions", "--output=name"]);
    assert_eq!(left.trim(), "modelversion.wavepin.dev/clinical-v2");
    it.bed.ask_for_passes("without-the-first");
    assert_eq!(it.bed.row_writes(), rows, "a row was written");
    assert_eq!(it.bed.simulator.state(), before, "Omni was changed");
    for tenant in TENANTS {
        it.bed.is_on(&before, tenant, "production", FIRST);
    }

    let pins = it.manifest("pins.yaml").replace("  version: 1\n", "  version: 2\n");
    let moved = it.commit("Move production too", &[("pins.yaml", Some(&pins))]);
    it.settles(&moved, "Healthy");
    for tenant in TENANTS {
        it.bed.is_on(&before, tenant, "production", SECOND);
    }
    it.was_right_at_every_moment();
    it.bed.cluster.end("controller", controller);
    it.bed.simulator.shutdown().await;
}
