//! A reverse proxy whose routes carry WebAssembly plugin chains.
//!
//! It is thin: HTTP/1.1 and HTTP/2 on both sides, TLS, routing, balancing, and a chain of plugins between. One
//! current-thread runtime per core has its own sockets and upstream connections; an immutable [`gateway::Gateway`] is
//! shared and replaced as a whole on reload.
//!
//! ```no_run
//! use refgateway::{Server, config::Config};
//!
//! let text = "
//! listeners: [{ address: 127.0.0.1:8080 }]
//! routes: [{ name: all, service: backend }]
//! services: [{ name: backend, upstreams: [{ url: http://127.0.0.1:9000 }] }]
//! ";
//! let config = Config::from_yaml(text, &|name| std::env::var(name).ok())?;
//! let gateway = Server::start(config)?;
//! println!("listening on {:?}", gateway.addresses());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod cli;
mod compat;
pub mod config;
mod error;
pub mod gateway;
mod server;

mod listener;
mod worker;

mod headers;
pub mod plugins;
pub mod proxy;
pub mod router;
pub mod upstream;

mod admin;
pub mod body;
mod execute;
pub mod telemetry;

pub use self::{
    error::Error,
    server::{Server, ServerHandle},
};
