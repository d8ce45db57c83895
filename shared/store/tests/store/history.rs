//! Pages of histories, which begin and end inside of records.

use satchel_model::ids::{ItemId, JobId};
use satchel_model::ledger::{LedgerEntry, RecordedChange, StackChange, UsedChange};
use satchel_store::Pool;
use satchel_store::ledger::{self, Filter, Order};

use crate::database::Database;
use crate::job::{decide, reward, user};

fn item(id: &str) -> ItemId {
    ItemId::parse(id).unwrap()
}

fn stack(id: &str, delta: i64, balance: i64) -> RecordedChange {
    RecordedChange::Stack(StackChange(item(id), delta, balance, None))
}

fn used() -> RecordedChange {
    RecordedChange::Used(UsedChange(item("key"), 1))
}

/// A user's jobs with one, three, no, one hidden, four (the third hidden), two (the last hidden) and two changes; and somebody else's,
/// with which they take turns. The jobs' ids.
async fn filled(database: &Database) -> Vec<JobId> {
    let mut session = database.session();
    let records = [
        vec![stack("gold", 1, 1)],
        vec![stack("gold", 1, 2), stack("key", 1, 1), stack("gold", -1, 1)],
        vec![],
        vec![used()],
        vec![stack("gem", 5, 5), stack("gold", 4, 5), used(), stack("key", 2, 3)],
        vec![stack("gem", -1, 4), used()],
        vec![stack("key", -1, 2), stack("gold", 2, 7)],
    ];
    let mut job_ids = Vec::new();
    for changes in records {
        let job = reward("ann", 1);
        decide(&mut session, &job, &changes).await;
        decide(&mut session, &reward("bob", 1), &[stack("gold", 1, 1)]).await;
        job_ids.push(job.job_id);
    }
    job_ids
}

/// All numbers of those that fit, page by page.
async fn seqs(pool: &Pool, filter: &Filter) -> Vec<i64> {
    let mut seqs = Vec::new();
    let mut filter = filter.clone();
    loop {
        let page: Vec<LedgerEntry> = ledger::page(pool, &user("ann"), &filter).await.unwrap();
        seqs.extend(page.iter().map(|entry| entry.seq));
        if page.len() < usize::from(filter.limit) {
            return seqs;
        }
        filter.after_seq = seqs.last().copied();
    }
}

/// Of what fits `filter`, every page of every size in both orders, from every number on.
async fn assert_pages(pool: &Pool, filter: &Filter, expected: &[i64]) {
    for order in [Order::NewestFirst, Order::OldestFirst] {
        for (limit, after) in [1, 2, 3, 50].into_iter().flat_map(|limit| (-1..=14).map(move |after| (limit, after))) {
            let after_seq = (after >= 0).then_some(after);
            let found = seqs(pool, &Filter { order, limit, after_seq, ..filter.clone() }).await;
            let mut left: Vec<i64> = match order {
                Order::NewestFirst => expected.iter().rev().copied().collect(),
                Order::OldestFirst => expected.to_vec(),
            };
            left.retain(|seq| match order {
                Order::NewestFirst => after_seq.is_none_or(|after| *seq < after),
                Order::OldestFirst => after_seq.is_none_or(|after| *seq > after),
            });
            assert_eq!(found, left, "{order:?}, {limit} a page, after {after_seq:?}");
        }
    }
}

#[tokio::test]
async fn each_entry_is_on_one_page_wherever_pages_begin_and_end() {
    let database = Database::new().await;
    let (pool, job_ids) = (database.pool(), filled(&database).await);
    let of = |id: &str| Filter { item_id: Some(item(id)), ..Filter::default() };
    assert_pages(&pool, &Filter::default(), &[1, 2, 3, 4, 6, 7, 9, 10, 12, 13]).await;
    assert_pages(&pool, &of("gold"), &[1, 2, 4, 7, 13]).await;
    assert_pages(&pool, &of("key"), &[3, 9, 12]).await;
    assert_pages(&pool, &of("nothing"), &[]).await;
    let of_jobs: [&[i64]; 7] = [&[1], &[2, 3, 4], &[], &[], &[6, 7, 9], &[10], &[12, 13]];
    for (job_id, expected) in job_ids.iter().zip(of_jobs) {
        assert_pages(&pool, &Filter { job_id: Some(*job_id), ..Filter::default() }, expected).await;
    }
}

#[tokio::test]
async fn histories_are_of_their_time_and_type() {
    let database = Database::new().await;
    let (pool, _) = (database.pool(), filled(&database).await);
    let page = |filter: Filter| {
        let pool = pool.clone();
        async move { seqs(&pool, &Filter { limit: 3, order: Order::OldestFirst, ..filter }).await }
    };
    let all = ledger::page(&pool, &user("ann"), &Filter { limit: 50, ..Filter::default() }).await.unwrap();
    let at = |seq: i64| all.iter().find(|entry| entry.seq == seq).map(|entry| entry.at);
    assert_eq!(page(Filter { from: at(3), to: at(10), ..Filter::default() }).await, [2, 3, 4, 6, 7, 9]);
    let typed = |job_type: &str| Filter { job_type: Some(job_type.into()), from: at(12), ..Filter::default() };
    assert_eq!(page(typed("reward_inventory_item")).await, [12, 13]);
    assert_eq!(page(typed("use_item")).await, [] as [i64; 0]);
    // All entries of a record are as the record is.
    let (first, last) = (all.last().unwrap(), all.first().unwrap());
    assert_eq!((first.seq, first.item_id.as_str(), first.delta, first.balance), (1, "gold", 1, 1));
    assert_eq!((last.seq, last.item_id.as_str(), last.delta, last.balance), (13, "gold", 2, 7));
    assert_eq!((last.actor.as_str(), last.catalogue_version), ("service:game", 3));
    assert_eq!((last.job_id, last.hash, last.at), (all[1].job_id, all[1].hash, all[1].at));
    assert_ne!(last.hash, all[2].hash);
    assert!(ledger::page(&pool, &user("nobody"), &Filter { limit: 50, ..Filter::default() }).await.unwrap().is_empty());
}
