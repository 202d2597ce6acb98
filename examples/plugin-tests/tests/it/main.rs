//! Every example plugin, as built, with real messages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod harness;

mod api_key_auth;
mod header_injection;
mod jwt_check;
mod rate_limit;
mod request_log;
mod response_transform;
mod schema_validation;
