use http::Response;
use plugin_tests::TOKEN_METER;
use serde_json::json;
use wasm_host::{Body, ExchangeFacts, Grants, Plugin, PluginChain};

use crate::harness::{
    Passed, chain, content, engine, example_chain, example_config, exchange, facts, frames, get, metrics, refusal,
};

const OPENAI: &str = concat!(
    "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}],\"usage\":null}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"lo\"}}],\"usage\":null}\r\n\r\n",
    ": keep-alive\n\n",
    "data:{\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12,\"total_tokens\":21}}\n\n",
    "data: [DONE]\n\n",
);

const ANTHROPIC: &str = concat!(
    "event: message_start\n",
    "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"delta\":{\"text\":\"say \\\"usage\\\"\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":15}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

async fn meter(body: impl Into<Body>) -> Passed {
    let answer = content("text/event-stream; charset=utf-8", body);
    exchange(&example_chain(TOKEN_METER).await, facts("meter-1"), get("/", &[]), answer).await
}

fn totals(passed: &Passed) -> [Option<&str>; 4] {
    ["events", "input", "output", "total"].map(|name| passed.trailer(&format!("x-token-meter-{name}")))
}

#[tokio::test]
async fn sums_what_openai_reports() {
    let passed = meter(OPENAI).await;
    assert_eq!(passed.body, OPENAI);
    assert_eq!(totals(&passed), [Some("3"), Some("9"), Some("12"), Some("21")]);
}

#[tokio::test]
async fn sums_what_anthropic_reports() {
    let passed = meter(ANTHROPIC).await;
    assert_eq!(passed.body, ANTHROPIC);
    assert_eq!(totals(&passed), [Some("5"), Some("25"), Some("15"), Some("40")]);
}

#[tokio::test]
async fn the_stream_is_the_same_to_the_byte_however_it_is_cut() {
    for size in [1, 2, 7, 64] {
        let passed = meter(frames(OPENAI.as_bytes().chunks(size))).await;
        assert_eq!(passed.body, OPENAI, "{size}");
        assert_eq!(totals(&passed)[3], Some("21"), "{size}");
    }
}

#[tokio::test]
async fn announces_its_trailers_and_keeps_those_there_are() {
    let body = http_body_util::Full::new(bytes::Bytes::from(OPENAI));
    let own = http::HeaderMap::from_iter([("x-own".parse().unwrap(), "1".parse().unwrap())]);
    let body = http_body_util::BodyExt::with_trailers(body, std::future::ready(Some(Ok(own))));
    let mut answer = Response::new(Body::new(body));
    answer.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    answer.headers_mut().insert("content-length", OPENAI.len().into());
    let passed = exchange(&example_chain(TOKEN_METER).await, facts("meter-2"), get("/", &[]), answer).await;
    assert!(passed.header("content-length").is_empty());
    assert!(passed.header("trailer").contains(&"x-token-meter-total"));
    assert_eq!((passed.trailer("x-own"), passed.trailer("x-token-meter-total")), (Some("1"), Some("21")));
}

#[tokio::test]
async fn tells_what_it_knows_of_a_stream_without_usage() {
    let passed = meter("data: not json with \"usage\"\n\nid: 1\n\ndata: {\"usage\":7}\n\nda").await;
    assert_eq!(totals(&passed), [Some("2"), None, None, None]);
}

#[tokio::test]
async fn other_bodies_go_past_it() {
    let chain = example_chain(TOKEN_METER).await;
    let answer = content("application/json", OPENAI);
    let mut exchange = chain.exchange(facts("meter-3"));
    exchange.on_request(get("/", &[])).await;
    let response = exchange.on_response(answer).await;
    assert!(!response.headers().contains_key("trailer"));
    let phases: Vec<_> = exchange.decisions().iter().map(|decision| decision.phase.as_str()).collect();
    assert_eq!(phases, ["response"]);
}

#[tokio::test]
async fn measures_by_service() {
    let grants = Grants { metrics: true, ..Grants::default() };
    let builder = Plugin::builder("meter-by-service").file(TOKEN_METER.file).config(example_config(TOKEN_METER));
    let chain = PluginChain::new([builder.grants(grants).load(engine()).await.unwrap()]).unwrap();
    for stream in [OPENAI, ANTHROPIC] {
        let facts = ExchangeFacts { service: Some("llm".into()), ..facts("meter-4") };
        exchange(&chain, facts, get("/", &[]), content("text/event-stream", stream)).await;
    }
    let read = |name, labels: &[_]| metrics().read("meter-by-service", name, labels).map(|(sum, _)| sum);
    assert_eq!(read("streams_total", &[("service", "llm")]), Some(2.0));
    assert_eq!(read("events_total", &[("service", "llm")]), Some(8.0));
    assert_eq!(read("tokens_total", &[("service", "llm"), ("kind", "input")]), None);
    assert_eq!(read("tokens_total", &[("kind", "input"), ("service", "llm")]), Some(34.0));
    assert_eq!(read("tokens_total", &[("kind", "output"), ("service", "llm")]), Some(27.0));
}

/// The client is gone after the first event.
#[tokio::test]
async fn measures_a_stream_that_was_left() {
    let grants = Grants { metrics: true, ..Grants::default() };
    let builder = Plugin::builder("meter-left").file(TOKEN_METER.file).grants(grants);
    let chain = PluginChain::new([builder.load(engine()).await.unwrap()]).unwrap();
    let mut exchange = chain.exchange(facts("meter-5"));
    exchange.on_request(get("/", &[])).await;
    let answer = content("text/event-stream", frames(["data: 1\n\n", "data: 2\n\n"]));
    let mut body = exchange.on_response(answer).await.into_body();
    http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap();
    drop(body);
    exchange.complete(wasm_host::Summary::default()).await;
    let events = metrics().read("meter-left", "events_total", &[("service", "")]);
    assert_eq!(events, Some((1.0, 1)));
}

#[tokio::test]
async fn sends_no_trailers_when_told_so() {
    let chain = chain(TOKEN_METER, json!({ "trailers": false, "metrics": false })).await;
    let passed = exchange(&chain, facts("meter-6"), get("/", &[]), content("text/event-stream", OPENAI)).await;
    assert!(passed.trailers.is_empty() && passed.header("trailer").is_empty());
    assert_eq!(passed.body, OPENAI);
}

#[tokio::test]
async fn refuses_bad_configs() {
    assert!(refusal(TOKEN_METER, json!({ "trailer": true })).await.contains("unknown field `trailer`"));
}
