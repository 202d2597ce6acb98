//! The gateway from outside: real sockets, real upstreams.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

mod admin;
mod balancing;
mod bodies;
mod cli;
mod compat;
mod config_errors;
mod execute;
mod forwarding;
mod headers;
mod http2;
mod limits;
mod plugins;
mod queues;
mod rate_limits;
mod reload;
mod routing;
mod secrets;
mod shutdown;
mod smuggling;
mod tls;
mod upgrade;
