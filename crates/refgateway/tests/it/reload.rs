use http::Response;
use tokio::sync::mpsc;

use crate::support::*;

fn to(upstream: &Upstream) -> String {
    format!(
        "routes: [{{ name: all, service: b }}]\nservices: [{{ name: b, upstreams: [{{ url: 'http://{}' }}] }}]",
        upstream.address
    )
}

#[tokio::test]
async fn requests_in_flight_finish_on_the_old_config() {
    let (arrived, mut has_arrived) = mpsc::unbounded_channel();
    let (release, released) = tokio::sync::watch::channel(false);
    let old = Upstream::start(move |_| {
        let (arrived, mut released) = (arrived.clone(), released.clone());
        async move {
            arrived.send(()).unwrap();
            released.wait_for(|released| *released).await.unwrap();
            Response::new(body::full("old"))
        }
    })
    .await;
    let new = Upstream::saying("new").await;
    let gateway = Gateway::start(&to(&old));
    let url = gateway.url("/");
    let in_flight = tokio::spawn(async move { get(&url).await });
    has_arrived.recv().await.unwrap();

    gateway.try_reload(&to(&new)).unwrap();
    assert_eq!(get(&gateway.url("/")).await.text(), "new");
    release.send(true).unwrap();
    assert_eq!(in_flight.await.unwrap().text(), "old");
}

#[tokio::test]
async fn an_upstream_that_stays_keeps_its_connections() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(&to(&upstream));
    for _ in 0..3 {
        assert_eq!(get(&gateway.url("/")).await.status, 200);
        gateway.try_reload(&to(&upstream)).unwrap();
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_reload_that_fails_changes_nothing() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(&to(&upstream));
    let missing_ca = "routes: []\nservices: [{ name: b, tls: { ca: /nowhere/ca.pem }, \
                      upstreams: [{ url: 'https://localhost' }] }]";
    let error = gateway.try_reload(missing_ca).unwrap_err();
    assert!(error.to_string().starts_with("cannot read PEM file /nowhere/ca.pem: "), "{error}");
    assert_eq!(get(&gateway.url("/")).await.status, 200);
}

#[tokio::test]
async fn what_needs_a_restart_is_refused_by_name() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(&to(&upstream));
    for (key, change) in [
        ("listeners", "listeners: [{ address: '127.0.0.2:0' }]"),
        ("workers", "workers: 2"),
        ("admin", "admin: { enabled: false }"),
    ] {
        let error = gateway.try_reload(&format!("{}\n{change}", to(&upstream))).unwrap_err();
        assert_eq!(error.to_string(), format!("`{key}` cannot change on reload; restart the gateway"));
    }
}
