//! What plugins keep in the cache, and what hostile ones cannot.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::Response;
use test_guests::NATIVE_CACHE;
use wasm_host::{
    Body, BoxFuture, Cache, CacheEntry, CacheNamespace, CacheStats, CacheUnavailable, FailureClass, Grants, Limits,
    ManualClock, MemoryCache, Plugin, PluginEngine,
};

use crate::common::{Logged, answered, ask, bytes, open, request, text};

const LASTS: (&str, &str) = ("x-fresh", "60000");

fn engine(cache: impl Cache + 'static) -> PluginEngine {
    PluginEngine::builder().max_instances(16).cache(cache).build().unwrap()
}

async fn load_as(name: &str, engine: &PluginEngine, limits: Limits) -> Plugin {
    let grants = Grants { cache: true, ..Grants::default() };
    Plugin::builder(name).file(NATIVE_CACHE).grants(grants).limits(limits).load(engine).await.unwrap()
}

async fn load(engine: &PluginEngine) -> Plugin {
    load_as("test", engine, Limits::default()).await
}

async fn answer(plugin: &Plugin, what: &str, key: &str, more: &[(&str, &str)]) -> Response<Body> {
    let headers = [&[("x-do", what), ("x-key", key), LASTS][..], more].concat();
    answered(ask(plugin, &headers).await)
}

async fn say(plugin: &Plugin, what: &str, key: &str, more: &[(&str, &str)]) -> String {
    text(answer(plugin, what, key, more).await.into_body()).await
}

fn stats(plugin: &Plugin) -> CacheStats {
    plugin.stats().cache.unwrap()
}

#[tokio::test]
async fn nothing_is_kept_without_a_grant() {
    let logged = Logged::default();
    let plugin = Plugin::builder("test").file(NATIVE_CACHE).load(&logged.engine()).await.unwrap();
    assert_eq!(say(&plugin, "set", "a", &[]).await, "denied");
    assert_eq!(say(&plugin, "set-response", "a", &[]).await, "denied");
    assert_eq!(say(&plugin, "delete", "a", &[]).await, "denied");
    assert_eq!(say(&plugin, "get", "a", &[]).await, "The operator did not grant the cache.");
    assert_eq!(say(&plugin, "get-response", "a", &[]).await, "The operator did not grant the cache.");
    let line = "test exchange-1 Warn host: cache: denied the use of it: `grants.cache` does not grant it";
    assert_eq!(logged.lines(), [line; 5]);
    assert_eq!(plugin.stats().cache, None);
}

#[tokio::test]
async fn a_stale_value_is_renewed_by_one_caller() {
    let clock = ManualClock::new(SystemTime::now());
    let engine = PluginEngine::builder().max_instances(16).clock(clock.clone()).build().unwrap();
    let plugin = load(&engine).await;
    let stale = [("x-bytes", "3"), ("x-stale", "60000")];
    assert_eq!(say(&plugin, "set", "a", &stale).await, "()");
    assert_eq!(say(&plugin, "get", "a", &[]).await, "3 fresh renew=false 0");
    clock.advance(Duration::from_secs(70));
    assert_eq!(say(&plugin, "get", "a", &[]).await, "3 stale renew=true 70000");
    assert_eq!(say(&plugin, "get", "a", &[]).await, "3 stale renew=false 70000");
    assert_eq!(say(&plugin, "set", "a", &stale).await, "()");
    assert_eq!(say(&plugin, "get", "a", &[]).await, "3 fresh renew=false 0");
    clock.advance(Duration::from_secs(120));
    assert_eq!(say(&plugin, "get", "a", &[]).await, "none");
    let CacheStats { hits, stale, misses, stores, .. } = stats(&plugin);
    assert_eq!((hits, stale, misses, stores), (2, 2, 1, 2));
}

#[tokio::test]
async fn a_response_is_answered_with_from_the_host() {
    let plugin = load(&engine(MemoryCache::default())).await;
    assert_eq!(say(&plugin, "get-response", "a", &[]).await, "none");
    assert_eq!(say(&plugin, "set-response", "a", &[("x-bytes", "1000000")]).await, "()");
    let found = answer(&plugin, "get-response", "a", &[]).await;
    assert_eq!(found.status(), 203);
    assert_eq!(found.headers()["x-found"], "203 x-kept,x-kept");
    let kept: Vec<_> = found.headers().get_all("x-kept").iter().collect();
    assert_eq!(kept, ["one", "two"]);
    assert_eq!(bytes(found.into_body()).await.len(), 1_000_000);
    // A key has a value or a response.
    assert_eq!(say(&plugin, "get", "a", &[]).await, "none");
    assert_eq!(say(&plugin, "set", "a", &[]).await, "()");
    assert_eq!(say(&plugin, "get-response", "a", &[]).await, "none");
}

#[tokio::test]
async fn what_is_no_response_is_refused() {
    let plugin = load(&engine(MemoryCache::default())).await;
    assert_eq!(say(&plugin, "set-bad-responses", "a", &[]).await, ["invalid-response"; 5].join(" "));
    assert_eq!(stats(&plugin).stores, 0);
}

#[tokio::test]
async fn huge_values_and_keys_are_refused() {
    let limits = Limits { cache_value: 1000, ..Limits::default() };
    let plugin = load_as("test", &engine(MemoryCache::default()), limits).await;
    assert_eq!(say(&plugin, "set", "a", &[("x-bytes", "1000")]).await, "()");
    assert_eq!(say(&plugin, "set", "a", &[("x-bytes", "1001")]).await, "too-large");
    assert_eq!(say(&plugin, "set-response", "a", &[("x-bytes", "1000")]).await, "too-large");
    assert!(say(&plugin, "get", "a", &[]).await.starts_with("1000 "), "the value before is kept");
    assert_eq!(say(&plugin, "set", &"k".repeat(1024), &[]).await, "()");
    assert_eq!(say(&plugin, "set", &"k".repeat(1025), &[]).await, "invalid-key");
    assert_eq!(say(&plugin, "set", "", &[]).await, "invalid-key");
}

#[tokio::test]
async fn an_answer_counts_as_one_that_the_plugin_makes() {
    let limits = Limits { response_body: 2500, header_bytes: 300, ..Limits::default() };
    let plugin = load_as("test", &engine(MemoryCache::default()), limits).await;
    assert_eq!(say(&plugin, "set-response", "a", &[("x-bytes", "1000")]).await, "()");
    let hoarded = say(&plugin, "hoard-responses", "a", &[]).await;
    assert!(hoarded.starts_with("2 CacheError { code: 3, name: \"too-large\""), "{hoarded}");
    // Without a body it is the headers that count.
    assert_eq!(say(&plugin, "set-response", "b", &[]).await, "()");
    let hoarded = say(&plugin, "hoard-responses", "b", &[]).await;
    assert!(hoarded.starts_with("16 CacheError { code: 3, name: \"too-large\""), "{hoarded}");
}

#[tokio::test]
async fn a_flood_costs_nobody_else_an_entry() {
    let cache = MemoryCache::new(1 << 20);
    let engine = engine(cache.clone());
    let limits = Limits {
        cache_bytes: 200_000,
        hostcalls: 20_000,
        cpu: Duration::from_secs(20),
        wall: Duration::from_secs(60),
        ..Limits::default()
    };
    let quiet = load_as("quiet", &engine, limits.clone()).await;
    let flood = load_as("flood", &engine, limits).await;
    assert_eq!(say(&quiet, "set", "kept", &[("x-bytes", "1000")]).await, "()");
    assert_eq!(say(&flood, "flood", "", &[("x-bytes", "1000")]).await, "stored 10000");
    assert!(say(&quiet, "get", "kept", &[]).await.starts_with("1000 fresh"));
    let CacheStats { stores, evictions, bytes, .. } = stats(&flood);
    assert_eq!(stores, 10_000);
    assert!(evictions >= 9_800 && bytes <= 200_000, "{evictions} {bytes}");
    assert_eq!(stats(&quiet).evictions, 0);
    assert!(cache.bytes() <= 202_000, "{}", cache.bytes());
}

#[tokio::test]
async fn no_key_leads_to_an_entry_of_another_plugin() {
    let engine = engine(MemoryCache::default());
    let one = load_as("one", &engine, Limits::default()).await;
    let other = load_as("one/two", &engine, Limits::default()).await;
    assert_eq!(say(&one, "set", "two/secret", &[("x-bytes", "3")]).await, "()");
    for key in ["secret", "two/secret", "../two/secret", "../one/two/secret", "one%00two/secret", "%00two/secret", "/"]
    {
        assert_eq!(say(&other, "get", key, &[]).await, "none", "{key}");
    }
    // Each byte of a key counts.
    assert_eq!(say(&one, "set", "a%00b", &[("x-bytes", "1")]).await, "()");
    for key in ["a", "a%00", "a/b", "ab", "a%00b%00"] {
        assert_eq!(say(&one, "get", key, &[]).await, "none", "{key}");
    }
    assert!(say(&one, "get", "a%00b", &[]).await.starts_with("1 fresh"));
}

#[tokio::test]
async fn versions_of_a_plugin_share_its_entries() {
    let engine = engine(MemoryCache::default());
    let old = load(&engine).await;
    assert_eq!(say(&old, "set", "a", &[("x-bytes", "3")]).await, "()");
    let new = load(&engine).await;
    drop(old);
    assert!(say(&new, "get", "a", &[]).await.starts_with("3 fresh"));
    assert_eq!((stats(&new).hits, stats(&new).stores), (1, 0));
}

/// A cache on the other side of a broken network.
#[derive(Clone, Copy, Debug)]
enum Broken {
    Hangs,
    Fails,
}

impl Broken {
    async fn answer<T>(self) -> Result<T, CacheUnavailable> {
        match self {
            Self::Hangs => std::future::pending().await,
            Self::Fails => Err(CacheUnavailable { reason: "no route to host".into() }),
        }
    }
}

impl Cache for Broken {
    fn namespace(&self, _: &str, _: u64) -> Arc<dyn CacheNamespace> {
        Arc::new(*self)
    }
}

impl CacheNamespace for Broken {
    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<CacheEntry>, CacheUnavailable>> {
        Box::pin(self.answer())
    }

    fn put<'a>(&'a self, _: &'a str, _: CacheEntry) -> BoxFuture<'a, Result<u64, CacheUnavailable>> {
        Box::pin(self.answer())
    }

    fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, CacheUnavailable>> {
        Box::pin(self.answer())
    }
}

#[tokio::test]
async fn a_cache_that_hangs_meets_the_wall_deadline() {
    let limits = Limits { wall: Duration::from_millis(50), ..Limits::default() };
    let plugin = load_as("test", &engine(Broken::Hangs), limits).await;
    for what in ["get", "set", "delete", "get-response", "set-response"] {
        let mut exchange = open([plugin.clone()]);
        let answer = answered(exchange.on_request(request(&[("x-do", what), ("x-key", "a")])).await);
        assert_eq!(answer.status(), 504, "{what}");
        assert_eq!(exchange.failures().first().unwrap().class, FailureClass::WallDeadline, "{what}");
    }
    assert_eq!(plugin.stats().active, 0);
}

#[tokio::test]
async fn a_cache_that_fails_is_told_to_the_guest_and_to_the_operator() {
    let logged = Logged::default();
    let engine = PluginEngine::builder().max_instances(16).cache(Broken::Fails).log_sink(logged.clone());
    let plugin = load(&engine.build().unwrap()).await;
    assert_eq!(say(&plugin, "set", "a", &[]).await, "unavailable");
    assert_eq!(say(&plugin, "get", "a", &[]).await, "The cache does not answer.");
    let line = "test exchange-1 Warn host: cache: does not answer: no route to host";
    assert_eq!(logged.lines(), [line; 2]);
}
