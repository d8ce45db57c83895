//! Secrets of webhooks, sealed.

use satchel_model::access::WebhookSecret;
use satchel_security::sealing::SealKeys;
use satchel_settings::Env;
use satchel_store::actions::Operator;
use satchel_store::webhooks::operate::{self, NewEndpoint};
use satchel_store::webhooks::reseal;
use satchel_store::webhooks::sending::{Admission, admit};

use crate::database::Database;

const NEW: &str = "new-key-new-key-new-key-new-key-1";
const OLD: &str = "old-key-old-key-old-key-old-key-1";

fn keys(current: &str, previous: &str) -> SealKeys {
    let variables = [("SATCHEL_SECRETS_KEY", current), ("SATCHEL_SECRETS_KEY_PREVIOUS", previous)];
    SealKeys::from_env(&mut Env::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())))).unwrap()
}

#[tokio::test]
async fn secrets_are_sealed_anew_by_the_current_key_and_then_need_no_other() {
    let database = Database::new().await;
    let (pool, workers) = (database.pool(), database.workers_pool());
    let (first, second) = (WebhookSecret::new([1; 32]), WebhookSecret::new([2; 32]));
    let new = NewEndpoint {
        url: "https://example.com".into(),
        events: Vec::new(),
        description: String::new(),
        enabled: true,
        secret: first.clone(),
    };
    let by = Operator { actor: "operator:ops", request_id: "r" };
    let id = operate::add(&pool, &new, &keys(OLD, ""), &by).await.unwrap().unwrap().endpoint_id;
    operate::rotate_secret(&pool, id, &second, &keys(OLD, ""), &by).await.unwrap();

    assert!(admit(&workers, id, &keys(NEW, "")).await.is_err());
    assert_eq!(reseal(&pool, &keys(NEW, "")).await.unwrap(), 0);
    assert_eq!(reseal(&pool, &keys(NEW, OLD)).await.unwrap(), 1);
    assert_eq!(reseal(&pool, &keys(NEW, OLD)).await.unwrap(), 0);
    let Admission::Send(to) = admit(&workers, id, &keys(NEW, "")).await.unwrap() else { panic!("not admitted") };
    assert_eq!((to.secret, to.previous_secret), (second, Some(first)));
}
