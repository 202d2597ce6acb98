//! Pingora with one thread: `benches/pingora-proxy`.

use std::process::Command;

use benches::root;

use crate::peer::Place;

pub(crate) fn proxy(place: &Place<'_>) -> Command {
    let mut command = Command::new(root().join("target/pingora/release/pingora-peer"));
    command.args([place.address.to_string(), place.upstream.to_string()]);
    command
}
