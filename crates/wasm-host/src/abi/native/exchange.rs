//! Guest → host: what the exchange is, what plugins leave for each other, and where it goes.

use std::time::{Duration, SystemTime};

use wasmtime::Result;

use super::bindings::wasm_host::plugin::{
    exchange, properties,
    upstream::{self, UpstreamError},
};
use crate::{
    Routing,
    message::PropertyError,
    store::{HostState, HostStop},
};

impl exchange::Host for HostState {
    fn id(&mut self) -> Result<String> {
        Ok(self.exchange()?.facts.id.clone())
    }

    fn route(&mut self) -> Result<Option<String>> {
        Ok(self.exchange()?.facts.route.as_deref().map(str::to_owned))
    }

    fn service(&mut self) -> Result<Option<String>> {
        let exchange = self.exchange()?;
        Ok(exchange.routing.service.as_ref().or(exchange.facts.service.as_ref()).map(|service| service.to_string()))
    }

    fn client_address(&mut self) -> Result<Option<String>> {
        Ok(self.exchange()?.facts.client_address.map(|address| address.to_string()))
    }

    fn received_at(&mut self) -> Result<u64> {
        let since_epoch = self.exchange()?.facts.received_at.duration_since(SystemTime::UNIX_EPOCH);
        Ok(u64::try_from(since_epoch.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
    }

    fn elapsed_us(&mut self) -> Result<u64> {
        let now = self.plugin.sources.clock.wall();
        let elapsed = now.duration_since(self.exchange()?.facts.received_at).unwrap_or_default();
        Ok(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }

    fn tls(&mut self) -> Result<Option<exchange::TlsFacts>> {
        Ok(self.exchange()?.facts.tls.as_deref().cloned().map(|tls| exchange::TlsFacts {
            version: tls.version,
            cipher_suite: tls.cipher_suite,
            server_name: tls.server_name,
            alpn: tls.alpn,
        }))
    }
}

impl properties::Host for HostState {
    fn get(&mut self, name: String) -> Result<Option<Vec<u8>>> {
        Ok(self.exchange()?.property(&name).map(<[u8]>::to_vec))
    }

    fn set(&mut self, name: String, value: Vec<u8>) -> Result<Result<(), properties::PropertyError>> {
        Ok(self.exchange()?.set_property(&name, &value).map_err(|error| match error {
            PropertyError::InvalidName => properties::PropertyError::InvalidName,
            PropertyError::TooLarge => properties::PropertyError::TooLarge,
        }))
    }
}

impl upstream::Host for HostState {
    fn choose(&mut self, service: String) -> Result<Result<(), UpstreamError>> {
        let granted = self.plugin.grants.upstreams.contains(&service);
        let Some(_) = self.open_routing()? else { return Ok(Err(UpstreamError::TooLate)) };
        if !granted {
            self.denied("routing", "grants.upstreams", &format!("the service `{service}`"));
            return Ok(Err(UpstreamError::Denied));
        }
        let Some(exchange) = self.exchange.as_mut() else { return Err(HostStop::NoExchange.into()) };
        let Some(known) = exchange.facts.services.iter().find(|known| ***known == *service) else {
            return Ok(Err(UpstreamError::Unknown));
        };
        exchange.routing.service = Some(std::sync::Arc::clone(known));
        Ok(Ok(()))
    }

    fn set_timeout(&mut self, timeout_ms: u64) -> Result<Result<(), UpstreamError>> {
        let granted = self.plugin.grants.upstream_timeout;
        let Some(routing) = self.open_routing()? else { return Ok(Err(UpstreamError::TooLate)) };
        let timeout = Duration::from_millis(timeout_ms);
        match granted {
            Some(longest) if timeout <= longest && !timeout.is_zero() => {
                routing.timeout = Some(timeout);
                Ok(Ok(()))
            }
            Some(_) => Ok(Err(UpstreamError::OutOfRange)),
            None => {
                self.denied("routing", "grants.upstream_timeout", "a timeout of the upstream");
                Ok(Err(UpstreamError::Denied))
            }
        }
    }

    fn set_retries(&mut self, retries: u32) -> Result<Result<(), UpstreamError>> {
        let granted = self.plugin.grants.upstream_retries;
        let Some(routing) = self.open_routing()? else { return Ok(Err(UpstreamError::TooLate)) };
        if granted == 0 {
            self.denied("routing", "grants.upstream_retries", "retries");
            return Ok(Err(UpstreamError::Denied));
        }
        if retries > granted {
            return Ok(Err(UpstreamError::OutOfRange));
        }
        routing.retries = retries;
        Ok(Ok(()))
    }
}

impl HostState {
    /// How the request is sent; none when it is already on its way.
    fn open_routing(&mut self) -> Result<Option<&mut Routing>> {
        let exchange = self.exchange()?;
        Ok(exchange.may_choose().then_some(&mut exchange.routing))
    }
}
