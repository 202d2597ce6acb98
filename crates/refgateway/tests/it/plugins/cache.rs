//! The cache of plugins, as the gateway sets it up and shows it.

use test_guests::NATIVE_CACHE;

use super::get_with;
use crate::support::*;

async fn say(gateway: &Gateway, what: &str, key: &str, bytes: &str) -> String {
    let headers = [("x-do", what), ("x-key", key), ("x-bytes", bytes), ("x-fresh", "60000")];
    get_with(&gateway.url("/"), &headers).await.text().to_owned()
}

#[tokio::test]
async fn hits_are_on_metrics() {
    let upstream = Upstream::echo().await;
    let more = "grants: { cache: true }, limits: { cache_value: 1000 }";
    let gateway = Plugged::to(upstream.address).through("caching", NATIVE_CACHE, more).start();
    assert_eq!(say(&gateway, "get", "a", "0").await, "none");
    assert_eq!(say(&gateway, "set", "a", "1001").await, "too-large");
    assert_eq!(say(&gateway, "set", "a", "871").await, "()");
    assert!(say(&gateway, "get", "a", "0").await.starts_with("871 fresh"));
    let metrics = get(&format!("http://{}/metrics", gateway.admin())).await.text().to_owned();
    for line in [
        r#"wasm_plugin_cache_hits_total{plugin="caching"} 1"#,
        r#"wasm_plugin_cache_misses_total{plugin="caching"} 1"#,
        r#"wasm_plugin_cache_stale_total{plugin="caching"} 0"#,
        r#"wasm_plugin_cache_stores_total{plugin="caching"} 1"#,
        r#"wasm_plugin_cache_bytes{plugin="caching"} 1000"#,
    ] {
        assert!(metrics.lines().any(|known| known == line), "{line} in {metrics}");
    }
    assert_eq!(super::plugins(&gateway).await[0]["stats"]["cache"]["hits"], 1);
}

#[tokio::test]
async fn entries_stay_over_a_reload_of_their_plugin() {
    let upstream = Upstream::echo().await;
    let with = |config: &str| {
        let more = format!("grants: {{ cache: true }}, config: {config}");
        Plugged::to(upstream.address).through("caching-on", NATIVE_CACHE, &more)
    };
    let gateway = with("one").start();
    assert_eq!(say(&gateway, "set", "a", "3").await, "()");
    gateway.try_reload(&with("two").text()).unwrap();
    assert_eq!(super::plugins(&gateway).await[0]["version"], 2);
    assert!(say(&gateway, "get", "a", "0").await.starts_with("3 fresh"));
}

#[tokio::test]
async fn the_whole_cache_is_as_large_as_the_config_says() {
    let upstream = Upstream::echo().await;
    let plugged = Plugged::to(upstream.address).through("caching-little", NATIVE_CACHE, "grants: { cache: true }");
    let text = format!("{}cache: {{ bytes: 1000 }}\n", plugged.text());
    let gateway = Gateway::start(&text);
    assert_eq!(say(&gateway, "set", "a", "500").await, "()");
    assert!(say(&gateway, "get", "a", "0").await.starts_with("500 fresh"));
    // There is no room for it, whatever goes.
    assert_eq!(say(&gateway, "set", "b", "5000").await, "()");
    assert_eq!(say(&gateway, "get", "b", "0").await, "none");
    assert!(say(&gateway, "get", "a", "0").await.starts_with("500 fresh"));
    let error = gateway.try_reload(&text.replace("bytes: 1000", "bytes: 2000")).unwrap_err();
    assert!(error.to_string().contains("`cache` cannot change on reload"), "{error}");
}
