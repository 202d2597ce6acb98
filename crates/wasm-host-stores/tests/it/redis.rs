//! In a Redis server: shared by many, also when it is away for a while.

use std::{thread, time::Duration};

use test_servers::RedisServer;
use wasm_host::{KvEntry, KvError, KvNamespace, KvQuota, KvStore};
use wasm_host_stores::{Redis, RedisKv};

use crate::suite::Backend;

pub(crate) struct Served {
    store: RedisKv,
    _server: RedisServer,
}

impl Backend for Served {
    fn start() -> Self {
        let server = RedisServer::start();
        Self { store: store(&server), _server: server }
    }

    fn store(&self) -> &dyn KvStore {
        &self.store
    }

    async fn pass(&self, time: Duration) {
        // The time is the server's.
        tokio::time::sleep(time + Duration::from_millis(5)).await;
    }
}

suite!(Served);

fn store(server: &RedisServer) -> RedisKv {
    RedisKv::new(Redis::new(&server.url(), "test:").unwrap())
}

fn space() -> KvNamespace {
    KvNamespace::new("plugin:test", KvQuota::default())
}

#[tokio::test]
async fn two_hosts_share_what_is_in_it() {
    let server = RedisServer::start();
    let (one, other) = (store(&server), store(&server));
    assert_eq!(one.increment(&space(), "n", 1, None).await, Ok(1));
    assert_eq!(other.increment(&space(), "n", 1, None).await, Ok(2));
    let apart = RedisKv::new(Redis::new(&server.url(), "other:").unwrap());
    assert_eq!(apart.increment(&space(), "n", 1, None).await, Ok(1), "the prefix keeps hosts apart");
}

/// The first runtime that uses the connection is gone, and others still use it.
#[test]
fn outlives_the_runtimes_that_use_it() {
    let server = RedisServer::start();
    let store = store(&server);
    for sum in 1..=3 {
        let store = store.clone();
        let used = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { store.increment(&space(), "n", 1, None).await })
        });
        assert_eq!(used.join().unwrap(), Ok(sum));
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_told_and_used_again_when_it_is_back() {
    let mut server = RedisServer::start();
    let store = store(&server);
    let write = async || store.set(&space(), vec![KvEntry { key: "k".into(), value: "v".into(), ttl: None }]).await;
    write().await.unwrap();
    server.stop();
    for _ in 0..3 {
        let away = tokio::time::timeout(Duration::from_secs(10), write()).await.expect("it waits too long");
        assert!(matches!(away, Err(KvError::Unavailable { .. })), "{away:?}");
    }
    server.restart();
    let back = async {
        while write().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), back).await.expect("it is not used again");
}

#[tokio::test]
async fn starts_without_a_server() {
    let mut server = RedisServer::start();
    server.stop();
    let store = store(&server);
    let away = store.increment(&space(), "n", 1, None).await;
    assert!(matches!(away, Err(KvError::Unavailable { .. })), "{away:?}");
    server.restart();
    assert_eq!(store.increment(&space(), "n", 1, None).await, Ok(1));
}

#[tokio::test]
async fn says_that_a_full_server_is_full() {
    let server = RedisServer::start();
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let () = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "1"]).query_async(&mut connection).await.unwrap();
    assert_eq!(store(&server).increment(&space(), "n", 1, None).await, Err(KvError::Full));
}
