//! One immutable picture of a whole config, ready to serve. Requests keep the one they started with.

use std::{collections::HashMap, sync::Arc, time::Duration};

use rustls::ServerConfig;
use wasm_host::{ExchangeFacts, PluginChain, PluginEngine, SecretSource};
use wasm_host_hyper::PluginLayer;

use crate::{
    config::{self, Config, Limits, Match, Timeouts},
    error::Error,
    headers::forwarded::Trust,
    listener,
    plugins::{self, LoadedPlugin, Loading},
    proxy,
    router::Router,
    telemetry::metrics::RouteMetrics,
    upstream::{CurrentServices, Service, Target, Upstream, UpstreamError, UpstreamSettings},
};

/// Everything a request needs, built from one valid config.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Finds routes by their place in `routes`.
    pub router: Router,
    /// The routes in the order of the config.
    pub routes: Vec<Arc<Route>>,
    /// The services in the order of the config.
    pub services: Vec<Arc<Service>>,
    /// The plugins in the order of the config, the disabled ones too.
    pub plugins: Vec<Arc<LoadedPlugin>>,
    /// What runs them.
    pub engine: PluginEngine,
    /// Where their secrets are.
    pub secrets: Arc<dyn SecretSource>,
    /// For each listener its TLS, if it speaks it.
    pub tls: Vec<Option<Arc<ServerConfig>>>,
    /// Bounds on what a client may send.
    pub limits: Limits,
    /// How long anything may take.
    pub timeouts: Timeouts,
    /// How far the downstream's `Forwarded` is believed.
    pub(crate) trust: Trust,
    /// One log line a request.
    pub access_log: bool,
    /// Tells plugins, which outlive it, where services are.
    current_services: CurrentServices,
    /// What it was built from.
    pub config: Arc<Config>,
}

/// Where requests that match go, and through what.
#[derive(Debug)]
pub struct Route {
    /// Its name in the config.
    pub name: String,
    /// What it matches.
    pub matches: Match,
    /// Where its requests go.
    pub service: Arc<Service>,
    /// The plugins its requests meet, in the order they run.
    pub chain: PluginChain,
    /// The chain, to be put around one exchange.
    pub(crate) layer: PluginLayer<UpstreamError>,
    /// What its plugins are told of every request.
    pub(crate) facts: ExchangeFacts,
    /// A leading part of the path that the upstream does not see.
    pub strip_prefix: Option<String>,
    /// Until the upstream's response headers are here.
    pub timeout: Duration,
    /// Its counters.
    pub(crate) metrics: RouteMetrics,
}

impl Gateway {
    /// Builds the picture for that many workers. Upstreams that stay the same keep their connections and health, plugins
    /// their instances. Compiles plugins, which may take seconds.
    pub(crate) fn build(
        mut config: Config,
        workers: usize,
        previous: Option<&Self>,
        loading: Loading<'_>,
    ) -> Result<Self, Error> {
        config.check()?;
        config.join_odin();
        let mut known = previous.map(Self::upstreams).unwrap_or_default();
        let services = config
            .services
            .iter()
            .map(|service| build_service(&config, service, workers, &mut known).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let (engine, current_services) = match previous {
            Some(previous) => (previous.engine.clone(), previous.current_services.clone()),
            None => {
                let current = CurrentServices::default();
                current.set(&services);
                (plugins::engine(&config, current.clone())?, current)
            }
        };
        let loaded = previous.map(|previous| previous.plugins.as_slice()).unwrap_or_default();
        let secrets = plugins::secret_source(&config);
        let plugins = plugins::load_all(&engine, &config.plugins, loaded, &secrets, loading)?;
        let tls = config
            .listeners
            .iter()
            .map(|listener| listener.tls.as_ref().map(listener::tls::server_config).transpose())
            .collect::<Result<_, _>>()?;
        let (router, routes) = build_routes(&config, &services, &plugins)?;
        Ok(Self {
            router,
            routes,
            services,
            plugins,
            engine,
            secrets,
            tls,
            limits: config.limits,
            timeouts: config.timeouts,
            trust: if config.trust_forwarded { Trust::Append } else { Trust::Replace },
            access_log: config.access_log,
            current_services,
            config: Arc::new(config),
        })
    }

    /// The same picture with other versions of the same plugins.
    pub(crate) fn with_plugins(&self, plugins: Vec<Arc<LoadedPlugin>>) -> Result<Self, Error> {
        let (router, routes) = build_routes(&self.config, &self.services, &plugins)?;
        Ok(Self { router, routes, plugins, ..self.clone() })
    }

    /// From now on this is what is served.
    pub(crate) fn activate(&self) {
        self.current_services.set(&self.services);
    }

    fn upstreams(&self) -> HashMap<String, Arc<Upstream>> {
        let named = self.services.iter().flat_map(|service| {
            service.upstreams.iter().map(|upstream| (key(&service.name, upstream), upstream.clone()))
        });
        named.collect()
    }
}

fn key(service: &str, upstream: &Upstream) -> String {
    format!("{service} {}", upstream.settings.target.authority)
}

fn build_service(
    config: &Config,
    service: &config::Service,
    workers: usize,
    known: &mut HashMap<String, Arc<Upstream>>,
) -> Result<Service, Error> {
    let mut upstreams = Vec::new();
    for upstream in &service.upstreams {
        let target: Target = upstream.url.parse().map_err(|error| invalid(service, error))?;
        let settings = UpstreamSettings {
            target,
            protocol: service.protocol,
            connect_timeout: service.connect_timeout.unwrap_or(config.timeouts.connect).0,
            idle_timeout: config.timeouts.upstream_idle.0,
            max_idle: service.max_idle,
            ca: service.tls.as_ref().map(|tls| tls.ca.clone()),
            health: service.health,
        };
        let kept = known
            .remove(&format!("{} {}", service.name, settings.target.authority))
            // A CA file may have changed under the same name.
            .filter(|kept| kept.settings == settings && kept.weight == upstream.weight && settings.ca.is_none());
        upstreams.push(match kept {
            Some(kept) => kept,
            None => Arc::new(Upstream::new(settings, upstream.weight, workers)?),
        });
    }
    Ok(Service::new(service, upstreams))
}

fn invalid(service: &config::Service, error: crate::upstream::InvalidTarget) -> Error {
    Error::Config(config::ConfigError::one(None, format!("service `{}`: {error}", service.name)))
}

fn build_routes(
    config: &Config,
    services: &[Arc<Service>],
    plugins: &[Arc<LoadedPlugin>],
) -> Result<(Router, Vec<Arc<Route>>), Error> {
    let service_names: Arc<[Arc<str>]> = services.iter().map(|service| service.name.as_str().into()).collect();
    let mut router = Router::builder();
    let mut routes = Vec::new();
    for route in &config.routes {
        let Some(service) = services.iter().find(|service| service.name == route.service) else { continue };
        // Checked with the rest of the config.
        let _ = router.add(&route.matches, routes.len());
        let chain =
            chain(config, route, plugins).map_err(|source| Error::Chain { route: route.name.clone(), source })?;
        let facts = ExchangeFacts {
            route: Some(route.name.as_str().into()),
            service: Some(service.name.as_str().into()),
            services: Arc::clone(&service_names),
            ..ExchangeFacts::default()
        };
        routes.push(Arc::new(Route {
            name: route.name.clone(),
            matches: route.matches.clone(),
            layer: proxy::plugin_layer(chain.clone(), &facts),
            chain,
            facts,
            strip_prefix: route.strip_prefix.clone(),
            timeout: route.timeout.unwrap_or(config.timeouts.request).0,
            metrics: RouteMetrics::new(&route.name, &service.name),
            service: service.clone(),
        }));
    }
    Ok((router.build(), routes))
}

/// The enabled plugins of gateway, service and route, each once.
fn chain(
    config: &Config,
    route: &config::Route,
    plugins: &[Arc<LoadedPlugin>],
) -> Result<PluginChain, wasm_host::Error> {
    let service = config.services.iter().find(|service| service.name == route.service);
    let service = service.map(|service| service.chain.as_slice()).unwrap_or_default();
    let mut names: Vec<&String> = Vec::new();
    for name in config.chain.iter().chain(service).chain(&route.chain) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let find = |name: &String| plugins.iter().find(|plugin| plugin.settings.name == *name)?.plugin.clone();
    PluginChain::new(names.into_iter().filter_map(find))
}
