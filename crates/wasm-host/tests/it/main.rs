//! Real guests through the public API.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

mod abi_aegis;
mod abi_blitz;
mod abi_odin;
mod abi_sgl;
mod bodies;
mod cache;
mod command;
mod compile_cache;
mod config;
mod error_phase;
mod failures;
mod fidelity;
mod guests;
mod invariants;
mod kv;
mod limits;
mod load;
mod logging;
mod mixed;
mod observe;
mod phases;
mod pool;
mod queue;
mod rate_limit;
mod repeatable;
mod routing;
mod scenarios;
mod ticks;

macro_rules! has_a_test {
    ($guest:ident) => {
        const _: fn() = guests::$guest;
    };
}
test_guests::each_guest!(has_a_test);
