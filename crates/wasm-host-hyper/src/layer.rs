use std::{fmt, sync::Arc};

use http::Response;
use tower_layer::Layer;
use wasm_host::{Body, PluginChain, UpstreamFailure};

use crate::PluginService;

/// Tells what an error of the service means: for the plugins, and for the client when no plugin answers.
pub type ErrorMap<E> = Arc<dyn Fn(&E) -> (UpstreamFailure, Response<Body>) + Send + Sync>;

/// Puts a plugin chain around a service, whose errors are of the type `E`.
pub struct PluginLayer<E> {
    chain: PluginChain,
    errors: Option<ErrorMap<E>>,
}

impl<E> PluginLayer<E> {
    /// A layer with this chain, which passes on the errors of the service.
    pub fn new(chain: PluginChain) -> Self {
        Self { chain, errors: None }
    }

    /// Shows errors of the service to the plugins' error phase. Then the layered service never fails: it answers with
    /// what a plugin says, or else with the response that `map` gives.
    #[must_use]
    pub fn errors_as(mut self, map: impl Fn(&E) -> (UpstreamFailure, Response<Body>) + Send + Sync + 'static) -> Self {
        self.errors = Some(Arc::new(map));
        self
    }
}

impl<E> Clone for PluginLayer<E> {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), errors: self.errors.clone() }
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
        PluginService::new(service, self.chain.clone(), self.errors.clone())
    }
}
