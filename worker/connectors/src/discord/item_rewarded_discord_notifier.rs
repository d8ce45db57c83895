//! `item-rewarded-discord-notifier`: tells a Discord channel what players got.

use async_trait::async_trait;
use satchel_functions::{Failure, FromEnv, Function, Policy, Steps, Subscription};
use satchel_model::events::{EventType, ItemRewarded};
use satchel_model::records::Event;
use satchel_settings::Env;

use super::channel::{Channel, Field, Message};

/// See the file.
pub(super) struct ItemRewardedDiscordNotifier(Channel);

impl FromEnv for ItemRewardedDiscordNotifier {
    /// With `SATCHEL_DISCORD_REWARDED_URL`; faults are noted in `env`.
    fn from_env(env: &mut Env) -> Option<Self> {
        let (order, max_age) = ("SATCHEL_DISCORD_REWARDED_ORDER", "SATCHEL_DISCORD_REWARDED_MAX_AGE_SECONDS");
        Channel::from_env(env, "SATCHEL_DISCORD_REWARDED_URL", order, max_age).map(Self)
    }
}

#[async_trait]
impl Function for ItemRewardedDiscordNotifier {
    fn id(&self) -> &'static str {
        "item-rewarded-discord-notifier"
    }

    fn subscribes_to(&self) -> Subscription {
        Subscription::Named(&[ItemRewarded::NAME])
    }

    fn policy(&self) -> Policy {
        self.0.policy()
    }

    async fn handle(&self, event: &Event, steps: &mut Steps<'_>) -> Result<(), Failure> {
        let rewarded: ItemRewarded = serde_json::from_str(event.data.get())?;
        match message(event.user_id.as_str(), &rewarded) {
            Some(message) => self.0.post(event, message, steps).await,
            None => Ok(()),
        }
    }
}

/// The message; none where all was skipped.
fn message(user_id: &str, rewarded: &ItemRewarded) -> Option<Message> {
    let granted = rewarded.result.granted.iter();
    let field = |item: &satchel_model::decide::Granted| {
        Field::new(format!("`{}`", item.item_id), format!("+{} (now {})", item.quantity, item.balance))
    };
    let fields: Vec<Field> = granted.map(field).collect();
    // Ids have no backticks: nothing in them is taken for markup.
    (!fields.is_empty()).then(|| Message { title: format!("`{user_id}` was rewarded"), fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_granted_item_is_a_field_and_nothing_granted_is_nothing_to_tell() {
        let rewarded = |granted: &str| -> ItemRewarded {
            let job = r#""jobId":"0190a5e4-8c6e-7000-8000-000000000000","type":"t","actor":"a","requestId":"r","submittedAt":"2026-01-31T12:00:00Z""#;
            serde_json::from_str(&format!(r#"{{{job},"result":{{"granted":[{granted}],"skipped":[]}}}}"#)).unwrap()
        };
        let told = message("u_1", &rewarded(r#"{"itemId":"gold","quantity":5,"balance":620}"#)).unwrap();
        assert_eq!(
            told,
            Message { title: "`u_1` was rewarded".into(), fields: vec![Field::new("`gold`", "+5 (now 620)")] }
        );
        assert_eq!(message("u1", &rewarded("")), None);
    }
}
