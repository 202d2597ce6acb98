//! Values and responses that outlive an exchange, until they expire or make room. They need the operator's grant.
//!
//! All instances of a plugin share them, and no other plugin sees them. A key has 1 to 1024 bytes, and a value or a response.
//! An entry may be gone at any time.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use wasm_host_guest::{
//!     Result,
//!     cache::{self, Lifetime},
//! };
//!
//! fn price(item: &str) -> Result<Vec<u8>> {
//!     if let Some((hit, price)) = cache::get(item)?
//!         && !hit.renew
//!     {
//!         return Ok(price);
//!     }
//!     let price = work_it_out(item);
//!     let lifetime = Lifetime::fresh_for(Duration::from_secs(60)).then_stale_for(Duration::from_secs(600));
//!     cache::set(item, &price, lifetime)?;
//!     Ok(price)
//! }
//! # fn work_it_out(_: &str) -> Vec<u8> { Vec::new() }
//! ```

use std::time::Duration;

use crate::{LocalResponse, bindings::imports::wasm_host::plugin::cache};

pub use cache::CacheError;

/// How long an entry may be used. Each time is cut to a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// How long it is fresh.
    pub fresh: Duration,
    /// How long after that it may still be used, while somebody renews it.
    pub stale: Duration,
}

impl Lifetime {
    /// Fresh for this long, and gone after that.
    pub fn fresh_for(fresh: Duration) -> Self {
        Self { fresh, stale: Duration::ZERO }
    }

    /// The same, then stale for this long.
    #[must_use]
    pub fn then_stale_for(self, stale: Duration) -> Self {
        Self { stale, ..self }
    }
}

/// What is known of an entry that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Since it was stored.
    pub age: Duration,
    /// Whether it is fresh; stale otherwise.
    pub is_fresh: bool,
    /// Whether it is stale and for this caller to renew. No other is told so, until it is stored again or ten seconds have
    /// passed.
    pub renew: bool,
}

/// A response that was found.
#[derive(Debug)]
pub struct CachedResponse {
    /// What is known of it.
    pub hit: Hit,
    /// Its status.
    pub status: u16,
    /// Its headers, one entry a value, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The answer, as it was stored, to be sent. Its body stays in the host. Headers may be added.
    pub answer: LocalResponse,
}

/// The value of a key.
pub fn get(key: &str) -> Result<Option<(Hit, Vec<u8>)>, CacheError> {
    Ok(cache::get(key)?.map(|(hit, value)| (hit.into(), value)))
}

/// Stores a value in the place of what the key had.
pub fn set(key: &str, value: impl AsRef<[u8]>, lifetime: Lifetime) -> Result<(), CacheError> {
    cache::set(key, value.as_ref(), lifetime.into())
}

/// Removes what a key has, and says whether it had anything.
pub fn delete(key: &str) -> Result<bool, CacheError> {
    cache::delete(key)
}

/// The response of a key. Its headers and its body count as those of an answer that the plugin makes itself.
pub fn get_response(key: &str) -> Result<Option<CachedResponse>, CacheError> {
    Ok(cache::get_response(key)?.map(|found| CachedResponse {
        hit: found.hit.into(),
        status: found.status,
        headers: found.headers,
        answer: LocalResponse(found.answer),
    }))
}

/// Stores a response in the place of what the key had. Headers that the host manages are left out.
pub fn set_response(
    key: &str,
    status: u16,
    headers: &[(String, Vec<u8>)],
    body: &[u8],
    lifetime: Lifetime,
) -> Result<(), CacheError> {
    cache::set_response(key, status, headers, body, lifetime.into())
}

impl From<cache::Hit> for Hit {
    fn from(hit: cache::Hit) -> Self {
        Self { age: Duration::from_millis(hit.age_ms), is_fresh: hit.fresh, renew: hit.renew }
    }
}

impl From<Lifetime> for cache::Lifetime {
    fn from(lifetime: Lifetime) -> Self {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self { fresh_ms: millis(lifetime.fresh), stale_ms: millis(lifetime.stale) }
    }
}
