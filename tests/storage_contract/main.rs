//! What every store keeps to. The functions speak to `dyn Store` only; the list at the end runs
//! each of them on every database.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod analysis;
mod days;
mod file;
mod histories;
mod model;
mod packets;
mod poison;
mod reports;
mod retention;
mod shared;
mod states;
mod tools;
mod visits;
mod withhold;

use std::{sync::Arc, time::Duration};

use geocast::storage::{self, Store};
use tempfile::TempDir;

/// How long a node may be silent before its state starts anew.
const FORGET_AFTER: Duration = Duration::from_hours(7 * 24);

#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod postgres_server;

#[path = "../support/proxy.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod proxy;

/// A database of its own for one test.
struct House {
    url: String,
    _keeper: Keeper,
}

/// What a database lives in.
enum Keeper {
    Folder { _folder: TempDir },
    Server { _database: postgres_server::Database },
}

impl House {
    fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("geocast.db").display());
        Self { url, _keeper: Keeper::Folder { _folder: directory } }
    }

    fn postgres() -> Self {
        let database = postgres_server::Database::create();
        Self { url: database.url.clone(), _keeper: Keeper::Server { _database: database } }
    }

    async fn open(&self) -> Arc<dyn Store> {
        storage::open(&self.url, FORGET_AFTER).await.unwrap()
    }
}

/// The contract, run on one database.
macro_rules! contract {
    ($database:ident, $cases:literal stories: $($module:ident: { $($name:ident),+ $(,)? })+) => {
        mod $database {
            use super::House;

            $($(#[tokio::test]
            async fn $name() {
                crate::$module::$name(&House::$database()).await;
            })+)+

            #[test]
            fn any_batches_and_stops_come_to_the_same() {
                crate::model::any_batches_and_stops_come_to_the_same(House::$database, $cases);
            }

            #[test]
            fn any_place_and_time_is_paged_without_gaps_or_repeats() {
                crate::visits::any_place_and_time_is_paged_without_gaps_or_repeats(
                    House::$database,
                    $cases / 2,
                );
            }
        }
    };
    (every database: $($names:tt)+) => {
        contract!(sqlite, 40 stories: $($names)+);
        // A new database takes a while.
        contract!(postgres, 8 stories: $($names)+);
    };
}

contract!(every database:
    packets: {
        the_first_copy_is_a_packet_and_the_others_are_receptions,
        a_further_copy_changes_no_state,
        two_senders_may_use_the_same_packet_id,
        every_packet_id_of_64_bits_is_kept_apart,
        a_packet_id_stands_for_another_packet_after_the_window,
        the_window_holds_when_the_clock_goes_back,
        a_clock_that_jumps_loses_and_doubles_nothing,
        what_is_told_twice_is_filed_the_same_way_twice,
        a_redelivered_packet_is_stored_once_however_long_the_server_was_away,
        what_a_broker_delivers_again_is_stored_once_however_long_the_connection_was_lost,
        a_batch_larger_than_any_statement_is_stored,
    }
    states: {
        an_empty_store_answers,
        a_closed_store_refuses,
        a_state_is_what_the_packets_merge_to, a_node_silent_for_too_long_starts_anew,
        an_older_position_goes_to_the_history_only,
        every_field_comes_back_as_it_was,
        a_node_with_any_name_is_kept,
        a_name_is_kept_but_for_nul_and_a_speed_without_end_too,
        the_world_is_loaded_oldest_first,
        opening_again_keeps_everything,
        readers_and_the_writer_work_at_once,
        what_a_run_leaves_is_taken_once,
    }
    poison: {
        what_a_trigger_raises_is_a_rejection_and_the_store_goes_on,
        a_missing_table_is_no_fault_of_what_is_stored,
        the_poisonous_packet_is_set_aside_and_its_neighbours_are_stored_in_order,
        a_second_gateway_s_copy_of_what_was_rejected_is_set_aside_beside_the_first,
    }
    tools: {
        a_check_counts_what_is_there,
        a_check_finds_what_must_not_be,
        a_migration_is_told_and_then_run_once,
        a_newer_schema_is_told_and_left_alone,
        another_program_s_database_is_told_and_left_alone,
    }
    analysis: {
        gateways_are_told_apart_by_whom_they_heard_and_how_well,
        totals_are_counted_by_buckets_of_time,
    }
    histories: {
        a_history_is_paged_without_gaps_or_repeats,
        new_records_do_not_disturb_the_pages_that_follow,
        a_history_begins_at_from_and_ends_before_to,
        links_are_found_from_either_end,
        a_cursor_that_nobody_gave_is_refused,
    }
    withhold: {
        a_node_that_is_erased_is_nowhere_and_the_others_are_as_before,
        who_is_kept_out_is_remembered_and_not_loaded,
        another_policy_is_applied_to_what_is_stored,
        a_policy_that_allows_everything_changes_nothing_stored,
        who_heard_a_node_is_told_the_newest_first,
    }
    visits: {
        a_visit_says_who_was_where,
        a_cursor_for_places_that_nobody_gave_is_refused,
    }
    retention: {
        histories_are_kept_for_ever_unless_told_otherwise,
        each_history_has_an_age_of_its_own,
        a_lying_clock_neither_keeps_a_row_nor_removes_it,
        packets_stay_that_a_copy_may_still_come_of,
        an_absence_ages_no_packet,
        what_is_stored_after_a_removal_disturbs_nothing_that_was_kept,
        a_packet_and_its_receptions_go_together,
        a_removal_is_in_the_sizes,
    }
    access: {
        a_token_is_found_by_its_hash_until_it_is_void,
        tokens_are_made_and_revoked_beside_a_server,
        a_session_ends_once_and_those_that_are_over_are_forgotten,
        the_key_of_share_links_stays_until_it_is_replaced,
        a_share_is_listed_until_it_is_void,
        what_was_done_is_paged_newest_first,
    }
);
