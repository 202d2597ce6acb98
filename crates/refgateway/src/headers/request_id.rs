//! One id per exchange, the client's if it is sane.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header that carries the id, both ways.
pub(crate) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const LONGEST: usize = 128;

/// The one `X-Request-Id` of the request if it is up to 128 visible ASCII characters, else a new id.
pub(crate) fn accept_or_make(headers: &HeaderMap) -> HeaderValue {
    let mut given = headers.get_all(&X_REQUEST_ID).iter();
    match (given.next(), given.next()) {
        (Some(id), None) if is_sane(id.as_bytes()) => id.clone(),
        _ => make(),
    }
}

fn is_sane(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

/// 128 bits in hex: unique across gateways, not a secret.
fn make() -> HeaderValue {
    thread_local! {
        static SEED: RandomState = RandomState::new();
        static COUNT: Cell<u64> = const { Cell::new(0) };
    }
    let count = COUNT.get();
    COUNT.set(count.wrapping_add(1));
    let id = SEED.with(|seed| Uuid::from_u64_pair(seed.hash_one(count), seed.hash_one(!count)));
    let mut buffer = Uuid::encode_buffer();
    let digits = id.simple().encode_lower(&mut buffer);
    HeaderValue::from_str(digits).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn with(ids: &[&str]) -> HeaderMap {
        ids.iter().map(|id| (X_REQUEST_ID.clone(), HeaderValue::from_str(id).unwrap())).collect()
    }

    #[test]
    fn keeps_a_sane_id() {
        assert_eq!(accept_or_make(&with(&["abc-123"])), "abc-123");
    }

    #[test]
    fn replaces_what_is_not() {
        let long = "x".repeat(129);
        for ids in [&[][..], &[""], &["a b"], &["é"], &[&long], &["a", "b"]] {
            let mut headers = HeaderMap::new();
            for id in ids {
                headers.append(X_REQUEST_ID.clone(), HeaderValue::from_bytes(id.as_bytes()).unwrap());
            }
            assert_eq!(accept_or_make(&headers).len(), 32, "{ids:?}");
        }
    }

    #[test]
    fn new_ids_differ() {
        let ids = || (0..1000).map(|_| make()).collect::<Vec<_>>();
        let others = std::thread::spawn(ids).join().unwrap();
        let all: std::collections::HashSet<_> = ids().into_iter().chain(others).collect();
        assert_eq!(all.len(), 2000);
    }
}
