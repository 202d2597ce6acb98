//! Loads a plugin and sends messages through it, with an upstream of the test's own.

use std::{
    fs,
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, request, response};
use http_body_util::{BodyExt, channel::Channel};
use plugin_tests::Example;
use serde_json::Value;
use wasm_host::{
    Body, ExchangeFacts, LogRecord, LogSink, MemoryMetrics, Plugin, PluginBuilder, PluginChain, PluginEngine,
    RequestOutcome, Summary,
};

/// What came of an exchange.
#[derive(Debug)]
pub(crate) struct Passed {
    /// The request as the upstream got it; none when it got none.
    pub(crate) upstream: Option<request::Parts>,
    pub(crate) upstream_body: Bytes,
    /// Where a plugin sent the request.
    pub(crate) chosen: Option<String>,
    /// What the client got.
    pub(crate) response: response::Parts,
    pub(crate) bytes: Bytes,
    /// The same as text.
    pub(crate) body: String,
    pub(crate) trailers: HeaderMap,
}

impl Passed {
    pub(crate) fn status(&self) -> u16 {
        self.response.status.as_u16()
    }

    /// The values of a header of the response.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        self.response.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// The values of a header of the request, as the upstream got them.
    pub(crate) fn upstream_header(&self, name: &str) -> Vec<&str> {
        let request = self.upstream.as_ref().expect("the request reached the upstream");
        request.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// The value of a trailer of the response.
    pub(crate) fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The `config.json` in the plugin's folder.
pub(crate) fn example_config(example: Example) -> Value {
    let text = fs::read_to_string(Path::new(example.folder).join("config.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn builder(example: Example, config: Value) -> PluginBuilder {
    Plugin::builder(example.name).file(example.file).config(config)
}

pub(crate) async fn chain(example: Example, config: Value) -> PluginChain {
    PluginChain::new([builder(example, config).load(engine()).await.unwrap()]).unwrap()
}

/// The chain of the plugin with its own `config.json`.
pub(crate) async fn example_chain(example: Example) -> PluginChain {
    chain(example, example_config(example)).await
}

/// The text with which the plugin refuses a configuration.
pub(crate) async fn refusal(example: Example, config: Value) -> String {
    builder(example, config).load(engine()).await.expect_err("the configuration is refused").to_string()
}

/// A request with these headers.
pub(crate) fn get(target: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::builder().uri(target).header("host", "api.example");
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(Body::empty()).unwrap()
}

/// A request with this content.
pub(crate) fn post(content_type: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post("/").header("host", "api.example").header("content-type", content_type);
    request.body(body.into()).unwrap()
}

/// The answer of an upstream, with this content.
pub(crate) fn content(content_type: &str, body: impl Into<Body>) -> Response<Body> {
    Response::builder().header("content-type", content_type).body(body.into()).unwrap()
}

/// A body that comes in these frames.
pub(crate) fn frames<F: Into<Bytes> + Send + 'static>(frames: impl IntoIterator<Item = F>) -> Body {
    let frames: Vec<Bytes> = frames.into_iter().map(Into::into).collect();
    let (mut sender, body) = Channel::<Bytes>::new(1);
    tokio::spawn(async move {
        for frame in frames {
            if sender.send_data(frame).await.is_err() {
                return;
            }
        }
    });
    Body::new(body)
}

/// The answer of an upstream.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)]) -> Response<Body> {
    let response = Response::builder().status(status);
    headers
        .iter()
        .fold(response, |response, (name, value)| response.header(*name, *value))
        .body("upstream".into())
        .unwrap()
}

pub(crate) fn facts(id: &str) -> ExchangeFacts {
    ExchangeFacts { id: id.into(), client_address: Some([192, 0, 2, 1].into()), ..ExchangeFacts::default() }
}

/// Sends a request through the chain to an upstream that answers 200.
pub(crate) async fn send(chain: &PluginChain, request: Request<Body>) -> Passed {
    exchange(chain, facts("exchange-1"), request, answer(200, &[])).await
}

/// One whole exchange, in the order in which a gateway runs it.
pub(crate) async fn exchange(
    chain: &PluginChain,
    facts: ExchangeFacts,
    request: Request<Body>,
    answer: Response<Body>,
) -> Passed {
    let mut exchange = chain.exchange(facts);
    let (upstream, answer) = match exchange.on_request(request).await {
        RequestOutcome::Continue(request) => (Some(request.into_parts()), answer),
        RequestOutcome::Respond(response) => (None, response),
        RequestOutcome::BodyFailed(error) => panic!("{error}"),
    };
    let (upstream, body) = upstream.unzip();
    let upstream_body = body.unwrap_or_default().collect().await.unwrap().to_bytes();
    let (response, body) = exchange.on_response(answer).await.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    let bytes = body.to_bytes();
    let summary = Summary {
        status: Some(response.status),
        duration: Duration::from_millis(7),
        response_bytes: bytes.len() as u64,
        finished: true,
        ..Summary::default()
    };
    let chosen = exchange.routing().service.as_ref().map(|service| service.to_string());
    exchange.complete(summary).await;
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Passed { upstream, upstream_body, chosen, response, bytes, body, trailers }
}

/// Asserts that the guest itself failed: the answer is the host's.
#[track_caller]
pub(crate) fn assert_closed(passed: &Passed) {
    assert_eq!(passed.response.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(passed.upstream.is_none());
    assert_eq!(passed.body, "");
}

/// What plugins logged in the exchange of this id.
pub(crate) fn logged(id: &str) -> Vec<String> {
    let logs = LOGS.lock().unwrap_or_else(PoisonError::into_inner);
    logs.iter().filter(|(exchange, _)| exchange == id).map(|(_, message)| message.clone()).collect()
}

pub(crate) fn engine() -> &'static PluginEngine {
    static ENGINE: OnceLock<PluginEngine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        // Code is dropped with its last plugin: a test that loads one again and again finds it here.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
        let builder = PluginEngine::builder().max_instances(64).cache_dir(cache).log_sink(Collect);
        builder.metric_sink(metrics().clone()).build().unwrap()
    })
}

/// What plugins measured, in all tests: plugins that measure have names of their own.
pub(crate) fn metrics() -> &'static MemoryMetrics {
    static METRICS: OnceLock<MemoryMetrics> = OnceLock::new();
    METRICS.get_or_init(MemoryMetrics::default)
}

static LOGS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Keeps what plugins log, each with its exchange.
#[derive(Debug)]
struct Collect;

impl LogSink for Collect {
    fn log(&self, record: &LogRecord<'_>) {
        let message = (record.exchange.to_owned(), record.message.to_owned());
        LOGS.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    }
}
