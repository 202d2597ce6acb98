//! Outbound HTTP: what a plugin may call, and how much of it. Who sends is an [`HttpClient`].

mod address;
mod body;
mod error;
mod grant;
mod limits;
mod location;
mod message;
mod plugin;

use std::{fmt, sync::Arc, time::Duration};

use http::{Request, Response};

pub use self::{
    address::{AddressPolicy, InvalidNetwork, Network},
    error::HttpCallError,
    grant::{HostPattern, HttpGrant, InvalidHost},
    limits::HttpLimits,
};
pub(crate) use self::{
    message::{CallTarget, TraceContext, WholeCall},
    plugin::{PluginHttp, StreamOptions},
};
use super::BoxFuture;
use crate::Body;

/// Sends the requests of plugins. One for an engine; calls of all plugins come at once.
pub trait HttpClient: Send + Sync + fmt::Debug {
    /// Sends one request, and answers with the response's headers and a body that is read as it comes.
    ///
    /// Grants are checked, the total time and the bytes of both bodies are bounded by the caller. The client resolves the
    /// name, connects to no address that [`HttpCall::addresses`] does not allow, and connects to an address it has
    /// checked: it resolves no second time for that connection, and gives a kept connection to no call whose policy
    /// forbids its address. It keeps [`HttpCall::connect_timeout`]. It follows no redirect, and changes no header but those of framing and
    /// the host. Dropping the future or the body abandons the call.
    fn send(&self, call: HttpCall) -> BoxFuture<'_, Result<Response<Body>, HttpCallError>>;
}

/// One request of a plugin, checked against its grant.
#[derive(Debug)]
#[non_exhaustive]
pub struct HttpCall {
    /// The plugin.
    pub plugin: Arc<str>,
    /// Where it goes.
    pub target: HttpTarget,
    /// What is sent. For [`HttpTarget::Url`] its URI is the whole URL, `http` or `https`, without user information; for
    /// [`HttpTarget::Service`] path and query. There is no host header.
    pub request: Request<Body>,
    /// The addresses that may be connected to. They do not bind a service: the operator says where that is.
    pub addresses: AddressPolicy,
    /// Until a connection to the host of a URL stands, its name resolved. A service has its own.
    pub connect_timeout: Duration,
}

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpTarget {
    /// The host of the request's URL.
    Url,
    /// The service of this name, in the host's configuration, with its servers and their balancing.
    Service(Arc<str>),
}

/// The default client: there is none. Every call answers [`HttpCallError::Unavailable`].
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHttpClient;

impl HttpClient for NoHttpClient {
    fn send(&self, _: HttpCall) -> BoxFuture<'_, Result<Response<Body>, HttpCallError>> {
        Box::pin(async { Err(HttpCallError::Unavailable("the host has no HTTP client".into())) })
    }
}
