use std::{fmt, io, net::SocketAddr};

use wasm_host::BoxFuture;

/// Gives the addresses of a name. What may be done with them is decided after it.
pub trait Resolve: Send + Sync + fmt::Debug {
    /// The addresses of a host, the first to be tried first, each with the port.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// Asks the system, on tokio's blocking threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}
