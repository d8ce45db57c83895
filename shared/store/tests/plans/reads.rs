//! What the API asks.

use chrono::{TimeDelta, Utc};
use satchel_model::access::Role;
use satchel_model::ids::{EventName, ItemId, JobId, Shard, UserId};
use satchel_model::records::Place;
use satchel_store::actions::Operator;
use satchel_store::journal::JournalEntry;
use satchel_store::ledger::{Filter, Order};
use satchel_store::withdrawals::{self, WaitingElsewhere};
use satchel_store::{Pool, Session, events, inventory, jobs, journal, ledger, parked};
use uuid::Uuid;

use crate::{key, reward};

/// The id of a job that is in the journal.
pub(crate) async fn what_the_api_asks(pool: &Pool, reader: &mut Session) -> JobId {
    let user = UserId::parse("u1").unwrap();
    parked::count_of(pool, &[&user], 1_000).await.unwrap();
    jobs::find_many(pool, &[JobId::from(Uuid::now_v7())]).await.unwrap();
    parked::find_many(pool, &[JobId::from(Uuid::now_v7())]).await.unwrap();
    journal::find_many(pool, &[JobId::from(Uuid::now_v7())]).await.unwrap();
    let kept = reward();
    let (payload_hash, shard, key) = (kept.job.payload_hash(), Shard::new(1), &key());
    let entry = JournalEntry { payload_hash, envelope: &kept, shard, key };
    journal::append(pool, &[entry]).await.unwrap();
    journal::append(pool, &[entry]).await.unwrap();
    let page = |after: Option<&str>| inventory::PageOf {
        user_id: user.clone(),
        after: after.map(|item| ItemId::parse(item).unwrap()),
        limit: 50,
    };
    inventory::pages(reader, &[page(None), page(Some("gold"))]).await.unwrap();
    histories(pool, &user).await;
    events::find(pool, Place { shard: Shard::new(0), seq: 1 }).await.unwrap();
    withdraw(pool, &user).await;
    kept.job_id
}

/// From both ends and from within, by all that a history can be narrowed by: where nothing near fits, a short one.
async fn histories(pool: &Pool, user: &UserId) {
    let other = UserId::parse("u2").unwrap();
    let (early, late) = (Some(Utc::now() - TimeDelta::days(1)), Some(Utc::now() + TimeDelta::days(1)));
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let all = Filter { order, limit: 50, ..Filter::default() };
        for filter in [
            all.clone(),
            Filter { after_seq: Some(10_000), ..all.clone() },
            Filter { item_id: Some(ItemId::parse("gold").unwrap()), after_seq: Some(10_000), ..all.clone() },
            Filter { job_type: Some("t".into()), after_seq: Some(10_000), ..all.clone() },
            Filter { from: early, to: late, after_seq: Some(10_000), ..all.clone() },
        ] {
            ledger::page(pool, user, &filter).await.unwrap();
        }
        let of_job = Filter { job_id: Some(JobId::from(Uuid::now_v7())), ..all };
        ledger::page(pool, &other, &of_job).await.unwrap();
    }
}

/// Listings look at the counter of each shard, of which there are few.
pub(super) async fn what_listings_of_events_ask(pool: &Pool) {
    let of_user = events::Filter {
        name: Some(EventName::parse("item/used").unwrap()),
        user: Some((UserId::parse("u64").unwrap(), Shard::new(0))),
        from: Some(Utc::now() - TimeDelta::days(2)),
        to: Some(Utc::now()),
    };
    events::page(pool, &of_user, None, 50).await.unwrap();
    events::page(pool, &events::Filter::default(), None, 4).await.unwrap();
}

async fn withdraw(pool: &Pool, user: &UserId) {
    let job = WaitingElsewhere {
        job_id: JobId::from(Uuid::now_v7()),
        job_type: "t",
        user_id: user,
        shard: Shard::new(0),
        submitted_at: Utc::now(),
        not_before: None,
        is_quiet: false,
        submitter: "service:game",
        payload_hash: None,
    };
    let by = Operator { actor: "operator:ops", request_id: "r" };
    assert!(withdrawals::withdraw(pool, &job, &by, Role::Operator).await.unwrap());
}
