//! What WAF modules return, right and wrong.

use wasm_host::{Failure, FailureClass, PoolPolicy, Reuse};

use super::{assemble, of};
use crate::common::{Logged, answered, engine, open, passed, request};

/// A WAF module that returns this pointer, with these bytes at 1024. It counts in its memory what was given back.
fn waf(pointer: i64, bytes: &[u8]) -> bytes::Bytes {
    let data: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    assemble(&format!(
        r#"(module
             (import "env" "log" (func $log (param i32 i32)))
             (memory (export "memory") 1) (data (i32.const 1024) "{data}")
             (global $given (mut i32) (i32.const 0))
             (func (export "alloc") (param i32) (result i32)
               (global.set $given (i32.add (global.get $given) (i32.const 1))) (i32.const 4096))
             (func (export "dealloc") (param $at i32) (param $len i32)
               (if (i32.and (i32.eq (local.get $at) (i32.const 1024)) (i32.ne (local.get $len) (i32.const {length})))
                 (then unreachable)))
             (func (export "analyze_request") (param $at i32) (param $len i32) (result i32)
               (call $log (local.get $at) (local.get $len)) (i32.const {pointer})))"#,
        length = bytes.len(),
    ))
}

fn framed(json: &str) -> Vec<u8> {
    [&u32::try_from(json.len()).unwrap().to_le_bytes(), json.as_bytes()].concat()
}

async fn failed(pointer: i64, bytes: &[u8]) -> Failure {
    let mut exchange = open([of(&waf(pointer, bytes)).load(engine()).await.unwrap()]);
    assert_eq!(answered(exchange.on_request(request(&[])).await).status(), 500);
    let failure = exchange.failures().remove(0);
    assert_eq!(failure.class, FailureClass::InvalidOutput, "{failure}");
    failure
}

#[tokio::test]
async fn a_result_that_is_none_is_the_module_s_fault() {
    for pointer in [-1, 65_533, 65_536, i64::from(i32::MIN)] {
        let failure = failed(pointer, b"").await;
        assert!(failure.message.starts_with("`analyze_request` returned a pointer to no result: "), "{failure}");
    }
    for length in [60 << 10, u32::MAX, u32::MAX - 4] {
        failed(1024, &length.to_le_bytes()).await;
    }
    for json in ["", "{", "[]", "null", "{}", r#"{"blocked":"yes"}"#, "\u{1}", r#"{"blocked":false,"matches":[1]}"#] {
        let failure = failed(1024, &framed(json)).await;
        assert!(failure.message.starts_with("`analyze_request` returned no verdict: "), "{failure}");
    }
    failed(1024, &[2, 0, 0, 0, 0xff, 0xfe]).await;
}

#[tokio::test]
async fn the_module_reads_json_and_its_verdict_counts() {
    let logged = Logged::default();
    let lets_pass = of(&waf(1024, &framed(r#"{"blocked":false,"matches":[],"execution_time_us":3}"#)));
    let lets_pass = lets_pass.load(&logged.engine()).await.unwrap();
    let sent = passed(open([lets_pass]).on_request(request(&[("x-a", "1")])).await);
    assert_eq!(crate::common::text(sent.into_body()).await, "request body");
    let headers = r#"[["host","example.test"],["x-a","1"]]"#;
    let json = format!(r#"{{"method":"GET","uri":"/path?q=1","headers":{headers},"body":"request body"}}"#);
    assert_eq!(logged.lines(), [format!("test exchange-1 Info : {json}")]);

    let blocks = of(&waf(1024, &framed(r#"{"blocked":true}"#))).load(engine()).await.unwrap();
    assert_eq!(answered(open([blocks]).on_request(request(&[])).await).status(), 403);
}

#[tokio::test]
async fn an_instance_serves_on() {
    let kept = of(&waf(1024, &framed(r#"{"blocked":false}"#))).pool(PoolPolicy::Reuse(Reuse::default()));
    let kept = kept.load(engine()).await.unwrap();
    for _ in 0..10 {
        passed(crate::common::ask(&kept, &[]).await);
    }
    assert_eq!((kept.stats().pool_hits, kept.stats().failures), (10, vec![]));
}

#[tokio::test]
async fn the_rules_that_matched_are_a_property() {
    let matches = r#"[{"rule_id":942100,"severity":"notice"},{"rule_id":"X-1","category":"own"}]"#;
    let waf = waf(1024, &framed(&format!(r#"{{"blocked":false,"matches":{matches}}}"#)));
    let waf = of(&waf).load(engine()).await.unwrap();
    let share = serde_json::json!({ "name": "!", "property": "aegis.waf" });
    let share = wasm_host::Plugin::builder("share").file(test_guests::NATIVE_SHARE).config(share).priority(1);
    let share = share.load(engine()).await.unwrap();
    let mut exchange = open([waf, share]);
    passed(exchange.on_request(request(&[])).await);
    assert_eq!(exchange.on_response(crate::common::response(200)).await.headers()["x-trail"], r#"[942100,"X-1"]!!"#);
}
