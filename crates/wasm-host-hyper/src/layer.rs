use std::{fmt, sync::Arc};

use http::Response;
use tower_layer::Layer;
use wasm_host::{Body, BodyError, PluginChain, UpstreamFailure};

use crate::PluginService;

/// Tells what an error of the service means: for the plugins, and for the client when no plugin answers.
pub type ErrorMap<E> = Arc<dyn Fn(&E) -> (UpstreamFailure, Response<Body>) + Send + Sync>;

/// The answer to a request whose body broke off, with this error, while a plugin waited for it.
pub type BrokenRequests = Arc<dyn Fn(&BodyError) -> Response<Body> + Send + Sync>;

/// What is done about what the plugins cannot answer.
pub(crate) struct Handlers<E> {
    pub(crate) errors: Option<ErrorMap<E>>,
    pub(crate) broken_requests: Option<BrokenRequests>,
}

impl<E> Clone for Handlers<E> {
    fn clone(&self) -> Self {
        Self { errors: self.errors.clone(), broken_requests: self.broken_requests.clone() }
    }
}

/// Puts a plugin chain around a service, whose errors are of the type `E`.
pub struct PluginLayer<E> {
    pub(crate) chain: PluginChain,
    pub(crate) handlers: Arc<Handlers<E>>,
}

impl<E> PluginLayer<E> {
    /// A layer with this chain, which passes on the errors of the service.
    pub fn new(chain: PluginChain) -> Self {
        Self { chain, handlers: Arc::new(Handlers { errors: None, broken_requests: None }) }
    }

    /// Shows errors of the service to the plugins' error phase. Then the layered service never fails: it answers with
    /// what a plugin says, or else with the response that `map` gives.
    #[must_use]
    pub fn errors_as(mut self, map: impl Fn(&E) -> (UpstreamFailure, Response<Body>) + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.handlers).errors = Some(Arc::new(map));
        self
    }

    /// Answers a request whose body breaks off while a plugin waits for it. Without this the answer is an empty 400, or 408
    /// when the body did not arrive in time ([`wasm_host::BodyLate`]).
    #[must_use]
    pub fn broken_requests_as(mut self, answer: impl Fn(&BodyError) -> Response<Body> + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.handlers).broken_requests = Some(Arc::new(answer));
        self
    }
}

impl<E> Clone for PluginLayer<E> {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), handlers: Arc::clone(&self.handlers) }
    }
}

impl<E> fmt::Debug for PluginLayer<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginLayer").field("chain", &self.chain).finish_non_exhaustive()
    }
}

impl<S, E> Layer<S> for PluginLayer<E> {
    type Service = PluginService<S, E>;

    fn layer(&self, service: S) -> Self::Service {
        PluginService::new(service, self.clone())
    }
}
