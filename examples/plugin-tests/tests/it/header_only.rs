//! A plugin without a body phase leaves bodies alone, packed ones too.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use http::Response;
use plugin_tests::{Example, HEADER_INJECTION, REQUEST_LOG, RESPONSE_TRANSFORM};
use wasm_host::PluginChain;

use crate::harness::{builder, engine, example_config, exchange, facts, frames, post};

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[tokio::test]
async fn a_packed_body_stays_packed() {
    let packed = gzip(&b"the same text again and again, ".repeat(1000));
    for example in [HEADER_INJECTION, RESPONSE_TRANSFORM] {
        stays_packed(&[example], &packed).await;
    }
    stays_packed(&[HEADER_INJECTION, REQUEST_LOG, RESPONSE_TRANSFORM], &packed).await;
}

async fn stays_packed(examples: &[Example], packed: &[u8]) {
    let mut plugins = Vec::new();
    for example in examples {
        plugins.push(builder(*example, example_config(*example)).load(engine()).await.unwrap());
    }
    let chain = PluginChain::new(plugins).unwrap();
    let mut request = post("application/json", packed.to_vec());
    request.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    let answer = Response::builder()
        .header("content-encoding", "gzip")
        .header("content-length", packed.len())
        .header("etag", "\"strong\"")
        .header("server", "upstream")
        .body(frames(packed.chunks(50).map(<[u8]>::to_vec)))
        .unwrap();
    let passed = exchange(&chain, facts("packed-1"), request, answer).await;
    assert_eq!(passed.upstream_header("content-encoding"), ["gzip"]);
    assert_eq!(passed.upstream_body, packed);
    assert!(passed.header("server").is_empty(), "the plugin was there");
    assert_eq!(passed.header("content-encoding"), ["gzip"]);
    assert_eq!(passed.header("content-length"), [packed.len().to_string()]);
    assert_eq!(passed.header("etag"), ["\"strong\""]);
    assert_eq!(passed.bytes, packed);
}
