//! Who may submit which job. The API asks before it enqueues, the worker asks again before it applies.

use super::{Actor, Role, Scope};
use crate::ids::UserId;

/// What an operation asks of its submitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The scope that a service needs.
    pub scope: Scope,
    /// Whether players may submit it for themselves.
    pub players: bool,
}

/// The submitter may not do this; the text says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The role may never do it.
    #[error("the role {0} may not submit {1}")]
    Role(Role, &'static str),
    /// The service lacks a scope.
    #[error("the scope {0} is needed to submit {1}")]
    Scope(Scope, &'static str),
    /// A player acts for someone else.
    #[error("a player may submit {0} for itself only")]
    OtherUser(&'static str),
    /// A player wants its jobs treated otherwise than others'.
    #[error("a player may not set priority, notBefore or quiet")]
    Precedence,
}

impl Access {
    /// Whether `actor` may submit a job of type `job_type` for `user_id`.
    ///
    /// # Errors
    /// [`Denied`] with the reason.
    pub fn check(&self, actor: &Actor, user_id: &UserId, job_type: &'static str) -> Result<(), Denied> {
        match actor.role {
            Role::Service if actor.scopes.has(self.scope) => Ok(()),
            Role::Service => Err(Denied::Scope(self.scope, job_type)),
            Role::Player if !self.players => Err(Denied::Role(Role::Player, job_type)),
            Role::Player if actor.subject == *user_id => Ok(()),
            Role::Player => Err(Denied::OtherUser(job_type)),
            Role::Operator => Err(Denied::Role(Role::Operator, job_type)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scopes;
    use super::*;

    #[test]
    fn only_the_scope_or_the_own_player_opens_the_way() {
        let user = UserId::parse("u1").unwrap();
        let actor = |role, subject, scopes: &[Scope]| {
            Actor::new(role, subject, scopes.iter().copied().collect::<Scopes>()).unwrap()
        };
        let use_item = Access { scope: Scope::ItemsUse, players: true };
        let rewards = Access { scope: Scope::RewardsWrite, players: false };
        let may = |rule: Access, actor: &Actor| rule.check(actor, &user, "x").is_ok();

        assert!(may(use_item, &actor(Role::Player, "u1", &[])));
        assert!(!may(use_item, &actor(Role::Player, "u2", &[])));
        assert!(!may(rewards, &actor(Role::Player, "u1", &[Scope::RewardsWrite])));
        assert!(may(rewards, &actor(Role::Service, "game", &[Scope::RewardsWrite])));
        assert!(!may(rewards, &actor(Role::Service, "u1", &[Scope::ItemsUse])));
        assert!(!may(use_item, &actor(Role::Operator, "u1", &Scope::ALL)));
    }
}
