//! Facts of the exchange the plugin is called for.

use std::time::Duration;

use crate::bindings::imports::wasm_host::plugin::exchange;

pub use exchange::TlsFacts;

/// The id of the request, the same in the host's logs.
pub fn id() -> String {
    exchange::id()
}

/// The name of the route that matched.
pub fn route() -> Option<String> {
    exchange::route()
}

/// The name of the service the request goes to: the one a plugin chose, or else that of the route.
pub fn service() -> Option<String> {
    exchange::service()
}

/// The client's address, without the port.
pub fn client_address() -> Option<String> {
    exchange::client_address()
}

/// When the host received the request, in milliseconds since 1970-01-01T00:00:00Z.
pub fn received_at() -> u64 {
    exchange::received_at()
}

/// How long ago that was.
pub fn elapsed() -> Duration {
    Duration::from_micros(exchange::elapsed_us())
}

/// How the client's connection is secured; none when it is in clear text, or the host does not know.
pub fn tls() -> Option<TlsFacts> {
    exchange::tls()
}
