//! What a config file says about rate limits and queues of a plugin.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::Size;

/// Whether a plugin may use rate limits, and whose: `true` for limits of its own, `{shared: NAME}` for those of all plugins
/// that are granted this name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RateLimitGrant {
    /// None at all.
    #[default]
    None,
    /// Limits of its own.
    Own,
    /// Those of this name.
    Shared(String),
}

impl<'de> Deserialize<'de> for RateLimitGrant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GrantVisitor)
    }
}

struct GrantVisitor;

impl<'de> de::Visitor<'de> for GrantVisitor {
    type Value = RateLimitGrant;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`true`, `false` or a map with `shared` and a name")
    }

    fn visit_bool<E: de::Error>(self, granted: bool) -> Result<RateLimitGrant, E> {
        Ok(if granted { RateLimitGrant::Own } else { RateLimitGrant::None })
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<RateLimitGrant, A::Error> {
        let mut name = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != "shared" {
                return Err(de::Error::unknown_field(&key, &["shared"]));
            }
            name = Some(map.next_value::<String>()?);
        }
        let name = name.ok_or_else(|| de::Error::missing_field("shared"))?;
        if name.is_empty() { Err(de::Error::custom("a name is needed")) } else { Ok(RateLimitGrant::Shared(name)) }
    }
}

impl JsonSchema for RateLimitGrant {
    fn schema_name() -> Cow<'static, str> {
        "RateLimitGrant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "boolean", "description": "whether it may use rate limits of its own" },
                {
                    "type": "object",
                    "description": "the limits of all plugins that are granted this name",
                    "properties": { "shared": { "type": "string", "minLength": 1 } },
                    "required": ["shared"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

/// The queues that a plugin may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueGrants {
    /// Whether it may have queues of its own, under any name that is not one of the shared ones.
    pub own: bool,
    /// Queues that it shares with other plugins, and what it may do with each.
    pub shared: BTreeMap<String, QueueUse>,
}

/// What a plugin may do with a shared queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueUse {
    /// Put items into it.
    Send,
    /// Take items out of it.
    Receive,
    /// Both.
    Both,
}

/// What one queue holds at most. What is absent has the engine's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueBounds {
    /// Items.
    pub items: Option<usize>,
    /// All items together.
    pub bytes: Option<Size>,
    /// One item.
    pub item_bytes: Option<Size>,
}
