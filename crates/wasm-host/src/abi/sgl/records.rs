//! The records of `middleware-types`, as the host gives and takes them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::{ExchangeFacts, message::ExchangeState};

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct GivenHeader<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Request<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: Vec<GivenHeader<'a>>,
    body: &'a [u8],
    #[component(name = "request-id")]
    request_id: &'a str,
    #[component(name = "now-epoch-ms")]
    now_epoch_ms: u64,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Response<'a> {
    status: u16,
    headers: Vec<GivenHeader<'a>>,
    body: &'a [u8],
}

#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Clone, Debug, Default, ComponentType, Lift)]
#[component(record)]
pub(super) struct Modify {
    pub(super) status: Option<u16>,
    #[component(name = "headers-set")]
    pub(super) headers_set: Vec<Header>,
    #[component(name = "headers-add")]
    pub(super) headers_add: Vec<Header>,
    #[component(name = "headers-remove")]
    pub(super) headers_remove: Vec<String>,
    #[component(name = "body-replace")]
    pub(super) body_replace: Option<Vec<u8>>,
}

/// What a guest decided.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(variant)]
pub(super) enum Decision {
    #[component(name = "continue")]
    Continue,
    #[component(name = "reject")]
    Reject(u16),
    #[component(name = "modify")]
    Modify(Modify),
}

/// A request as a guest is shown it. Its parts are shared with the request, which is in the store during the call.
pub(super) struct ShownRequest {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    facts: Arc<ExchangeFacts>,
    now: SystemTime,
}

impl ShownRequest {
    pub(super) fn of(exchange: &ExchangeState, now: SystemTime) -> Self {
        let request = &exchange.request;
        Self {
            method: request.method.clone(),
            uri: request.uri.clone(),
            headers: request.headers.clone(),
            facts: Arc::clone(&exchange.facts),
            now,
        }
    }

    pub(super) fn record<'a>(&'a self, body: &'a [u8]) -> Request<'a> {
        Request {
            method: self.method.as_str(),
            path: self.uri.path(),
            query: self.uri.query().unwrap_or_default(),
            headers: headers_of(&self.headers),
            body,
            request_id: &self.facts.id,
            now_epoch_ms: epoch_ms(self.now),
        }
    }
}

/// A response as a guest is shown it.
pub(super) struct ShownResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
}

impl ShownResponse {
    pub(super) fn of(exchange: &ExchangeState) -> Self {
        Self { status: exchange.response.status, headers: exchange.response.headers.clone() }
    }

    pub(super) fn record<'a>(&'a self, body: &'a [u8]) -> Response<'a> {
        Response { status: self.status.as_u16(), headers: headers_of(&self.headers), body }
    }
}

/// One entry a value. A value that is no text is not shown.
fn headers_of(headers: &HeaderMap) -> Vec<GivenHeader<'_>> {
    let shown = |value| HeaderValue::to_str(value).ok();
    headers.iter().filter_map(|(name, value)| Some(GivenHeader { name: name.as_str(), value: shown(value)? })).collect()
}

fn epoch_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
