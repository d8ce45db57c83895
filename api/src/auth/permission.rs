//! Who may read and manage what (HTTP.md "Who may"). Who may submit a job is `shared`'s to say, since
//! the worker asks it again.

use satchel_forms::Pointer;
use satchel_model::domain::{Actor, Role, Scope, UserId};

use crate::http::problem::ApiError;

/// The user whose inventory or history `actor` asks for by the text in the path.
///
/// # Errors
/// 403 for a service without the scope, 404 for a player who asks for anyone else, 422 if the text is no user id.
pub(crate) fn user_to_read(actor: &Actor, user_id: &str) -> Result<UserId, ApiError> {
    match actor.role {
        Role::Player if actor.subject.as_str() == user_id => return Ok(actor.subject.clone()),
        Role::Player => return Err(ApiError::NotFound),
        Role::Service if !actor.scopes.has(Scope::InventoryRead) => {
            return Err(ApiError::Forbidden("the scope inventory:read is needed".to_owned()));
        }
        Role::Service | Role::Operator => {}
    }
    UserId::parse(user_id).map_err(|error| ApiError::invalid(Pointer::root().field("userId"), error.to_string()))
}

/// Whether `actor` may read jobs at all; whose job it is, is asked by [`may_read_job`].
///
/// # Errors
/// 403 for a service without any scope.
pub(crate) fn may_read_jobs(actor: &Actor) -> Result<(), ApiError> {
    if actor.role != Role::Service || Scope::ALL.into_iter().any(|scope| actor.scopes.has(scope)) {
        return Ok(());
    }
    Err(ApiError::Forbidden("a scope is needed".to_owned()))
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

/// Whether `actor` may submit any job at all; which ones, [`satchel_model::jobs::Job::check_submitter`] says.
///
/// # Errors
/// 403 for operators.
pub(crate) fn may_submit_jobs(actor: &Actor) -> Result<(), ApiError> {
    match actor.role {
        Role::Player | Role::Service => Ok(()),
        Role::Operator => Err(ApiError::Forbidden("operators do not submit jobs".to_owned())),
    }
}

/// Whether `actor` may send events.
///
/// # Errors
/// 403 for all but services with the scope.
pub(crate) fn may_send_events(actor: &Actor) -> Result<(), ApiError> {
    match actor.role {
        Role::Service if actor.scopes.has(Scope::EventsWrite) => Ok(()),
        Role::Service => Err(ApiError::Forbidden("the scope events:write is needed".to_owned())),
        Role::Player | Role::Operator => Err(ApiError::Forbidden("only services send events".to_owned())),
    }
}

/// Whether `actor` may publish a catalogue.
///
/// # Errors
/// 403 for all but operators.
pub(crate) fn may_publish(actor: &Actor) -> Result<(), ApiError> {
    match actor.role {
        Role::Operator => Ok(()),
        Role::Player | Role::Service => Err(ApiError::Forbidden("only operators publish catalogues".to_owned())),
    }
}

/// Whether `actor` may see and manage what operators do; `what` says which part of it, as a message.
///
/// # Errors
/// 403 for all but operators.
pub(crate) fn may_operate(actor: &Actor, what: &str) -> Result<(), ApiError> {
    match actor.role {
        Role::Operator => Ok(()),
        Role::Player | Role::Service => Err(ApiError::Forbidden(format!("only operators {what}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(role: Role, subject: &str, scopes: &[Scope]) -> Actor {
        Actor::new(role, subject, scopes.iter().copied().collect()).unwrap()
    }

    fn status<T>(result: &Result<T, ApiError>) -> u16 {
        result.as_ref().err().map_or(200, |error| actix_web::ResponseError::status_code(error).as_u16())
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
        assert_eq!(status(&may_publish(&player)), 403);
        assert_eq!(status(&may_operate(&player, "manage the queue")), 403);
    }

    #[test]
    fn a_service_needs_its_scopes() {
        let reader = actor(Role::Service, "s", &[Scope::InventoryRead]);
        assert_eq!(status(&user_to_read(&reader, "u1")), 200);
        assert_eq!(status(&user_to_read(&reader, "not an id")), 422);
        let writer = actor(Role::Service, "u1", &[Scope::RewardsWrite]);
        assert_eq!(status(&user_to_read(&writer, "u1")), 403);
        assert_eq!(status(&may_read_jobs(&writer)), 200);
        let owner = UserId::parse("u9").unwrap();
        assert_eq!(status(&may_read_job(&writer, &owner, "service:u1")), 200);
        assert_eq!(status(&may_read_job(&writer, &owner, "service:s")), 404);
        assert_eq!(status(&may_read_job(&reader, &owner, "service:u1")), 200);
        assert_eq!(status(&may_read_jobs(&actor(Role::Service, "s", &[Scope::EventsWrite]))), 200);
        assert_eq!(status(&may_read_jobs(&actor(Role::Service, "s", &[]))), 403);
        assert_eq!(status(&may_publish(&reader)), 403);
        assert_eq!(status(&may_operate(&actor(Role::Service, "s", &Scope::ALL), "manage webhooks")), 403);
    }

    #[test]
    fn an_operator_reads_all_publishes_and_operates_but_submits_nothing() {
        let operator = actor(Role::Operator, "ops", &[]);
        assert_eq!(status(&user_to_read(&operator, "u1")), 200);
        assert_eq!(status(&user_to_read(&operator, "not an id")), 422);
        assert_eq!(status(&may_read_jobs(&operator)), 200);
        assert_eq!(status(&may_read_job(&operator, &UserId::parse("u1").unwrap(), "service:s")), 200);
        assert_eq!(status(&may_publish(&operator)), 200);
        assert_eq!(status(&may_operate(&operator, "manage the queue")), 200);
        assert_eq!(status(&may_submit_jobs(&operator)), 403);
    }
}
