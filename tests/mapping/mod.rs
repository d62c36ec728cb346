//! The mapping does the same on SQLite and on PostgreSQL, and what the port promises.

pub(crate) mod back;
pub(crate) mod bed;
mod budget;
mod looking;
pub(crate) mod postgres;
pub(crate) mod scenarios;
mod sqlite;
mod tenants;
mod told;

/// Runs every scenario of a module on both databases.
macro_rules! on_both {
    ($scenarios:ident: $($scenario:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenarios::$scenario(super::bed::Bed::sqlite().await).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenarios::$scenario(super::bed::Bed::postgres()).await;
            })*
        }
    };
}

mod budgets {
    use super::{bed, budget};

    on_both! {
        budget:
        a_window_holds_as_many_as_the_lowest_rate_allows
        a_place_comes_back_a_window_after_it_is_given_back
        a_place_that_nobody_gives_back_is_free_when_its_hold_ends
        what_was_sent_is_known_to_the_next_writer_and_the_older_one_gets_no_place
        a_pause_holds_for_all_and_one_goes_ahead_alone
        of_many_that_ask_at_once_no_more_get_a_place_than_there_are
        a_clock_that_was_set_back_is_noticed
        keys_have_nothing_to_do_with_each_other
    }
}

mod labels {
    use super::{bed, tenants};

    on_both! {
        tenants:
        labels_are_read_of_those_that_have_a_row_here_and_only_where_they_are_asked_for
        columns_of_any_type_are_read_as_their_text
        a_table_that_cannot_be_read_is_told_and_spoils_nothing_else
        the_current_version_is_what_was_last_rolled_out_to_the_end
    }
}

mod lookers {
    use super::{bed, looking};

    on_both! {
        looking:
        where_there_is_no_ledger_an_empty_one_is_shown_and_none_is_made
        looking_shows_what_is_there_and_shuts_nobody_out
        who_reads_from_omni_is_counted_and_shuts_nobody_out
    }
}

mod told_of_rollouts {
    use super::{bed, told};

    on_both! {
        told:
        a_channel_begins_after_what_is_on_record_and_is_shown_what_follows
        a_channel_that_is_far_behind_keeps_no_other_from_what_is_news
        how_far_a_channel_is_is_kept_whole_until_it_ends
        who_has_lost_the_fence_notes_nobody_told
    }
}

mod taken_back {
    use super::{back, bed};

    on_both! {
        back:
        a_stopped_rollout_is_one_that_goes_on_from_nothing
        rows_go_back_each_to_its_own_version_whole_or_not_at_all
        orders_stand_until_they_are_lifted_and_need_no_fence
    }
}

on_both! {
    scenarios:
    nothing_is_asked_of_a_mapping_that_is_not_prepared
    an_older_writer_writes_nothing
    another_owner_needs_a_persons_word
    first_starts_at_once_all_succeed
    a_number_belongs_to_who_recorded_it_first
    what_is_learned_about_a_version_is_kept
    what_was_found_is_kept_worst_first_and_written_once
    evidence_of_an_older_release_is_read_as_what_it_was
    an_organisation_is_remembered_and_only_by_who_has_the_fence
    intents_are_opened_settled_and_dropped
    dashboards_are_marked_once
    a_version_is_completed_with_its_rows_at_once
    a_row_with_another_id_is_left_as_it_is
    the_applications_look_up_finds_what_a_tenant_sees
    a_flip_is_whole_or_nothing
    what_happens_to_a_rollout_adds_up_and_happens_once
    of_two_that_begin_the_same_attempt_one_is_told
    what_checks_are_answered_is_one_row_a_change_and_counts_for_its_attempt
    history_is_told_of_a_tenant_and_of_a_rollout_newest_last_and_bounded
    only_complete_versions_with_all_their_rows_get_tenants
    of_two_flips_at_once_one_is_told_that_rows_moved
    no_tenant_can_be_moved_to_a_version_that_nobody_declared
    an_environment_is_read_with_its_evidence
    rows_are_removed_only_while_they_hold_what_they_should
    what_changes_nothing_writes_nothing
}
