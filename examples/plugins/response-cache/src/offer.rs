use std::time::{Duration, SystemTime};

use wasm_host_guest::{
    Response,
    cache::{self, Lifetime},
};

use crate::{
    asked::Asked,
    directives::ResponseDirectives,
    freshness::Freshness,
    headers::Headers,
    key::{self, Variants},
    settings::Settings,
    status::Forwarded,
};

/// Headers that are not kept: what is between two connections (RFC 9111 3.1), and trailers.
const LEFT_OUT: [&str; 4] = ["proxy-authenticate", "proxy-authentication-info", "proxy-authorization", "trailer"];

/// A response that is wanted for the cache.
pub(crate) struct Wanted {
    pub(crate) asked: Asked,
    pub(crate) why: Forwarded,
    /// The generation of the target when the request came.
    pub(crate) seen: Option<u64>,
}

/// A response that may be kept.
pub(crate) struct Offer {
    pub(crate) wanted: Wanted,
    pub(crate) headers: Headers,
    /// Bytes of the body, when they are known.
    pub(crate) length: Option<u64>,
    status: u16,
    freshness: Freshness,
    varies_by: Vec<String>,
    /// Of a body that flows: its bytes so far.
    body: Vec<u8>,
}

impl Offer {
    /// None: it must not be kept (RFC 9111 3).
    pub(crate) fn of(wanted: Wanted, response: &Response<'_>, settings: &Settings) -> Option<Self> {
        let headers = response.headers().into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        let mut headers = Headers(headers);
        let directives = ResponseDirectives::of(&headers);
        if directives.no_store || directives.no_cache || directives.private || !wanted.asked.may_share(&directives) {
            return None;
        }
        if headers.has("set-cookie") && !settings.store_cookies {
            return None;
        }
        let (status, now) = (response.status(), SystemTime::now());
        let freshness = Freshness::of(status, &headers, now, settings.default_ttl())?;
        let varies_by = key::vary(&headers)?;
        let length = headers.text("content-length").and_then(|length| length.parse().ok());
        LEFT_OUT.iter().for_each(|name| headers.remove(name));
        headers.set("age", freshness.age.as_secs().to_string());
        if !headers.has("date") {
            // RFC 9110 6.6.1: the host would add the time at which it is sent, again and again.
            headers.set("date", httpdate::fmt_http_date(now));
        }
        Some(Self { wanted, headers, length, status, freshness, varies_by, body: Vec::new() })
    }

    /// Takes a part of the body; whether it is not too large yet.
    pub(crate) fn take(&mut self, bytes: &[u8], max: u32) -> bool {
        self.body.extend_from_slice(bytes);
        self.body.len() <= max as usize
    }

    /// Keeps the response with the body that was taken. Whether it is kept.
    pub(crate) fn keep_taken(&mut self) -> bool {
        let body = std::mem::take(&mut self.body);
        self.keep(&body)
    }

    /// Keeps the response with this body. Whether it is kept.
    pub(crate) fn keep(&mut self, body: &[u8]) -> bool {
        let Wanted { asked, seen, .. } = &self.wanted;
        let Ok(known) = cache::get(&asked.target) else { return false };
        let known = known.and_then(|(_, value)| serde_json::from_slice::<Variants>(&value).ok());
        // What was there is gone: the response may be older than the change that made it go.
        if seen.is_some() && known.as_ref().map(|known| known.generation) != *seen {
            return false;
        }
        let mut variants = known.unwrap_or_else(Variants::new);
        variants.add(std::mem::take(&mut self.varies_by));
        let Freshness { fresh, stale, .. } = self.freshness;
        let lifetime = Lifetime { fresh, stale };
        let key = variants.key(&asked.target, &asked.headers);
        cache::set_response(&key, self.status, &self.headers.0, body, lifetime).is_ok()
            && self.keep_variants(variants, fresh + stale).is_ok()
    }

    fn keep_variants(&self, mut variants: Variants, needed: Duration) -> Result<(), cache::CacheError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let until = u64::try_from((now + needed).as_millis()).unwrap_or(u64::MAX);
        variants.until = variants.until.max(until);
        let lifetime =
            Lifetime { fresh: Duration::from_millis(variants.until).saturating_sub(now), stale: Duration::ZERO };
        let value = serde_json::to_vec(&variants).unwrap_or_default();
        cache::set(&self.wanted.asked.target, value, lifetime)
    }

    /// Whether the client that made the upstream be asked has this response already.
    pub(crate) fn is_had_already(&self) -> bool {
        self.wanted.why == Forwarded::Stale && self.wanted.asked.has_already(self.status, &self.headers)
    }
}
