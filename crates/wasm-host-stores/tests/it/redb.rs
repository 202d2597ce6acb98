//! On disk: what is there after the process, however it ended.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use wasm_host::{KvEntry, KvNamespace, KvQuota, KvStore};
use wasm_host_stores::RedbKv;

use crate::suite::{Backend, Hands};

pub(crate) struct Disk {
    store: RedbKv,
    hands: Hands,
    _directory: tempfile::TempDir,
}

impl Backend for Disk {
    fn start() -> Self {
        let (directory, hands) = (tempfile::tempdir().unwrap(), Hands::default());
        let store = RedbKv::with_clock(directory.path().join("kv.redb"), hands.clock()).unwrap();
        Self { store, hands, _directory: directory }
    }

    fn store(&self) -> &dyn KvStore {
        &self.store
    }

    async fn pass(&self, time: Duration) {
        self.hands.pass(time);
    }
}

suite!(Disk);

fn space() -> KvNamespace {
    KvNamespace::new("plugin:test", KvQuota::default())
}

async fn get(store: &RedbKv, key: &str) -> Option<String> {
    let value = store.get(&space(), &[key.to_owned()], 1 << 20).await.unwrap().pop().unwrap()?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

#[tokio::test]
async fn survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (file, hands) = (directory.path().join("kv.redb"), Hands::default());
    let open = || RedbKv::with_clock(&file, hands.clock()).unwrap();
    let store = open();
    let pair = |key: &str, ttl| KvEntry { key: key.into(), value: "v".into(), ttl };
    let hour = Duration::from_secs(3600);
    store
        .set(&space(), vec![pair("kept", None), pair("hour", Some(hour)), pair("day", Some(hour * 24))])
        .await
        .unwrap();
    let version = store.stat(&space(), "kept").await.unwrap().unwrap().version;
    drop(store);
    hands.pass(hour);
    let store = open();
    assert_eq!(get(&store, "kept").await.as_deref(), Some("v"));
    assert_eq!(store.stat(&space(), "kept").await.unwrap().unwrap().version, version);
    assert_eq!(get(&store, "hour").await, None, "time goes by while nobody runs");
    assert_eq!(store.stat(&space(), "day").await.unwrap().unwrap().ttl, Some(hour * 23));
}

#[tokio::test]
async fn frees_what_nobody_asks_for() {
    let directory = tempfile::tempdir().unwrap();
    let (file, hands) = (directory.path().join("kv.redb"), Hands::default());
    let store = RedbKv::with_clock(&file, hands.clock()).unwrap();
    let pair = KvEntry { key: "k".into(), value: "v".into(), ttl: Some(Duration::from_millis(1)) };
    store.set(&space(), vec![pair]).await.unwrap();
    hands.pass(Duration::from_millis(1));
    // Nothing is asked of the store until it has looked twice: then the pair is not in the file any more.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    drop(store);
    let pairs: redb::TableDefinition<'_, (&str, &str), (u64, u64, &[u8])> = redb::TableDefinition::new("kv-pairs");
    let database = redb::Database::open(&file).unwrap();
    let table = redb::ReadableDatabase::begin_read(&database).unwrap().open_table(pairs).unwrap();
    assert_eq!(redb::ReadableTableMetadata::len(&table).unwrap(), 0);
}

#[test]
fn says_which_file_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kv.redb");
    let _first = RedbKv::open(&file).unwrap();
    let error = RedbKv::open(&file).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot use the store `{}`: ", file.display())), "{error}");
}

/// Names the file to the child process of the test below.
const CHILD: &str = "WASM_HOST_STORES_CHILD";

/// What a caller was told is kept is there after `kill -9` in the middle of writing, again and again.
#[tokio::test]
async fn survives_being_killed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kv.redb");
    let mut told = 0;
    for round in 1..=5 {
        told = kill_while_writing(&file, told + 20 * round);
        let store = RedbKv::open(&file).unwrap();
        let count: i64 = get(&store, "n").await.unwrap().parse().unwrap();
        assert!(count >= told, "{count} are kept, {told} were told to be");
        let listed = store.list(&space(), None, 10_000).await.unwrap().keys.len() as i64;
        // A child may be killed between the two writes of a number: its key is not there then, and never will be.
        assert!((count - round..=count).contains(&(listed - 1)), "{count} and {listed}: each is whole or not there");
        told = count;
    }
}

/// Kills a child when it has told of this number. The last number it told of.
fn kill_while_writing(file: &Path, until: i64) -> i64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "redb::writes_until_it_is_killed", "--nocapture"])
        .env(CHILD, file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut last = 0;
    for line in lines {
        if let Some(number) = line.strip_prefix("kept ") {
            last = number.parse().unwrap();
        }
        if last >= until {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    last
}

/// The child of the test above; in any other process it has nothing to do.
#[tokio::test]
async fn writes_until_it_is_killed() {
    let Some(file) = env::var_os(CHILD) else { return };
    let store = RedbKv::open(file).unwrap();
    loop {
        let number = store.increment(&space(), "n", 1, None).await.unwrap();
        let pair = KvEntry { key: format!("key {number}"), value: vec![7; 1000].into(), ttl: None };
        store.set(&space(), vec![pair]).await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "kept {number}").unwrap();
        out.flush().unwrap();
    }
}
