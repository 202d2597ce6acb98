//! An aggregation: the host asks several services, and the guest makes one answer of theirs.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

use super::{
    encoding::BodyEncoding,
    input,
    json::{self, Members},
};
use crate::{
    HttpCallError,
    abi::GuestResult,
    capability::WholeCall,
    message::ExchangeState,
    store::{HostState, HostStop},
};

/// What a service answered.
pub(super) struct Answer<'a> {
    service: &'a str,
    answered: Result<http::Response<Bytes>, HttpCallError>,
}

/// Sends the request to each service, to all at once.
pub(super) async fn ask<'a>(
    state: &mut HostState,
    services: &'a [String],
    body: Bytes,
) -> GuestResult<Vec<Answer<'a>>> {
    let exchange = state.exchange.as_deref().ok_or_else(|| wasmtime::Error::from(HostStop::NoExchange))?;
    let calls = services.iter().map(|service| call_to(service, exchange, body.clone())).collect();
    let answers = state.send_all(calls).await;
    Ok(services.iter().zip(answers).map(|(service, answered)| Answer { service, answered }).collect())
}

fn call_to(service: &str, exchange: &ExchangeState, body: Bytes) -> WholeCall {
    let request = &exchange.request;
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut headers = WholeCall::headers_of_message(&request.headers);
    // The guest is told bodies as they are.
    headers.retain(|(name, _)| name != header::ACCEPT_ENCODING.as_str());
    WholeCall {
        method: request.method.to_string(),
        target: WholeCall::to_service(service.to_owned(), target),
        headers,
        body,
        timeout: None,
        redirects: Some(0),
    }
}

/// Writes the responses in the order of the services. One that could not be had has the status 502, and says why.
pub(super) fn write(to: &mut Members<'_>, answers: &[Answer<'_>], encoding: BodyEncoding) {
    to.list("responses", answers, |to, Answer { service, answered }| {
        json::object(to, |entry| {
            entry.text("service", service);
            match answered {
                Ok(response) => {
                    input::message(entry, response.status(), response.headers(), response.body(), encoding);
                }
                Err(error) => {
                    input::message(entry, StatusCode::BAD_GATEWAY, &HeaderMap::new(), b"", encoding);
                    entry.text("error", &error.to_string());
                }
            }
        });
    });
}
