use wasm_host_guest::{Request, exchange};

use crate::{
    conditional::is_not_modified,
    directives::{RequestDirectives, ResponseDirectives},
    headers::Headers,
    key,
};

/// Headers of requests that are not for a cache: for a part, for a change of protocol, on conditions that only the upstream
/// can judge, or with a body, on which the answer might depend.
const NOT_FOR_CACHES: [&str; 5] = ["if-match", "if-unmodified-since", "range", "transfer-encoding", "upgrade"];

/// What is asked for, by a GET or a HEAD.
pub(crate) struct Asked {
    /// The key of what it is.
    pub(crate) target: String,
    pub(crate) is_head: bool,
    pub(crate) directives: RequestDirectives,
    pub(crate) headers: Headers,
}

/// The key of what a request is for.
pub(crate) fn target_of(request: &Request<'_>) -> String {
    // A request over HTTP/1.1 does not say it itself.
    let of_connection = || if exchange::tls().is_some() { "https" } else { "http" }.to_owned();
    let scheme = request.scheme().unwrap_or_else(of_connection);
    key::target(&scheme, &request.authority().unwrap_or_default(), &request.path_with_query())
}

impl Asked {
    pub(crate) fn by(request: &Request<'_>, is_head: bool) -> Self {
        let headers = request.headers().into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        let headers = Headers(headers);
        Self { target: target_of(request), is_head, directives: RequestDirectives::of(&headers), headers }
    }

    /// Whether the cache has no part in it.
    pub(crate) fn is_not_for_caches(&self) -> bool {
        let has_body = self.headers.text("content-length").is_some_and(|length| length != "0");
        self.directives.no_store || has_body || NOT_FOR_CACHES.iter().any(|name| self.headers.has(name))
    }

    /// Whether its answer may be one that others get, too.
    pub(crate) fn may_share(&self, response: &ResponseDirectives) -> bool {
        !self.headers.has("authorization") || response.is_for_all()
    }

    /// Whether the client has this response already. Only what is there can be there unchanged.
    pub(crate) fn has_already(&self, status: u16, response: &Headers) -> bool {
        status == 200 && is_not_modified(&self.headers, response)
    }
}
