use http::{HeaderValue, Request, Response};

use crate::support::*;

#[tokio::test]
async fn hop_by_hop_headers_stop_here() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let request = Request::get(gateway.url("/"))
        .header("connection", "keep-alive, x-private")
        .header("x-private", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "keep-alive")
        .header("te", "gzip")
        .header("upgrade", "h2c")
        .header("x-public", "2");
    let echo = send(&client(), request.body(body::empty()).unwrap()).await.json();
    let headers = echo["headers"].as_object().unwrap();
    for gone in ["x-private", "keep-alive", "proxy-connection", "te", "upgrade", "connection"] {
        assert!(!headers.contains_key(gone), "{gone}: {headers:?}");
    }
    assert_eq!(headers["x-public"][0], "2");
}

#[tokio::test]
async fn a_client_cannot_name_the_gateways_own_headers_away() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let request = Request::get(gateway.url("/")).header("connection", "x-forwarded-for, via, x-request-id, host");
    let echo = send(&client(), request.body(body::empty()).unwrap()).await.json();
    for kept in ["x-forwarded-for", "via", "x-request-id", "host"] {
        assert!(echo["headers"][kept].is_array(), "{kept}: {echo}");
    }
}

#[tokio::test]
async fn hop_by_hop_headers_of_the_response_stop_here() {
    let upstream = Upstream::start(|_| async {
        let mut response = Response::new(body::full("x"));
        for (name, value) in [("connection", "x-private"), ("x-private", "1"), ("keep-alive", "max=1")] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    })
    .await;
    let answer = get(&Gateway::to(upstream.address).url("/")).await;
    for gone in ["connection", "x-private", "keep-alive"] {
        assert_eq!(answer.header(gone), None, "{gone}");
    }
    assert_eq!(answer.header("via"), Some("1.1 refgateway"));
}

#[tokio::test]
async fn tells_the_upstream_who_asked() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let request = Request::get(gateway.url("/"))
        .header("host", "shop.example:81")
        .header("x-forwarded-for", "6.6.6.6")
        .header("forwarded", "for=6.6.6.6");
    let echo = send(&client(), request.body(body::empty()).unwrap()).await.json();
    let headers = &echo["headers"];
    assert_eq!(headers["host"][0], "shop.example:81");
    assert_eq!(headers["x-forwarded-for"][0], "127.0.0.1");
    assert_eq!(headers["x-forwarded-proto"][0], "http");
    assert_eq!(headers["x-forwarded-host"][0], "shop.example:81");
    assert_eq!(headers["forwarded"][0], "for=127.0.0.1;host=\"shop.example:81\";proto=http");
    assert_eq!(headers["via"][0], "1.1 refgateway");
}

#[tokio::test]
async fn appends_to_a_trusted_downstream() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::with(upstream.address, "trust_forwarded: true");
    let request = Request::get(gateway.url("/")).header("x-forwarded-for", "10.0.0.1").header("via", "1.0 edge");
    let echo = send(&client(), request.body(body::empty()).unwrap()).await.json();
    assert_eq!(echo["headers"]["x-forwarded-for"][0], "10.0.0.1, 127.0.0.1");
    assert_eq!(echo["headers"]["via"], serde_json::json!(["1.0 edge", "1.1 refgateway"]));
}

#[tokio::test]
async fn sends_the_upstreams_own_host_when_told_to() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(&format!(
        "routes: [{{ name: all, service: b }}]\n\
         services: [{{ name: b, preserve_host: false, upstreams: [{{ url: 'http://{}' }}] }}]",
        upstream.address
    ));
    let request = Request::get(gateway.url("/")).header("host", "shop.example");
    let echo = send(&client(), request.body(body::empty()).unwrap()).await.json();
    assert_eq!(echo["headers"]["host"][0], upstream.address.to_string());
    assert_eq!(echo["headers"]["x-forwarded-host"][0], "shop.example");
}

#[tokio::test]
async fn the_request_id_is_kept_or_made() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let request = Request::get(gateway.url("/")).header("x-request-id", "mine-1");
    let answer = send(&client(), request.body(body::empty()).unwrap()).await;
    assert_eq!(answer.header("x-request-id"), Some("mine-1"));
    assert_eq!(answer.json()["headers"]["x-request-id"][0], "mine-1");

    let answer = get(&gateway.url("/")).await;
    let id = answer.header("x-request-id").unwrap();
    assert_eq!(id.len(), 32);
    assert_eq!(answer.json()["headers"]["x-request-id"][0], id);
}

#[tokio::test]
async fn duplicates_keep_their_order_and_bytes_survive() {
    let upstream = Upstream::start(|request| async move {
        let mut response = Response::new(body::empty());
        for value in request.headers().get_all("x-many") {
            response.headers_mut().append("x-many", value.clone());
        }
        response
    })
    .await;
    let gateway = Gateway::to(upstream.address);
    let latin1 = HeaderValue::from_bytes(b"caf\xe9").unwrap();
    let request = Request::get(gateway.url("/")).header("x-many", "b").header("x-many", &latin1).header("x-many", "a");
    let answer = send(&client(), request.body(body::empty()).unwrap()).await;
    let values: Vec<_> = answer.headers.get_all("x-many").iter().map(HeaderValue::as_bytes).collect();
    assert_eq!(values, [b"b".as_slice(), b"caf\xe9", b"a"]);
}
