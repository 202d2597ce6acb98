//! Whether a peer does what it is measured at.

use std::net::SocketAddr;

use benches::{SECRET, get};

use crate::{
    load::PATH,
    peer::Kind,
    programs::nginx::{MARK, SEEN},
};

/// Fails with what it does instead.
pub(crate) fn check(kind: &Kind, address: SocketAddr) -> Result<(), String> {
    let passed = expect("200", address, &[SECRET])?;
    if *kind == Kind::Proxy {
        return Ok(());
    }
    expect("401", address, &[])?;
    if matches!(kind, Kind::Filter { .. }) && !passed.contains(MARK) {
        return Err(format!("the upstream gets no `{MARK}`"));
    }
    Ok(())
}

/// The whole answer, with this status.
fn expect(status: &str, address: SocketAddr, headers: &[&str]) -> Result<String, String> {
    let answer = get(address, &format!("{PATH}?{SEEN}"), headers).map_err(|error| format!("no answer: {error}"))?;
    let first = answer.lines().next().unwrap_or_default();
    if first.split(' ').nth(1) == Some(status) {
        return Ok(answer);
    }
    let secret = if headers.is_empty() { "without" } else { "with" };
    Err(format!("`{first}` {secret} the secret, not {status}"))
}
