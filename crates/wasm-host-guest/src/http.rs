//! Calls to other servers. They need the operator's grant (`grants.http`).
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use wasm_host_guest::{Result, http};
//!
//! fn is_member(user: &str) -> Result<bool> {
//!     let answer = http::get(format!("https://members.example/{user}"))
//!         .header("accept", "application/json")
//!         .timeout(Duration::from_millis(300))
//!         .send()?;
//!     Ok(answer.status() == 200)
//! }
//! ```
//!
//! A call waits for its whole response; the plugin waits with it, within the time of its own call (`limits.wall`).

use std::{fmt, time::Duration};

use crate::{
    HeaderValue,
    bindings::imports::wasm_host::plugin::http_call::{self, ServiceTarget, Target},
};

pub use http_call::HttpCallError;

/// A GET.
pub fn get(url: impl Into<String>) -> RequestBuilder {
    request("GET", url)
}

/// A POST.
pub fn post(url: impl Into<String>) -> RequestBuilder {
    request("POST", url)
}

/// A PUT.
pub fn put(url: impl Into<String>) -> RequestBuilder {
    request("PUT", url)
}

/// A DELETE.
pub fn delete(url: impl Into<String>) -> RequestBuilder {
    request("DELETE", url)
}

/// A request with this method to an absolute URL.
pub fn request(method: impl Into<String>, url: impl Into<String>) -> RequestBuilder {
    RequestBuilder::new(method.into(), Target::Url(url.into()))
}

/// A GET to a service of the host's configuration; [`RequestBuilder::method`] makes it another.
pub fn service(name: impl Into<String>, path_with_query: impl Into<String>) -> RequestBuilder {
    let target = ServiceTarget { name: name.into(), path_with_query: path_with_query.into() };
    RequestBuilder::new("GET".to_owned(), Target::Service(target))
}

/// A request that has not been sent.
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder(http_call::Request);

impl RequestBuilder {
    fn new(method: String, target: Target) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self(http_call::Request { method, target, headers, body, timeout_ms: None, redirects: None })
    }

    /// Another method.
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.0.method = method.into();
        self
    }

    /// One more header. Host, and the headers of framing, belong to the host.
    pub fn header(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        self.0.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = body.into();
        self
    }

    /// A value as the body, in JSON, with its content type.
    #[cfg(feature = "json")]
    pub fn json(self, value: &impl serde::Serialize) -> crate::Result<Self> {
        let body = serde_json::to_vec(value)?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// Until the response has been read. The operator's limit when this is not said, or is longer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout_ms = Some(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Redirects that are followed. The operator's limit when this is not said, or is more; with 0 the redirect is the
    /// response.
    pub fn redirects(mut self, redirects: u32) -> Self {
        self.0.redirects = Some(redirects);
        self
    }

    /// Sends it, and waits for the whole response, of whatever status.
    pub fn send(self) -> Result<Response, HttpCallError> {
        http_call::send(&self.0).map(Response)
    }
}

impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder").field("method", &self.0.method).finish_non_exhaustive()
    }
}

/// A response, read to its end.
pub struct Response(http_call::Response);

impl Response {
    /// The status.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// Whether the status is one of 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.0.status)
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<HeaderValue> {
        let found = self.0.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| HeaderValue(value.clone()))
    }

    /// Every header, one entry a value; names are in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.0.body
    }

    /// The body itself.
    pub fn into_body(self) -> Vec<u8> {
        self.0.body
    }

    /// The body as text, when it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0.body).ok()
    }

    /// The body, JSON, as a type.
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> crate::Result<T> {
        serde_json::from_slice(&self.0.body).map_err(Into::into)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.body.len();
        f.debug_struct("Response").field("status", &self.0.status).field("bytes", &bytes).finish_non_exhaustive()
    }
}
