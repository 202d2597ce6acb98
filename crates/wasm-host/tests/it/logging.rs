//! What guests log: with fields, in bounds, and saying who and for what.

use std::{num::NonZeroU32, sync::Arc, time::SystemTime};

use parking_lot::Mutex;
use test_guests::NATIVE_WRITE_LOG;
use wasm_host::{Limits, LogRecord, LogSink, ManualClock, Plugin, PluginEngine};

use crate::common::{ask, plugin};

/// Keeps records whole.
#[derive(Clone, Debug, Default)]
struct Records(Arc<Mutex<Vec<String>>>);

impl LogSink for Records {
    fn log(&self, record: &LogRecord<'_>) {
        let LogRecord { plugin, version, exchange, level, context, message, fields, .. } = record;
        self.0.lock().push(format!("{plugin}@{version} {exchange} {level:?} {context}: {message} {fields:?}"));
    }
}

impl Records {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }
}

async fn writer(records: &Records, clock: &ManualClock, limits: Limits) -> Plugin {
    let engine = PluginEngine::builder().max_instances(16).log_sink(records.clone()).clock(clock.clone());
    plugin(NATIVE_WRITE_LOG).version("7").limits(limits).load(&engine.build().unwrap()).await.unwrap()
}

fn clock() -> ManualClock {
    ManualClock::new(SystemTime::UNIX_EPOCH)
}

pub(crate) async fn messages_carry_fields() {
    let records = Records::default();
    let writer = writer(&records, &clock(), Limits::default()).await;
    ask(&writer, &[("x-path", "/a"), ("x-print", "1")]).await;
    assert_eq!(
        records.take(),
        [
            "test@7 exchange-1 Warn : seen [(\"path\", \"/a\"), (\"count\", \"2\")]",
            "test@7 exchange-1 Info stdout: one []",
            "test@7 exchange-1 Info stdout: two []",
            "test@7 exchange-1 Warn stderr: three []",
        ]
    );
}

#[tokio::test]
async fn without_a_version_the_digest_tells() {
    let records = Records::default();
    let engine = PluginEngine::builder().max_instances(4).log_sink(records.clone()).build().unwrap();
    let writer = plugin(NATIVE_WRITE_LOG).load(&engine).await.unwrap();
    ask(&writer, &[("x-messages", "1")]).await;
    let digest = writer.digest().unwrap().to_string();
    assert!(records.take()[0].starts_with(&format!("test@{} ", &digest["sha256:".len()..][..12])));
}

#[tokio::test]
async fn a_flood_is_cut_to_the_rate_of_the_plugin() {
    let (records, clock) = (Records::default(), clock());
    let limits = Limits { log_rate: NonZeroU32::new(10).unwrap(), log_bytes: 1 << 20, ..Limits::default() };
    let writer = writer(&records, &clock, limits).await;
    for _ in 0..2 {
        ask(&writer, &[("x-messages", "100")]).await;
    }
    assert_eq!(records.take().len(), 10);
    assert_eq!(writer.stats().log_dropped, 190);
    clock.advance(std::time::Duration::from_secs(1));
    ask(&writer, &[("x-messages", "100")]).await;
    assert_eq!(records.take().len(), 10);
}

#[tokio::test]
async fn fields_count_as_bytes_of_the_call() {
    let records = Records::default();
    let limits = Limits { log_bytes: 200, ..Limits::default() };
    let writer = writer(&records, &clock(), limits).await;
    let path = "x".repeat(300);
    ask(&writer, &[("x-path", &path), ("x-messages", "3")]).await;
    let lines = records.take();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("flood")));
}
