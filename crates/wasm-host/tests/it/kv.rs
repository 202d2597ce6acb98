//! Guests and their key-value stores: what is kept, who sees it, and what a hostile guest cannot do.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::json;
use test_guests::NATIVE_KEEP;
use wasm_host::{
    BoxFuture, FailureClass, Grants, KvAccess, KvEntry, KvError, KvGrants, KvNamespace, KvPage, KvQuota, KvStat,
    KvStore, KvSwap, Limits, MemoryKv, Plugin, PluginEngine, RequestOutcome,
};

use crate::common::{Logged, answered, ask, open, request, text};

/// Nothing here is about deadlines, but for the one test that is.
fn patient() -> Limits {
    Limits { cpu: Duration::from_secs(20), wall: Duration::from_secs(30), hostcalls: 1_000_000, ..Limits::default() }
}

fn engine(store: impl KvStore + 'static, logged: &Logged) -> PluginEngine {
    let builder = PluginEngine::builder().max_instances(16).log_sink(logged.clone()).kv_store(store);
    builder.kv_shared("sessions", KvQuota { keys: 2, ..KvQuota::default() }).build().unwrap()
}

async fn keeper(engine: &PluginEngine, name: &str, bucket: &str, grants: KvGrants, limits: Limits) -> Plugin {
    let grants = Grants { kv: grants, ..Grants::default() };
    let builder = Plugin::builder(name).file(NATIVE_KEEP).config(json!({ "bucket": bucket }));
    builder.grants(grants).limits(limits).load(engine).await.unwrap()
}

async fn own(limits: Limits) -> Plugin {
    keeper(&engine(MemoryKv::default(), &Logged::default()), "keep", "", KvGrants::own(), limits).await
}

/// What the plugin answers when it is asked to do this.
async fn told(plugin: &Plugin, what: &str) -> String {
    text(answered(ask(plugin, &[("x-do", what)]).await).into_body()).await
}

pub(crate) async fn keeps() {
    let plugin = own(patient()).await;
    assert_eq!(
        told(&plugin, "tour").await.lines().collect::<Vec<_>>(),
        [
            "Some([49]) true",
            "true Absent",
            "42 -2",
            "[Some([50]), None]",
            r#"["x", "y"]"#,
            "true",
            "Some([51]) true",
            "[53, 33]",
            "Err(NotANumber) Err(Invalid)",
            "Err(Invalid)",
        ]
    );
    for sum in ["1", "2", "3"] {
        assert_eq!(told(&plugin, "count").await, sum, "it outlives its instances");
    }
}

#[tokio::test]
async fn serves_guests_of_other_hosts() {
    assert_eq!(
        told(&own(patient()).await, "standard").await,
        "3 [(\"a\", Some([51])), (\"none\", None)] true Some([52]) [\"a\", \"b\"] None \
         Err(Error::Other(\"not a number of 64 bits\"))"
    );
}

#[tokio::test]
async fn denies_what_is_not_granted_and_tells_the_operator() {
    let logged = Logged::default();
    let engine = engine(MemoryKv::default(), &logged);
    let nothing = keeper(&engine, "p", "", KvGrants::default(), patient()).await;
    let mut exchange = open([nothing]);
    answered(exchange.on_request(request(&[("x-do", "count")])).await);
    let failure = exchange.failures().first().unwrap().clone();
    assert_eq!(failure.class, FailureClass::GuestError);
    assert_eq!(failure.message, "key-value store: `grants.kv` does not grant it");
    let foreign = keeper(&engine, "p", "sessions", KvGrants::own(), patient()).await;
    ask(&foreign, &[("x-do", "count")]).await;
    let reads = KvGrants::default().and_shared("sessions", KvAccess::Read);
    let reads = keeper(&engine, "p", "sessions", reads, patient()).await;
    assert_eq!(told(&reads, "write").await, "Err(Denied)");
    assert_eq!(told(&reads, "seen").await, "0");
    assert_eq!(
        logged.lines(),
        [
            "p exchange-1 Warn host: kv: denied the bucket ``: `grants.kv.own` does not grant it",
            "p exchange-1 Warn host: kv: denied the bucket `sessions`: `grants.kv.shared` does not grant it",
            "p exchange-1 Warn host: kv: denied a change of the bucket `sessions`: `grants.kv.shared` does not grant it",
        ]
    );
}

#[tokio::test]
async fn shares_what_two_plugins_are_granted() {
    let engine = engine(MemoryKv::default(), &Logged::default());
    let grants = KvGrants::own().and_shared("sessions", KvAccess::ReadWrite);
    let one = keeper(&engine, "one", "sessions", grants.clone(), patient()).await;
    let other = keeper(&engine, "other", "sessions", grants.clone(), patient()).await;
    assert_eq!((told(&one, "count").await, told(&other, "count").await), ("1".into(), "2".into()));
    let apart = keeper(&engine, "other", "", grants, patient()).await;
    assert_eq!(told(&apart, "count").await, "1");
    assert_eq!(told(&one, "flood").await, "1 QuotaExceeded Err(QuotaExceeded)", "`sessions` has room for two keys");
}

#[tokio::test]
async fn names_reach_no_other_namespace() {
    let engine = engine(MemoryKv::default(), &Logged::default());
    let grants = KvGrants::own().and_shared("sessions", KvAccess::Read);
    let hostile = keeper(&engine, "hostile", "", grants.clone(), patient()).await;
    assert_eq!(told(&hostile, "names").await, "[] 9");
    for (name, bucket) in [("other", ""), ("host", ""), ("other", "sessions")] {
        let other = keeper(&engine, name, bucket, grants.clone(), patient()).await;
        assert_eq!(told(&other, "seen").await, "0");
    }
}

#[tokio::test]
async fn refuses_huge_values() {
    assert_eq!(told(&own(patient()).await, "huge").await, "Ok(()) Ok(()) Err(TooLarge)");
}

#[tokio::test]
async fn refuses_a_flood_of_keys() {
    let quota = KvQuota { keys: 500, ..KvQuota::default() };
    let plugin = own(Limits { kv: quota, ..patient() }).await;
    assert_eq!(told(&plugin, "flood").await, "500 QuotaExceeded Err(QuotaExceeded)");
    let quota = KvQuota { bytes: 100, ..KvQuota::default() };
    let plugin = own(Limits { kv: quota, ..patient() }).await;
    assert!(told(&plugin, "flood").await.contains("QuotaExceeded"));
}

#[tokio::test]
async fn refuses_an_answer_that_repeats_a_value() {
    let store = MemoryKv::default();
    let big = KvEntry { key: "big".into(), value: vec![0; 1 << 20].into(), ttl: None };
    store.set(&KvNamespace::new("plugin:keep", KvQuota::default()), vec![big]).await.unwrap();
    let plugin = keeper(&engine(store, &Logged::default()), "keep", "", KvGrants::own(), patient()).await;
    assert_eq!(told(&plugin, "greedy").await, r#"Err(Other("over the limit on bytes of a value, or of an answer"))"#);
}

#[tokio::test]
async fn lists_ten_thousand_keys_page_by_page() {
    assert_eq!(told(&own(patient()).await, "list").await, "10000 keys in 10 pages, in order: true");
}

#[tokio::test]
async fn stops_a_hoarder_of_handles() {
    let plugin = own(patient()).await;
    let mut exchange = open([plugin.clone()]);
    answered(exchange.on_request(request(&[("x-do", "hoard")])).await);
    assert_eq!(exchange.failures().first().unwrap().class, FailureClass::Hostcall);
    drop(exchange);
    assert_eq!(told(&plugin, "count").await, "1");
}

#[tokio::test]
async fn the_wall_clock_ends_a_call_that_waits_for_its_store() {
    let logged = Logged::default();
    let limits = Limits { wall: Duration::from_millis(200), cpu: Duration::from_millis(100), ..Limits::default() };
    let plugin = keeper(&engine(Stuck::default(), &logged), "keep", "", KvGrants::own(), limits).await;
    let mut exchange = open([plugin.clone()]);
    let answer = answered(exchange.on_request(request(&[("x-do", "count")])).await);
    let failure = exchange.failures().first().unwrap().clone();
    assert_eq!((failure.class, answer.status().as_u16()), (FailureClass::WallDeadline, 504));
    assert!(matches!(ask(&plugin, &[]).await, RequestOutcome::Continue(_)), "the request after it");
}

/// While guests wait for their store, one thread serves others.
#[tokio::test(flavor = "current_thread")]
async fn a_waiting_guest_holds_no_thread() {
    let stuck = Stuck::default();
    let engine = engine(stuck.clone(), &Logged::default());
    let plugin = keeper(&engine, "keep", "", KvGrants::own(), patient()).await;
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let plugin = plugin.clone();
            tokio::spawn(async move { told(&plugin, "count").await })
        })
        .collect();
    while Arc::strong_count(&stuck.0) < 10 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(ask(&plugin, &[]).await, RequestOutcome::Continue(_)));
    stuck.0.notify_waiters();
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), "7");
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_told_to_guest_and_operator() {
    let logged = Logged::default();
    let plugin = keeper(&engine(Away, &logged), "keep", "", KvGrants::own(), patient()).await;
    assert_eq!(told(&plugin, "write").await, "Err(Unavailable)");
    assert_eq!(logged.lines(), ["keep exchange-1 Warn host: kv: the store is not available: the cable is out"]);
}

/// A store whose increment waits for a word from the test.
#[derive(Clone, Debug, Default)]
struct Stuck(Arc<tokio::sync::Notify>);

/// A store that cannot be reached.
#[derive(Debug)]
struct Away;

macro_rules! fails {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(
            fn $name<'a>(
                &'a self,
                _: &'a KvNamespace,
                $($argument: $kind),*
            ) -> BoxFuture<'a, Result<$answer, KvError>> {
                Box::pin(async { Err(KvError::Unavailable { reason: "the cable is out".into() }) })
            }
        )*
    };
}

macro_rules! all_but_increment_fail {
    () => {
        fails! {
            get(_keys: &'a [String], _max_bytes: usize) -> Vec<Option<Bytes>>;
            stat(_key: &'a str) -> Option<KvStat>;
            set(_entries: Vec<KvEntry>) -> ();
            delete(_keys: &'a [String]) -> ();
            list(_after: Option<&'a str>, _limit: usize) -> KvPage;
            swap(_entry: KvEntry, _version: Option<u64>) -> KvSwap;
        }
    };
}

impl KvStore for Away {
    all_but_increment_fail!();
    fails! {
        increment(_key: &'a str, _delta: i64, _ttl: Option<Duration>) -> i64;
    }
}

impl KvStore for Stuck {
    all_but_increment_fail!();

    fn increment<'a>(
        &'a self,
        _: &'a KvNamespace,
        _: &'a str,
        _: i64,
        _: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, KvError>> {
        let word = Arc::clone(&self.0);
        Box::pin(async move {
            word.notified().await;
            Ok(7)
        })
    }
}
