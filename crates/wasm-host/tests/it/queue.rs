//! Queues between plugins and between instances, and what a hostile guest can do with them.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use test_guests::NATIVE_QUEUE;
use wasm_host::{
    BoxFuture, FailureClass, Grants, Limits, MemoryQueues, Plugin, PluginBuilder, PluginEngine, QueueBounds,
    QueueGrants, QueueId, QueueStore, QueueStoreError, QueueUse,
};

use crate::common::{Logged, answered, ask, engine, open, passed, request};

fn plugin(name: &str, config: serde_json::Value, queues: QueueGrants) -> PluginBuilder {
    let grants = Grants { queues, ..Grants::default() };
    Plugin::builder(name).file(NATIVE_QUEUE).config(config).grants(grants)
}

fn shared(name: &str, usage: QueueUse) -> QueueGrants {
    QueueGrants { own: false, shared: BTreeMap::from([(name.to_owned(), usage)]) }
}

fn own() -> QueueGrants {
    QueueGrants { own: true, ..QueueGrants::default() }
}

fn both() -> serde_json::Value {
    json!({ "shows": "x-told", "sends": true, "receives": true })
}

async fn told(plugin: &Plugin, headers: &[(&str, &str)]) -> String {
    passed(ask(plugin, headers).await).headers()["x-told"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn two_plugins_of_a_chain_pass_items_on() {
    let sends = json!({ "shows": "x-sender", "sends": true });
    let sender = plugin("sender", sends, shared("chain", QueueUse::Send)).load(engine()).await.unwrap();
    let receives = json!({ "shows": "x-receiver", "receives": true });
    let receiver = plugin("receiver", receives, shared("chain", QueueUse::Receive)).priority(1);
    let receiver = receiver.load(engine()).await.unwrap();
    for (headers, sent, received) in [
        (&[("x-queue", "chain"), ("x-send", "a")][..], "sent; 1", "1"),
        (&[("x-queue", "chain"), ("x-send", "b")], "sent; 2", "2"),
        (&[("x-queue", "chain"), ("x-send", "c"), ("x-receive", "1")], "sent; 3", "a; 2"),
        (&[("x-queue", "chain"), ("x-receive", "9")], "2", "b,c; 0"),
        (&[("x-queue", "chain"), ("x-receive", "1")], "0", "; 0"),
    ] {
        let mut exchange = open([receiver.clone(), sender.clone()]);
        let request = passed(exchange.on_request(request(headers)).await);
        exchange.finish();
        assert_eq!(["x-sender", "x-receiver"].map(|name| request.headers()[name].to_str().unwrap()), [sent, received]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_of_one_plugin_get_each_item_once() {
    let plugin = plugin("instances", both(), own()).load(engine()).await.unwrap();
    let asking: Vec<_> = (0..100)
        .map(|item: u32| {
            let plugin = plugin.clone();
            tokio::spawn(async move {
                let item = item.to_string();
                told(&plugin, &[("x-queue", "q"), ("x-send", &item), ("x-receive", "1")]).await
            })
        })
        .collect();
    let mut received = Vec::new();
    for asked in asking {
        let told = asked.await.unwrap();
        received.push(told.split("; ").nth(1).unwrap().parse::<u32>().unwrap());
    }
    received.sort_unstable();
    assert_eq!(received, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn each_direction_needs_its_grant() {
    let logged = Logged::default();
    let engine = logged.engine();
    let denied = "queue not used: `grants.queues` does not grant it";
    for (queues, sent, received) in [
        (QueueGrants::default(), denied, denied),
        (shared("other", QueueUse::Both), denied, denied),
        (shared("jobs", QueueUse::Send), "sent", denied),
        (shared("jobs", QueueUse::Receive), denied, "job"),
    ] {
        let plugin = plugin("p", both(), queues).load(&engine).await.unwrap();
        let told = told(&plugin, &[("x-queue", "jobs"), ("x-send", "job"), ("x-receive", "1")]).await;
        assert!(told.starts_with(&format!("{sent}; {received}; ")), "{told}");
    }
    assert_eq!(
        logged.lines().last().unwrap(),
        "p exchange-1 Warn host: queue: denied sending to `jobs`: `grants.queues` does not grant it"
    );
}

#[tokio::test]
async fn a_flood_ends_at_the_bounds() {
    let queues = MemoryQueues::new(QueueBounds { items: 100, bytes: 5_000, item_bytes: 1_000 });
    let engine = PluginEngine::builder().max_instances(4).queue_store(queues).build().unwrap();
    let limits =
        || Limits { own_queues: 3, cpu: Duration::from_secs(20), wall: Duration::from_secs(30), ..Limits::default() };
    let load = async |name| plugin(name, both(), own()).limits(limits()).load(&engine).await.unwrap();
    let flooder = load("flooder").await;
    let full = "queue not used: it is full";
    for (queue, bytes, answer) in [
        ("empty-items", "0", format!(r#"{{"{full}": 4900, "sent": 100}}; 100"#)),
        ("large-items", "1000", format!(r#"{{"{full}": 4995, "sent": 5}}; 5"#)),
        ("too-large-items", "1001", r#"{"queue not used: the item is too large": 5000}; 0"#.to_owned()),
    ] {
        assert_eq!(told(&flooder, &[("x-queue", queue), ("x-flood", "5000"), ("x-bytes", bytes)]).await, answer);
    }
    let names = [("x-queue", "name"), ("x-flood", "5000"), ("x-bytes", "1"), ("x-names", "1")];
    let too_many = "queue not used: the plugin has as many of its own as `limits.own_queues` allows";
    assert_eq!(told(&flooder, &names).await, format!(r#"{{"{too_many}": 5000}}; 0"#));
    assert_eq!(told(&load("other").await, &names).await, format!(r#"{{"{too_many}": 4997, "sent": 3}}; 0"#));
    let invalid = "queue not used: a name has 1 to 128 bytes and no control characters";
    for name in [String::new(), "q".repeat(129), "a\tb".to_owned()] {
        let told = told(&flooder, &[("x-queue", &name), ("x-send", "a")]).await;
        assert_eq!(told, format!("{invalid}; {invalid}"), "{name:?}");
    }
}

/// Never answers.
#[derive(Debug)]
struct Hangs;

impl QueueStore for Hangs {
    fn enqueue<'a>(&'a self, _: QueueId<'a>, _: bytes::Bytes) -> BoxFuture<'a, Result<(), QueueStoreError>> {
        Box::pin(std::future::pending())
    }

    fn dequeue<'a>(&'a self, _: QueueId<'a>, _: usize) -> BoxFuture<'a, Result<Vec<bytes::Bytes>, QueueStoreError>> {
        Box::pin(std::future::pending())
    }

    fn length<'a>(&'a self, _: QueueId<'a>) -> BoxFuture<'a, Result<usize, QueueStoreError>> {
        Box::pin(std::future::ready(Err(QueueStoreError::Unavailable("gone".into()))))
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_waited_for_until_the_wall_deadline() {
    let logged = Logged::default();
    let engine = PluginEngine::builder().max_instances(4).queue_store(Hangs).log_sink(logged.clone()).build().unwrap();
    let limits = Limits { wall: Duration::from_millis(100), cpu: Duration::from_secs(20), ..Limits::default() };
    let plugin = plugin("p", both(), own()).limits(limits).load(&engine).await.unwrap();
    let mut exchange = open([plugin.clone()]);
    let answer = answered(exchange.on_request(request(&[("x-queue", "q"), ("x-send", "a")])).await);
    assert_eq!(answer.status(), 504);
    assert_eq!(exchange.failures().first().unwrap().class, FailureClass::WallDeadline);
    assert_eq!(told(&plugin, &[("x-queue", "q")]).await, "queue not used: queues cannot be used now");
    assert_eq!(logged.lines(), ["p exchange-1 Warn host: queue: unavailable: gone"]);
}
