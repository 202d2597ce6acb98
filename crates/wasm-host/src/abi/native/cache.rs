//! What guests keep in the host.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use wasmtime::Result;

use super::{
    bindings::wasm_host::plugin::cache::{self, CacheError, CachedResponse, Hit, Lifetime},
    hostcalls::{HeaderList, list},
};
use crate::{
    CacheContent,
    capability::{CacheHit, CacheLifetime, CacheProblem},
    message::{EditBudget, EditError, Headers, LocalResponse},
    store::{HostState, HostStop},
};

type Answer<T> = Result<Result<T, CacheError>>;

impl cache::Host for HostState {
    async fn get(&mut self, key: String) -> Answer<Option<(Hit, Vec<u8>)>> {
        self.count_hostcall()?;
        let plugin = Arc::clone(&self.plugin);
        Ok(match plugin.cache.value(&key).await {
            Ok(found) => Ok(found.map(|found| (hit_of(&found), found.content.to_vec()))),
            Err(problem) => Err(self.cache_error(problem)),
        })
    }

    async fn set(&mut self, key: String, value: Vec<u8>, lifetime: Lifetime) -> Answer<()> {
        self.count_hostcall()?;
        Ok(self.keep(&key, CacheContent::Value(Bytes::from(value)), lifetime).await)
    }

    async fn delete(&mut self, key: String) -> Answer<bool> {
        self.count_hostcall()?;
        let plugin = Arc::clone(&self.plugin);
        Ok(plugin.cache.delete(&key).await.map_err(|problem| self.cache_error(problem)))
    }

    async fn get_response(&mut self, key: String) -> Answer<Option<CachedResponse>> {
        self.exchange()?;
        let plugin = Arc::clone(&self.plugin);
        let found = match plugin.cache.response(&key).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Ok(None)),
            Err(problem) => return Ok(Err(self.cache_error(problem))),
        };
        let hit = hit_of(&found);
        let kept = found.content;
        let (status, headers) = (kept.status.as_u16(), list(&kept.headers));
        let Some(exchange) = self.exchange.as_deref_mut() else { return Err(HostStop::NoExchange.into()) };
        let left = self.response_bytes_left.checked_sub(kept.body.len());
        let answer = LocalResponse::kept(kept.status, kept.headers, kept.body, &mut exchange.edits);
        let (Some(left), Ok(answer)) = (left, answer) else { return Ok(Err(CacheError::TooLarge)) };
        self.response_bytes_left = left;
        let answer = self.give_local_response(answer)?;
        Ok(Ok(Some(CachedResponse { hit, status, headers, answer })))
    }

    async fn set_response(
        &mut self,
        key: String,
        status: u16,
        headers: HeaderList,
        body: Vec<u8>,
        lifetime: Lifetime,
    ) -> Answer<()> {
        self.count_hostcall()?;
        let Ok(response) = checked(status, headers, body) else { return Ok(Err(CacheError::InvalidResponse)) };
        Ok(self.keep(&key, CacheContent::Response(response), lifetime).await)
    }
}

impl HostState {
    async fn keep(&mut self, key: &str, content: CacheContent, lifetime: Lifetime) -> Result<(), CacheError> {
        let Lifetime { fresh_ms, stale_ms } = lifetime;
        let lifetime = CacheLifetime { fresh: Duration::from_millis(fresh_ms), stale: Duration::from_millis(stale_ms) };
        let plugin = Arc::clone(&self.plugin);
        plugin.cache.put(key, content, lifetime).await.map_err(|problem| self.cache_error(problem))
    }

    fn cache_error(&mut self, problem: CacheProblem) -> CacheError {
        self.report_cache_problem(&problem);
        match problem {
            CacheProblem::Denied => CacheError::Denied,
            CacheProblem::InvalidKey => CacheError::InvalidKey,
            CacheProblem::TooLarge => CacheError::TooLarge,
            CacheProblem::Unavailable(_) => CacheError::Unavailable,
        }
    }
}

/// A response as it is kept. Headers that the host manages are for the host to say again.
fn checked(status: u16, headers: HeaderList, body: Vec<u8>) -> Result<crate::CachedResponse, EditError> {
    let mut local = LocalResponse::new(status)?;
    let mut checked = Headers { map: &mut local.headers, budget: &mut EditBudget::new(usize::MAX) };
    for (name, value) in headers {
        match checked.append(&name, &value) {
            Ok(()) | Err(EditError::Forbidden(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(crate::CachedResponse { status: local.status, headers: local.headers, body: body.into() })
}

fn hit_of<T>(found: &CacheHit<T>) -> Hit {
    let age_ms = u64::try_from(found.age.as_millis()).unwrap_or(u64::MAX);
    Hit { age_ms, fresh: !found.is_stale, renew: found.renew }
}
