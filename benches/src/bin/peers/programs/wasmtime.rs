//! `wasmtime serve` with the guest of `benches/serve-guest`. On one processor it has one worker.

use std::process::Command;

use benches::root;

use crate::peer::Place;

/// As it does by itself with a guest of WASI 0.2.
pub(crate) fn fresh(place: &Place<'_>) -> Command {
    command(place, "1")
}

pub(crate) fn reused(place: &Place<'_>) -> Command {
    command(place, "1000000000")
}

fn command(place: &Place<'_>, uses: &str) -> Command {
    let peers = root().join("target/peers");
    let mut command = Command::new(peers.join("bin/wasmtime"));
    command.args(["serve", "--addr", &place.address.to_string(), "-S", "cli", "--max-instance-reuse-count", uses]);
    command.arg(peers.join("serve_guest.wasm"));
    command
}
