use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use tower_service::Service;
use wasm_host::{
    Body, BodyError, BodyLate, ErrorOutcome, Exchange, ExchangeFacts, RequestOutcome, UpstreamFailure,
    UpstreamFailureKind,
};

use crate::{PluginBody, PluginLayer, completion::Completion, layer::Handlers};

/// The future of a [`PluginService`](crate::PluginService).
pub struct ResponseFuture<E>(Pin<Box<dyn Future<Output = Result<Response<PluginBody>, E>> + Send>>);

impl<E> PluginLayer<E> {
    /// Passes one request through the chain to a service that is ready for it: what a layered service does, for who has
    /// a service of its own for each request. Plugins are told these facts, and not those in the request's extensions.
    pub fn call<S, ReqBody, ResBody>(
        &self,
        service: S,
        facts: ExchangeFacts,
        request: Request<ReqBody>,
    ) -> ResponseFuture<E>
    where
        S: Service<Request<Body>, Response = Response<ResBody>, Error = E> + Send + 'static,
        S::Future: Send,
        E: Send + 'static,
        ReqBody: http_body::Body<Data = Bytes> + Send + 'static,
        ReqBody::Error: Into<BodyError>,
        ResBody: http_body::Body<Data = Bytes> + Send + 'static,
        ResBody::Error: Into<BodyError>,
    {
        let (chain, handlers) = (&self.chain, Arc::clone(&self.handlers));
        let facts = traced(facts, request.headers());
        let watches_statuses = chain.watched().server_errors;
        let mut completion = Completion::new(chain.exchange(facts), chain.phases().complete);
        let request = request.map(|body| completion.count(body));
        ResponseFuture(Box::pin(async move {
            let Some(exchange) = completion.exchange() else {
                return Ok(Response::new(PluginBody::new(Body::empty(), None)));
            };
            let response = match exchange.on_request(request).await {
                RequestOutcome::Respond(response) => response,
                RequestOutcome::BodyFailed(error) => {
                    // It may be that a plugin further in front has cut it.
                    exchange.cut_request().await.unwrap_or_else(|| broken_request(&handlers, &error))
                }
                RequestOutcome::Continue(request) => {
                    Forwarding { service, handlers, watches_statuses }.send(exchange, request).await?
                }
            };
            let (mut parts, body) = exchange.on_response(response).await.into_parts();
            parts.extensions.insert(exchange.decision_log());
            let body = PluginBody::new(body, completion.responded(parts.status));
            Ok(Response::from_parts(parts, body))
        }))
    }
}

/// With the trace of the request's headers, where the facts have none.
fn traced(mut facts: ExchangeFacts, headers: &HeaderMap) -> ExchangeFacts {
    if facts.traceparent.is_none()
        && let Some(parent) = headers.get("traceparent")
    {
        facts.traceparent = Some(parent.clone());
        facts.tracestate = headers.get("tracestate").cloned();
    }
    facts
}

/// The answer to a request whose body broke off while a plugin waited for it.
fn broken_request<E>(handlers: &Handlers<E>, error: &BodyError) -> Response<Body> {
    handlers.broken_requests.as_ref().map_or_else(
        || {
            let mut response = Response::new(Body::empty());
            *response.status_mut() =
                if error.is::<BodyLate>() { StatusCode::REQUEST_TIMEOUT } else { StatusCode::BAD_REQUEST };
            response
        },
        |answer| answer(error),
    )
}

/// The way from the end of the chain to the service and back.
struct Forwarding<S, E> {
    service: S,
    handlers: Arc<Handlers<E>>,
    watches_statuses: bool,
}

impl<S, B> Forwarding<S, S::Error>
where
    S: Service<Request<Body>, Response = Response<B>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    /// Sends the request; a failure that the plugins may see becomes an answer, or the request is sent once more.
    fn send(
        mut self,
        exchange: &mut Exchange,
        mut request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, S::Error>> {
        async move {
            loop {
                if !exchange.routing().is_default() {
                    request.extensions_mut().insert(exchange.routing().clone());
                }
                let (failure, answer) = match self.service.call(request).await {
                    Ok(response) if self.watches_statuses && response.status().is_server_error() => {
                        (status_failure(exchange, response.status()), response.map(Body::new))
                    }
                    Ok(response) => return Ok(response.map(Body::new)),
                    Err(error) => match (exchange.cut_request().await, &self.handlers.errors) {
                        (Some(answer), _) => return Ok(answer),
                        (None, Some(errors)) => errors(&error),
                        (None, None) => return Err(error),
                    },
                };
                let failure = named(failure, exchange);
                match exchange.on_error(&failure).await {
                    ErrorOutcome::Unanswered => return Ok(answer),
                    ErrorOutcome::Respond(response) => return Ok(response),
                    ErrorOutcome::Retry(again) => request = again,
                }
                poll_fn(|cx| self.service.poll_ready(cx)).await?;
            }
        }
    }
}

fn status_failure(exchange: &Exchange, status: StatusCode) -> UpstreamFailure {
    UpstreamFailure {
        service: exchange.facts().service.clone(),
        kind: UpstreamFailureKind::Status,
        message: format!("the upstream answered {status}"),
        status,
    }
}

/// The failure with the service that it is about.
fn named(mut failure: UpstreamFailure, exchange: &Exchange) -> UpstreamFailure {
    if let Some(chosen) = &exchange.routing().service {
        failure.service = Some(chosen.clone());
    }
    failure
}

impl<E> Future for ResponseFuture<E> {
    type Output = Result<Response<PluginBody>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<E> fmt::Debug for ResponseFuture<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
