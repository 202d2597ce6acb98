//! Clients that leave in the middle.

use http::Response;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc};

use super::*;

#[tokio::test]
async fn a_client_that_leaves_in_the_response_frees_everything() {
    for wire in WIRES {
        for mode in ["lines", "trailers"] {
            let (sender, upstream) = fed_upstream().await;
            let gateway =
                wire.gateway(&upstream, &format!("{{ response: {{ mode: {mode} }} }}"), "pool: { mode: reuse }");
            sender.send(data("one\n")).unwrap();
            let request = Request::get(gateway.url("/")).body(body::empty()).unwrap();
            let client = wire.client();
            let mut body = client.request(request).await.unwrap().into_body();
            assert_eq!(next_text(&mut body).await, "one\n");
            assert_eq!(plugins(&gateway).await[0]["stats"]["active"], 1, "{wire:?} {mode}");
            drop((body, client));
            // The upstream's side of the response is dropped with its connection or stream.
            tokio::time::timeout(Duration::from_secs(10), sender.closed()).await.unwrap();
            released(&gateway).await;
            assert_eq!(plugins(&gateway).await[0]["stats"]["idle"], 0, "an instance in the middle is not kept");
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_request_breaks_it_off_for_the_upstream() {
    let (told, mut ended) = mpsc::unbounded_channel();
    let upstream = Upstream::start(move |mut request: Request<Incoming>| {
        let told = told.clone();
        async move {
            let first = request.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(first, "ONE\n");
            told.send(true).unwrap();
            told.send(request.into_body().collect().await.is_ok()).unwrap();
            Response::new(body::empty())
        }
    })
    .await;
    for is_h2_upstream in [false, true] {
        let wire = Wire { is_h2_client: false, is_h2_upstream };
        let gateway = wire.gateway(&upstream, "{ request: { mode: lines, act: upper } }", "");
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        assert!(ended.recv().await.unwrap());
        drop(stream);
        assert!(!ended.recv().await.unwrap(), "it looks complete: {wire:?}");
        released(&gateway).await;

        let wire = Wire { is_h2_client: true, is_h2_upstream };
        let (sender, fed) = channel();
        sender.send(data("one\n")).unwrap();
        let request = post_to(&gateway, fed);
        let sending = tokio::spawn(async move { wire.client().request(request).await });
        assert!(ended.recv().await.unwrap());
        sending.abort();
        assert!(!ended.recv().await.unwrap(), "it looks complete: {wire:?}");
        released(&gateway).await;
        assert_eq!(plugins(&gateway).await[0]["stats"]["idle"], 0);
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_a_plugin_waits_frees_everything() {
    let upstream = mirror().await;
    for wire in WIRES {
        for mode in ["peek", "buffer"] {
            let gateway = wire.gateway(&upstream, &format!("{{ request: {{ mode: {mode}, bytes: 100 }} }}"), "");
            let (sender, fed) = channel();
            sender.send(data("some")).unwrap();
            let request = post_to(&gateway, fed);
            let sending = tokio::spawn(async move { wire.client().request(request).await });
            until(async || plugins(&gateway).await[0]["stats"]["active"] == 1).await;
            sending.abort();
            released(&gateway).await;
            drop(sender);
        }
    }
    assert_eq!(upstream.requests(), 0);
}
