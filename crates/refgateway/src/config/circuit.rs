//! What a config file says about the circuit of a plugin.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Time;

/// When the plugin is not called for a while because it failed too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CircuitBreaker {
    /// That many failed calls within the window, and the plugin is not called.
    pub failures: NonZeroU32,
    /// How far apart the first and the last of them may be; more than 0.
    pub window: Time,
    /// How long the plugin is not called; then single requests try it. More than 0.
    pub cooldown: Time,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        let wasm_host::CircuitBreaker { failures, window, cooldown } = wasm_host::CircuitBreaker::default();
        Self { failures, window: Time(window), cooldown: Time(cooldown) }
    }
}
