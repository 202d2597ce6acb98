//! Where a request goes by what its body says, and when the first choice fails.

use http::{Response, StatusCode};
use test_guests::NATIVE_BRAND_ERRORS;

use super::*;

/// Services `main` and `other`, each with these servers, and a chain of one plugin.
fn two_services(main: &[SocketAddr], other: &[SocketAddr], plugin: &str) -> Gateway {
    let servers = |addresses: &[SocketAddr]| {
        addresses.iter().map(|address| format!("{{ url: 'http://{address}' }}")).collect::<Vec<_>>().join(", ")
    };
    Gateway::start(&format!(
        "routes: [{{ name: all, service: main, chain: [p] }}]\n\
         services:\n\
         \x20 - {{ name: main, upstreams: [{}] }}\n\
         \x20 - {{ name: other, upstreams: [{}] }}\n\
         plugins: [{{ name: p, {plugin} }}]",
        servers(main),
        servers(other),
    ))
}

#[tokio::test]
async fn a_plugin_routes_by_the_first_bytes() {
    let (main, other) = (Upstream::saying("main").await, Upstream::echo().await);
    let routing = format!("file: '{NATIVE_BODIES}', config: {{ request: {{ mode: peek, bytes: 5, act: edit }} }}");
    for client in [client(), h2_client()] {
        let gateway =
            two_services(&[main.address], &[other.address], &format!("{routing}, grants: {{ upstreams: [other] }}"));
        let echo = send(&client, post_to(&gateway, body::full("model-x and all the rest"))).await.json();
        assert_eq!(
            (&echo["headers"]["x-peeked"][0], &echo["body"]),
            (&"model".into(), &"model-x and all the rest".into())
        );

        let gateway = two_services(&[main.address], &[other.address], &routing);
        let answer = send(&client, post_to(&gateway, body::full("model-x"))).await;
        assert_eq!(answer.text(), "main", "without a grant");
    }
}

#[tokio::test]
async fn a_page_takes_the_place_of_a_failure() {
    let page = format!("file: '{NATIVE_BRAND_ERRORS}', config: {{ all: true }}");
    let gateway = two_services(&[closed_port().await], &[closed_port().await], &page);
    assert_eq!(get(&gateway.url("/")).await.text(), "sorry: main (connect, 502)");
    let failing = Upstream::start(|_| async {
        let mut response = Response::new(body::full("stack trace"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
    })
    .await;
    let gateway = two_services(&[failing.address], &[closed_port().await], &page);
    let answer = get(&gateway.url("/")).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (502, "sorry: main (status, 503)"));
}

#[tokio::test]
async fn a_refused_request_is_sent_to_another_service() {
    let other = Upstream::echo().await;
    let retry = format!("file: '{NATIVE_BRAND_ERRORS}', config: {{ retry: other }}, grants: {{ upstreams: [other] }}");
    let gateway = two_services(&[closed_port().await], &[other.address], &retry);
    for client in [client(), h2_client()] {
        let echo = send(&client, post_to(&gateway, body::empty())).await.json();
        assert_eq!(
            (&echo["method"], &echo["headers"]["via"]),
            (&"POST".into(), &serde_json::json!([echo["headers"]["via"][0]]))
        );
    }
    assert_eq!(other.requests(), 2);
    let errors =
        metric(&gateway, "refgateway_upstream_errors_total{route=\"all\",service=\"main\",class=\"connect\"").await;
    assert!(errors.is_some());
}

#[tokio::test]
async fn a_request_is_sent_to_another_server_of_the_same_service() {
    let bad = Upstream::start(|_| async {
        let mut response = Response::new(body::full("no"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
    .await;
    let good = Upstream::saying("good").await;
    let retry = format!("file: '{NATIVE_BRAND_ERRORS}', config: {{ all: true, retry: '' }}");
    let gateway = Gateway::start(&format!(
        "routes: [{{ name: all, service: main, chain: [p] }}]\n\
         services: [{{ name: main, upstreams: [{{ url: 'http://{}', weight: 9 }}, {{ url: 'http://{}' }}] }}]\n\
         plugins: [{{ name: p, {retry} }}]",
        bad.address, good.address
    ));
    for _ in 0..4 {
        assert_eq!(get(&gateway.url("/")).await.text(), "good");
    }
    assert!(bad.requests() <= 4, "{}", bad.requests());
    assert_eq!(good.requests(), 4);

    // Where there is no other, the same again, three times.
    let gateway = two_services(&[bad.address], &[good.address], &retry);
    let before = bad.requests();
    assert_eq!(get(&gateway.url("/")).await.text(), "sorry: main (status, 500)");
    assert_eq!(bad.requests() - before, 4);
}

#[tokio::test]
async fn a_body_that_flows_is_not_sent_twice() {
    let other = Upstream::echo().await;
    let retry = format!("file: '{NATIVE_BRAND_ERRORS}', config: {{ retry: other }}, grants: {{ upstreams: [other] }}");
    let gateway = two_services(&[closed_port().await], &[other.address], &retry);
    let answer = post(&gateway.url("/"), "body").await;
    assert_eq!(answer.text(), "sorry: main (connect, 502)");
    assert_eq!(other.requests(), 0);
}
