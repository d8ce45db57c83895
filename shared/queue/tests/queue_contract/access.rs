//! Who is let in.

use satchel_queue::{QueueError, Setting, open};

use crate::ground::Redis;
use crate::submit::installation;

#[tokio::test]
async fn settings_are_shown_where_they_may_be_and_else_unknown() {
    let redis = Redis::server();
    let queue = open(&redis.config(), &installation()).unwrap();
    assert!(queue.durability().await.unwrap().warnings().is_empty());
    redis.run_everywhere(&["CONFIG", "SET", "appendfsync", "everysec"]).await;
    assert_eq!(queue.durability().await.unwrap().appendfsync, Setting::Known("everysec".into()));

    let redis = Redis::own_user();
    let durability = open(&redis.config(), &installation()).unwrap().durability().await.unwrap();
    let known = |value: &str| Setting::Known(value.to_owned());
    assert_eq!((&durability.appendonly, &durability.maxmemory_policy), (&known("yes"), &known("noeviction")));
    assert_eq!((&durability.appendfsync, durability.warnings().len()), (&Setting::Unknown, 0));
    assert!(durability.unseen().unwrap().contains("appendfsync"));
    redis.run_everywhere(&["CONFIG", "SET", "appendonly", "no"]).await;
    redis.run_everywhere(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let durability = open(&redis.config(), &installation()).unwrap().durability().await.unwrap();
    assert_eq!((durability.appendonly, durability.maxmemory_policy), (known("no"), known("allkeys-lru")));
}

#[tokio::test]
async fn of_a_cluster_the_worst_master_is_shown() {
    let redis = Redis::cluster();
    let queue = open(&redis.config(), &installation()).unwrap();
    assert!(queue.durability().await.unwrap().warnings().is_empty());
    let mut last = redis.admins.last().unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd("CONFIG");
    let () = command.arg("SET").arg("maxmemory-policy").arg("allkeys-lru").query_async(&mut last).await.unwrap();
    assert_eq!(queue.durability().await.unwrap().maxmemory_policy, Setting::Known("allkeys-lru".into()));
}

#[tokio::test]
async fn without_its_certificate_nobody_comes_in() {
    let redis = Redis::tls();
    let without =
        redis.config_with(|variables| variables.retain(|name, _| name == "REDIS_URL" || name == "REDIS_CA_FILE"));
    let refused = open(&without, &installation()).unwrap().durability().await;
    assert!(matches!(refused, Err(QueueError::Unavailable(_))), "{refused:?}");
    let strange = redis.config_with(|variables| drop(variables.remove("REDIS_CA_FILE")));
    let refused = open(&strange, &installation()).unwrap().durability().await;
    assert!(matches!(refused, Err(QueueError::Unavailable(_))), "{refused:?}");
}
