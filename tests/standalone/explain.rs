//! `wavepin explain`, `history`, `rollout status` and the forecast of `plan`: what people ask, by the real binary.

use serde_json::Value;

use super::bench::{Bench, Ran, run};

/// With the folder in front of what is asked.
fn ask(bench: &Bench, words: &[&str]) -> Ran {
    let apply = bench.command(&[]);
    let mut asked = std::process::Command::new(apply.get_program());
    asked.args(words).arg("-f").arg(bench.file(""));
    asked.envs(apply.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run(&mut asked)
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

/// The example's production pins follow a rollout to version 1, with globex as the canary and rests of a day.
async fn following() -> Bench {
    let bench = super::rollout::following().await;
    bench.apply(&[]).ended_with(3);
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_explained_by_its_row_its_wish_and_what_keeps_it() {
    let bench = following().await;
    let before = (bench.contents().await, bench.simulator.requests().len());

    let waits = ask(
        &bench,
        &["explain", "tenant", "acme-corp", "--environment", "production"],
    )
    .ended_with(3);
    for told in [
        "tenant acme-corp in production has no row, to be on version 1: Soaking\n",
        "  1. it has no row, and none is on record\n",
        "  2. TenantPin default/acme-corp-production has no version of its own: it follows VersionRollout default/production, \
         which moves tenants to version 1\n",
        "  3. Queued: it is in wave rest of VersionRollout default/production, 2 of 2, which takes everybody who is left; the \
         wave has not opened\n",
        "  4. Soaking: wave canary comes before it: wave canary soaks until ",
        "     Ends by itself at ",
    ] {
        assert!(waits.stdout.contains(told), "{told:?} in\n{}", waits.stdout);
    }
    let moved = ask(&bench, &["explain", "tenant", "globex", "--environment", "production"]).ended_with(0);
    assert!(
        moved
            .stdout
            .contains("from no row: VersionRollout default/production, wave canary of attempt 1\n"),
        "{}",
        moved.stdout
    );
    // In every environment: in staging the tenant's pin has a version of its own.
    let everywhere = ask(&bench, &["explain", "tenant", "acme-corp", "-o", "json"]).ended_with(3);
    let told = json(&everywhere);
    let told: Vec<_> = told["explanations"].as_array().unwrap().iter().collect();
    let outlooks: Vec<_> = told
        .iter()
        .map(|it| (&it["environment"], &it["outlook"], &it["holds"]))
        .collect();
    assert_eq!(
        outlooks,
        [
            (&"production".into(), &"Waits".into(), &Value::Null),
            (&"staging".into(), &"AsWished".into(), &2.into())
        ]
    );
    assert_eq!(
        told[0]["causes"].as_array().unwrap().last().unwrap()["reason"],
        "Soaking"
    );

    let nobody = ask(&bench, &["explain", "tenant", "nobody"]).ended_with(2);
    assert!(
        nobody.stderr.contains("looked at environments: production, staging"),
        "{}",
        nobody.stderr
    );
    let none = ask(&bench, &["explain", "rollout", "none"]).ended_with(2);
    assert!(
        none.stderr.contains("declared are: default/production"),
        "{}",
        none.stderr
    );
    let after = (bench.contents().await, bench.simulator.requests().len());
    assert_eq!(after, before, "nothing was written, and Omni was not asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_another_hand_changed_is_told_with_both_values_and_the_way_out() {
    let bench = Bench::clinical().await;
    bench.apply(&[]).ended_with(0);
    bench
        .by_hand("UPDATE tenant_version SET model_version_id = 2 WHERE tenant_id = 'acme-corp' AND tenant_environment = 'production'")
        .await;
    let ended = ask(
        &bench,
        &["explain", "tenant", "acme-corp", "--environment", "production"],
    )
    .ended_with(3);
    for told in [
        "its row holds version 2, which another hand put there; by the ledger it was version 1 since ",
        "wavepin.dev/restore-row: \"2->1\"",
    ] {
        assert!(ended.stdout.contains(told), "{told:?} in\n{}", ended.stdout);
    }
    // The way out that is told is one.
    let pins = std::fs::read_to_string(bench.file("pins.yaml")).unwrap();
    assert!(pins.contains("  name: acme-corp-production\n"));
    bench.edit(
        "pins.yaml",
        "  name: acme-corp-production\n",
        "  name: acme-corp-production\n  annotations: {wavepin.dev/restore-row: \"2->1\"}\n",
    );
    bench.apply(&[]).ended_with(0);
    let ended = ask(
        &bench,
        &["explain", "tenant", "acme-corp", "--environment", "production"],
    )
    .ended_with(0);
    assert!(
        ended
            .stdout
            .contains("a person confirmed it with wavepin.dev/restore-row"),
        "{}",
        ended.stdout
    );
    let history = ask(
        &bench,
        &["history", "--tenant", "acme-corp", "--environment", "production"],
    )
    .ended_with(0);
    let by: Vec<_> = history.stdout.lines().skip(1).collect();
    assert_eq!(by.len(), 3, "{}", history.stdout);
    assert!(
        by[0].contains("-      1    spec.version of its pin"),
        "{}",
        history.stdout
    );
    assert!(
        by[1].contains("1      2    another hand changed the row"),
        "{}",
        history.stdout
    );
    assert!(
        by[2].contains("2      1    a person confirmed it"),
        "{}",
        history.stdout
    );
    // Only the newest, and that there are more is said.
    let ask_last = [
        "history",
        "--tenant",
        "acme-corp",
        "--environment",
        "production",
        "--limit",
        "1",
    ];
    let last = ask(&bench, &ask_last).ended_with(0);
    assert!(
        last.stdout.contains("a person confirmed it") && !last.stdout.contains("spec.version"),
        "{}",
        last.stdout
    );
    assert!(
        last.stdout.contains("these are the newest 1; more is on record"),
        "{}",
        last.stdout
    );
    let later = ask(
        &bench,
        &["history", "--tenant", "acme-corp", "--since", "2999-01-01T00:00:00Z"],
    )
    .ended_with(0);
    assert!(
        later.stdout.contains("nothing is on record of tenant acme-corp"),
        "{}",
        later.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollouts_status_its_history_and_its_forecast_say_how_far_it_is() {
    let bench = following().await;
    let status = ask(&bench, &["rollout", "status", "production"]).ended_with(3);
    let lines: Vec<_> = status.stdout.lines().collect();
    assert!(
        lines[0].ends_with("tenants of clinical in production to version 1: Soaking"),
        "{}",
        status.stdout
    );
    assert!(
        lines[1].starts_with("WAVE     PHASE     MOVED   LEFT OUT   OPENED"),
        "{}",
        status.stdout
    );
    assert!(
        lines[2].starts_with("canary   Soaking   1/1     0 ") && lines[2].contains("until 2"),
        "{}",
        status.stdout
    );
    assert!(
        lines[3].starts_with("rest     Pending   0/2     0 "),
        "{}",
        status.stdout
    );
    assert_eq!(lines[4], "1/3 moved");
    let told = json(&ask(&bench, &["rollout", "status", "default/production", "-o", "json"]).ended_with(3));
    assert_eq!(told["waves"][0]["phase"], "Soaking");

    // When it would end: a day after the canary moved, by the recorded flip.
    let planned = bench.look("plan", &["--ledger-only", "-o", "json"]).ended_with(0);
    let planned = json(&planned);
    let mut environments = planned["environments"].as_array().unwrap().iter();
    let forecast = &environments.find(|it| it["environment"] == "production").unwrap()["forecast"];
    let moves: Vec<_> = forecast["waves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|wave| wave["moves"].as_u64())
        .collect();
    assert_eq!(moves, [Some(0), Some(2)], "the canary has moved already");
    assert_eq!(forecast["endsAt"], told["waves"][0]["waits"]["ends"]["at"]);

    // Only a person lets it go on now, and --watch says so and ends.
    bench.edit("rollout.yaml", "  version: 1", "  version: 1\n  suspend: true");
    bench.edit("rollout.yaml", ", soak: 24h", "");
    bench.apply(&[]).ended_with(3);
    let planned = bench.look("plan", &["--ledger-only"]).ended_with(0);
    for told in [
        "VersionRollout/production: 0 tenants move to version 1, does not end by itself\n",
        "  suspended: nobody moves forward until spec.suspend is false",
    ] {
        assert!(planned.stdout.contains(told), "{told:?} in\n{}", planned.stdout);
    }
    let watched = ask(
        &bench,
        &["rollout", "status", "production", "--watch", "--interval", "100ms"],
    )
    .ended_with(3);
    assert!(
        watched
            .stdout
            .contains("wave canary: Pending, 1/1 moved, 0 left out, waits for a person\n"),
        "{}",
        watched.stdout
    );
    assert!(
        watched
            .stdout
            .contains("by a person: set spec.suspend of VersionRollout"),
        "{}",
        watched.stdout
    );

    // Until it ends.
    bench.edit("rollout.yaml", "\n  suspend: true", "");
    let (words, dir) = (
        ["rollout", "status", "production", "--watch", "--interval", "100ms"],
        bench.file(""),
    );
    let apply = bench.command(&[]);
    let mut follower = std::process::Command::new(apply.get_program());
    follower
        .args(words)
        .arg("-f")
        .arg(dir)
        .stdout(std::process::Stdio::piped());
    follower.envs(apply.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let follower = follower.spawn().unwrap();
    bench.apply(&[]).ended_with(0);
    let output = tokio::task::block_in_place(|| follower.wait_with_output()).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("RolledOut: every wave has ended"), "{said}");

    let history = ask(&bench, &["history", "--rollout", "production"]).ended_with(0);
    for told in [
        "began, plan 1-",
        "wave canary opened, with 1 tenants",
        "wave rest ended",
        "every wave has ended",
    ] {
        assert!(history.stdout.contains(told), "{told:?} in\n{}", history.stdout);
    }
    let told = json(&ask(&bench, &["history", "--rollout", "production", "-o", "json"]).ended_with(0));
    let attempts = told["attempts"].as_array().unwrap();
    assert_eq!(attempts[0]["moved"][0]["wave"], "canary");
    assert_eq!(attempts.last().unwrap()["moved"][0]["moves"], 2);
    let gone = ask(&bench, &["history", "--rollout", "gone"]).ended_with(0);
    assert!(
        gone.stdout
            .contains("nothing is on record of VersionRollout default/gone"),
        "{}",
        gone.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_refused_with_what_to_do() {
    let bench = Bench::clinical().await;
    for (words, told) in [
        (vec!["history"], "--tenant <TENANT>|--rollout <ROLLOUT>"),
        (
            vec!["history", "--tenant", "a", "--rollout", "b"],
            "cannot be used with",
        ),
        (
            vec!["history", "--tenant", "a", "--since", "tomorrow"],
            "neither a time as",
        ),
        (vec!["history", "--tenant", "a", "--limit", "0"], "--limit"),
        (
            vec!["history", "--tenant", "a", "--instance", "other"],
            "declare no OmniInstance \"other\"",
        ),
        (vec!["rollout", "status", "a", "--interval", "1s"], "--watch"),
        (vec!["explain", "pin", "a"], "unrecognized subcommand"),
    ] {
        let ended = ask(&bench, &words).ended_with(2);
        assert!(ended.stderr.contains(told), "{words:?}: {}", ended.stderr);
    }
    assert!(!bench.has_database(), "who only looks makes no database");
}
