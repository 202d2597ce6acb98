//! Cuts a streamed body into the pieces that a plugin reads.

mod events;
mod lines;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, mem};

use bytes::{Bytes, BytesMut};

pub(crate) use events::Event;
use events::Events;
use lines::Lines;

/// What a piece of a streamed body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Bytes as they come off the wire: where one chunk ends and the next begins means nothing.
    Chunks,
    /// A line with its end, a line feed; the last one may have none. Newline-delimited JSON is this.
    Lines,
    /// An event of an event stream (WHATWG HTML 9.2). Comments go past the plugin.
    Sse,
}

impl Framing {
    /// The name of the framing: `chunks`, `lines` or `sse`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chunks => "chunks",
            Self::Lines => "lines",
            Self::Sse => "sse",
        }
    }
}

/// One piece of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Exactly the bytes it was made of: those of all pieces, one after the other, are the body.
    pub(crate) raw: Bytes,
    pub(crate) kind: PieceKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PieceKind {
    Chunk,
    Line,
    Event(Event),
    /// A block of an event stream that sets nothing (comments, blank lines, unknown fields): goes past the plugin.
    Comment,
}

/// A piece of the body is over the limit. All bytes are still there: see [`Framer::rest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line or event of the body is longer than {max} bytes")]
pub(crate) struct PieceTooLong {
    pub(crate) max: usize,
}

/// Cuts one body into pieces.
///
/// Whoever takes all pieces before the next push has it hold `max` bytes and one chunk at most.
#[derive(Debug)]
pub(crate) enum Framer {
    Chunks(VecDeque<Bytes>),
    Lines(Lines),
    Sse(Events),
}

impl Framer {
    /// `max`: bytes of the longest line or event, with its end. Chunks are cut instead.
    pub(crate) fn new(framing: Framing, max: usize) -> Self {
        match framing {
            Framing::Chunks => Self::Chunks(VecDeque::new()),
            Framing::Lines => Self::Lines(Lines::new(max)),
            Framing::Sse => Self::Sse(Events::new(max)),
        }
    }

    /// Takes more of the body.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.chunks().push_back(chunk);
        }
    }

    /// The next whole piece, if it is there.
    ///
    /// # Errors
    ///
    /// The piece is too long, whether or not its end is there; so is it at each further call.
    pub(crate) fn next_piece(&mut self) -> Result<Option<Piece>, PieceTooLong> {
        match self {
            Self::Chunks(chunks) => Ok(next_chunk(chunks)),
            Self::Lines(lines) => lines.next_piece(),
            Self::Sse(events) => events.next_piece(),
        }
    }

    /// What is left when the body has ended, as a last piece. Whole pieces that were not taken yet come before it, so
    /// that nothing is lost when this is called until there is none.
    ///
    /// # Errors
    ///
    /// As [`next_piece`](Self::next_piece).
    pub(crate) fn last_piece(&mut self) -> Result<Option<Piece>, PieceTooLong> {
        match self {
            Self::Chunks(chunks) => Ok(next_chunk(chunks)),
            Self::Lines(lines) => lines.last_piece(),
            Self::Sse(events) => events.last_piece(),
        }
    }

    /// All bytes that were pushed and not given out, in order. Afterwards the framer is empty.
    pub(crate) fn rest(&mut self) -> impl Iterator<Item = Bytes> + use<> {
        let joined = match self {
            Self::Chunks(_) => Bytes::new(),
            Self::Lines(lines) => lines.unframed.forget(),
            Self::Sse(events) => events.unframed.forget(),
        };
        let chunks = mem::take(self.chunks());
        Some(joined).filter(|joined| !joined.is_empty()).into_iter().chain(chunks)
    }

    fn chunks(&mut self) -> &mut VecDeque<Bytes> {
        match self {
            Self::Chunks(chunks) => chunks,
            Self::Lines(lines) => &mut lines.unframed.chunks,
            Self::Sse(events) => &mut events.unframed.chunks,
        }
    }
}

/// Bytes of the longest chunk: a plugin gets it in one call, copied into its memory.
const MAX_CHUNK: usize = 64 * 1024;

fn next_chunk(chunks: &mut VecDeque<Bytes>) -> Option<Piece> {
    let raw = split_front(chunks, MAX_CHUNK)?;
    Some(Piece { raw, kind: PieceKind::Chunk })
}

/// Up to `len` bytes of the first chunk. No chunk stays behind empty.
fn split_front(chunks: &mut VecDeque<Bytes>, len: usize) -> Option<Bytes> {
    match chunks.front_mut() {
        Some(chunk) if chunk.len() > len => Some(chunk.split_to(len)),
        _ => chunks.pop_front(),
    }
}

/// Knows where a piece ends. Sees every byte of the body once, in order.
trait FindEnd {
    /// The end of the piece in the bytes that follow those of the last call. None: they all belong to it.
    ///
    /// The bytes after the end come again, with the next call.
    fn find_end(&mut self, bytes: &[u8]) -> Option<PieceEnd>;
}

#[derive(Clone, Copy)]
struct PieceEnd {
    /// Where the next piece begins.
    at: usize,
    /// How much of `at` counts against the limit.
    counted: usize,
}

/// Bytes that are not yet part of a piece.
#[derive(Debug)]
struct Unframed<E> {
    max: usize,
    end: E,
    /// The start of the unfinished piece: the chunks before the first of `chunks`. One buffer and no list, because a
    /// sender of single bytes would have each of them held as a chunk.
    joined: BytesMut,
    chunks: VecDeque<Bytes>,
    /// How many bytes of the first chunk have no end in them.
    scanned: usize,
    too_long: bool,
}

impl<E: FindEnd> Unframed<E> {
    fn new(max: usize, end: E) -> Self {
        Self { max, end, joined: BytesMut::new(), chunks: VecDeque::new(), scanned: 0, too_long: false }
    }

    /// The bytes of the next whole piece: a slice of its chunk, or a copy when it lies in more than one.
    fn next(&mut self) -> Result<Option<Bytes>, PieceTooLong> {
        while !self.too_long {
            let Some(chunk) = self.chunks.front() else { return Ok(None) };
            let unscanned = chunk.get(self.scanned..).unwrap_or_default();
            let end = self.end.find_end(unscanned);
            let counted = end.map_or(unscanned.len(), |end| end.counted);
            if self.joined.len() + self.scanned + counted > self.max {
                self.too_long = true;
            } else if let Some(end) = end {
                let len = mem::take(&mut self.scanned) + end.at;
                return Ok(split_front(&mut self.chunks, len).map(|last| self.join(last)));
            } else if self.chunks.len() == 1 {
                // Kept as it is: when the body ends here, nothing has to be joined.
                self.scanned = chunk.len();
                return Ok(None);
            } else {
                self.joined.extend_from_slice(chunk);
                self.chunks.pop_front();
                self.scanned = 0;
            }
        }
        Err(PieceTooLong { max: self.max })
    }

    /// As [`next`](Self::next), and when there is none, the bytes that have no end.
    fn last(&mut self) -> Result<Option<Bytes>, PieceTooLong> {
        if let Some(piece) = self.next()? {
            return Ok(Some(piece));
        }
        self.scanned = 0;
        // Where `next` found no end, it left the first chunk only.
        Ok(self.chunks.pop_front().map(|last| self.join(last)))
    }

    fn join(&mut self, last: Bytes) -> Bytes {
        if self.joined.is_empty() {
            return last;
        }
        self.joined.extend_from_slice(&last);
        mem::take(&mut self.joined).freeze()
    }

    /// Gives up the unfinished piece, and returns those of its bytes that are not in `chunks`.
    fn forget(&mut self) -> Bytes {
        self.scanned = 0;
        self.too_long = false;
        mem::take(&mut self.joined).freeze()
    }
}
