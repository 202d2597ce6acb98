//! Shared state for plugins, in engines made for it: one machine's disk (redb), or many machines' memory (Redis).
//!
//! Each store is given to an engine in the place of the embedded default, see
//! [`PluginEngineBuilder`](wasm_host::PluginEngineBuilder).

#[cfg(feature = "redis")]
mod redis;

#[cfg(feature = "redis")]
pub use redis::{Redis, RedisError, RedisRateLimiter};
