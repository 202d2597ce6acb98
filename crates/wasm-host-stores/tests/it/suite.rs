//! What every key-value store does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use wasm_host::{KvEntry, KvError, KvNamespace, KvPage, KvQuota, KvStat, KvStore, KvSwap};

/// A store to be tested, alone in its file or server.
pub(crate) trait Backend {
    fn start() -> Self;
    fn store(&self) -> &dyn KvStore;
    /// Lets so much time go by for the store.
    async fn pass(&self, time: Duration);
}

/// The hands of a clock that stands still until a test moves them.
#[derive(Clone, Debug)]
pub(crate) struct Hands(Arc<AtomicU64>);

impl Default for Hands {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(1_000_000)))
    }
}

impl Hands {
    pub(crate) fn clock(&self) -> impl Fn() -> Duration + Send + Sync + 'static {
        let hands = Arc::clone(&self.0);
        move || Duration::from_millis(hands.load(Relaxed))
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_millis()).unwrap(), Relaxed);
    }
}

/// Runs each promise as a test of its own on a backend.
macro_rules! suite {
    ($backend:ty) => {
        suite!($backend:
            keeps_and_forgets, reads_many_and_bounds_the_answer, expires, a_set_ends_the_time_to_live,
            lists_in_order_page_by_page, a_page_goes_on_after_a_key_that_is_gone, swaps_only_what_is_unchanged,
            a_key_made_anew_is_another, counts_exactly, a_counter_keeps_its_time_to_live, counts_no_words,
            bounds_keys, bounds_bytes, a_batch_is_whole, expired_pairs_count_for_nothing, a_lower_quota_lets_shrink,
            any_text_is_a_key, namespaces_are_apart, many_count_at_once, many_swap_at_once
        );
    };
    ($backend:ty: $($promise:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::suite::$promise(&<$backend as $crate::suite::Backend>::start()).await;
            }
        )+
    };
}

const TTL: Duration = Duration::from_millis(60);
const LONG: Duration = Duration::from_secs(3600);

fn space() -> KvNamespace {
    KvNamespace::new("plugin:test", KvQuota::default())
}

fn small(keys: u64, bytes: u64) -> KvNamespace {
    KvNamespace::new("plugin:small", KvQuota { keys, bytes, ..KvQuota::default() })
}

fn entry(key: &str, value: &str) -> KvEntry {
    KvEntry { key: key.to_owned(), value: value.to_owned().into(), ttl: None }
}

fn lasting(key: &str, value: &str, ttl: Duration) -> KvEntry {
    KvEntry { ttl: Some(ttl), ..entry(key, value) }
}

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

async fn get(store: &dyn KvStore, namespace: &KvNamespace, key: &str) -> Option<Bytes> {
    store.get(namespace, &[key.to_owned()], usize::MAX >> 16).await.unwrap().pop().unwrap()
}

async fn keys(store: &dyn KvStore, namespace: &KvNamespace) -> Vec<String> {
    store.list(namespace, None, 100_000).await.unwrap().keys
}

pub(crate) async fn keeps_and_forgets(backend: &impl Backend) {
    let (store, space) = (backend.store(), space());
    assert_eq!(get(store, &space, "k").await, None);
    assert_eq!(store.stat(&space, "k").await, Ok(None));
    store.set(&space, vec![entry("k", "one")]).await.unwrap();
    store.set(&space, vec![entry("k", "two"), entry("l", "")]).await.unwrap();
    assert_eq!(get(store, &space, "k").await, Some("two".into()));
    assert_eq!(get(store, &space, "l").await, Some("".into()));
    assert!(matches!(store.stat(&space, "k").await, Ok(Some(KvStat { ttl: None, .. }))));
    let bytes: Vec<u8> = (0..=255).collect();
    store.set(&space, vec![KvEntry { key: "b".into(), value: bytes.clone().into(), ttl: None }]).await.unwrap();
    assert_eq!(get(store, &space, "b").await, Some(bytes.into()));
    store.delete(&space, &owned(&["k", "l", "never"])).await.unwrap();
    assert_eq!(keys(store, &space).await, ["b"]);
    assert_eq!(get(store, &space, "k").await, None);
}

pub(crate) async fn reads_many_and_bounds_the_answer(backend: &impl Backend) {
    let (store, space) = (backend.store(), space());
    store.set(&space, vec![entry("a", "12345"), entry("b", "12345")]).await.unwrap();
    let wanted = owned(&["b", "none", "a", "b"]);
    let values = store.get(&space, &wanted, 15).await.unwrap();
    assert_eq!(values, [Some("12345".into()), None, Some("12345".into()), Some("12345".into())]);
    assert_eq!(store.get(&space, &wanted, 14).await, Err(KvError::TooLarge));
    assert_eq!(store.get(&space, &[], 0).await, Ok(Vec::new()));
}

pub(crate) async fn expires(backend: &impl Backend) {
    let (store, space) = (backend.store(), space());
    store.set(&space, vec![lasting("short", "1", TTL), lasting("long", "2", LONG)]).await.unwrap();
    let ttl = store.stat(&space, "long").await.unwrap().unwrap().ttl.unwrap();
    assert!(ttl <= LONG && ttl > LONG / 2, "{ttl:?}");
    backend.pass(TTL).await;
    assert_eq!(get(store, &space, "short").await, None);
    assert_eq!(store.stat(&space, "short").await, Ok(None));
    assert_eq!(keys(store, &space).await, ["long"]);
    assert_eq!(get(store, &space, "long").await, Some("2".into()));
    assert_eq!(store.increment(&space, "short", 1, None).await, Ok(1), "what is expired is made anew");
}

pub(crate) async fn a_set_ends_the_time_to_live(backend: &impl Backend) {
    let (store, space) = (backend.store(), space());
    store.set(&space, vec![lasting("k", "1", TTL), lasting("l", "1", TTL)]).await.unwrap();
    store.set(&space, vec![entry("k", "2"), lasting("l", "2", LONG)]).await.unwrap();
    backend.pass(TTL).await;
    assert_eq!(keys(store, &space).await, ["k", "l"]);
    assert_eq!(store.stat(&space, "k").await.unwrap().unwrap().ttl, None);
}

pub(crate) async fn lists_in_order_page_by_page(backend: &impl Backend) {
    let (store, space) = (backend.store(), space());
    assert_eq!(store.list(&space, None, 10).await, Ok(KvPage::default()));
    let mut expected: Vec<_> = (0..25).map(|number| format!("key {number}")).collect();
    expected.extend(owned(&["Z", "a\0", "é"]));
    store.set(&space, expected.iter().map(|key| entry(key, "")).collect()).await.unwrap();
    expected.sort();
    let (mut listed, mut pages) = (Vec::new(), 0);
    loop {
        let page = store.list(&space, listed.last().map(String::as_str), 7).await.unwrap();
        assert!(page.keys.len() == 7 || !page.more);
        listed.extend(page.keys);
        pages += 1;
        if !page.more {
            break;
        }
    }
    assert_eq!((listed, pages), (expected, 4));
    assert!(!store.list(&space, None, 28).await.unwrap().more, "a page that is just full is the last");
}

pub(crate) async fn a_page_goes_on_after_a_key_that_is_gone(backend: &impl Backend) {
    let (store, space) = (backend.store(), space());
    store.set(&space, ["a", "b", "c"].map(|key| entry(key, "")).into()).await.unwrap();
    let first = store.list(&space, None, 2).await.unwrap();
    assert_eq!(first, KvPage { keys: owned(&["a", "b"]), more: true });
    store.delete(&space, &owned(&["a", "b"])).await.unwrap();
    assert_eq!(store.list(&space, Some("b"), 2).await, Ok(KvPage { keys: owned(&["c"]), more: false }));
}

pub(crate) async fn swaps_only_what_is_unchanged(backend: &impl Backend) {
    let (store, space) = (backend.store(), space());
    assert_eq!(store.swap(&space, entry("k", "1"), None).await, Ok(KvSwap::Done));
    let version = store.stat(&space, "k").await.unwrap().map(|stat| stat.version);
    assert!(version.is_some());
    assert_eq!(store.swap(&space, entry("k", "2"), None).await, Ok(KvSwap::Changed(version)));
    assert_eq!(store.swap(&space, lasting("k", "2", TTL), version).await, Ok(KvSwap::Done));
    assert_eq!(get(store, &space, "k").await, Some("2".into()));
    assert!(matches!(store.swap(&space, entry("k", "3"), version).await, Ok(KvSwap::Changed(Some(_)))));
    backend.pass(TTL).await;
    assert_eq!(store.swap(&space, entry("k", "3"), version).await, Ok(KvSwap::Changed(None)), "it is expired");
}

pub(crate) async fn a_key_made_anew_is_another(backend: &impl Backend) {
    let (store, space) = (backend.store(), space());
    store.set(&space, vec![entry("k", "same")]).await.unwrap();
    let version = store.stat(&space, "k").await.unwrap().map(|stat| stat.version);
    store.delete(&space, &owned(&["k"])).await.unwrap();
    store.set(&space, vec![entry("k", "same")]).await.unwrap();
    assert!(matches!(store.swap(&space, entry("k", "x"), version).await, Ok(KvSwap::Changed(Some(_)))));
}

pub(crate) async fn counts_exactly(backend: &impl Backend) {
    let (store, space) = (backend.store(), space());
    assert_eq!(store.increment(&space, "n", 5, None).await, Ok(5));
    assert_eq!(store.increment(&space, "n", -7, None).await, Ok(-2));
    assert_eq!(get(store, &space, "n").await, Some("-2".into()));
    store.set(&space, vec![entry("n", "9007199254740993")]).await.unwrap();
    assert_eq!(store.increment(&space, "n", 2, None).await, Ok(9_007_199_254_740_995), "more than a double holds");
    assert_eq!(store.increment(&space, "min", i64::MIN, None).await, Ok(i64::MIN));
    assert_eq!(store.increment(&space, "min", -1, None).await, Err(KvError::NotANumber));
    assert_eq!(get(store, &space, "min").await, Some(i64::MIN.to_string().into()));
}

pub(crate) async fn a_counter_keeps_its_time_to_live(backend: &impl Backend) {
    let (store, space) = (backend.store(), space());
    assert_eq!(store.increment(&space, "n", 1, Some(TTL)).await, Ok(1));
    assert_eq!(store.increment(&space, "n", 1, Some(LONG)).await, Ok(2));
    assert!(store.stat(&space, "n").await.unwrap().unwrap().ttl.unwrap() <= TTL);
    assert_eq!(store.increment(&space, "forever", 1, None).await, Ok(1));
    assert_eq!(store.increment(&space, "forever", 1, Some(TTL)).await, Ok(2));
    backend.pass(TTL).await;
    assert_eq!(store.increment(&space, "n", 1, None).await, Ok(1));
    assert_eq!(store.increment(&space, "forever", 1, None).await, Ok(3));
}

pub(crate) async fn counts_no_words(backend: &impl Backend) {
    let (store, space) = (backend.store(), space());
    for word in ["", "one", "1.0", "+1", "01", " 1", "-0", "9223372036854775808"] {
        store.set(&space, vec![entry("k", word)]).await.unwrap();
        assert_eq!(store.increment(&space, "k", 1, None).await, Err(KvError::NotANumber), "{word:?}");
        assert_eq!(get(store, &space, "k").await, Some(word.into()));
    }
}

pub(crate) async fn bounds_keys(backend: &impl Backend) {
    let (store, space) = (backend.store(), small(2, 1000));
    store.set(&space, vec![entry("a", "1"), entry("b", "1")]).await.unwrap();
    assert_eq!(store.set(&space, vec![entry("c", "1")]).await, Err(KvError::KeysQuota));
    assert_eq!(store.increment(&space, "c", 1, None).await, Err(KvError::KeysQuota));
    assert_eq!(store.swap(&space, entry("c", "1"), None).await, Err(KvError::KeysQuota));
    store.set(&space, vec![entry("a", "2")]).await.unwrap();
    assert_eq!(store.increment(&space, "b", 1, None).await, Ok(2));
    store.delete(&space, &owned(&["a"])).await.unwrap();
    assert_eq!(store.increment(&space, "c", 1, None).await, Ok(1));
    assert_eq!(keys(store, &space).await, ["b", "c"]);
}

pub(crate) async fn bounds_bytes(backend: &impl Backend) {
    let (store, space) = (backend.store(), small(100, 10));
    store.set(&space, vec![entry("a", "1234"), entry("bb", "123")]).await.unwrap();
    assert_eq!(store.set(&space, vec![entry("a", "12345")]).await, Err(KvError::BytesQuota));
    assert_eq!(store.set(&space, vec![entry("c", "")]).await, Err(KvError::BytesQuota));
    assert_eq!(store.increment(&space, "a", 9_000, None).await, Err(KvError::BytesQuota));
    assert_eq!(get(store, &space, "a").await, Some("1234".into()), "a refused sum leaves the number");
    assert_eq!(store.increment(&space, "a", -1_000, None).await, Ok(234));
    store.set(&space, vec![entry("c", "")]).await.unwrap();
    assert_eq!(store.increment(&space, "d", 1, None).await, Err(KvError::BytesQuota));
    assert_eq!(keys(store, &space).await, ["a", "bb", "c"]);
}

pub(crate) async fn a_batch_is_whole(backend: &impl Backend) {
    let (store, space) = (backend.store(), small(2, 1000));
    let three = vec![entry("a", "1"), entry("b", "1"), entry("c", "1")];
    assert_eq!(store.set(&space, three).await, Err(KvError::KeysQuota));
    assert_eq!(keys(store, &space).await, [""; 0]);
}

pub(crate) async fn expired_pairs_count_for_nothing(backend: &impl Backend) {
    let (store, space) = (backend.store(), small(2, 10));
    for _ in 0..2 {
        store.set(&space, vec![lasting("a", "1234", TTL), lasting("b", "1234", TTL)]).await.unwrap();
        assert_eq!(store.increment(&space, "c", 1, None).await, Err(KvError::KeysQuota));
        backend.pass(TTL).await;
        store.set(&space, vec![entry("c", "1234"), entry("d", "1234")]).await.unwrap();
        store.delete(&space, &owned(&["c", "d"])).await.unwrap();
    }
}

pub(crate) async fn a_lower_quota_lets_shrink(backend: &impl Backend) {
    let (store, space) = (backend.store(), small(10, 100));
    store.set(&space, vec![entry("a", "12345678"), entry("b", "1")]).await.unwrap();
    let lower = small(1, 5);
    store.set(&lower, vec![entry("a", "1234567")]).await.unwrap();
    assert_eq!(store.set(&lower, vec![entry("a", "12345678")]).await, Err(KvError::BytesQuota));
    store.delete(&lower, &owned(&["b"])).await.unwrap();
    assert_eq!(keys(store, &lower).await, ["a"]);
}

pub(crate) async fn any_text_is_a_key(backend: &impl Backend) {
    let store = backend.store();
    let (space, other) = (space(), KvNamespace::new("plugin:test/x", KvQuota::default()));
    let long = "ж".repeat(256);
    let names =
        ["/", "x/k", "../k", "\0", "x\0k", "plugin:test/x\0k", "}:values", "{", "*", "[a", "(a", "-", "+", &long];
    store.set(&space, names.iter().map(|name| entry(name, name)).collect()).await.unwrap();
    for name in names {
        assert_eq!(get(store, &space, name).await, Some(name.to_owned().into()), "{name:?}");
        assert_eq!(store.list(&other, Some(name), 100).await, Ok(KvPage::default()), "{name:?}");
    }
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(keys(store, &space).await, sorted);
    assert_eq!(keys(store, &other).await, [""; 0]);
    store.delete(&space, &owned(&names)).await.unwrap();
    assert_eq!(keys(store, &space).await, [""; 0]);
}

pub(crate) async fn namespaces_are_apart(backend: &impl Backend) {
    let store = backend.store();
    let names = ["plugin:a", "plugin:a\0", "plugin:a/b", "plugin:a}:values", "plugin:{a", "shared:a", "plugin:a:"];
    let spaces = names.map(|name| KvNamespace::new(name, KvQuota { keys: 2, ..KvQuota::default() }));
    for space in &spaces {
        store.set(space, vec![entry("name", &space.name), lasting("b/name", "", TTL)]).await.unwrap();
    }
    backend.pass(TTL).await;
    for space in &spaces {
        assert_eq!(get(store, space, "name").await, Some(space.name.to_string().into()));
        assert_eq!(keys(store, space).await, ["name"]);
    }
}

pub(crate) async fn many_count_at_once(backend: &impl Backend) {
    let (store, space) = (backend.store(), space());
    let count = async || {
        for _ in 0..50 {
            store.increment(&space, "n", 1, None).await.unwrap();
        }
    };
    tokio::join!(count(), count(), count(), count(), count(), count(), count(), count());
    assert_eq!(get(store, &space, "n").await, Some("400".into()));
}

pub(crate) async fn many_swap_at_once(backend: &impl Backend) {
    let (store, space) = (backend.store(), space());
    let append = async |letter: &str| {
        for _ in 0..10 {
            loop {
                let version = store.stat(&space, "k").await.unwrap().map(|stat| stat.version);
                let text = get(store, &space, "k").await.unwrap_or_default();
                let text = format!("{}{letter}", String::from_utf8(text.to_vec()).unwrap());
                if store.swap(&space, entry("k", &text), version).await == Ok(KvSwap::Done) {
                    break;
                }
            }
        }
    };
    tokio::join!(append("a"), append("b"), append("c"));
    let text = get(store, &space, "k").await.unwrap();
    for letter in *b"abc" {
        assert_eq!(text.iter().filter(|byte| **byte == letter).count(), 10, "{text:?}");
    }
}
