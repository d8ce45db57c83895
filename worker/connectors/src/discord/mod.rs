//! Discord: events as messages in a channel.

mod channel;

satchel_functions::functions! {
    item_rewarded_discord_notifier::ItemRewardedDiscordNotifier,
    item_used_discord_notifier::ItemUsedDiscordNotifier,
}
