//! Who acts, and what it was given to do.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{InvalidId, UserId};

/// The three roles of HTTP.md "Who may".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A game client: acts for its own subject only.
    Player,
    /// A game server: acts for any user, by scope.
    Service,
    /// A person or tool that runs Satchel: reads all, manages catalogue and queues.
    Operator,
}

impl Role {
    /// `player`, `service` or `operator`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Player => "player",
            Self::Service => "service",
            Self::Operator => "operator",
        }
    }

    /// Parses the lower-case name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Player, Self::Service, Self::Operator].into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a service was given to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Reward items to any user.
    #[serde(rename = "rewards:write")]
    RewardsWrite,
    /// Use items for any user.
    #[serde(rename = "items:use")]
    ItemsUse,
    /// Read any user's inventory, history and jobs.
    #[serde(rename = "inventory:read")]
    InventoryRead,
    /// Send events for any user.
    #[serde(rename = "events:write")]
    EventsWrite,
}

impl Scope {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::RewardsWrite, Self::ItemsUse, Self::InventoryRead, Self::EventsWrite];

    /// The name in tokens, e.g. `rewards:write`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RewardsWrite => "rewards:write",
            Self::ItemsUse => "items:use",
            Self::InventoryRead => "inventory:read",
            Self::EventsWrite => "events:write",
        }
    }

    /// Parses the name in tokens.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes; in tokens a space-separated string (RFC 8693 section 4.2, claim `scope`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Every scope there is.
    #[must_use]
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// Whether `scope` is among them.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// The known scopes of a space-separated list. Unknown names grant nothing and are passed over,
    /// so that tokens shared with other services work.
    #[must_use]
    pub fn of_claim(text: &str) -> Self {
        text.split_ascii_whitespace().filter_map(Scope::parse).collect()
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = Scope> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&names.join(" "))
    }
}

/// Who submitted a job or asks a question. Its subject has the form of a [`UserId`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Which of the three roles.
    pub role: Role,
    /// Who, within the role: a user id for players.
    #[serde(rename = "sub")]
    pub subject: UserId,
    /// What a service may do; empty for the other roles.
    #[serde(default)]
    pub scopes: Scopes,
}

impl Actor {
    /// An actor from texts, as a token carries them.
    ///
    /// # Errors
    /// If the subject is not of a [`UserId`]'s form.
    pub fn new(role: Role, subject: &str, scopes: Scopes) -> Result<Self, InvalidId> {
        Ok(Self { role, subject: UserId::parse(subject)?, scopes })
    }
}

/// `role:subject`, as the ledger records it and as idempotency keys are scoped.
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.role, self.subject)
    }
}
