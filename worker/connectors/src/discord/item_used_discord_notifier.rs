//! `item-used-discord-notifier`: tells a Discord channel what players used, and what they got for it.

use async_trait::async_trait;
use satchel_functions::{Failure, FromEnv, Function, Policy, Steps, Subscription};
use satchel_model::events::{EventType, ItemUsed};
use satchel_model::operations::EffectResult;
use satchel_model::records::Event;
use satchel_settings::Env;

use super::channel::{Channel, Field, Message};

/// See the file.
pub(super) struct ItemUsedDiscordNotifier(Channel);

impl FromEnv for ItemUsedDiscordNotifier {
    /// With `SATCHEL_DISCORD_USED_URL`; faults are noted in `env`.
    fn from_env(env: &mut Env) -> Option<Self> {
        let (order, max_age) = ("SATCHEL_DISCORD_USED_ORDER", "SATCHEL_DISCORD_USED_MAX_AGE_SECONDS");
        Channel::from_env(env, "SATCHEL_DISCORD_USED_URL", order, max_age).map(Self)
    }
}

#[async_trait]
impl Function for ItemUsedDiscordNotifier {
    fn id(&self) -> &'static str {
        "item-used-discord-notifier"
    }

    fn subscribes_to(&self) -> Subscription {
        Subscription::Named(&[ItemUsed::NAME])
    }

    fn policy(&self) -> Policy {
        self.0.policy()
    }

    async fn handle(&self, event: &Event, steps: &mut Steps<'_>) -> Result<(), Failure> {
        let used: ItemUsed = serde_json::from_str(event.data.get())?;
        self.0.post(event, message(event.user_id.as_str(), &used), steps).await
    }
}

fn message(user_id: &str, used: &ItemUsed) -> Message {
    let consumed = &used.result.consumed;
    // Ids have no backticks: nothing in them is taken for markup.
    let took =
        Field::new(format!("`{}`", consumed.item_id), format!("-{} (now {})", consumed.quantity, consumed.balance));
    let gave = used.result.effects.iter().filter_map(|effect| match effect {
        EffectResult::Granted(item) => {
            Some(Field::new(format!("`{}`", item.item_id), format!("+{} (now {})", item.quantity, item.balance)))
        }
        EffectResult::Skipped(_) | EffectResult::Emitted(_) => None,
    });
    let title = format!("`{user_id}` used `{}`", consumed.item_id);
    Message { title, fields: std::iter::once(took).chain(gave).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_tells_what_it_took_and_gave() {
        let used: ItemUsed = serde_json::from_str(
            r#"{"jobId":"0190a5e4-8c6e-7000-8000-000000000000","type":"t","actor":"a","requestId":"r",
                "submittedAt":"2026-01-31T12:00:00Z","result":{
                "consumed":{"itemId":"chest","quantity":1,"balance":0},
                "effects":[{"granted":{"itemId":"gold","quantity":120,"balance":120}},
                           {"skipped":{"itemId":"key","reason":"already_granted"}},
                           {"emitted":{"name":"chest/opened","rewards":[]}}]}}"#,
        )
        .unwrap();
        let told = message("u1", &used);
        assert_eq!(told.title, "`u1` used `chest`");
        assert_eq!(told.fields, [Field::new("`chest`", "-1 (now 0)"), Field::new("`gold`", "+120 (now 120)")]);
    }
}
