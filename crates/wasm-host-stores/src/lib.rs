//! Shared state for plugins, in engines made for it: one machine's disk (redb), or many machines' memory (Redis).
//!
//! Each store is given to an engine in the place of the embedded default, see
//! [`PluginEngineBuilder`](wasm_host::PluginEngineBuilder).
//!
//! ```no_run
//! use wasm_host::PluginEngine;
//! use wasm_host_stores::RedbKv;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = PluginEngine::builder().kv_store(RedbKv::open("state.redb")?).build()?;
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "redis")]
mod redis;

#[cfg(feature = "redb")]
pub use self::redb::{RedbError, RedbKv};
#[cfg(feature = "redis")]
pub use self::redis::{Redis, RedisError, RedisKv, RedisRateLimiter};
