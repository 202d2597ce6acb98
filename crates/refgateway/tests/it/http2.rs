use http::{Request, Version};

use crate::support::*;

#[tokio::test]
async fn clear_text_http2_downstream() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let request = Request::post(gateway.url("/x?y")).body(body::full("two")).unwrap();
    let answer = send(&h2_client(), request).await;
    let echo = answer.json();
    assert_eq!((answer.status.as_u16(), answer.version), (200, Version::HTTP_2));
    assert_eq!(echo["version"], "HTTP/1.1");
    assert_eq!(echo["body"], "two");
    assert_eq!(echo["headers"]["host"][0], gateway.address().to_string());
    assert_eq!(echo["headers"]["via"][0], "2 refgateway");
}

#[tokio::test]
async fn http2_upstream_carries_the_clients_host_as_authority() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(&format!(
        "routes: [{{ name: all, service: b }}]\n\
         services: [{{ name: b, protocol: h2c, upstreams: [{{ url: 'http://{}' }}] }}]",
        upstream.address
    ));
    for _ in 0..5 {
        let request = Request::post(gateway.url("/x")).header("host", "shop.example").body(body::full("b")).unwrap();
        let answer = send(&client(), request).await;
        assert_eq!(answer.version, Version::HTTP_11);
        assert_eq!(answer.header("via"), Some("2 refgateway"));
        let echo = answer.json();
        assert_eq!((&echo["version"], &echo["body"]), (&"HTTP/2.0".into(), &"b".into()));
        assert_eq!(echo["uri"], "http://shop.example/x");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_burst_shares_one_http2_connection() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(&format!(
        "routes: [{{ name: all, service: b }}]\n\
         services: [{{ name: b, protocol: h2c, upstreams: [{{ url: 'http://{}' }}] }}]",
        upstream.address
    ));
    let client = h2_client();
    let requests = (0..50).map(|_| {
        let (client, url) = (client.clone(), gateway.url("/"));
        tokio::spawn(async move { send(&client, Request::get(url).body(body::empty()).unwrap()).await.status })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), 200);
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn te_trailers_reaches_an_http2_upstream() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(&format!(
        "routes: [{{ name: all, service: b }}]\n\
         services: [{{ name: b, protocol: h2c, upstreams: [{{ url: 'http://{}' }}] }}]",
        upstream.address
    ));
    let request = Request::get(gateway.url("/")).header("te", "trailers").body(body::empty()).unwrap();
    let answer = send(&h2_client(), request).await;
    assert_eq!(answer.json()["headers"]["te"][0], "trailers");
}
