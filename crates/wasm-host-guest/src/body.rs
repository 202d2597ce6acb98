//! Bodies: how a plugin reads them, what it gets, what it decides.

use crate::{Error, LocalResponse, bindings::imports::wasm_host::plugin::types};

pub use types::{Framing, SseEvent};

/// How a plugin reads the bodies of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyMode {
    /// Not at all: the body flows past the plugin.
    None,
    /// Only its end, where its trailers are.
    Trailers,
    /// Its first bytes, this many or all of a shorter body, headers held.
    Peek(u32),
    /// All of it, at most this many bytes, headers held.
    Buffer(u32),
    /// Piece by piece, as it arrives.
    Stream(Framing),
}

impl BodyMode {
    /// The same, with a content-encoding undone first.
    #[must_use]
    pub fn decoded(self) -> BodyReading {
        BodyReading { mode: self, decode: true }
    }
}

/// What a plugin wants of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyReading {
    /// How it reads it.
    pub mode: BodyMode,
    /// Whether a content-encoding (gzip, deflate, br, zstd) is undone first.
    pub decode: bool,
}

impl BodyReading {
    /// The same, with a content-encoding undone first.
    #[must_use]
    pub fn decoded(self) -> Self {
        Self { decode: true, ..self }
    }
}

impl From<BodyMode> for BodyReading {
    fn from(mode: BodyMode) -> Self {
        Self { mode, decode: false }
    }
}

/// A part of a body, as the mode of the plugin has it.
#[derive(Clone, Debug)]
pub enum Piece {
    /// `Peek`: the first bytes.
    Start {
        /// As many as the plugin asked for, or all.
        bytes: Vec<u8>,
        /// Whether they are all.
        complete: bool,
    },
    /// `Buffer`: all bytes.
    Whole(Vec<u8>),
    /// `Stream(Chunks)`.
    Chunk(Vec<u8>),
    /// `Stream(Lines)`: the line with its end.
    Line(Vec<u8>),
    /// `Stream(Sse)`.
    Event(SseEvent),
    /// The body has ended.
    End,
}

impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Start { bytes, complete }, Self::Start { bytes: others, complete: others_complete }) => {
                (bytes, complete) == (others, others_complete)
            }
            (Self::Whole(bytes), Self::Whole(others))
            | (Self::Chunk(bytes), Self::Chunk(others))
            | (Self::Line(bytes), Self::Line(others)) => bytes == others,
            (Self::Event(event), Self::Event(other)) => {
                (&event.event, &event.data, &event.id, event.retry)
                    == (&other.event, &other.data, &other.id, other.retry)
            }
            (Self::End, Self::End) => true,
            _ => false,
        }
    }
}

impl Piece {
    /// Its bytes; the data of an event.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Start { bytes, .. } | Self::Whole(bytes) | Self::Chunk(bytes) | Self::Line(bytes) => bytes,
            Self::Event(event) => event.data.as_bytes(),
            Self::End => &[],
        }
    }
}

/// What a plugin puts in the place of a piece.
#[derive(Clone, Debug)]
pub enum Output {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These events.
    Events(Vec<SseEvent>),
}

impl From<Vec<u8>> for Output {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<String> for Output {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

impl From<SseEvent> for Output {
    fn from(event: SseEvent) -> Self {
        Self::Events(vec![event])
    }
}

impl From<Vec<SseEvent>> for Output {
    fn from(events: Vec<SseEvent>) -> Self {
        Self::Events(events)
    }
}

/// What a plugin decides about a piece of a body.
#[derive(Debug)]
pub enum BodyAction {
    /// It goes on as it came, byte for byte.
    Pass,
    /// This goes on in its place; with `End` it is appended.
    Replace(Output),
    /// This goes on in its place, and ends the body.
    Finish(Output),
    /// The body is broken off: the receiver learns that it is incomplete.
    Reset,
    /// This piece and all that follow go on as they come, and the plugin is not called for this body again.
    Leave,
    /// Send this answer instead: while the headers are held, with `Start` and `Whole`.
    Respond(LocalResponse),
}

impl BodyAction {
    /// Puts this in the place of the piece.
    pub fn replace(output: impl Into<Output>) -> Self {
        Self::Replace(output.into())
    }

    /// Nothing goes on in the place of the piece.
    pub fn drop() -> Self {
        Self::Replace(Output::Bytes(Vec::new()))
    }

    /// Ends the body with this.
    pub fn finish(output: impl Into<Output>) -> Self {
        Self::Finish(output.into())
    }
}

impl From<LocalResponse> for BodyAction {
    fn from(response: LocalResponse) -> Self {
        Self::Respond(response)
    }
}

/// Writes an event as an event stream has it. Line breaks in its name and id become spaces.
pub(crate) fn write_event(event: &SseEvent, out: &mut Vec<u8>) {
    let mut field = |name: &str, value: &str| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend(value.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
        out.push(b'\n');
    };
    if let Some(name) = &event.event {
        field("event", name);
    }
    // Every reader ignores an id with NUL.
    let id = event.id.as_ref().filter(|id| !id.contains('\0'));
    if let Some(id) = id {
        field("id", id);
    }
    if let Some(retry) = event.retry {
        field("retry", &retry.to_string());
    }
    // Without data a reader notes the id and the time, and fires nothing.
    if event.data.is_empty() && event.event.is_none() && (id.is_some() || event.retry.is_some()) {
        out.push(b'\n');
        return;
    }
    for line in event.data.replace("\r\n", "\n").split(['\r', '\n']) {
        field("data", line);
    }
    out.push(b'\n');
}

impl From<types::Piece> for Piece {
    fn from(piece: types::Piece) -> Self {
        match piece {
            types::Piece::Start(types::BodyStart { bytes, complete }) => Self::Start { bytes, complete },
            types::Piece::Whole(bytes) => Self::Whole(bytes),
            types::Piece::Chunk(bytes) => Self::Chunk(bytes),
            types::Piece::Line(bytes) => Self::Line(bytes),
            types::Piece::Event(event) => Self::Event(event),
            types::Piece::End => Self::End,
        }
    }
}

impl From<Output> for types::Output {
    fn from(output: Output) -> Self {
        match output {
            Output::Bytes(bytes) => Self::Bytes(bytes),
            Output::Events(events) => Self::Events(events),
        }
    }
}

impl From<BodyAction> for types::BodyAction {
    fn from(action: BodyAction) -> Self {
        match action {
            BodyAction::Pass => Self::Pass,
            BodyAction::Replace(output) => Self::Replace(output.into()),
            BodyAction::Finish(output) => Self::Finish(output.into()),
            BodyAction::Reset => Self::Reset,
            BodyAction::Leave => Self::Leave,
            BodyAction::Respond(response) => Self::Respond(response.0),
        }
    }
}

impl From<BodyReading> for types::BodyReading {
    fn from(BodyReading { mode, decode }: BodyReading) -> Self {
        let mode = match mode {
            BodyMode::None => types::BodyMode::None,
            BodyMode::Trailers => types::BodyMode::Trailers,
            BodyMode::Peek(bytes) => types::BodyMode::Peek(bytes),
            BodyMode::Buffer(bytes) => types::BodyMode::Buffer(bytes),
            BodyMode::Stream(framing) => types::BodyMode::Stream(framing),
        };
        Self { mode, decode }
    }
}

/// What a phase of a body gave back, in the words of the bindings.
pub(crate) fn lowered(action: crate::Result<BodyAction>) -> Result<types::BodyAction, String> {
    action.map(Into::into).map_err(|error: Error| error.to_string())
}
