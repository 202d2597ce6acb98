//! Undoes the content-encoding of a body: bytes in, bytes out, no I/O.

use std::{collections::VecDeque, fmt};

use bytes::{Buf, Bytes};
use http::{HeaderMap, header::CONTENT_ENCODING};

use self::codec::Codec;

mod codec;
#[cfg(test)]
mod tests;

/// The most codings that one body may have.
const MAX_CODINGS: usize = 4;

/// The most bytes made at once.
const MAX_OUTPUT: usize = 32 * 1024;

/// The most bytes that pass between the codings of a list before one byte comes out at its end. Honest encoders need
/// a block of zstd at most, 128 KiB; a bomb inside a bomb would otherwise keep one pull busy for hours.
const MAX_BETWEEN: usize = 1024 * 1024;

/// Undoes the content-encoding of one body.
///
/// Memory is bounded by the windows of the codings, as their specifications for HTTP bound them (32 KiB for gzip and
/// deflate, 16 MiB for br, 8 MiB for zstd), whatever the body claims. One pull reads at most the input that was pushed,
/// and 1 MiB between the codings of a list; br may fill its whole window before it gives the first byte of it.
pub(crate) struct Decoder {
    pushed: VecDeque<Bytes>,
    /// In the order of undoing: the coding that was applied last comes first.
    stages: Vec<Stage>,
    buffer: Box<[u8]>,
}

/// Why a body cannot be decoded: the fault of who sent it, or a coding that is not known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DecodeError {
    /// A coding with no decoder, or a list of more than 4: the start of its text.
    #[error("the content-encoding {0:?} is not supported")]
    Unsupported(String),
    /// Bytes that the coding does not allow, bytes after its end, or a window above its bound.
    #[error("the body is not valid {coding}")]
    Corrupt {
        /// The name of the coding.
        coding: &'static str,
    },
    /// A body that was cut off.
    #[error("the body ends before the end of its {coding}")]
    Truncated {
        /// The name of the coding.
        coding: &'static str,
    },
}

impl Decoder {
    /// A decoder for the content-encoding of a message: `None` when there is none, or only `identity`.
    ///
    /// Knows `gzip` (`x-gzip`), `deflate` with its zlib header and without, `br` and `zstd`, in any case, and lists of
    /// up to 4 of them.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Unsupported`].
    pub(crate) fn for_headers(headers: &HeaderMap) -> Result<Option<Self>, DecodeError> {
        let mut names = Vec::new();
        for value in headers.get_all(CONTENT_ENCODING) {
            let list = value.to_str().map_err(|_| unsupported(&String::from_utf8_lossy(value.as_bytes())))?;
            let listed = list.split(',').map(str::trim);
            names.extend(listed.filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity")));
        }
        if names.is_empty() {
            return Ok(None);
        }
        if names.len() > MAX_CODINGS {
            return Err(unsupported(&names.join(", ")));
        }
        let stage = |name: &&str| Stage::new(name).ok_or_else(|| unsupported(name));
        let stages = names.iter().rev().map(stage).collect::<Result<_, _>>()?;
        Ok(Some(Self { pushed: VecDeque::new(), stages, buffer: vec![0; MAX_OUTPUT].into() }))
    }

    /// Takes more of the encoded body. Nothing is decoded until it is pulled.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.pushed.push_back(chunk);
        }
    }

    /// The next decoded bytes: not empty, at most `max` and at most 32 KiB. `None` when all that the input allows is
    /// out (or `max` is 0).
    ///
    /// # Errors
    ///
    /// [`DecodeError::Corrupt`], then on every later pull.
    pub(crate) fn pull(&mut self, max: usize) -> Result<Option<Bytes>, DecodeError> {
        if max == 0 {
            return Ok(None);
        }
        Pull { pushed: &mut self.pushed, buffer: &mut self.buffer, between: MAX_BETWEEN }.from(&mut self.stages, max)
    }

    /// Whether the encoded body is whole, after the last push and a pull that gave `None`. No bytes at all are fine: a
    /// message without a body may still name a coding.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] for a body that was cut off, [`DecodeError::Corrupt`] when a pull has said so.
    pub(crate) fn finish(&mut self) -> Result<(), DecodeError> {
        self.stages.iter().try_for_each(Stage::finish)
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Decoder").field(&self.stages.iter().map(|stage| stage.coding).collect::<Vec<_>>()).finish()
    }
}

fn unsupported(coding: &str) -> DecodeError {
    DecodeError::Unsupported(coding.chars().take(64).collect())
}

/// One pull through the stages.
struct Pull<'a> {
    pushed: &'a mut VecDeque<Bytes>,
    buffer: &'a mut [u8],
    /// What is left of [`MAX_BETWEEN`].
    between: usize,
}

impl Pull<'_> {
    /// The next bytes after the last of `stages`, which gets its input from those before it.
    fn from(&mut self, stages: &mut [Stage], max: usize) -> Result<Option<Bytes>, DecodeError> {
        let Some((stage, before)) = stages.split_last_mut() else {
            return Ok(self.pushed.pop_front());
        };
        loop {
            let max = max.min(self.buffer.len());
            let output = self.buffer.get_mut(..max).unwrap_or_default();
            let written = stage.decode(output)?;
            if written > 0 {
                // A copy, so that the bytes of a small event do not keep a whole buffer alive.
                return Ok(output.get(..written).map(Bytes::copy_from_slice));
            }
            let Some(input) = self.from(before, MAX_OUTPUT)? else {
                return Ok(None);
            };
            if !before.is_empty() {
                self.between = self.between.checked_sub(input.len()).ok_or_else(|| stage.corrupt())?;
            }
            stage.input = input;
        }
    }
}

/// One coding of the list, with the input that it has not read yet.
struct Stage {
    coding: &'static str,
    codec: Box<dyn Codec>,
    state: State,
    input: Bytes,
    /// Whether the codec has written all that it can without more input.
    drained: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte.
    Fresh,
    /// Inside a stream.
    Inside,
    /// At the end of a stream. Some codings allow another one.
    Ended,
    Corrupt,
}

impl Stage {
    fn new(name: &str) -> Option<Self> {
        let (coding, codec) = codec::find(name)?;
        Some(Self { coding, codec, state: State::Fresh, input: Bytes::new(), drained: true })
    }

    /// Decodes into `output`: 0 when all the input is read and all the output written.
    fn decode(&mut self, output: &mut [u8]) -> Result<usize, DecodeError> {
        loop {
            match (self.state, self.input.first()) {
                (State::Corrupt, _) => return Err(self.corrupt()),
                (State::Fresh | State::Ended, None) => return Ok(0),
                (State::Inside, None) if self.drained => return Ok(0),
                (State::Ended, Some(next)) if !self.codec.restart(*next) => return Err(self.corrupt()),
                _ => {}
            }
            let Ok(step) = self.codec.step(&self.input, output) else {
                return Err(self.corrupt());
            };
            let stuck = !step.ended && step.read == 0 && step.written == 0 && !self.input.is_empty();
            if stuck || step.read > self.input.len() {
                return Err(self.corrupt());
            }
            self.input.advance(step.read);
            self.state = if step.ended { State::Ended } else { State::Inside };
            self.drained = step.written < output.len();
            if step.written > 0 {
                return Ok(step.written);
            }
        }
    }

    fn corrupt(&mut self) -> DecodeError {
        self.state = State::Corrupt;
        DecodeError::Corrupt { coding: self.coding }
    }

    fn finish(&self) -> Result<(), DecodeError> {
        match self.state {
            State::Fresh | State::Ended => Ok(()),
            State::Inside => Err(DecodeError::Truncated { coding: self.coding }),
            State::Corrupt => Err(DecodeError::Corrupt { coding: self.coding }),
        }
    }
}
