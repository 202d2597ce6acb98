use std::fmt;

use crate::{
    cache::CacheError, http::HttpCallError, metrics::MetricError, queue::QueueError, rate_limit::RateLimitError,
    upstream::UpstreamError,
};

pub use crate::bindings::imports::wasm_host::plugin::types::EditError;

/// Why a call failed. Made from any error, so that `?` works on all of them.
pub struct Error(String);

/// The result of a phase.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with this text. The operator reads it, the client does not.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let error: &dyn std::error::Error = &error;
        let described = error.downcast_ref().map(describe);
        let described = described.or_else(|| error.downcast_ref().map(describe_choice));
        let described = described.or_else(|| error.downcast_ref().map(describe_measurement));
        let described = described.or_else(|| error.downcast_ref().map(describe_rate_limit));
        let described = described.or_else(|| error.downcast_ref().map(describe_queue));
        let described = described.or_else(|| error.downcast_ref().map(describe_call));
        let described = described.or_else(|| error.downcast_ref().map(describe_cache));
        Self(described.unwrap_or_else(|| error.to_string()))
    }
}

/// A refused edit in words: the operator reads them when a plugin passes the error on.
fn describe(error: &EditError) -> String {
    match error {
        EditError::InvalidName(name) => format!("edit refused: `{name}` is not a header name"),
        EditError::InvalidValue(name) => format!("edit refused: not a value for the header `{name}`"),
        EditError::Forbidden(name) => format!("edit refused: the host manages the header `{name}`"),
        EditError::InvalidStatus(status) => format!("edit refused: {status} is not a final status"),
        EditError::InvalidMethod(method) => format!("edit refused: a request cannot get the method `{method}`"),
        EditError::InvalidPath(path) => format!("edit refused: `{path}` is not a path with an optional query"),
        EditError::InvalidAuthority(name) => format!("edit refused: `{name}` is not a host with an optional port"),
        EditError::WrongTime => "edit refused: the headers are sent, or the trailers are not there yet".to_owned(),
        EditError::TooLarge => "edit refused: over the plugin's limit on bytes of headers or bodies".to_owned(),
    }
}

fn describe_choice(error: &UpstreamError) -> String {
    let why = match error {
        UpstreamError::Denied => "`grants.upstreams`, `upstream_timeout` or `upstream_retries` does not grant it",
        UpstreamError::Unknown => "there is no such service",
        UpstreamError::OutOfRange => "more than the operator granted, or nothing",
        UpstreamError::TooLate => "the request is already on its way",
    };
    format!("routing refused: {why}")
}

fn describe_measurement(error: &MetricError) -> String {
    let why = match error {
        MetricError::Denied => "`grants.metrics` is not given",
        MetricError::InvalidName => "not a name for a metric",
        MetricError::InvalidLabel => "a label has no valid name, is there twice, is too long, or there are too many",
        MetricError::InvalidValue => "not a finite number",
        MetricError::Mismatch => "the metric is of another kind, or has other labels",
        MetricError::TooMany => "the plugin has as many metrics as it may",
    };
    format!("measurement refused: {why}")
}

fn describe_rate_limit(error: &RateLimitError) -> String {
    let why = match error {
        RateLimitError::Denied => "`grants.rate_limit` is not given",
        RateLimitError::InvalidKey => "a key has 1 to 512 bytes",
        RateLimitError::InvalidRule(bound) => bound,
        RateLimitError::InvalidCost => "the cost is 0, or more than the rule ever admits at once",
        RateLimitError::TooManyKeys => "as many keys are in use as `limits.rate_limit_keys` allows, or 100 rules",
        RateLimitError::Unavailable => "limits cannot be counted now",
    };
    format!("rate limit not checked: {why}")
}

fn describe_queue(error: &QueueError) -> String {
    let why = match error {
        QueueError::Denied => "`grants.queues` does not grant it",
        QueueError::InvalidName => "a name has 1 to 128 bytes and no control characters",
        QueueError::Full => "it is full",
        QueueError::TooLarge => "the item is too large",
        QueueError::TooManyQueues => "the plugin has as many of its own as `limits.own_queues` allows",
        QueueError::Unavailable => "queues cannot be used now",
    };
    format!("queue not used: {why}")
}

fn describe_call(error: &HttpCallError) -> String {
    match error {
        HttpCallError::Denied(what) => format!("call denied: `grants.http` does not cover {what}"),
        HttpCallError::Invalid(what) => format!("call refused: {what}"),
        HttpCallError::Unavailable(what) => format!("call failed: {what}"),
        HttpCallError::Dns(why) => format!("call failed: the host is not found: {why}"),
        HttpCallError::Connect(why) => format!("call failed: no connection: {why}"),
        HttpCallError::Tls(why) => format!("call failed: no TLS: {why}"),
        HttpCallError::Timeout => "call failed: no whole response in time, `limits.http.timeout`".to_owned(),
        HttpCallError::Protocol(why) => format!("call failed: no whole response: {why}"),
        HttpCallError::RequestTooLarge => "call refused: over `limits.http.request_bytes`".to_owned(),
        HttpCallError::ResponseTooLarge => "call failed: over `limits.http.response_bytes`".to_owned(),
        HttpCallError::TooMany => "call refused: over `limits.http.calls` or `limits.http.concurrency`".to_owned(),
        HttpCallError::TooManyRedirects => "call failed: too many redirects".to_owned(),
    }
}

fn describe_cache(error: &CacheError) -> String {
    let why = match error {
        CacheError::Denied => "`grants.cache` is not given",
        CacheError::InvalidKey => "the key is empty or longer than 1024 bytes",
        CacheError::InvalidResponse => "not a final status, or not a header",
        CacheError::TooLarge => "larger than the plugin may keep or send",
        CacheError::Unavailable => "the cache does not answer",
    };
    format!("cache: {why}")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
