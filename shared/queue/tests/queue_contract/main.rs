//! What every queue must do: the same scenarios in memory, on one Redis and on a cluster.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod access;
mod delayed;
mod faults;
mod ground;
mod order;
mod records;
mod streams;
mod submit;
mod watermarks;

use ground::{Ground, Redis};

async fn every_scenario(ground: &mut Ground) {
    streams::jobs_come_in_order_and_stay_until_they_are_finished(ground.fresh().await).await;
    streams::who_waits_is_woken_by_the_first_job(ground.fresh().await).await;
    streams::one_busy_shard_fills_a_batch(ground.fresh().await).await;
    streams::depths_and_heads_tell_what_waits(ground.fresh().await).await;
    order::a_high_job_overtakes_other_players(ground.fresh().await).await;
    order::a_high_job_pulls_its_players_earlier_ones_through_a_long_backlog(ground.fresh().await).await;
    order::random_jobs_keep_every_players_order(ground.fresh().await).await;
    delayed::a_delayed_job_joins_when_it_is_due(ground.fresh().await).await;
    delayed::jobs_that_are_due_together_come_as_they_were_accepted(ground.fresh().await).await;
    delayed::a_due_job_has_the_place_of_its_time_however_late_it_is_read(ground.fresh().await).await;
    delayed::a_forgotten_job_has_the_place_of_its_time(ground.fresh().await).await;
    delayed::a_delayed_job_is_withdrawn(ground.fresh().await).await;
    records::a_key_is_claimed_once(ground.fresh().await).await;
    records::a_queued_job_is_known_until_it_is_decided(ground.fresh().await).await;
    records::a_job_with_a_key_is_queued_once(ground.fresh().await).await;
    records::what_was_only_claimed_is_queued_by_who_repeats_it(ground.fresh().await).await;
    records::a_job_without_a_key_is_found_by_its_id(ground.fresh().await).await;
    records::a_job_waits_as_long_as_an_entry_of_it_is_there(ground.fresh().await).await;
    records::outcomes_are_told_to_who_waits(ground.fresh().await).await;
    ground.check_empty().await;
}

#[tokio::test]
async fn every_scenario_holds_in_memory() {
    every_scenario(&mut Ground::memory()).await;
}

#[tokio::test]
async fn every_scenario_holds_on_one_redis() {
    let mut ground = Ground::redis(Redis::server());
    every_scenario(&mut ground).await;
    faults::a_stream_that_is_none_does_not_hold_up_the_others(&mut ground).await;
    faults::a_high_job_that_came_while_the_reader_waited_keeps_its_place(&mut ground).await;
    faults::a_delayed_jobs_record_outlives_its_delay(&mut ground).await;
    faults::a_record_of_a_lost_entry_keeps_nobody_from_queueing_the_job_again(&mut ground).await;
    faults::a_made_up_id_is_not_looked_for_without_end(&mut ground).await;
    watermarks::only_rise_where_they_are_what_they_must_be(&mut ground).await;
}

#[tokio::test]
async fn every_scenario_holds_on_a_cluster() {
    let mut ground = Ground::redis(Redis::cluster());
    every_scenario(&mut ground).await;
    faults::a_stream_that_is_none_does_not_hold_up_the_others(&mut ground).await;
    watermarks::only_rise_where_they_are_what_they_must_be(&mut ground).await;
    faults::a_slot_that_moves_is_followed(&mut ground).await;
    faults::a_master_that_comes_back_goes_on(&mut ground).await;
}

#[tokio::test]
async fn every_scenario_holds_behind_tls_with_a_client_certificate() {
    every_scenario(&mut Ground::redis(Redis::tls())).await;
}

#[tokio::test]
async fn every_scenario_holds_for_a_user_who_may_do_no_more_than_it_must() {
    every_scenario(&mut Ground::redis(Redis::own_user())).await;
}

#[tokio::test]
async fn every_scenario_holds_on_a_cluster_for_a_user_who_may_do_no_more_than_it_must() {
    let mut ground = Ground::redis(Redis::cluster_of_own_user().await);
    every_scenario(&mut ground).await;
    watermarks::only_rise_where_they_are_what_they_must_be(&mut ground).await;
}
