//! The three examples that sgl-model-gateway documents, as they are documented, and the filter of the benches.

use std::time::{Duration, SystemTime};

use http::Request;
use test_guests as guest;
use wasm_host::{Body, Limits, ManualClock, Plugin, PluginEngine, PoolPolicy, RequestOutcome, Reuse};

use crate::common::{answered, ask, bytes, engine, load, open, passed, plugin, request, response, status};

#[tokio::test]
pub(crate) async fn sgl_auth() {
    let auth = load(guest::SGL_AUTH).await;
    let ask = async |path: &str, headers: &[(&str, &str)]| {
        let mut asked = request(headers);
        *asked.uri_mut() = path.parse().unwrap();
        match open([auth.clone()]).on_request(asked).await {
            RequestOutcome::Continue(_) => 0,
            other => answered(other).status().as_u16(),
        }
    };
    for path in ["/api/users", "/v1/chat/completions"] {
        assert_eq!(ask(path, &[]).await, 401);
        assert_eq!(ask(path, &[("authorization", "Bearer guess")]).await, 401);
        assert_eq!(ask(path, &[("authorization", "Bearer secret-api-key-12345")]).await, 0);
        assert_eq!(ask(path, &[("X-API-Key", "secret-api-key-12345")]).await, 0);
    }
    assert_eq!(ask("/health", &[]).await, 0);
}

#[tokio::test]
pub(crate) async fn sgl_logging() {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_764_000_000_123);
    let engine = PluginEngine::builder().max_instances(4).clock(ManualClock::new(at)).build().unwrap();
    let logging = plugin(guest::SGL_LOGGING).load(&engine).await.unwrap();
    let mut exchange = open([logging]);
    let asked = Request::post("/v1/chat/completions").header("x-request-id", "theirs").body(Body::empty()).unwrap();
    let sent = passed(exchange.on_request(asked).await);
    assert_eq!(sent.headers()["x-request-id"], "exchange-1");
    assert_eq!(sent.headers()["x-wasm-processed"], "true");
    assert_eq!(sent.headers()["x-processed-at"], "1764000000123");
    assert_eq!(sent.headers()["x-api-route"], "true");
    let answer = exchange.on_response(response(500)).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["server"]), (503, &"test".parse().unwrap()));
    assert_eq!(bytes(answer.into_body()).await, "response body");
    for kept in [200, 404, 502] {
        let mut exchange = open([load(guest::SGL_LOGGING).await]);
        let sent = passed(exchange.on_request(request(&[])).await);
        assert!(!sent.headers().contains_key("x-api-route"));
        assert_eq!(exchange.on_response(response(kept)).await.status(), kept);
    }
}

#[tokio::test]
pub(crate) async fn sgl_rate_limit() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_000_000));
    let engine = PluginEngine::builder().max_instances(4).clock(clock.clone()).build().unwrap();
    let limited = rate_limit(PoolPolicy::Reuse(Reuse { max_idle: 1, ..Reuse::default() }), &engine).await;
    let mine = [("x-api-key", "mine")];
    for _ in 0..60 {
        assert_eq!(status(&limited, &mine).await, 0);
    }
    assert_eq!(status(&limited, &mine).await, 429);
    assert_eq!(status(&limited, &[("x-api-key", "another")]).await, 0);
    clock.advance(Duration::from_millis(59_999));
    assert_eq!(status(&limited, &mine).await, 429);
    clock.advance(Duration::from_millis(1));
    assert_eq!(status(&limited, &mine).await, 0);
    assert_eq!(limited.stats().pool_misses, 0);
}

#[tokio::test]
async fn a_count_in_memory_is_lost_with_fresh_instances() {
    let unlimited = rate_limit(PoolPolicy::Fresh, engine()).await;
    for _ in 0..130 {
        assert_eq!(status(&unlimited, &[("x-api-key", "mine")]).await, 0);
    }
}

async fn rate_limit(pool: PoolPolicy, engine: &PluginEngine) -> Plugin {
    let limits = Limits { concurrency: 1, ..Limits::default() };
    plugin(guest::SGL_RATE_LIMIT).limits(limits).pool(pool).load(engine).await.unwrap()
}

#[tokio::test]
pub(crate) async fn sgl_filter() {
    let filter = load(guest::SGL_FILTER).await;
    let marked = passed(ask(&filter, &[("authorization", "Bearer secret")]).await);
    assert_eq!(marked.headers()["x-plugin"], "1");
    assert_eq!(bytes(marked.into_body()).await, "request body");
    assert_eq!(status(&filter, &[("authorization", "Bearer guess")]).await, 401);
    assert_eq!(status(&filter, &[]).await, 401);
}
