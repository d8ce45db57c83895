//! What applying a job changes and what it answers: plain data.

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::RuleOutcome;
use crate::facts::Writes;
use crate::ids::{EventName, ItemId};

/// See the module.
#[derive(Debug, Clone)]
pub struct Plan {
    /// For the user whom the job names.
    pub user: PartyPlan,
    /// For the other parties, in the operation's order.
    pub others: Vec<PartyPlan>,
    /// What happens by it, in order, beside the event that tells of the job itself.
    pub happened: Vec<Happening>,
    /// The job's result for the client, as HTTP.md "Outcomes" shows it.
    pub result: Box<RawValue>,
}

/// What a job does to one user.
#[derive(Debug, Clone, Default)]
pub struct PartyPlan {
    /// The changes in order; each becomes one ledger entry.
    pub changes: Vec<Change>,
    /// The item that was used, also where using it consumes nothing.
    pub used: Option<Used>,
    /// Facts beside the holdings.
    pub writes: Writes,
}

/// One change of one holding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What changes.
    pub item_id: ItemId,
    /// By how many pieces; never zero.
    pub delta: i64,
    /// Pieces held after it.
    pub balance: i64,
    /// What brought it about, when that is not the job itself: `use_item:welcome_chest`.
    pub cause: Option<String>,
}

/// An item's use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// The item.
    pub item_id: ItemId,
    /// How many times.
    pub times: i64,
}

/// Something that happens by a job.
#[derive(Debug, Clone)]
pub enum Happening {
    /// An event of the game's own.
    Game(GameEvent),
    /// A reward rule gave something for it, or could not.
    Rule(EventName, RuleOutcome),
}

/// An event of the game's own, as the catalogue declares them.
#[derive(Debug, Clone)]
pub struct GameEvent {
    /// What happened.
    pub name: EventName,
    /// What its sender calls it; `None` if Satchel gives it an id.
    pub id: Option<String>,
    /// When it happened, as its sender says; `None` for when it is recorded.
    pub occurred_at: Option<DateTime<Utc>>,
    /// What it tells.
    pub data: Box<RawValue>,
}
