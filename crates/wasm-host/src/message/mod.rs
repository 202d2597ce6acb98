//! What crosses the boundary between host and guest: `http` messages, bodies and actions.

mod body;
mod edit;
mod local;
mod state;

pub use body::{Body, BodyError};
pub(crate) use edit::{EditBudget, EditError, Headers, set_authority, set_method, set_path_with_query, set_status};
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub use local::LocalResponse;
pub use state::{ExchangeFacts, Phase};
pub(crate) use state::{ExchangeState, PropertyError};

/// What a guest decided in a phase.
#[derive(Debug)]
pub(crate) enum Action {
    /// Go on with the message as it now is.
    Continue,
    /// Answer with this.
    Respond(Box<LocalResponse>),
}
