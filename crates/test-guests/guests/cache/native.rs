//! Uses the cache as the request's headers say, and misuses it.

use std::time::Duration;

use wasm_host_guest::{
    Action, Config, LocalResponse, OnRequest, Plugin, Request, Result,
    cache::{self, CacheError, Lifetime},
    export,
};

struct Cache;

impl Plugin for Cache {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequest for Cache {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let text = |name: &str| request.header(name).and_then(|value| Some(value.to_str()?.to_owned()));
        let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        let key = text("x-key").unwrap_or_default().replace("%00", "\0");
        let lifetime = Lifetime::fresh_for(Duration::from_millis(number("x-fresh")))
            .then_stale_for(Duration::from_millis(number("x-stale")));
        let value = vec![b'v'; number("x-bytes") as usize];
        let said = match text("x-do").unwrap_or_default().as_str() {
            "set" => said(cache::set(&key, &value, lifetime)),
            "get" => match cache::get(&key) {
                Ok(Some((hit, value))) => {
                    let state = if hit.is_fresh { "fresh" } else { "stale" };
                    format!("{} {state} renew={} {}", value.len(), hit.renew, hit.age.as_millis())
                }
                Ok(None) => "none".to_owned(),
                Err(error) => error.message().to_owned(),
            },
            "delete" => said(cache::delete(&key)),
            "set-response" => {
                let headers = [
                    ("x-kept", "one"),
                    ("x-kept", "two"),
                    ("connection", "close"),
                    ("content-length", "3"),
                    ("transfer-encoding", "chunked"),
                ];
                let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
                said(cache::set_response(&key, 203, &headers, &value, lifetime))
            }
            "set-bad-responses" => {
                let header = |name: &str, value: &[u8]| vec![(name.to_owned(), value.to_vec())];
                [
                    (101, Vec::new()),
                    (600, Vec::new()),
                    (200, header("a b", b"c")),
                    (200, header("a", b"b\r\nc: d")),
                    (200, header("", b"")),
                ]
                .map(|(status, headers)| said(cache::set_response(&key, status, &headers, b"", lifetime)))
                .join(" ")
            }
            "get-response" => match cache::get_response(&key) {
                Ok(Some(found)) => {
                    let kept: Vec<_> = found.headers.iter().map(|(name, _)| name.as_str()).collect();
                    let answer = found.answer.header("x-found", format!("{} {}", found.status, kept.join(",")))?;
                    return Ok(answer.into());
                }
                Ok(None) => "none".to_owned(),
                Err(error) => error.message().to_owned(),
            },
            "hoard-responses" => {
                let mut hoard = Vec::new();
                loop {
                    match cache::get_response(&key) {
                        Ok(Some(found)) => hoard.push(found),
                        Ok(None) => break "none".to_owned(),
                        Err(error) => break format!("{} {error:?}", hoard.len()),
                    }
                }
            }
            "flood" => {
                let stored = (0..10_000).filter(|key| cache::set(&format!("flood-{key}"), &value, lifetime).is_ok());
                format!("stored {}", stored.count())
            }
            _ => return Ok(Action::Continue),
        };
        Ok(LocalResponse::new(200)?.body(said)?.into())
    }
}

fn said<T: std::fmt::Debug>(outcome: Result<T, CacheError>) -> String {
    match outcome {
        Ok(value) => format!("{value:?}"),
        Err(error) => error.name().to_owned(),
    }
}

export!(Cache: request);
