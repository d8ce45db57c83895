use super::*;

const LIMITS: UndecidedLimits = UndecidedLimits { by_player: 3, by_service: 0 };

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

/// A look that finds the user's shard so, and so many jobs of it parked. Who was asked about.
fn look(undecided: &Undecided, user_id: &UserId, oldest_waiting_ms: Option<u64>, parked: u32) -> HashSet<UserId> {
    let shard = undecided.count.of_user(user_id);
    let depth = Depth { shard, waiting: 0, delayed: 0, oldest_waiting_ms };
    let settled = [(shard, settled_until(&depth, Instant::now()).unwrap())];
    let asked = undecided.perhaps_parked(&settled);
    let parked = (parked > 0).then(|| (user_id.clone(), parked)).into_iter().collect();
    undecided.settle(&settled, &asked, parked);
    asked
}

#[tokio::test(start_paused = true)]
async fn what_was_accepted_since_the_oldest_waiting_job_came_counts() {
    let undecided = Undecided::new(LIMITS, ShardCount::new(4).unwrap());
    let (one, other) = (user("u1"), user("u2"));
    for _ in 0..2 {
        undecided.accepted(&one);
        tokio::time::advance(Duration::from_secs(2)).await;
    }
    assert_eq!(undecided.admit(&one, Role::Player), Ok(()));
    undecided.accepted(&one);
    assert_eq!(undecided.admit(&one, Role::Player), Err(RETRY_AFTER_SECONDS));
    assert_eq!(undecided.admit(&other, Role::Player), Ok(()));
    assert_eq!(undecided.admit(&one, Role::Service), Ok(()), "no limit");
    // Accepted 4, 2 and 0 seconds ago. The oldest that waits is 3.5 seconds old: with the slack, none is gone.
    look(&undecided, &one, Some(3_500), 0);
    assert_eq!(undecided.admit(&one, Role::Player), Err(RETRY_AFTER_SECONDS));
    look(&undecided, &one, Some(2_500), 0);
    assert_eq!(undecided.admit(&one, Role::Player), Ok(()));
    assert_eq!(undecided.shard(undecided.count.of_user(&one)).unwrap().jobs, 2);
    look(&undecided, &one, None, 0);
    assert_eq!(undecided.shard(undecided.count.of_user(&one)).unwrap().jobs, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_parked_counts_until_it_is_no_more() {
    let undecided = Undecided::new(LIMITS, ShardCount::new(1).unwrap());
    let one = user("u1");
    (0..PARKED_FROM_JOBS).for_each(|_| undecided.accepted(&one));
    (1..PARKED_FROM_JOBS).for_each(|_| undecided.accepted(&user("u2")));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(look(&undecided, &one, None, 3), HashSet::from([one.clone()]));
    assert!(undecided.admit(&one, Role::Player).is_err());
    assert_eq!(undecided.large().len(), 1, "it is asked about again");
    assert_eq!(look(&undecided, &one, None, 0), HashSet::from([one.clone()]));
    assert_eq!((undecided.admit(&one, Role::Player), undecided.large().len()), (Ok(()), 0));
    assert!(look(&undecided, &one, None, 0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_bounded_and_who_brings_most_is_in_it() {
    let undecided = Undecided::new(LIMITS, ShardCount::new(1).unwrap());
    let busy = user("busy");
    for number in 0..50_000 {
        undecided.accepted(&user(&format!("u{number}")));
        undecided.accepted(&busy);
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    let shard = undecided.shard(Shard::new(0)).unwrap();
    assert_eq!((shard.of_user(&busy), shard.jobs), (50_000, 100_000));
    assert_eq!(shard.periods.len(), MAX_PERIODS);
    assert!(shard.periods.iter().all(|period| period.users.len() <= MAX_USERS));
}
