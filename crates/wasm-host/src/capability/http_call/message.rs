use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header, uri::PathAndQuery, uri::Scheme};

use super::HttpCallError;
use crate::ExchangeFacts;

/// The headers that say how a message is framed and where it goes: the client sets them.
const MANAGED: [HeaderName; 12] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::CONTENT_LENGTH,
    header::HOST,
    header::EXPECT,
    HeaderName::from_static("http2-settings"),
];

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallTarget {
    Url(Uri),
    Service { name: String, path: PathAndQuery },
}

impl CallTarget {
    /// An absolute URL of `http` or `https`, without user information.
    pub(super) fn url(text: &str) -> Result<Self, HttpCallError> {
        let text = text.split_once('#').map_or(text, |(url, _)| url);
        let url: Uri = text.parse().map_err(|error| HttpCallError::Invalid(format!("the URL: {error}")))?;
        Self::of_uri(url)
    }

    pub(super) fn of_uri(url: Uri) -> Result<Self, HttpCallError> {
        let invalid = |what: &str| Err(HttpCallError::Invalid(what.to_owned()));
        if url.scheme() != Some(&Scheme::HTTP) && url.scheme() != Some(&Scheme::HTTPS) {
            return invalid("the URL is not one of `http` or `https`");
        }
        match url.authority() {
            Some(authority) if authority.as_str().contains('@') => invalid("the URL has user information"),
            Some(authority) if authority.host().is_empty() => invalid("the URL has no host"),
            Some(authority) if authority.host().ends_with('.') => invalid("the host ends in a dot"),
            // What is no number is no port, and not the usual one either.
            Some(authority) if has_port(authority.as_str()) && authority.port_u16().is_none() => {
                invalid("the URL has no valid port")
            }
            Some(_) => Ok(Self::Url(url)),
            None => invalid("the URL has no host"),
        }
    }

    /// Path and query at a service.
    pub(super) fn service(name: String, path: &str) -> Result<Self, HttpCallError> {
        let path = if path.is_empty() { "/" } else { path };
        if !path.starts_with('/') || path.contains('#') {
            return Err(HttpCallError::Invalid("the path does not start with `/`, or has a fragment".into()));
        }
        let path = path.parse().map_err(|error| HttpCallError::Invalid(format!("the path: {error}")))?;
        Ok(Self::Service { name, path })
    }

    /// Scheme, host and port, or the service: what credentials are for.
    pub(super) fn origin(&self) -> (Option<&str>, String, Option<u16>) {
        match self {
            Self::Service { name, .. } => (None, name.clone(), None),
            Self::Url(url) => {
                let usual = if url.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
                let host = url.host().unwrap_or_default().to_ascii_lowercase();
                (url.scheme_str(), host, Some(url.port_u16().unwrap_or(usual)))
            }
        }
    }
}

fn has_port(authority: &str) -> bool {
    authority.rsplit_once(']').map_or(authority, |(_, port)| port).contains(':')
}

/// A call with a body that is all there, as a guest describes it.
#[derive(Debug)]
pub(crate) struct WholeCall {
    pub(crate) method: String,
    pub(crate) target: Result<CallTarget, HttpCallError>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
    /// No longer than the limit.
    pub(crate) timeout: Option<Duration>,
    /// No more than the limit; 0: a redirect is the answer.
    pub(crate) redirects: Option<u32>,
}

impl WholeCall {
    /// A guest's words for a URL.
    pub(crate) fn to_url(url: &str) -> Result<CallTarget, HttpCallError> {
        CallTarget::url(url)
    }

    /// The headers of a message that a call passes on: those but the ones that the client sets.
    pub(crate) fn headers_of_message(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
        let passed_on = headers.iter().filter(|(name, _)| !MANAGED.contains(name));
        passed_on.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
    }

    /// A guest's words for a service.
    pub(crate) fn to_service(name: String, path: &str) -> Result<CallTarget, HttpCallError> {
        CallTarget::service(name, path)
    }
}

pub(super) fn method_of(text: &str) -> Result<Method, HttpCallError> {
    let invalid = || HttpCallError::Invalid(format!("a call cannot have the method `{text}`"));
    let method = Method::from_bytes(text.as_bytes()).map_err(|_| invalid())?;
    if method == Method::CONNECT { Err(invalid()) } else { Ok(method) }
}

/// The headers that a guest gives, none of them one that the client sets.
pub(super) fn headers_of(given: &[(String, Vec<u8>)]) -> Result<HeaderMap, HttpCallError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let invalid = |what: &str| HttpCallError::Invalid(format!("{what} `{name}`"));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("not a header name:"))?;
        if MANAGED.contains(&name) {
            return Err(invalid("the host manages the header"));
        }
        let value = HeaderValue::from_bytes(value).map_err(|_| invalid("not a value for the header"))?;
        headers.try_append(name, value).map_err(|_| invalid("too many headers, at"))?;
    }
    Ok(headers)
}

/// Bytes of all names and values.
pub(super) fn size_of(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len()) as u64).sum()
}

/// The trace that an exchange is part of (W3C Trace Context).
#[derive(Clone, Debug, Default)]
pub(crate) struct TraceContext {
    parent: Option<HeaderValue>,
    state: Option<HeaderValue>,
}

impl TraceContext {
    pub(crate) fn of(facts: &ExchangeFacts) -> Self {
        Self { parent: facts.traceparent.clone(), state: facts.tracestate.clone() }
    }

    /// Copies it to a call, unless the guest gave one of its own.
    pub(super) fn copy_to(self, headers: &mut HeaderMap) {
        if headers.contains_key(TRACEPARENT) {
            return;
        }
        if let Some(parent) = self.parent {
            headers.insert(TRACEPARENT, parent);
            if let Some(state) = self.state {
                headers.insert(TRACESTATE, state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn takes_urls_of_http_without_tricks() {
        for url in ["http://a", "https://a:8443/x?y=1", "http://[::1]:80/", "https://a/b#fragment"] {
            assert!(CallTarget::url(url).is_ok(), "{url}");
        }
        for url in [
            "",
            "/path",
            "a:80",
            "ftp://a/",
            "file:///etc/passwd",
            "http://u@a/",
            "http://u:p@a/",
            "http://a@b@c/",
            "http://a./",
            "http://a:/",
            "http://a:99999/",
            "http://",
            "http:///x",
            "http://a b/",
            "http://a\r\nx/",
        ] {
            assert!(matches!(CallTarget::url(url), Err(HttpCallError::Invalid(_))), "{url}");
        }
        for path in ["x", "http://a/", "/a#b", "/a b", "/a\r\nb"] {
            assert!(CallTarget::service("s".into(), path).is_err(), "{path}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let origin = |url: &str| {
            CallTarget::url(url).unwrap().origin().1 + &format!("{:?}", CallTarget::url(url).unwrap().origin())
        };
        assert_eq!(origin("https://A/x"), origin("https://a:443/y"));
        for other in ["http://a", "https://a:444", "https://b", "http://a:443"] {
            assert_ne!(origin("https://a"), origin(other), "{other}");
        }
    }

    #[test]
    fn refuses_headers_that_break_out() {
        let headers = |name: &str, value: &[u8]| headers_of(&[(name.to_owned(), value.to_vec())]);
        assert!(headers("x-fine", b"a\tb\xff").is_ok());
        for (name, value) in [
            ("x", &b"a\r\nx-evil: 1"[..]),
            ("x", b"a\nb"),
            ("x", b"a\0"),
            ("x\r\ny", b""),
            ("", b""),
            ("Host", b"other"),
            ("content-length", b"3"),
            ("Transfer-Encoding", b"chunked"),
            ("connection", b"close"),
        ] {
            assert!(matches!(headers(name, value), Err(HttpCallError::Invalid(_))), "{name}");
        }
        for method in ["", "CONNECT", "G ET", "GET\r\n"] {
            assert!(method_of(method).is_err(), "{method}");
        }
    }

    #[test]
    fn a_trace_is_copied_unless_the_guest_has_its_own() {
        let trace = TraceContext {
            parent: Some(HeaderValue::from_static("00-a-b-01")),
            state: Some(HeaderValue::from_static("x=1")),
        };
        let mut headers = HeaderMap::new();
        trace.clone().copy_to(&mut headers);
        assert_eq!(
            (&headers["traceparent"], &headers["tracestate"]),
            (&"00-a-b-01".parse().unwrap(), &"x=1".parse().unwrap())
        );
        let mut own = HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_static("own"))]);
        trace.copy_to(&mut own);
        assert_eq!(own.len(), 1);
    }
}
