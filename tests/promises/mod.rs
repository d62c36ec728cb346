//! The promises, each with a test of its name, numbered as the design numbers them. A test that takes more than a scene
//! calls the scenario where its own room has it.

mod unknown_answer;

/// 1. A tenant never sees a mix of two versions: no statement mixes them, and no link inside a version leads into another.
#[tokio::test(flavor = "multi_thread")]
async fn promise_01_a_tenant_never_sees_a_mix_of_two_versions() {
    crate::journey::waves::three_hundred_tenants_move_by_waves_and_back_and_nobody_sees_a_mix().await;
    crate::cut::whole::no_link_of_a_version_leads_into_its_source().await;
}

/// 2. A pin never moves to a version that is not complete and validated.
#[tokio::test(flavor = "multi_thread")]
async fn promise_02_a_pin_never_moves_to_a_version_that_is_not_validated() {
    crate::cut::evidence::void_evidence_keeps_pins_from_moving_forward_and_from_nothing_else().await;
    crate::cut::environments::what_is_found_for_one_environment_after_completion_keeps_no_other().await;
}

/// 3. No model, folder or dashboard is made twice, whatever crashes and whenever.
#[tokio::test(flavor = "multi_thread")]
async fn promise_03_no_model_folder_or_dashboard_is_made_twice() {
    crate::cut::matrix::whatever_crashes_and_whenever_the_end_is_the_same().await;
}

/// 4. No version in use is retired; nothing is deleted that Wavepin did not make. As far as rollouts go: neither the version
/// that tenants are on nor the one that they had goes with a rollout, its pins or its versions' objects.
#[tokio::test(flavor = "multi_thread")]
async fn promise_04_nothing_in_use_is_retired_and_nothing_is_deleted() {
    crate::standalone::rollback::a_rollout_that_goes_takes_nothing_with_it().await;
}

/// 5. Promotion and rollback need no Omni call, and work while Omni is down.
#[tokio::test(flavor = "multi_thread")]
async fn promise_05_promotion_and_rollback_work_while_omni_is_down() {
    crate::journey::back::promotion_and_rollback_work_while_omni_is_down().await;
}

/// 6. A wave's batch flips whole or not at all; rollback restores each pin's own previous version.
#[tokio::test(flavor = "multi_thread")]
async fn promise_06_a_batch_flips_whole_or_not_at_all_and_each_goes_back_to_its_own() {
    use crate::mapping::bed::Bed;

    crate::mapping::postgres::a_batch_that_is_killed_in_the_middle_has_moved_nobody().await;
    crate::mapping::scenarios::a_flip_is_whole_or_nothing(Bed::postgres()).await;
    crate::mapping::back::rows_go_back_each_to_its_own_version_whole_or_not_at_all(Bed::postgres()).await;
}

/// 7. A gate opens only on evidence for exactly this plan; going back needs none.
#[tokio::test(flavor = "multi_thread")]
async fn promise_07_a_gate_opens_only_on_evidence_for_exactly_this_plan() {
    crate::journey::approved::a_wave_opens_by_whom_the_rights_and_the_policy_let_approve_and_the_ledger_says_who()
        .await;
}

/// 8. No change, no write: Omni, SQL and Kubernetes all see zero writes.
#[tokio::test(flavor = "multi_thread")]
async fn promise_08_no_change_no_write() {
    crate::journey::at_rest::nothing_changes_after_convergence().await;
}

/// 9. Never above the request budget in any window; a 429 loses no work.
#[tokio::test(flavor = "multi_thread")]
async fn promise_09_never_above_the_request_budget_in_any_window() {
    crate::cut::reasons::a_429_is_told_and_loses_no_work().await;
    // It has runtimes of its own, one a process.
    let schedules = crate::budget::no_window_holds_more_than_the_budget_over_restarts_and_429s_with_sqlite;
    tokio::task::spawn_blocking(schedules).await.unwrap();
}

/// 11. Secrets never reach logs, events, status or metrics.
#[tokio::test(flavor = "multi_thread")]
async fn promise_11_secrets_never_reach_logs_events_or_status() {
    crate::journey::secrets::the_secret_appears_nowhere().await;
}

/// 12. An unknown API answer stops the work; it is never guessed.
#[tokio::test(flavor = "multi_thread")]
async fn promise_12_an_unknown_answer_stops_the_work_and_is_never_guessed() {
    unknown_answer::an_unknown_answer_stops_the_work_and_is_never_guessed().await;
}

/// 13. Status lost, operator reinstalled: everything is found again, nothing is rewritten.
#[tokio::test(flavor = "multi_thread")]
async fn promise_13_status_lost_operator_reinstalled_everything_is_found_again() {
    crate::journey::restored::a_new_installation_on_a_restored_database_makes_nothing_twice().await;
}

/// 14. Every object that does not converge says why, and what a person can do.
#[tokio::test(flavor = "multi_thread")]
async fn promise_14_every_object_that_does_not_converge_says_why() {
    crate::cut::knobs::random_pairs_converge_or_stop_with_a_reason().await;
}
