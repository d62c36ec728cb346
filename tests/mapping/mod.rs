//! The mapping does the same on SQLite and on PostgreSQL, and what the port promises.

mod bed;
mod postgres;
mod scenarios;
mod sqlite;

/// Runs every scenario on both databases.
macro_rules! on_both {
    ($($scenario:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $scenario() {
                super::scenarios::$scenario(super::bed::Bed::sqlite().await).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test]
            async fn $scenario() {
                super::scenarios::$scenario(super::bed::Bed::postgres()).await;
            })*
        }
    };
}

on_both! {
    nothing_is_asked_of_a_mapping_that_is_not_prepared
    an_older_writer_writes_nothing
    another_owner_needs_a_persons_word
    first_starts_at_once_all_succeed
    a_number_belongs_to_who_recorded_it_first
    what_is_learned_about_a_version_is_kept
    intents_are_opened_settled_and_dropped
    dashboards_are_marked_once
    a_version_is_completed_with_its_rows_at_once
    a_row_with_another_id_is_left_as_it_is
    the_applications_look_up_finds_what_a_tenant_sees
    a_flip_is_whole_or_nothing
    only_complete_versions_with_all_their_rows_get_tenants
    of_two_flips_at_once_one_is_told_that_rows_moved
    no_tenant_can_be_moved_to_a_version_that_nobody_declared
    an_environment_is_read_with_its_evidence
    rows_are_removed_only_while_they_hold_what_they_should
    what_changes_nothing_writes_nothing
}
