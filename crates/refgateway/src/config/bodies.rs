//! What a config file says about how a plugin reads bodies.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use wasm_host::Framing;

use super::Size;

/// How a plugin reads bodies, in place of what it declares itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bodies {
    /// Those of requests; as the plugin declares when absent.
    pub request: Option<BodyMode>,
    /// Those of responses; as the plugin declares when absent.
    pub response: Option<BodyMode>,
    /// Undo a content-encoding before the plugin reads the bodies that are named here.
    pub decode: bool,
}

/// `none`, `trailers`, `peek(4KiB)`, `buffer(1MiB)`, `stream(chunks)`, `stream(lines)` or `stream(sse)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyMode(pub wasm_host::BodyMode);

impl BodyMode {
    fn parse(text: &str) -> Option<Self> {
        use wasm_host::BodyMode as Mode;
        let (word, argument) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((word, argument)) => (word, Some(argument)),
            None => (text, None),
        };
        let mode = match (word, argument) {
            ("none", None) => Mode::None,
            ("trailers", None) => Mode::Trailers,
            ("peek", Some(size)) => Mode::Peek(bytes(size)?),
            ("buffer", Some(size)) => Mode::Buffer(bytes(size)?),
            ("stream", Some("chunks")) => Mode::Stream(Framing::Chunks),
            ("stream", Some("lines")) => Mode::Stream(Framing::Lines),
            ("stream", Some("sse")) => Mode::Stream(Framing::Sse),
            _ => return None,
        };
        Some(Self(mode))
    }
}

fn bytes(size: &str) -> Option<u32> {
    u32::try_from(Size::parse(size)?.0).ok()
}

impl<'de> Deserialize<'de> for BodyMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ModeVisitor)
    }
}

struct ModeVisitor;

impl de::Visitor<'_> for ModeVisitor {
    type Value = BodyMode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "`none`, `trailers`, `peek(SIZE)`, `buffer(SIZE)` with a size below 4GiB, `stream(chunks)`, \
             `stream(lines)` or `stream(sse)`",
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<BodyMode, E> {
        BodyMode::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Other("text"), &self))
    }
}

impl JsonSchema for BodyMode {
    fn schema_name() -> Cow<'static, str> {
        "BodyMode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "none, trailers, peek(4KiB), buffer(1MiB), stream(chunks), stream(lines) or stream(sse)",
            "pattern": r"^(none|trailers|(peek|buffer)\(\s*\d+\s*(B|KiB|MiB|GiB|kB|KB|MB|GB)?\s*\)|stream\((chunks|lines|sse)\)|.*\$\{.*)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use wasm_host::BodyMode as Mode;

    use super::*;

    #[test]
    fn every_mode_is_read() {
        for (text, mode) in [
            ("none", Mode::None),
            ("trailers", Mode::Trailers),
            ("peek(512)", Mode::Peek(512)),
            ("peek(4KiB)", Mode::Peek(4096)),
            ("buffer(1 MiB)", Mode::Buffer(1 << 20)),
            ("buffer(4294967295)", Mode::Buffer(u32::MAX)),
            ("stream(chunks)", Mode::Stream(Framing::Chunks)),
            ("stream(lines)", Mode::Stream(Framing::Lines)),
            ("stream(sse)", Mode::Stream(Framing::Sse)),
        ] {
            assert_eq!(BodyMode::parse(text), Some(BodyMode(mode)), "{text}");
        }
        for wrong in [
            "",
            "peek",
            "peek()",
            "peek(-1)",
            "peek(1s)",
            "buffer(4GiB)",
            "stream",
            "stream(words)",
            "none()",
            "Stream(sse)",
        ] {
            assert_eq!(BodyMode::parse(wrong), None, "{wrong}");
        }
    }
}
