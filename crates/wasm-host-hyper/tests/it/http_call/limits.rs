//! How often, how many at once, and what waiting costs.

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use serde_json::json;
use test_guests::NATIVE_CALL_OUT;
use wasm_host::{ExchangeFacts, FailureClass, Limits, PluginChain, PoolPolicy, Reuse};

use super::support::{Calls, Server, get, patient, request, response};

const TOO_MANY: &str = "call refused: over `limits.http.calls` or `limits.http.concurrency`";

#[tokio::test]
async fn calls_of_one_exchange_are_counted() {
    let server = Server::start().await;
    let calls = Calls::new();
    let mut limits = patient();
    limits.http.calls = 3;
    let plugin = calls.plugin("p", NATIVE_CALL_OUT).grants(server.grant()).limits(limits);
    let plugin = plugin.config(json!({ "on": "request", "url": server.url("/"), "times": 5 }));
    let plugin = plugin.pool(PoolPolicy::Reuse(Reuse::default())).load(&calls.engine).await.unwrap();
    let once = ["200 ok", "200 ok", "200 ok", TOO_MANY, TOO_MANY];
    assert_eq!(calls.ask(&plugin).await, once);
    // The next exchange begins anew.
    assert_eq!(calls.ask(&plugin).await, [once, once].concat());
    assert_eq!(server.requests(), 6);
    assert!(server.connections() <= 2, "{}", server.connections());
}

#[tokio::test]
async fn calls_of_all_phases_count_together() {
    let server = Server::start().await;
    let calls = Calls::new();
    let mut limits = patient();
    limits.http.calls = 3;
    let config = json!({ "on": "request response", "url": server.url("/"), "times": 2 });
    let plugin = calls.plugin("p", NATIVE_CALL_OUT).config(config).grants(server.grant()).limits(limits);
    let plugin = plugin.load(&calls.engine).await.unwrap();
    let mut exchange = PluginChain::new([plugin]).unwrap().exchange(ExchangeFacts::default());
    drop(exchange.on_request(request(&[])).await);
    drop(exchange.on_response(response()).await);
    assert_eq!(calls.logged("p"), ["200 ok", "200 ok", "200 ok", TOO_MANY]);
}

#[tokio::test]
async fn a_call_waits_for_its_turn() {
    let server = Server::start().await;
    let calls = Calls::new();
    let mut limits = patient();
    limits.http.concurrency = 1;
    let plugin = calls.plugin("p", NATIVE_CALL_OUT).config(get(&server.url("/"))).grants(server.grant());
    let plugin = plugin.limits(limits).load(&calls.engine).await.unwrap();
    let (_, _) = tokio::join!(calls.ask(&plugin), calls.ask(&plugin));
    assert_eq!(calls.logged("p"), ["200 ok", "200 ok"]);
}

/// On one thread, two guests wait at the same time for a server that answers nobody; a third is served meanwhile.
#[tokio::test(flavor = "current_thread")]
async fn a_waiting_guest_holds_no_thread() {
    let server = Server::start().await;
    let calls = Calls::new();
    let waits = calls.plugin("waits", NATIVE_CALL_OUT).config(get(&server.url("/never"))).grants(server.grant());
    let waits = waits.load(&calls.engine).await.unwrap();
    let quick = calls.plugin("quick", NATIVE_CALL_OUT).config(get(&server.url("/"))).grants(server.grant());
    let quick = quick.load(&calls.engine).await.unwrap();
    let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(calls.ask(&waits))).collect();
    poll_fn(|cx| {
        let none = waiting.iter_mut().all(|waiting| Pin::new(waiting).poll(cx).is_pending());
        assert!(none);
        if server.requests() == 2 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    assert_eq!(calls.ask(&quick).await, ["200 ok"]);
    assert_eq!(waits.stats().active, 2);
}

#[tokio::test]
async fn dropping_the_exchange_drops_the_call() {
    let server = Server::start().await;
    let calls = Calls::new();
    let plugin = calls.plugin("p", NATIVE_CALL_OUT).config(get(&server.url("/never"))).grants(server.grant());
    let plugin = plugin.load(&calls.engine).await.unwrap();
    let mut asking = Box::pin(calls.ask(&plugin));
    poll_fn(|cx| {
        assert!(Pin::new(&mut asking).poll(cx).is_pending());
        if server.open() == 1 && server.requests() == 1 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    drop(asking);
    while server.open() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(plugin.stats().active, 0);
}

#[tokio::test]
async fn the_wall_clock_covers_the_wait_and_the_cpu_limit_does_not() {
    let server = Server::start().await;
    let calls = Calls::new();
    let limits = Limits { wall: Duration::from_millis(300), ..patient() };
    let plugin = calls.plugin("p", NATIVE_CALL_OUT).config(get(&server.url("/never"))).grants(server.grant());
    let plugin = plugin.limits(limits).load(&calls.engine).await.unwrap();
    let mut exchange = PluginChain::new([plugin]).unwrap().exchange(ExchangeFacts::default());
    drop(exchange.on_request(request(&[])).await);
    assert_eq!(exchange.failures()[0].class, FailureClass::WallDeadline);
}
