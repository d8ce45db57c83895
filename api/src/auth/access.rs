//! Who may call which route, and who may see what (HTTP.md "Who may"). Who may submit which job is the model's to say, since
//! the worker asks it again.

use satchel_forms::Pointer;
use satchel_model::access::{Actor, Role, Scope};
use satchel_model::ids::UserId;

use crate::http::extract::{Extract, Parts, Takes};
use crate::http::problem::ApiError;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, without a credential.
    Anyone,
    /// Whoever has a good credential.
    SignedIn,
    /// Players and services; which jobs, the job's type says.
    JobSubmitters,
    /// Services with the scope `events:write`.
    EventSenders,
    /// Players for their own jobs, services with any scope, operators.
    JobReaders,
    /// Players for themselves, services with the scope `inventory:read`, operators.
    UserReaders,
    /// Operators. The text says what they do there: a refusal is "only operators" and it.
    Operators(&'static str),
}

impl Access {
    /// Whether `actor` may call the route.
    ///
    /// # Errors
    /// 403 if it may not.
    pub(crate) fn check(self, actor: &Actor) -> Result<(), ApiError> {
        let needed = match (self, actor.role) {
            (Self::JobSubmitters, Role::Operator) => "operators do not submit jobs",
            (Self::EventSenders, Role::Player | Role::Operator) => "only services send events",
            (Self::EventSenders, Role::Service) if !actor.scopes.has(Scope::EventsWrite) => {
                "the scope events:write is needed"
            }
            (Self::UserReaders, Role::Service) if !actor.scopes.has(Scope::InventoryRead) => {
                "the scope inventory:read is needed"
            }
            (Self::JobReaders, Role::Service) if !Scope::ALL.into_iter().any(|scope| actor.scopes.has(scope)) => {
                "a scope is needed"
            }
            (Self::Operators(what), Role::Player | Role::Service) => {
                return Err(ApiError::Forbidden(format!("only operators {what}")));
            }
            _ => return Ok(()),
        };
        Err(ApiError::Forbidden(needed.to_owned()))
    }
}

/// The user in the path, whose inventory or history the caller may see.
pub(crate) struct ReadableUser(pub(crate) UserId);

impl Extract for ReadableUser {
    async fn extract(parts: &mut Parts) -> Result<Self, ApiError> {
        user_to_read(parts.caller()?, parts.request.match_info().query("userId")).map(Self)
    }

    fn describe(takes: &mut Takes) {
        takes.path.push("userId");
    }
}

/// The user that `actor`, who may call the route, asks for by the text in the path.
///
/// # Errors
/// 404 for a player who asks for anyone else, 422 if the text is no user id.
fn user_to_read(actor: &Actor, user_id: &str) -> Result<UserId, ApiError> {
    match actor.role {
        Role::Player if actor.subject.as_str() == user_id => Ok(actor.subject.clone()),
        Role::Player => Err(ApiError::NotFound),
        Role::Service | Role::Operator => UserId::parse(user_id)
            .map_err(|error| ApiError::invalid(Pointer::root().field("userId"), error.to_string())),
    }
}

/// Whether `actor` may read a job of `owner` that `submitter` (`role:subject`) submitted.
///
/// # Errors
/// 404 for a player who is not the owner, and for a service that neither reads inventories nor submitted it: a job's
/// result tells balances.
pub(crate) fn may_read_job(actor: &Actor, owner: &UserId, submitter: &str) -> Result<(), ApiError> {
    let may = match actor.role {
        Role::Player => actor.subject == *owner,
        Role::Service => actor.scopes.has(Scope::InventoryRead) || actor.to_string() == submitter,
        Role::Operator => true,
    };
    if may { Ok(()) } else { Err(ApiError::NotFound) }
}

/// Whether `actor` may withdraw a job that it may read and that `submitter` (`role:subject`) submitted.
///
/// # Errors
/// 403 for all but the submitter and operators.
pub(crate) fn may_withdraw(actor: &Actor, submitter: &str) -> Result<(), ApiError> {
    if actor.role == Role::Operator || actor.to_string() == submitter {
        return Ok(());
    }
    Err(ApiError::Forbidden("a job is withdrawn by who submitted it, or by an operator".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATORS: Access = Access::Operators("manage the queue");

    fn actor(role: Role, subject: &str, scopes: &[Scope]) -> Actor {
        Actor::new(role, subject, scopes.iter().copied().collect()).unwrap()
    }

    fn status<T>(result: &Result<T, ApiError>) -> u16 {
        result.as_ref().err().map_or(200, |error| actix_web::ResponseError::status_code(error).as_u16())
    }

    fn may(access: Access, actor: &Actor) -> bool {
        match status(&access.check(actor)) {
            200 => true,
            403 => false,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_player_sees_itself_and_no_one_else() {
        let player = actor(Role::Player, "u1", &Scope::ALL);
        assert_eq!(status(&user_to_read(&player, "u1")), 200);
        for other in ["u2", "U1", "not an id", ""] {
            assert_eq!(status(&user_to_read(&player, other)), 404, "{other}");
        }
        assert_eq!(status(&may_read_job(&player, &UserId::parse("u1").unwrap(), "service:s")), 200);
        assert_eq!(status(&may_read_job(&player, &UserId::parse("u2").unwrap(), "player:u1")), 404);
        for own in [Access::SignedIn, Access::JobSubmitters, Access::JobReaders, Access::UserReaders] {
            assert!(may(own, &player), "{own:?}");
        }
        assert!(!may(OPERATORS, &player) && !may(Access::EventSenders, &player));
    }

    #[test]
    fn a_service_needs_its_scopes() {
        let reader = actor(Role::Service, "s", &[Scope::InventoryRead]);
        assert!(may(Access::UserReaders, &reader));
        assert_eq!(status(&user_to_read(&reader, "u1")), 200);
        assert_eq!(status(&user_to_read(&reader, "not an id")), 422);
        let writer = actor(Role::Service, "u1", &[Scope::RewardsWrite]);
        assert!(!may(Access::UserReaders, &writer));
        assert!(may(Access::JobReaders, &writer));
        let owner = UserId::parse("u9").unwrap();
        assert_eq!(status(&may_read_job(&writer, &owner, "service:u1")), 200);
        assert_eq!(status(&may_read_job(&writer, &owner, "service:s")), 404);
        assert_eq!(status(&may_read_job(&reader, &owner, "service:u1")), 200);
        assert!(may(Access::JobReaders, &actor(Role::Service, "s", &[Scope::EventsWrite])));
        assert!(!may(Access::JobReaders, &actor(Role::Service, "s", &[])));
        assert!(!may(Access::EventSenders, &writer));
        assert!(!may(OPERATORS, &actor(Role::Service, "s", &Scope::ALL)));
    }

    #[test]
    fn an_operator_reads_all_and_operates_but_submits_nothing() {
        let operator = actor(Role::Operator, "ops", &[]);
        assert_eq!(status(&user_to_read(&operator, "u1")), 200);
        assert_eq!(status(&user_to_read(&operator, "not an id")), 422);
        assert_eq!(status(&may_read_job(&operator, &UserId::parse("u1").unwrap(), "service:s")), 200);
        for access in [Access::SignedIn, Access::JobReaders, Access::UserReaders, OPERATORS] {
            assert!(may(access, &operator), "{access:?}");
        }
        assert!(!may(Access::JobSubmitters, &operator) && !may(Access::EventSenders, &operator));
    }

    #[test]
    fn a_refusal_names_what_was_asked_for() {
        let refused = OPERATORS.check(&actor(Role::Player, "u1", &[])).unwrap_err();
        assert_eq!(refused.to_string(), "only operators manage the queue");
    }
}
