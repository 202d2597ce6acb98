use std::time::{Duration, Instant};

use http::Response;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

use crate::support::*;

/// An upstream whose responses wait to be released, and the signal that a request has arrived.
async fn waiting() -> (Upstream, mpsc::UnboundedReceiver<()>, tokio::sync::watch::Sender<bool>) {
    let (arrived, has_arrived) = mpsc::unbounded_channel();
    let (release, released) = tokio::sync::watch::channel(false);
    let upstream = Upstream::start(move |_| {
        let (arrived, mut released) = (arrived.clone(), released.clone());
        async move {
            arrived.send(()).unwrap();
            let _ = released.wait_for(|released| *released).await;
            Response::new(body::full("done"))
        }
    })
    .await;
    (upstream, has_arrived, release)
}

#[tokio::test]
async fn requests_under_way_finish_and_new_connections_are_refused() {
    let (upstream, mut has_arrived, release) = waiting().await;
    let gateway = Gateway::to(upstream.address);
    let (address, admin, url) = (gateway.address(), gateway.admin(), gateway.url("/"));
    let under_way = tokio::spawn(async move { get(&url).await });
    has_arrived.recv().await.unwrap();

    let shutdown = tokio::spawn(gateway.handle.shutdown(Duration::from_secs(30)));
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let ready = get(&format!("http://{admin}/health/ready")).await;
    assert_eq!((ready.status.as_u16(), ready.text()), (503, r#"{"status":"draining"}"#));

    release.send(true).unwrap();
    assert_eq!(under_way.await.unwrap().text(), "done");
    tokio::time::timeout(Duration::from_secs(10), shutdown).await.unwrap().unwrap();
}

#[tokio::test]
async fn idle_connections_do_not_hold_it_up() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let mut idle = TcpStream::connect(gateway.address()).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut start = [0; 15];
    idle.read_exact(&mut start).await.unwrap();
    let started = Instant::now();
    gateway.handle.shutdown(Duration::from_secs(30)).await;
    assert!(started.elapsed() < Duration::from_secs(10));
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
}

#[tokio::test]
async fn the_deadline_ends_what_hangs() {
    let (upstream, mut has_arrived, _release) = waiting().await;
    let gateway = Gateway::to(upstream.address);
    let mut hanging = TcpStream::connect(gateway.address()).await.unwrap();
    hanging.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    has_arrived.recv().await.unwrap();
    gateway.handle.shutdown(Duration::from_millis(50)).await;
    let mut rest = Vec::new();
    let _ = hanging.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}
