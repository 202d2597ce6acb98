use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;
use wasm_host::{Body, BodyError, Exchange, ExchangeFacts, PluginChain, RequestOutcome};

use crate::{ChosenService, Decisions, ErrorMap, PluginBody, completion::Completion};

/// The future of a [`PluginService`](crate::PluginService).
pub struct ResponseFuture<E>(Pin<Box<dyn Future<Output = Result<Response<PluginBody>, E>> + Send>>);

impl<E> ResponseFuture<E> {
    pub(crate) fn new<S, B>(
        service: S,
        chain: &PluginChain,
        errors: Option<ErrorMap<E>>,
        request: Request<Body>,
    ) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>, Error = E> + Send + 'static,
        S::Future: Send,
        E: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let started = Instant::now();
        let facts = request.extensions().get::<ExchangeFacts>().cloned().unwrap_or_default();
        let mut completion = Completion::new(chain.exchange(facts), chain.phases().complete, started);
        Self(Box::pin(async move {
            let Some(exchange) = completion.exchange() else {
                return Ok(Response::new(PluginBody::new(Body::empty(), None)));
            };
            let response = match exchange.on_request(request).await {
                RequestOutcome::Respond(response) => response,
                RequestOutcome::Continue(request) => forward(service, exchange, errors, request).await?,
            };
            let (mut parts, body) = exchange.on_response(response).await.into_parts();
            if !exchange.decisions().is_empty() {
                parts.extensions.insert(Decisions(exchange.decisions().into()));
            }
            let body = PluginBody::new(body, completion.responded(parts.status));
            Ok(Response::from_parts(parts, body))
        }))
    }
}

/// Sends the request to the service; a failure that the plugins may see becomes an answer.
async fn forward<S, B>(
    mut service: S,
    exchange: &mut Exchange,
    errors: Option<ErrorMap<S::Error>>,
    mut request: Request<Body>,
) -> Result<Response<Body>, S::Error>
where
    S: Service<Request<Body>, Response = Response<B>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    if let Some(service) = exchange.chosen_service() {
        let chosen = ChosenService(service.clone());
        request.extensions_mut().insert(chosen);
    }
    let error = match service.call(request).await {
        Ok(response) => return Ok(response.map(Body::new)),
        Err(error) => error,
    };
    let Some(errors) = errors else { return Err(error) };
    let (mut failure, fallback) = errors(&error);
    if let Some(chosen) = exchange.chosen_service() {
        failure.service = Some(chosen.clone());
    }
    Ok(exchange.on_error(&failure).await.unwrap_or(fallback))
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
