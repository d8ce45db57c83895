//! What an operation is.

use satchel_forms::{Described, Fields};
use serde::Serialize;

use crate::access::Access;
use crate::catalogue::Catalogue;
use crate::decide::Draft;
use crate::facts::{Facts, Reads};
use crate::ids::UserId;
use crate::rejection::Rejection;

/// An operation: how it is read (which is derived), who may submit it, what it looks at and what it decides.
pub trait Operation: Sized + Serialize + Fields + Described {
    /// Its name: a job's field `type`.
    const NAME: &'static str;
    /// Who may submit it.
    const ACCESS: Access;
    /// By which way it comes in.
    const ENTRANCE: Entrance = Entrance::Jobs;
    /// What it answers.
    type Outcome: Serialize;

    /// The users whose facts it looks at and changes, beside the one whom the job names, each once. They are
    /// [`Draft::others`], in this order.
    fn other_parties(&self) -> &[UserId] {
        &[]
    }

    /// Asks for every fact that [`Operation::decide`] may look at. What can be told only from other facts is asked for when
    /// `known` has these: until then [`Reads::ask_again`] has it asked anew, three times at most.
    fn reads<'a>(&'a self, context: &Context<'a, '_>, reads: &mut Reads<'a>);

    /// The most work that checking it by schemas can make: see [`Catalogue::event_work`].
    fn checks(&self, _: &Catalogue) -> u64 {
        0
    }

    /// Decides, from the draft alone.
    ///
    /// # Errors
    /// A [`Rejection`] if the rules of the game refuse the job.
    fn decide(&self, draft: &mut Draft<'_>) -> Result<Self::Outcome, Rejection>;
}

/// By which way an operation comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// `POST /jobs`.
    Jobs,
    /// `POST /events`.
    Events,
}

/// What an operation says by what it reads.
#[derive(Clone, Copy)]
pub struct Context<'a, 'k> {
    /// The user whom the job names.
    pub user_id: &'a UserId,
    /// The catalogue in force.
    pub catalogue: &'k Catalogue,
    /// What is known of a user so far.
    pub known: &'k dyn Fn(&UserId) -> Option<&'k Facts>,
}
