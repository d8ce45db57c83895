//! Pausing and publishing are strict against transactions in flight.

use satchel_shared::domain::RequestId;
use satchel_shared::domain::catalogue::Catalogue;
use satchel_shared::json::Node;
use satchel_shared::store::catalogue::{self, Publish};
use satchel_shared::store::rules::{self, Rules};
use satchel_shared::store::{actions, queue_state};

use crate::database::Database;
use crate::job::OPERATOR;

#[tokio::test]
async fn pausing_waits_for_the_batches_in_flight_and_holds_for_all_that_come_after() {
    let database = Database::new().await;
    let (pool, mut session, mut other) = (database.pool(), database.session(), database.session());
    let mut batch = session.begin().await.unwrap();
    assert_eq!(rules::hold(&mut batch).await.unwrap(), Rules { catalogue_version: 0, is_paused: false });
    let pausing = tokio::spawn({
        let pool = pool.clone();
        async move { queue_state::set(&pool, true, Some("maintenance"), &OPERATOR).await }
    });
    database.someone_waits().await;
    assert!(!pausing.is_finished());
    // A batch that begins now waits behind it, and sees it.
    let later = tokio::spawn(async move {
        let mut batch = other.begin().await.unwrap();
        rules::hold(&mut batch).await.unwrap()
    });
    batch.commit().await.unwrap();
    let state = pausing.await.unwrap().unwrap();
    assert!(later.await.unwrap().is_paused);
    assert!(queue_state::is_paused(&mut session).await.unwrap());
    assert_eq!((state.is_paused, state.changed_by.as_deref()), (true, Some("operator:ops")));
    assert_eq!(state.reason.as_deref(), Some("maintenance"));
    assert_eq!(queue_state::state(&pool).await.unwrap(), state);

    let state = queue_state::set(&pool, false, None, &OPERATOR).await.unwrap();
    assert_eq!((state.is_paused, state.reason), (false, None));
    let recorded = actions::page(&pool, None, 10).await.unwrap();
    assert_eq!(recorded.iter().map(|action| &*action.action).collect::<Vec<_>>(), ["resume", "pause"]);
    assert_eq!(recorded[1].detail.get(), r#"{"reason":"maintenance"}"#);
}

#[tokio::test]
async fn publishing_waits_for_the_batches_in_flight() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let mut batch = session.begin().await.unwrap();
    rules::hold(&mut batch).await.unwrap();
    let publishing = tokio::spawn(async move {
        let node = Node::parse(br#"{"items":{"gold":{"name":"Gold","grant":"stack"}}}"#).unwrap();
        let (catalogue, request_id) = (Catalogue::parse(node).unwrap(), RequestId::random());
        let publish = Publish {
            catalogue: &catalogue,
            if_version: None,
            dry_run: false,
            actor: "operator:ops",
            request_id: &request_id,
        };
        catalogue::publish(&pool, &publish).await
    });
    database.someone_waits().await;
    assert!(!publishing.is_finished());
    batch.commit().await.unwrap();
    assert_eq!(publishing.await.unwrap().unwrap().version, 1);
    let mut batch = session.begin().await.unwrap();
    assert_eq!(rules::hold(&mut batch).await.unwrap().catalogue_version, 1);
}
