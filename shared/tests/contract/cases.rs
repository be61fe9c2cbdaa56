//! The list of all cases, and the macro that makes tests of them for one backend.

/// Makes a test of each case, on the given [`World`](crate::contract::World). With `together` it is a test of
/// each suite instead, for a world that takes long to make: its `beside` gives an empty one in the same place,
/// and its `all` runs cases.
macro_rules! contract {
    ($world:ty) => {
        contract! { @list each $world }
    };
    ($world:ty, together) => {
        contract! { @list together $world }
    };
    (@list $how:ident $world:ty) => {
        contract! { @ $how $world;
            broker {
                numbering {
                    offsets_count_from_one_without_holes,
                    concurrent_publishers_each_get_an_offset_of_their_own,
                    an_epoch_is_stable_and_each_topic_has_its_own,
                    each_publication_follows_the_one_before,
                    a_topic_without_entries_is_at_zero,
                    publishing_to_a_topic_nobody_follows_is_logged,
                    an_expired_log_keeps_its_numbering,
                }
                reading {
                    now_gives_the_top_and_no_publications,
                    newest_gives_the_last_ones_oldest_first,
                    after_a_position_gives_what_follows,
                    after_the_top_nothing_is_there_and_nothing_is_lost,
                    after_the_start_gives_the_whole_log,
                    a_limit_smaller_than_what_there_is_gives_the_first,
                    a_limit_of_zero_still_tells_whether_the_position_leads_on,
                    a_limit_over_the_largest_counts_as_that,
                    without_a_tag_the_offset_is_enough,
                    before_the_oldest_entry_the_tag_is_known_from_it,
                    every_node_reads_the_same,
                    tops_are_the_positions_of_many_topics,
                }
                lost {
                    a_position_before_the_log_is_trimmed,
                    a_position_of_another_epoch_is_lost,
                    another_tag_at_the_same_offset_is_a_fork,
                    a_position_beyond_the_top_is_a_fork,
                    what_is_not_of_our_making_matches_nothing,
                }
                keys {
                    a_repeated_key_publishes_nothing_and_answers_as_the_first_time,
                    a_key_belongs_to_its_topic,
                    a_key_works_on_topics_without_a_log,
                    a_publish_that_failed_has_not_used_its_key,
                    a_key_used_by_many_at_once_counts_once,
                }
                live {
                    what_is_published_right_after_an_attach_is_heard,
                    what_is_heard_is_what_the_log_holds,
                    topics_keep_their_order_under_concurrent_publishers,
                    publications_that_do_not_wait_for_each_other_keep_their_order,
                    a_thousand_attaches_at_once_are_all_heard,
                    each_node_hears_for_itself,
                    a_node_hears_what_it_publishes,
                    there_is_one_receiver_of_events,
                }
                attaching {
                    attaching_twice_is_hearing_once,
                    a_detached_topic_is_not_heard,
                    a_topic_attached_again_is_heard_again,
                    detaching_what_is_not_attached_does_nothing,
                    what_is_not_attached_is_not_heard,
                    the_characters_of_a_pattern_are_just_a_name,
                    attaching_writes_nothing,
                    attaches_and_detaches_take_effect_in_order,
                }
                kinds {
                    fire_and_forget_has_no_positions,
                    a_bare_topic_carries_the_data_only,
                    event_and_excluded_session_travel_along,
                    a_users_inbox_is_a_topic,
                }
                limits {
                    data_at_the_limit_is_accepted_and_one_byte_more_is_not,
                    data_is_passed_on_byte_for_byte,
                    only_the_job_queue_writes_to_its_topics,
                    only_messages_can_be_published,
                    names_that_mean_nothing_are_unknown,
                    the_topic_of_a_queue_is_there_before_its_first_job,
                }
            }
            state {
                changing {
                    a_change_is_in_the_map_in_the_log_and_heard,
                    removing_what_is_not_there_publishes_nothing,
                    a_message_leaves_the_map_as_it_is,
                    a_repeated_idempotency_key_changes_nothing,
                    only_state_topics_have_keys,
                    setters_on_two_nodes_add_up,
                    the_map_outlives_its_log,
                }
                snapshots {
                    from_any_point_the_log_leads_to_the_map,
                    a_lost_position_comes_with_the_map,
                    snapshots_of_a_large_map_in_motion_are_what_it_was,
                }
                limits {
                    as_many_keys_as_allowed_and_no_more,
                    as_many_bytes_as_allowed_and_no_more,
                    a_value_may_be_as_large_as_data,
                }
                ending {
                    a_key_ends_once_however_many_nodes_listen,
                    a_key_that_ended_is_gone_though_nobody_listened,
                    setting_a_key_again_replaces_its_time,
                    the_namespaces_time_is_that_of_keys_without_their_own,
                    six_hundred_keys_that_end_together_end_once_each,
                    a_key_that_ended_makes_room,
                }
            }
            presence {
                entries {
                    who_enters_is_seen_from_every_node,
                    who_leaves_is_gone_and_may_leave_again,
                    entering_again_changes_what_is_said_but_not_since_when,
                    a_list_has_a_limit,
                }
                telling {
                    coming_and_going_is_told_once,
                    what_is_told_is_in_no_log_and_touches_no_number,
                    where_the_namespace_does_not_ask_nothing_is_told,
                }
                leases {
                    the_entries_of_a_silent_node_vanish_and_are_told_once,
                    a_node_that_comes_back_too_late_learns_of_it,
                    a_lease_that_is_renewed_keeps_all_entries,
                    leases_are_of_one_topic,
                }
            }
            nodes {
                telling {
                    what_is_told_reaches_every_node_once_and_in_order,
                    a_long_message_is_told_and_a_longer_one_refused,
                    what_is_told_is_no_publication,
                }
                listing {
                    nodes_are_listed_by_name_as_they_announced_themselves,
                    a_node_that_withdraws_is_not_listed,
                    a_node_that_falls_silent_is_not_listed,
                }
            }
            calls {
                answering {
                    an_answer_reaches_who_asked,
                    an_answer_says_after_what_it_is_to_be_seen,
                    a_refusal_keeps_its_code_and_text,
                    calls_are_taken_in_the_order_in_which_they_were_made,
                    a_call_is_taken_once_however_many_ask_for_it,
                    what_nobody_answers_in_time_is_over,
                }
                serving {
                    what_nobody_serves_is_refused_at_once,
                    a_worker_that_retires_leaves_what_others_serve,
                    a_worker_that_falls_silent_serves_nothing,
                    only_so_many_calls_of_a_group_wait,
                }
                leaving {
                    a_call_whose_caller_left_is_not_taken,
                    a_worker_learns_that_its_caller_left,
                }
                turns {
                    of_a_serial_group_one_call_runs_at_a_time,
                    who_waits_for_a_turn_is_woken_when_it_comes,
                    the_turn_of_a_lost_worker_goes_on_to_another,
                    a_worker_that_renews_keeps_its_turn,
                }
            }
            jobs {
                submitting {
                    a_submitted_job_is_queued_at_position_one,
                    the_snapshot_of_a_jobs_topic_is_its_record,
                    a_submission_is_heard_on_both_topics,
                    a_repeated_key_gives_the_first_job_and_writes_nothing,
                    a_repeated_key_gives_the_job_as_it_is_now,
                    a_repeated_key_with_another_payload_is_a_conflict,
                    a_key_belongs_to_its_queue,
                    a_key_used_by_many_at_once_makes_one_job,
                    a_repeated_id_is_the_same_job,
                    an_unknown_job_is_not_found,
                    the_top_of_a_jobs_topic_is_that_of_its_log,
                }
                claiming {
                    a_claim_hands_out_the_job_and_begins_an_attempt,
                    an_empty_queue_gives_nothing,
                    a_higher_priority_comes_first_then_the_older,
                    a_claim_gives_at_most_what_was_asked_for,
                    a_claim_gives_at_most_its_limit,
                    a_job_is_claimed_once_however_many_ask,
                    each_claim_has_a_token_of_its_own,
                }
                working {
                    a_whole_life_is_in_both_logs_as_the_record_was,
                    what_is_heard_is_what_the_log_holds,
                    progress_keeps_what_it_does_not_mention,
                    an_attempt_begins_without_the_progress_of_another,
                    a_long_message_is_cut_at_a_character,
                    details_have_a_limit,
                    results_have_a_limit,
                    a_success_ends_the_job,
                    a_failure_ends_the_job_with_its_message,
                    asking_again_with_the_lease_that_ended_it_changes_nothing,
                    what_has_ended_one_way_cannot_end_the_other,
                }
                fencing {
                    a_made_up_token_changes_nothing,
                    a_lease_taken_back_changes_nothing,
                    a_lease_taken_back_changes_nothing_for_the_next_holder,
                    a_lease_given_back_changes_nothing,
                    a_lease_changes_nothing_after_the_end,
                    a_lease_changes_nothing_once_the_job_was_given_up,
                    a_lease_on_an_unknown_job_is_lost,
                    a_waiting_job_cannot_be_written_to,
                }
                leases {
                    a_job_whose_lease_ran_out_is_queued_again,
                    a_lease_that_has_not_run_out_is_left_alone,
                    a_heartbeat_keeps_the_lease_and_writes_nothing,
                    heartbeats_are_answered_one_by_one_in_order,
                    a_lease_that_ran_out_counts_until_it_is_taken_back,
                    a_job_that_stalls_too_often_has_failed,
                    with_one_stall_allowed_the_first_is_the_end,
                    a_job_taken_back_comes_before_its_equals,
                    a_released_job_comes_before_its_equals_and_keeps_its_attempt,
                    a_release_is_no_stall,
                    many_that_take_back_at_once_do_it_once,
                    taking_back_is_done_in_portions,
                    other_queues_are_left_alone,
                }
                waiting {
                    a_wait_ends_with_its_timeout,
                    a_wait_ends_when_a_job_is_submitted,
                    a_wait_ends_at_once_where_a_job_is_waiting,
                    a_wait_is_for_any_of_its_queues,
                    a_job_that_is_queued_again_ends_a_wait,
                    many_waiters_leave_no_job_lying,
                }
                delaying {
                    a_delayed_job_is_scheduled_and_not_claimed,
                    a_delayed_job_is_queued_once_when_it_is_due,
                    a_job_that_was_delayed_comes_after_those_queued_before,
                    a_wait_ends_when_a_delayed_job_is_due,
                    promoting_is_done_in_portions,
                    many_that_promote_at_once_do_it_once,
                }
                retrying {
                    a_failure_may_say_when_the_next_attempt_is_due,
                    a_failed_attempt_waits_for_the_next,
                    a_job_that_used_up_its_attempts_is_a_dead_letter,
                    a_fatal_failure_is_not_tried_again,
                    a_repeated_failure_is_answered_as_the_first_time,
                    the_pause_is_a_part_of_a_step_that_doubles,
                    an_attempt_that_takes_too_long_has_failed,
                    a_lost_worker_is_no_timeout,
                }
                cancelling {
                    a_waiting_job_is_cancelled_at_once,
                    a_job_between_two_attempts_is_cancelled_at_once,
                    the_worker_of_a_running_job_is_told_and_ends_it,
                    asking_again_to_cancel_changes_nothing,
                    a_job_whose_worker_does_not_listen_is_cancelled_after_the_grace,
                    a_job_to_be_cancelled_is_not_run_again,
                    cancelling_lengthens_no_lease,
                }
                desk {
                    a_queue_is_counted_by_state,
                    pages_show_every_job_once_whatever_comes_meanwhile,
                    a_paused_queue_gives_no_jobs_until_it_is_resumed,
                    a_dead_letter_is_queued_again_with_all_its_attempts,
                    what_is_purged_is_gone_with_its_key_and_topic,
                    the_attempts_tell_why,
                    only_the_last_attempts_are_remembered,
                    a_checkpoint_is_handed_to_the_next_attempt,
                    a_user_finds_the_jobs_that_have_not_ended,
                }
                flow {
                    no_more_jobs_run_than_their_queue_allows,
                    a_key_runs_as_often_as_its_limit_and_holds_up_nobody_else,
                    however_a_job_stops_the_next_of_its_key_may_run,
                    however_a_job_stops_a_full_queue_has_room_again,
                    a_turn_that_is_given_up_is_the_next_ones,
                    jobs_that_wait_for_their_key_are_queued_like_others,
                    no_more_jobs_begin_than_the_rate_says,
                }
                scheduling {
                    each_tick_has_one_job_however_many_look,
                    schedules_are_listed_changed_and_taken_away,
                    a_schedule_made_again_keeps_its_ticks,
                    only_the_schedules_of_a_queue_fire_for_it,
                }
                lines {
                    a_log_line_is_a_message_on_the_jobs_topic_only,
                    log_lines_are_refused_without_the_lease,
                    log_lines_keep_their_order_and_the_end_is_last,
                    a_late_comer_reads_the_last_lines,
                }
                interleaving {
                    whatever_two_workers_do_the_log_tells_one_life,
                }
                auditing {
                    whatever_three_workers_do_the_books_balance,
                }
            }
        }
    };
    (@ together $world:ty; $($suite:ident { $($noun:ident { $($case:ident,)* })* })*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $suite() {
            let world = <$world as crate::contract::World>::start().await;
            let cases: Vec<(&str, futures_util::future::LocalBoxFuture<'static, ()>)> = vec![$($((
                concat!(stringify!($suite), "::", stringify!($noun), "::", stringify!($case)),
                Box::pin(crate::contract::$suite::$noun::$case(world.beside())),
            )),*),*];
            <$world>::all(cases).await;
        })*
    };
    (@ each $world:ty; $($suite:ident { $($noun:ident { $($case:ident,)* })* })*) => {
        $(mod $suite {
            $(mod $noun {
                #[allow(unused_imports, reason = "where the world is declared is the caller's choice")]
                use super::super::*;

                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let case = async {
                        let world = <$world as crate::contract::World>::start().await;
                        crate::contract::$suite::$noun::$case(world).await;
                    };
                    if tokio::time::timeout(crate::contract::CASE_LIMIT, Box::pin(case)).await.is_err() {
                        panic!("not done within {:?}", crate::contract::CASE_LIMIT);
                    }
                })*
            })*
        })*
    };
}
