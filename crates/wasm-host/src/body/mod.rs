//! How plugins read bodies: held back until some or all of it is there, or piece by piece as it flows.

mod decode;
mod frame;
mod held;
mod reading;

/// Decoded bytes that are taken at once.
pub(crate) const PULL: usize = 32 << 10;

pub(crate) use self::{
    decode::{DecodeError, Decoder},
    frame::{Event, Framer, Piece, PieceKind},
    held::{Held, HoldError},
};
pub use self::{
    frame::Framing,
    reading::{BodyMode, BodyReading},
};
