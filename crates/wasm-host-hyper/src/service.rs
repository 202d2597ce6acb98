use std::{
    fmt, mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;
use wasm_host::{Body, BodyError, ExchangeFacts};

use crate::{PluginBody, PluginLayer, ResponseFuture};

/// A service with a plugin chain around it. Made by [`PluginLayer`](crate::PluginLayer).
pub struct PluginService<S, E> {
    inner: S,
    layer: PluginLayer<E>,
}

impl<S, E> PluginService<S, E> {
    pub(crate) fn new(inner: S, layer: PluginLayer<E>) -> Self {
        Self { inner, layer }
    }
}

impl<S: Clone, E> Clone for PluginService<S, E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, E> fmt::Debug for PluginService<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginService")
            .field("inner", &self.inner)
            .field("chain", &self.layer.chain)
            .finish_non_exhaustive()
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for PluginService<S, S::Error>
where
    S: Service<Request<Body>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    ReqBody: http_body::Body<Data = Bytes> + Send + 'static,
    ReqBody::Error: Into<BodyError>,
    ResBody: http_body::Body<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BodyError>,
{
    type Response = Response<PluginBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // The service that is ready is this one, not its clone.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        let facts = request.extensions().get::<ExchangeFacts>().cloned().unwrap_or_default();
        self.layer.call(ready, facts, request)
    }
}
