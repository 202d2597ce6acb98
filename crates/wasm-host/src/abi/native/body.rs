//! Bodies, between the host's words and those of the WIT.

use bytes::{Bytes, BytesMut};

use super::bindings::wasm_host::plugin::types as wit;
use crate::{
    BodyMode, BodyReading, Framing,
    abi::{GuestResult, HostStore},
    body::Event,
    message::{BodyAction, BodyPiece},
};

pub(super) fn reading_of(reading: wit::BodyReading) -> BodyReading {
    let mode = match reading.mode {
        wit::BodyMode::None => BodyMode::None,
        wit::BodyMode::Trailers => BodyMode::Trailers,
        wit::BodyMode::Peek(bytes) => BodyMode::Peek(bytes),
        wit::BodyMode::Buffer(bytes) => BodyMode::Buffer(bytes),
        wit::BodyMode::Stream(wit::Framing::Chunks) => BodyMode::Stream(Framing::Chunks),
        wit::BodyMode::Stream(wit::Framing::Lines) => BodyMode::Stream(Framing::Lines),
        wit::BodyMode::Stream(wit::Framing::Sse) => BodyMode::Stream(Framing::Sse),
    };
    BodyReading { mode, decode: reading.decode }
}

pub(super) fn piece_of(piece: &BodyPiece) -> wit::Piece<'_> {
    match piece {
        BodyPiece::Start { bytes, complete } => wit::Piece::Start(wit::BodyStart { bytes, complete: *complete }),
        BodyPiece::Whole(bytes) => wit::Piece::Whole(bytes),
        BodyPiece::Chunk(bytes) => wit::Piece::Chunk(bytes),
        BodyPiece::Line(bytes) => wit::Piece::Line(bytes),
        BodyPiece::Event(Event { event, data, id, retry }) => {
            wit::Piece::Event(wit::SseEventParam { event: event.as_deref(), data, id: id.as_deref(), retry: *retry })
        }
        BodyPiece::End => wit::Piece::End,
    }
}

pub(super) fn action_of_body(action: wit::BodyAction, store: &mut HostStore) -> GuestResult<BodyAction> {
    Ok(match action {
        wit::BodyAction::Pass => BodyAction::Pass,
        wit::BodyAction::Replace(output) => BodyAction::Replace(bytes_of(output)),
        wit::BodyAction::Finish(output) => BodyAction::Finish(bytes_of(output)),
        wit::BodyAction::Reset => BodyAction::Reset,
        wit::BodyAction::Leave => BodyAction::Leave,
        wit::BodyAction::Respond(response) => {
            BodyAction::Respond(Box::new(store.data_mut().take_local_response(response)?))
        }
    })
}

fn bytes_of(output: wit::Output) -> Bytes {
    match output {
        wit::Output::Bytes(bytes) => bytes.into(),
        wit::Output::Events(events) => {
            let mut bytes = BytesMut::new();
            for wit::SseEventResult { event, data, id, retry } in events {
                Event { event, data, id, retry }.write_to(&mut bytes);
            }
            bytes.freeze()
        }
    }
}
