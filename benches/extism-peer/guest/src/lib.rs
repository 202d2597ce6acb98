//! Takes the headers of a request, a line each: answers `x-plugin: 1` when they have the secret, else `401`.

use extism_pdk::{FnResult, plugin_fn};

#[plugin_fn]
pub fn on_request(headers: String) -> FnResult<&'static str> {
    let mut headers = headers.lines().filter_map(|line| line.split_once(": "));
    let secret = headers.find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    Ok(if secret.is_some_and(|(_, secret)| secret == "Bearer secret") { "x-plugin: 1" } else { "401" })
}
