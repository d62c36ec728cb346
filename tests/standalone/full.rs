//! A disk that takes no more: nothing is lost, nothing is made twice, and the next run goes on.

use std::process::Command;

use super::bench::{Bench, run};

/// How large, in blocks of 512 bytes, a file may grow. The mapping and its log need some thousand; each limit ends the
/// run elsewhere.
const LIMITS: [u32; 5] = [24, 320, 1200, 3000, 6000];

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing() {
    let mut failed = 0;
    let mut in_the_cut = 0;
    for limit in LIMITS {
        let bench = Bench::clinical().await;
        bench.edit("instance.yaml", "spec:\n", "spec:\n  listLag: 1s\n");
        let apply = bench.command(&["--timeout", "8s", "--request-timeout", "1s"]);
        let mut limited = Command::new("sh");
        // Ignored, the signal becomes the error that a full disk gives.
        limited
            .args(["-c", &format!("trap '' XFSZ; ulimit -f {limit}; exec \"$@\""), "sh"])
            .arg(apply.get_program())
            .args(apply.get_args())
            .envs(apply.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ran = run(&mut limited);
        if ran.code != Some(0) {
            failed += 1;
            assert!(
                ran.stdout.contains("MappingUnreachable") || ran.stderr.contains("database"),
                "{limit}: {ran:?}"
            );
            in_the_cut += usize::from(bench.writes() > 0);
        }
        bench.apply(&[]).ended_with(0);
        let state = bench.simulator.state();
        let count = |list: &str, field: &str, is: &str| {
            let all = state[list].as_array().expect("the state has this list").iter();
            all.filter(|it| it[field] == is && it["deleted"] != true).count()
        };
        assert_eq!(count("models", "name", "clinical v2"), 1, "{limit}");
        assert_eq!(count("folders", "path", "clinical/v2"), 1, "{limit}");
        assert_eq!(count("documents", "folderPath", "clinical/v2"), 5, "{limit}");
    }
    assert!(
        failed >= 2 && in_the_cut >= 1,
        "{failed} failed, {in_the_cut} in the cut"
    );
}
