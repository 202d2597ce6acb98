//! How long a response may be used (RFC 9111 4.2).

use std::time::{Duration, SystemTime};

use super::{directives::ResponseDirectives, headers::Headers};

/// Statuses that may be kept when nothing says for how long (RFC 9110 15.1), of those that have a body.
const CACHEABLE: [u16; 9] = [200, 203, 300, 301, 308, 404, 405, 410, 414];
/// Further ones that may be kept when the response says so.
const CACHEABLE_WHEN_TOLD: [u16; 3] = [302, 307, 501];

/// How long a response may be used, from the moment on which it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Freshness {
    pub(crate) fresh: Duration,
    /// How long after that it may be used while it is renewed.
    pub(crate) stale: Duration,
    /// How old it was already.
    pub(crate) age: Duration,
}

impl Freshness {
    /// None: it may not be used at all, or nothing says how long. `default` is for responses that say nothing.
    pub(crate) fn of(status: u16, response: &Headers, now: SystemTime, default: Option<Duration>) -> Option<Self> {
        let is_cacheable = CACHEABLE.contains(&status);
        if !is_cacheable && !CACHEABLE_WHEN_TOLD.contains(&status) {
            return None;
        }
        let directives = ResponseDirectives::of(response);
        let told = directives.s_maxage.or(directives.max_age).or_else(|| until_expiry(response, now));
        let lifetime = told.or(default.filter(|_| is_cacheable))?;
        let age = age_on_arrival(response, now);
        let found = Self {
            fresh: lifetime.saturating_sub(age),
            stale: stale_after(&directives).saturating_sub(age.saturating_sub(lifetime)),
            age,
        };
        (found.fresh + found.stale > Duration::ZERO).then_some(found)
    }
}

/// How old a response says it is (RFC 9111 5.1).
pub(crate) fn stated_age(response: &Headers) -> Duration {
    response.text("age").and_then(|age| age.parse().ok()).map_or(Duration::ZERO, Duration::from_secs)
}

/// RFC 9111 4.2.3. The time that the request took counts as the response's own: it came with its headers.
fn age_on_arrival(response: &Headers, now: SystemTime) -> Duration {
    let since_date = date(response, "date").and_then(|date| now.duration_since(date).ok());
    stated_age(response).max(since_date.unwrap_or_default())
}

/// From the expires header; what is no date there is a time in the past (RFC 9111 5.3).
fn until_expiry(response: &Headers, now: SystemTime) -> Option<Duration> {
    if !response.has("expires") {
        return None;
    }
    let from = date(response, "date").unwrap_or(now);
    let expiry = date(response, "expires").and_then(|expiry| expiry.duration_since(from).ok());
    Some(expiry.unwrap_or_default())
}

/// How long after its freshness a response may be used.
fn stale_after(directives: &ResponseDirectives) -> Duration {
    if directives.must_revalidate || directives.proxy_revalidate {
        return Duration::ZERO;
    }
    directives.stale_while_revalidate.unwrap_or_default()
}

fn date(response: &Headers, name: &str) -> Option<SystemTime> {
    response.text(name).and_then(|text| httpdate::parse_http_date(text).ok())
}
