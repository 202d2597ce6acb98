use std::fmt;

use super::Framing;

/// How a plugin reads the bodies of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyMode {
    /// Not at all: bodies flow past the plugin.
    #[default]
    None,
    /// Only the end, where the trailers are.
    Trailers,
    /// The first bytes, this many or all of a shorter body. The headers are held until they are there.
    Peek(u32),
    /// All of it, at most this many bytes, headers held.
    Buffer(u32),
    /// Piece by piece, as it arrives.
    Stream(Framing),
}

impl BodyMode {
    /// Bytes of a body that are held in this mode before the plugin is called.
    pub fn held_bytes(self) -> u32 {
        match self {
            Self::Peek(bytes) | Self::Buffer(bytes) => bytes,
            Self::None | Self::Trailers | Self::Stream(_) => 0,
        }
    }

    /// Whether the plugin may change the bytes.
    pub(crate) fn may_change(self) -> bool {
        matches!(self, Self::Buffer(_) | Self::Stream(_))
    }
}

impl fmt::Display for BodyMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Trailers => f.write_str("trailers"),
            Self::Peek(bytes) => write!(f, "peek({bytes})"),
            Self::Buffer(bytes) => write!(f, "buffer({bytes})"),
            Self::Stream(framing) => write!(f, "stream({})", framing.as_str()),
        }
    }
}

/// What a plugin wants of the bodies of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyReading {
    /// How it reads them.
    pub mode: BodyMode,
    /// Whether a content-encoding (gzip, deflate, br, zstd) is undone before it reads. What a plugin that streams or
    /// replaces lets through is then sent without the encoding.
    pub decode: bool,
}

impl From<BodyMode> for BodyReading {
    fn from(mode: BodyMode) -> Self {
        Self { mode, decode: false }
    }
}
