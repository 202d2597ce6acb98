//! One limit for several gateways: processes that share a Redis server.

use http::Request;
use plugin_tests::RATE_LIMIT;
use test_servers::RedisServer;

use crate::support::*;

/// What all gateways have: a limit of 40 requests, of which none comes back during a test.
fn config(upstream: &Upstream, redis: &str, algorithm: &str) -> String {
    let settings =
        format!("{{ requests: 40, per_seconds: 2000000, key: {{ header: x-client }}, algorithm: {algorithm} }}");
    let more = format!("config: {settings}, grants: {{ rate_limit: true }}");
    format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\nadmin: {{ enabled: false }}\naccess_log: false\n\
         state: {{ rate_limits: redis, redis: {{ url: '{redis}' }} }}\n{}",
        Plugged::to(upstream.address).through("limit", RATE_LIMIT.file, &more).text()
    )
}

/// How many of these requests, one after the other on a connection of their own, were admitted. The rest got 429.
async fn admitted(address: String, client_name: &'static str, requests: usize) -> usize {
    let (client, url) = (client(), format!("http://{address}/"));
    let mut admitted = 0;
    for _ in 0..requests {
        let request = Request::get(&url).header("x-client", client_name).body(body::empty()).unwrap();
        let answer = send(&client, request).await;
        match answer.status.as_u16() {
            200 => admitted += 1,
            429 => assert!(answer.header("retry-after").is_some() && answer.header("ratelimit").is_some()),
            other => panic!("{other}: {answer:?}"),
        }
    }
    admitted
}

#[tokio::test(flavor = "multi_thread")]
async fn three_gateways_on_one_redis_admit_the_limit_together() {
    const GATEWAYS: usize = 3;
    const CLIENTS_OF_EACH: usize = 4;
    const REQUESTS: usize = 15;
    let upstream = Upstream::saying("admitted").await;
    for algorithm in ["token-bucket", "sliding-window"] {
        let redis = RedisServer::start();
        let (_directory, config) = file("gateway.yaml", &config(&upstream, &redis.url(), algorithm));
        let mut gateways: Vec<_> = (0..GATEWAYS).map(|_| Running::start(&["run", "--config", &config])).collect();
        let addresses: Vec<_> = gateways.iter_mut().map(Running::address).collect();
        let before = upstream.requests();
        let mut sending = tokio::task::JoinSet::new();
        for address in &addresses {
            for _ in 0..CLIENTS_OF_EACH {
                sending.spawn(admitted(address.clone(), "everybody", REQUESTS));
            }
        }
        let counts = sending.join_all().await;
        assert_eq!(counts.iter().sum::<usize>(), 40, "{algorithm}: {counts:?}");
        assert_eq!(upstream.requests() - before, 40, "the rest never reaches the upstream");
        for address in addresses {
            assert_eq!(admitted(address, "everybody", 1).await, 0, "each gateway knows that nothing is left");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_outlives_the_gateway_that_counted_it() {
    let upstream = Upstream::saying("admitted").await;
    let redis = RedisServer::start();
    let (_directory, config) = file("gateway.yaml", &config(&upstream, &redis.url(), "token-bucket"));
    let mut first = Running::start(&["run", "--config", &config]);
    assert_eq!(admitted(first.address(), "a", 30).await, 30);
    drop(first);
    let mut second = Running::start(&["run", "--config", &config]);
    let address = second.address();
    assert_eq!(admitted(address.clone(), "a", 30).await, 10);
    assert_eq!(admitted(address, "b", 1).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_the_plugin_s_policy_decides() {
    let upstream = Upstream::saying("admitted").await;
    let mut redis = RedisServer::start();
    for (policy, status) in [("closed(503)", 503), ("open", 200)] {
        let config = config(&upstream, &redis.url(), "token-bucket")
            .replace("grants:", &format!("on_failure: {{ default: {policy} }}, grants:"));
        let (_directory, config) = file("gateway.yaml", &config);
        redis.stop();
        let mut gateway = Running::start(&["run", "--config", &config]);
        let answer = get(&format!("http://{}/", gateway.address())).await;
        assert_eq!(answer.status.as_u16(), status, "{policy}");
    }
}

/// The default: each gateway counts for itself, and goes on counting over a reload.
#[tokio::test]
async fn in_memory_a_limit_outlives_a_reload() {
    let upstream = Upstream::saying("admitted").await;
    let more = |requests| {
        let settings = "{ requests: 2, per_seconds: 2000000, key: client-address }";
        format!("config: {settings}, grants: {{ rate_limit: true }}, limits: {{ hostcalls: {requests} }}")
    };
    let text = |hostcalls| Plugged::to(upstream.address).through("limit", RATE_LIMIT.file, &more(hostcalls)).text();
    let gateway = Gateway::start(&text(1000));
    assert_eq!(get(&gateway.url("/")).await.status, 200);
    gateway.try_reload(&text(1001)).unwrap();
    assert_eq!(get(&gateway.url("/")).await.status, 200);
    assert_eq!(get(&gateway.url("/")).await.status, 429);
}
