//! What passes between host and guest is freed by whom it belongs to.

use test_guests as guest;
use wasm_host::{Body, Limits, Plugin, RequestOutcome};

use super::reuse;
use crate::common::{engine, open, plugin};

/// Calls until a guest's memory is what it stays.
const WARM: u32 = 2_000;

async fn call(plugin: &Plugin, exchanges: u32) -> u64 {
    for _ in 0..exchanges {
        let mut exchange = open([plugin.clone()]);
        let request = http::Request::post("/a/path").header("x-many", "some value").header("x-variable", "PATH");
        let RequestOutcome::Continue(_) = exchange.on_request(request.body(Body::from("request body")).unwrap()).await
        else {
            panic!("{:?}", exchange.failures());
        };
        exchange.on_response(http::Response::new(Body::from("response body"))).await;
        assert!(exchange.failures().is_empty());
        exchange.finish();
    }
    let stats = plugin.stats();
    assert_eq!((stats.idle, stats.pool_misses), (1, 0));
    stats.idle_memory
}

/// Two calls an exchange. A byte that is lost in each would be seen: memory grows by 64 KiB.
async fn does_not_grow(file: &str, exchanges: u32) {
    let limits = Limits { log_bytes: 0, ..Limits::default() };
    let plugin = plugin(file).pool(reuse()).limits(limits).load(engine()).await.unwrap();
    let before = call(&plugin, WARM).await;
    assert_eq!(call(&plugin, exchanges).await, before, "{file}");
}

#[tokio::test]
async fn two_hundred_thousand_calls_do_not_grow_memory() {
    does_not_grow(guest::BLITZ_USE_HOST, 100_000).await;
}

#[tokio::test]
async fn nor_do_those_of_an_older_build() {
    does_not_grow(guest::BLITZ_OLD_REQUEST_LOGGER, 10_000).await;
}

#[tokio::test]
async fn nor_do_those_of_plain_modules() {
    does_not_grow(guest::BLITZ_PLAIN_USE_HOST, 10_000).await;
    does_not_grow(guest::BLITZ_C_USE_HOST, 10_000).await;
}
