//! The library that the gateway is made of, with next to nothing around it: `benches/src/bin/hyper-proxy.rs`.

use std::process::Command;

use benches::root;

use crate::peer::Place;

pub(crate) fn proxy(place: &Place<'_>) -> Command {
    let mut command = Command::new(root().join("target/release/hyper-proxy"));
    command.args([place.address.to_string(), place.upstream.to_string()]);
    command
}
