//! Small cases of the order, one thing each.

use satchel_model::operations::Priority;

use super::entry::EntryId;
use super::order::{Due, High, Normal, Standing, Turn};

/// `n1`, `n2` … are normal entries of these ids, of the player named.
fn standing(normals: &[(u64, &str)], highs: &[(u64, &str)]) -> Standing {
    let user = |name: &str| (name != "?").then(|| name.to_owned());
    Standing {
        normals: normals.iter().map(|(id, name)| Normal { id: EntryId(*id, 0), user: user(name) }).collect(),
        has_all_normals: true,
        highs: highs
            .iter()
            .enumerate()
            .map(|(place, (after, name))| High {
                id: EntryId(*after, 1 + place as u64),
                after: EntryId(*after, 0),
                user: user(name),
            })
            .collect(),
        has_all_highs: true,
        dues: Vec::new(),
        has_all_dues: true,
    }
}

fn unknown(_: &str, _: EntryId, _: EntryId) -> Option<Vec<EntryId>> {
    None
}

#[test]
fn a_high_job_goes_before_those_of_other_players() {
    let standing = standing(&[(1, "a"), (2, "b")], &[(2, "c")]);
    assert_eq!(standing.order(unknown), [Turn::High(0), Turn::Normal(0), Turn::Normal(1)]);
}

#[test]
fn it_pulls_its_players_earlier_jobs_forward_and_leaves_the_later_ones() {
    let standing = standing(&[(1, "a"), (2, "b"), (3, "a"), (4, "b")], &[(2, "b"), (4, "a")]);
    let turns = [Turn::Normal(1), Turn::High(0), Turn::Normal(0), Turn::Normal(2), Turn::High(1), Turn::Normal(3)];
    assert_eq!(standing.order(unknown), turns);
}

#[test]
fn earlier_jobs_behind_what_was_read_are_fetched_once() {
    let mut standing = standing(&[(1, "a")], &[(7, "b"), (9, "b")]);
    standing.has_all_normals = false;
    assert_eq!(standing.reach(), Some(EntryId(9, 0)));
    let earlier = |_: &str, from: EntryId, to: EntryId| {
        Some([5, 7, 8].map(|id| EntryId(id, 0)).into_iter().filter(|id| *id > from && *id <= to).collect())
    };
    let pulled = |id| Turn::Pulled(EntryId(id, 0));
    let turns = [pulled(5), pulled(7), Turn::High(0), pulled(8), Turn::High(1), Turn::Normal(0)];
    assert_eq!(standing.order(earlier), turns);
}

#[test]
fn what_cannot_be_placed_yet_waits_with_all_high_jobs_of_its_player() {
    let mut standing = standing(&[(1, "a"), (2, "b")], &[(9, "a"), (1, "a"), (9, "c"), (2, "b")]);
    standing.has_all_normals = false;
    assert_eq!(standing.order(unknown), [Turn::Normal(1), Turn::High(3), Turn::Normal(0)]);
}

#[test]
fn normal_jobs_that_a_high_one_not_read_may_precede_wait() {
    let mut standing = standing(&[(1, "a"), (2, "a"), (3, "b")], &[(2, "c")]);
    standing.has_all_highs = false;
    assert_eq!(standing.order(unknown), [Turn::High(0), Turn::Normal(0), Turn::Normal(1)]);
}

#[test]
fn entries_of_nobody_stand_in_nobodys_way() {
    let standing = standing(&[(1, "?"), (2, "a")], &[(9, "?"), (2, "a")]);
    assert_eq!(standing.order(unknown), [Turn::High(0), Turn::Normal(1), Turn::High(1), Turn::Normal(0)]);
}

/// Adds jobs that are due at these milliseconds: normal ones, and urgent ones with `!` before the player's name.
fn with_dues(mut standing: Standing, dues: &[(u64, &str)]) -> Standing {
    standing.dues = dues
        .iter()
        .map(|(at_ms, name)| Due {
            at_ms: *at_ms,
            class: if name.starts_with('!') { Priority::High } else { Priority::Normal },
            user: Some(name.trim_start_matches('!').to_owned()),
        })
        .collect();
    standing
}

#[test]
fn a_due_job_stands_where_its_time_is() {
    let standing = with_dues(standing(&[(4, "a"), (5, "a"), (6, "b")], &[]), &[(5, "a"), (5, "a"), (6, "c"), (9, "a")]);
    let order =
        [Turn::Normal(0), Turn::Due(0), Turn::Due(1), Turn::Normal(1), Turn::Due(2), Turn::Normal(2), Turn::Due(3)];
    assert_eq!(standing.order(unknown), order);
}

#[test]
fn a_due_job_waits_for_normal_entries_that_were_not_read_and_may_come_before_it() {
    let mut standing = with_dues(standing(&[(4, "a"), (5, "b")], &[]), &[(5, "c"), (6, "c")]);
    standing.has_all_normals = false;
    assert_eq!(standing.order(unknown), [Turn::Normal(0), Turn::Due(0), Turn::Normal(1)]);
}

#[test]
fn entries_wait_for_due_jobs_that_were_not_read_and_may_come_before_them() {
    let mut standing = with_dues(standing(&[(4, "a"), (5, "b"), (6, "a")], &[(6, "b")]), &[(5, "c")]);
    standing.has_all_dues = false;
    assert_eq!(standing.order(unknown), [Turn::Normal(0), Turn::Due(0)]);
}

#[test]
fn a_high_job_pulls_its_players_due_jobs_forward_in_their_order() {
    let standing = with_dues(standing(&[(3, "b"), (4, "a"), (8, "a")], &[(8, "a")]), &[(2, "b"), (5, "a"), (9, "a")]);
    let order =
        [Turn::Normal(1), Turn::Due(1), Turn::Normal(2), Turn::High(0), Turn::Due(0), Turn::Normal(0), Turn::Due(2)];
    assert_eq!(standing.order(unknown), order);
}

#[test]
fn a_due_high_job_overtakes_others_and_stays_behind_its_players_earlier_ones() {
    let standing = with_dues(standing(&[(4, "a"), (5, "b"), (6, "a")], &[(5, "c")]), &[(3, "a"), (6, "!a"), (6, "b")]);
    let order =
        [Turn::High(0), Turn::Due(0), Turn::Normal(0), Turn::Due(1), Turn::Normal(1), Turn::Due(2), Turn::Normal(2)];
    assert_eq!(standing.order(unknown), order);
}

#[test]
fn a_due_high_job_behind_a_long_backlog_asks_how_far_its_players_entries_go() {
    let mut standing = with_dues(standing(&[(1, "b"), (2, "b")], &[]), &[(7, "!a")]);
    standing.has_all_normals = false;
    assert_eq!(standing.reach(), Some(EntryId(6, u64::MAX)));
    assert_eq!(standing.order(unknown), [Turn::Normal(0), Turn::Normal(1)]);
    let earlier = |_: &str, _: EntryId, _: EntryId| Some(vec![EntryId(5, 0)]);
    let order = [Turn::Pulled(EntryId(5, 0)), Turn::Due(0), Turn::Normal(0), Turn::Normal(1)];
    assert_eq!(standing.order(earlier), order);
}
