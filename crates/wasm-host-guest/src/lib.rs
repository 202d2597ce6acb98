//! Write HTTP plugins for `wasm-host` in Rust.
//!
//! A plugin is a type that takes its configuration and has the phases it needs. This one answers 401 to every request
//! without the right token:
//!
//! ```
//! use wasm_host_guest::{Action, Config, OnRequest, Plugin, Request, Result, export};
//!
//! struct TokenCheck;
//!
//! impl Plugin for TokenCheck {
//!     fn configure(_: Config) -> Result<Self> {
//!         Ok(Self)
//!     }
//! }
//!
//! impl OnRequest for TokenCheck {
//!     fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
//!         match request.header("authorization") {
//!             Some(token) if token == "Bearer secret" => Ok(Action::Continue),
//!             _ => Action::respond(401),
//!         }
//!     }
//! }
//!
//! export!(TokenCheck: request);
//! ```
//!
//! Build it as a `cdylib` with `cargo build --release --target wasm32-wasip2`. The phases named in [`export!`] are the
//! ones the host calls; a phase that is not named costs nothing.
//!
//! A plugin that needs nothing of WASI can be built for `wasm32-unknown-unknown`, and starts with less work. Panics are
//! logged there, and the feature `allocator`, which is on by default, brings an allocator that makes do with the memory that
//! a new instance has.

mod action;
mod adapter;
mod body;
mod config;
mod error;
mod header;
mod header_name;
mod message;
mod plugin;
mod stream;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
mod without_wasi;

pub mod cache;
pub mod exchange;
pub mod http;
pub mod kv;
pub mod log;
pub mod metrics;
pub mod properties;
pub mod queue;
pub mod rate_limit;
pub mod upstream;

#[doc(hidden)]
pub mod bindings;
mod macros;

pub use action::{Action, ErrorAction, LocalResponse};
pub use body::{BodyAction, BodyMode, BodyReading, Framing, Output, Piece, SseEvent};
pub use config::Config;
pub use error::{EditError, Error, Result};
pub use header::HeaderValue;
pub use header_name::HeaderName;
pub use message::{Request, Response};
#[doc(hidden)]
pub use plugin::{Adapter, Slot, Streams};
pub use plugin::{
    Decision, Failure, Failures, OnComplete, OnError, OnRequest, OnRequestBody, OnRequestStream, OnResponse,
    OnResponseBody, OnResponseStream, OnTick, Plugin, Summary,
};
pub use stream::BodyStream;
