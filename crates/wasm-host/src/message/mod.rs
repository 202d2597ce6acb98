//! What crosses the boundary between host and guest: `http` messages, bodies and actions.

mod body;
mod edit;
mod local;
mod state;

use bytes::Bytes;

pub use body::{Body, BodyError};
pub(crate) use edit::{
    EditBudget, EditError, Headers, Trailers, forget_coding, set_authority, set_method, set_path_with_query,
    set_replaced, set_status,
};
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub use local::LocalResponse;
pub use state::{ExchangeFacts, Phase, Routing, TlsFacts};
pub(crate) use state::{ExchangeState, PropertyError};

use crate::body::Event;

/// What a guest decided in a phase.
#[derive(Debug)]
pub(crate) enum Action {
    /// Go on with the message as it now is.
    Continue,
    /// Answer with this.
    Respond(Box<LocalResponse>),
}

/// A part of a body, as the mode of the plugin has it.
#[derive(Clone, Debug)]
pub(crate) enum BodyPiece {
    Start { bytes: Bytes, complete: bool },
    Whole(Bytes),
    Chunk(Bytes),
    Line(Bytes),
    Event(Event),
    End,
}

/// What a guest decided about a piece of a body.
#[derive(Debug)]
pub(crate) enum BodyAction {
    Pass,
    Replace(Bytes),
    Finish(Bytes),
    Reset,
    Leave,
    Respond(Box<LocalResponse>),
    /// Like `Pass` for a body that is held whole, past the plugins that would see the message next.
    Stop,
}

/// What a guest decided about a failure.
#[derive(Debug)]
pub(crate) enum ErrorAction {
    Continue,
    Respond(Box<LocalResponse>),
    /// Send the request again, to this service or to the same.
    Retry(Option<String>),
}
