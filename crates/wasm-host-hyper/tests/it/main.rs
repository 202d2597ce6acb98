//! The layer under hyper, axum, tonic and a client, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

mod completion;
mod errors;
mod frameworks;
mod http_call;
mod upgrade;
