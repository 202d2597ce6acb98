use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::{HeaderValue, Method, Request, Response, header};

use super::get_with;
use crate::support::*;

/// Answers with a number that grows, and what varies by the language.
async fn counting() -> Upstream {
    let answers = Arc::new(AtomicUsize::new(0));
    Upstream::start(move |_| {
        let text = answers.fetch_add(1, Ordering::SeqCst).to_string();
        async move {
            let mut response = Response::new(body::full(text));
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=600"));
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language"));
            response
        }
    })
    .await
}

#[tokio::test]
async fn the_upstream_is_asked_once() {
    let upstream = counting().await;
    let file = plugin_tests::RESPONSE_CACHE.file;
    let gateway = Plugged::to(upstream.address).through("cache", file, "grants: { cache: true }").start();
    let url = gateway.url("/page");
    let send = async |client: &_, method: Method| {
        send(client, Request::builder().method(method).uri(&url).body(body::empty()).unwrap()).await
    };

    let first = get(&url).await;
    assert_eq!((first.text(), first.header("cache-status")), ("0", Some("response-cache; fwd=uri-miss; stored")));
    for client in [&client(), &h2_client()] {
        let hit = send(client, Method::GET).await;
        assert_eq!((hit.text(), hit.header("cache-status")), ("0", Some("response-cache; hit")));
        assert_eq!(hit.header("content-length"), Some("1"));
        assert_ne!(hit.header("x-request-id"), first.header("x-request-id"));
        let head = send(client, Method::HEAD).await;
        assert_eq!((head.text(), head.header("cache-status")), ("", Some("response-cache; hit")));
    }
    assert_eq!(upstream.requests(), 1);

    assert_eq!(get_with(&url, &[("accept-language", "de")]).await.text(), "1");
    assert_eq!(get(&url).await.text(), "0");
    assert_eq!(post(&url, "change").await.text(), "2");
    assert_eq!(get(&url).await.text(), "3");
    assert_eq!(get_with(&url, &[("accept-language", "de")]).await.text(), "4");
    assert_eq!(upstream.requests(), 5);
}
