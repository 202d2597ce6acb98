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
mod error_pages;
mod header_injection;
mod header_only;
mod json_rewrite;
mod jwt_check;
mod model_router;
mod rate_limit;
mod redact;
mod request_log;
mod response_cache;
mod response_transform;
mod schema_validation;
mod sizes;
mod token_meter;
