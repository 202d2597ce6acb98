//! Plugin chains around any `http` service, as a tower layer.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use wasm_host::{Plugin, PluginChain, PluginEngine};
//! use wasm_host_hyper::PluginLayer;
//!
//! # async fn example() -> Result<Router, wasm_host::Error> {
//! let engine = PluginEngine::builder().build()?;
//! let auth = Plugin::builder("auth").file("auth.wasm").load(&engine).await?;
//! let router = Router::new()
//!     .route("/hello", get(|| async { "hello" }))
//!     .layer(PluginLayer::new(PluginChain::new([auth])?));
//! # Ok(router)
//! # }
//! ```
//!
//! The service gets requests with [`wasm_host::Body`] and may answer with any body; the layered service takes
//! requests with any body and answers with [`PluginBody`]. It is the same under hyper, axum and tonic, on the server's
//! and the client's side.
//!
//! - **Facts.** What plugins learn about a request is taken from an [`ExchangeFacts`](wasm_host::ExchangeFacts) in the
//!   request's extensions, when there is one, or given to [`PluginLayer::call`]; the trace that it has none of, from the
//!   request's headers.
//! - **Calls.** [`HttpCaller`] sends what plugins call over HTTP.
//! - **Routing.** The service that a plugin chose, and the timeout and the retries that it set, are in the request's
//!   extensions as [`Routing`](wasm_host::Routing), when it said anything. They are for the service to follow.
//! - **Errors.** An error of the service is shown to the plugins' error phase when it can be told what it means for the
//!   client: see [`PluginLayer::errors_as`]. Otherwise it is passed on.
//! - **Upgrades** pass through: the extensions of request and response are kept, so that a connection is handed over
//!   after the request phase as without plugins.
//! - **Decisions.** What each plugin did is in the response's extensions as a [`DecisionLog`](wasm_host::DecisionLog).
//! - **Cancel.** Dropping the future discards the instance of the call under way; plugins with a complete phase then see
//!   that the client left. Dropping the body ends the exchange.

mod body;
mod completion;
mod future;
mod http_call;
mod layer;
mod service;

pub use body::PluginBody;
pub use future::ResponseFuture;
pub use http_call::{HttpCaller, HttpCallerBuilder, Resolve, SystemResolver};
pub use layer::{BrokenRequests, ErrorMap, PluginLayer};
pub use service::PluginService;
