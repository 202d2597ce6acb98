use std::{error::Error, io, net::IpAddr, sync::Arc};

/// Why a call has no response. The text is for a log; what a guest is told names no address.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpCallError {
    /// The grant does not cover it.
    #[error("denied {what}: `{key}` does not grant it")]
    Denied {
        /// The key of the config that would grant it.
        key: &'static str,
        /// What was asked for.
        what: String,
    },
    /// The host has addresses, and none may be connected to.
    #[error("denied the address {address} of `{host}`: `grants.http.addresses` does not grant it")]
    AddressDenied {
        /// The host of the URL.
        host: String,
        /// One of its addresses.
        address: IpAddr,
    },
    /// Not a request that can be sent.
    #[error("not a request that can be sent: {0}")]
    Invalid(String),
    /// There is no client, or no service of this name.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The name has no address, or none could be had.
    #[error("cannot resolve `{host}`: {source}")]
    Dns {
        /// The host of the URL.
        host: String,
        /// What the resolver said.
        source: Arc<io::Error>,
    },
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(#[source] Arc<io::Error>),
    /// No connection in time.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// No TLS with the server, or none that can be trusted.
    #[error("no TLS: {0}")]
    Tls(#[source] Arc<io::Error>),
    /// No whole response in time.
    #[error("the call took too long")]
    Timeout,
    /// The connection broke, or what came is not HTTP.
    #[error("no whole response: {0}")]
    Protocol(#[source] Arc<dyn Error + Send + Sync>),
    /// The request's headers and body have more bytes than this.
    #[error("the request has more than {0} bytes, `limits.http.request_bytes`")]
    RequestTooLarge(u64),
    /// The response's headers and body have more bytes than this.
    #[error("the response has more than {0} bytes, `limits.http.response_bytes`")]
    ResponseTooLarge(u64),
    /// The plugin made this many calls in one exchange.
    #[error("more than {0} calls in one exchange, `limits.http.calls`")]
    TooManyCalls(u32),
    /// The plugin had this many calls under way until this one's time was over.
    #[error("{0} calls under way at once, `limits.http.concurrency`")]
    TooManyAtOnce(u32),
    /// The answer redirects once more than is followed.
    #[error("more than {0} redirects")]
    TooManyRedirects(u32),
}

impl HttpCallError {
    /// A connection that broke, or what is not HTTP.
    pub fn protocol(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Protocol(Arc::from(error.into()))
    }

    /// The word for it in metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Denied { .. } => "denied",
            Self::AddressDenied { .. } => "address_denied",
            Self::Invalid(_) => "invalid",
            Self::Unavailable(_) => "unavailable",
            Self::Dns { .. } => "dns",
            Self::Connect(_) => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Tls(_) => "tls",
            Self::Timeout => "timeout",
            Self::Protocol(_) => "protocol",
            Self::RequestTooLarge(_) => "request_too_large",
            Self::ResponseTooLarge(_) => "response_too_large",
            Self::TooManyCalls(_) => "too_many_calls",
            Self::TooManyAtOnce(_) => "too_many_at_once",
            Self::TooManyRedirects(_) => "too_many_redirects",
        }
    }

    /// The key that would grant what was denied, and what that was.
    pub(crate) fn denial(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Denied { key, what } => Some((key, what.clone())),
            Self::AddressDenied { host, address } => {
                Some(("grants.http.addresses", format!("the address {address} of `{host}`")))
            }
            _ => None,
        }
    }
}
