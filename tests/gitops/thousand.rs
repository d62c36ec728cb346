//! Many pins in one Application.

use super::bed::GitOps;

/// How many.
const MANY: usize = 1000;

/// A pin each for so many tenants.
fn pins(version: i32) -> String {
    let pins = (0..MANY).map(|number| {
        format!(
            "apiVersion: wavepin.dev/v1alpha1\nkind: TenantPin\nmetadata: {{name: tenant-{number:04}}}\nspec: \
             {{instanceRef: {{name: clinical}}, tenant: tenant-{number:04}, environment: production, version: {version}}}\n"
        )
    });
    pins.collect::<Vec<_>>().join("---\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_pins_in_one_application_are_healthy_and_move_with_one_commit() {
    let it = GitOps::new("gitops-thousand").await;
    let controller = it.bed.controller("controller");
    it.commit_the_first();
    it.hand_over();
    let version = it.manifest("clinical-v2.yaml");
    let on_the_first = pins(1);
    let all = [
        ("many.yaml", Some(on_the_first.as_str())),
        ("clinical-v2.yaml", Some(&version)),
    ];
    let many = it.commit("Pin a thousand tenants", &all);
    it.settles(&many, "Healthy");
    let rows = "SELECT count(*) FROM tenant_version WHERE model_version_id = ";
    let held = |version: i32| it.bed.database.psql(&format!("{rows}{version}")).trim().to_owned();
    // Those of the example are among them.
    assert_eq!(held(1), (MANY + 6).to_string());

    let before = it.record.len();
    it.looks_again();
    it.was_in_sync(before);
    let moved = it.commit("Move them all", &[("many.yaml", Some(&pins(2)))]);
    it.settles(&moved, "Healthy");
    assert_eq!(held(2), MANY.to_string());
    it.bed.cluster.end("controller", controller);
    it.bed.simulator.shutdown().await;
}
