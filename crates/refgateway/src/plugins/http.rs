//! The calls that plugins make over HTTP: to URLs with a client of their own, to services as requests go there.

use std::{io, sync::Arc};

use http::{HeaderValue, Request, Response, StatusCode, header};
use metrics::{counter, describe_counter};
use tokio::sync::OnceCell;
use wasm_host::{Body, BoxFuture, HttpCall, HttpCallError, HttpClient, HttpTarget};
use wasm_host_hyper::HttpCaller;

use crate::{
    config::Protocol,
    headers::hop_by_hop,
    upstream::{ClientTls, CurrentServices, UpstreamError},
    worker,
};

const CALLS: &str = "wasm_plugin_http_calls_total";

pub(super) fn describe_metrics() {
    describe_counter!(CALLS, "Requests that plugins sent over HTTP, by outcome; a redirect makes one more.");
}

/// Sends what plugins call.
#[derive(Debug)]
pub(super) struct Calls {
    services: CurrentServices,
    /// Made with the first call: it reads the system's certificates.
    urls: OnceCell<HttpCaller>,
}

impl Calls {
    pub(super) fn new(services: CurrentServices) -> Self {
        Self { services, urls: OnceCell::new() }
    }

    async fn to_url(&self, call: HttpCall) -> Result<Response<Body>, HttpCallError> {
        let made = self.urls.get_or_try_init(|| async {
            let tls = tokio::task::spawn_blocking(|| ClientTls::new(None, Protocol::Auto)).await;
            let tls = tls.map_err(io::Error::other).and_then(|tls| tls.map_err(io::Error::other));
            let tls = tls.map_err(|error| HttpCallError::Tls(Arc::new(error)))?;
            Ok::<_, HttpCallError>(HttpCaller::builder().tls((*tls.any).clone()).build())
        });
        made.await?.send(call).await
    }

    async fn to_service(&self, name: &str, mut request: Request<Body>) -> Result<Response<Body>, HttpCallError> {
        let service = self.services.find(name);
        let service = service.ok_or_else(|| HttpCallError::Unavailable(format!("there is no service `{name}`")))?;
        let ready = service.ready(worker::current(), false, Vec::new()).await.map_err(error_of)?;
        let upstream = Arc::clone(ready.upstream());
        if let Ok(host) = HeaderValue::try_from(upstream.settings.target.authority.as_str()) {
            request.headers_mut().insert(header::HOST, host);
        }
        let mut response = match ready.send(&mut request).await {
            Ok(response) => {
                upstream.health.succeeded();
                response
            }
            Err(error) => {
                service.failed(&upstream);
                return Err(error_of(error));
            }
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(error_of(UpstreamError::UnaskedUpgrade));
        }
        hop_by_hop::remove(response.headers_mut());
        Ok(response)
    }
}

impl HttpClient for Calls {
    fn send(&self, call: HttpCall) -> BoxFuture<'_, Result<Response<Body>, HttpCallError>> {
        Box::pin(async move {
            let plugin = Arc::clone(&call.plugin);
            let sent = match call.target.clone() {
                HttpTarget::Service(name) => self.to_service(&name, call.request).await,
                _ => self.to_url(call).await,
            };
            let outcome = sent.as_ref().map_or_else(HttpCallError::kind, |_| "response");
            counter!(CALLS, "plugin" => plugin.to_string(), "outcome" => outcome).increment(1);
            sent
        })
    }
}

fn error_of(error: UpstreamError) -> HttpCallError {
    match error {
        UpstreamError::Connect(error) => HttpCallError::Connect(Arc::new(error)),
        UpstreamError::ConnectTimeout => HttpCallError::ConnectTimeout,
        UpstreamError::Timeout => HttpCallError::Timeout,
        error => HttpCallError::protocol(error),
    }
}
