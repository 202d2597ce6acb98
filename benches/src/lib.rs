//! What the programs that start gateways and other servers have in common.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

mod gateway;
mod server;

use std::path::{Path, PathBuf};

pub use gateway::{gateway, gateway_of, hyper_alone};
pub use server::{Server, free_address, get};

/// The processor that the gateway, or another proxy, has for itself.
pub const PROXY_PROCESSOR: &str = "0";
/// The processor of its upstream and its clients.
pub const LOAD_PROCESSOR: &str = "1";
/// The header with which a request passes the filter that is measured.
pub const SECRET: &str = "Authorization: Bearer secret";

/// One thread with a timer: as a gateway's worker.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The middle one.
pub fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<_> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap()
}

/// The workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
