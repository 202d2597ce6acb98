use std::collections::HashMap;

use crate::support::*;

fn service(balance: &str, upstreams: &[(std::net::SocketAddr, u8)], more: &str) -> String {
    let list: Vec<_> =
        upstreams.iter().map(|(address, weight)| format!("{{ url: 'http://{address}', weight: {weight} }}")).collect();
    format!(
        "routes: [{{ name: all, service: b }}]\n\
         services: [{{ name: b, balance: {balance}, upstreams: [{}]{more} }}]",
        list.join(", ")
    )
}

async fn tally(gateway: &Gateway, requests: usize) -> HashMap<String, usize> {
    let mut tally = HashMap::new();
    for _ in 0..requests {
        *tally.entry(get(&gateway.url("/")).await.text().to_owned()).or_default() += 1;
    }
    tally
}

#[tokio::test]
async fn round_robin_follows_the_weights() {
    let (a, b) = (Upstream::saying("a").await, Upstream::saying("b").await);
    let gateway = Gateway::start(&service("round_robin", &[(a.address, 3), (b.address, 1)], ""));
    assert_eq!(tally(&gateway, 40).await, [("a".to_owned(), 30), ("b".to_owned(), 10)].into());
}

#[tokio::test]
async fn least_requests_avoids_the_busy_one() {
    let (arrived, mut has_arrived) = tokio::sync::mpsc::unbounded_channel();
    let busy = Upstream::start(move |_| {
        arrived.send(()).unwrap();
        std::future::pending()
    })
    .await;
    let free = Upstream::saying("free").await;
    let gateway = Gateway::start(&service("least_requests", &[(busy.address, 1), (free.address, 1)], ""));
    // One request after the other until one hangs on the busy one.
    let _hanging = loop {
        let url = gateway.url("/");
        let mut request = tokio::spawn(async move { get(&url).await });
        tokio::select! {
            _ = &mut request => {}
            _ = has_arrived.recv() => break request,
        }
    };
    assert_eq!(tally(&gateway, 10).await, [("free".to_owned(), 10)].into());
}

#[tokio::test]
async fn a_request_moves_on_from_an_upstream_that_cannot_be_reached() {
    let up = Upstream::echo().await;
    let down = closed_port().await;
    let gateway = Gateway::start(&service("round_robin", &[(down, 1), (up.address, 1)], ""));
    for _ in 0..10 {
        let answer = post(&gateway.url("/"), "body is still there").await;
        assert_eq!(answer.json()["body"], "body is still there");
    }
}

#[tokio::test]
async fn an_upstream_that_fails_too_often_is_left_out() {
    let broken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let broken_address = broken.local_addr().unwrap();
    let accepted = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = accepted.clone();
    tokio::spawn(async move {
        // Takes connections and drops them.
        while broken.accept().await.is_ok() {
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    let good = Upstream::saying("good").await;
    let health = ", health: { max_failures: 2, cooldown: 1h }";
    let gateway = Gateway::start(&service("round_robin", &[(broken_address, 1), (good.address, 1)], health));
    let mut failures = 0;
    for _ in 0..20 {
        failures += usize::from(get(&gateway.url("/")).await.status == 502);
    }
    assert_eq!(failures, 2);
    assert_eq!(accepted.load(std::sync::atomic::Ordering::SeqCst), 2);
}

#[tokio::test]
async fn when_all_are_out_they_are_tried_anyway() {
    let down = closed_port().await;
    let health = ", health: { max_failures: 1, cooldown: 1h }";
    let gateway = Gateway::start(&service("round_robin", &[(down, 1)], health));
    assert_eq!(get(&gateway.url("/")).await.status, 502);
    let listener = tokio::net::TcpListener::bind(down).await.unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service =
            hyper::service::service_fn(|request| async { Ok::<_, std::convert::Infallible>(echo(request).await) });
        let io = hyper_util::rt::TokioIo::new(stream);
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
    });
    assert_eq!(get(&gateway.url("/")).await.status, 200);
}
