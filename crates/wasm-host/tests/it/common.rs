use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::Value;
use wasm_host::{
    Body, Exchange, ExchangeFacts, LogRecord, LogSink, Plugin, PluginBuilder, PluginChain, PluginEngine, RequestOutcome,
};

/// The engine that tests share: a guest is compiled once for all of them.
pub(crate) fn engine() -> &'static PluginEngine {
    static ENGINE: OnceLock<PluginEngine> = OnceLock::new();
    ENGINE.get_or_init(|| PluginEngine::builder().build().unwrap())
}

pub(crate) fn plugin(file: &str) -> PluginBuilder {
    Plugin::builder("test").file(file)
}

pub(crate) async fn load(file: &str) -> Plugin {
    plugin(file).load(engine()).await.unwrap()
}

pub(crate) async fn load_with(file: &str, config: Value) -> Plugin {
    plugin(file).config(config).load(engine()).await.unwrap()
}

pub(crate) fn request(headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().uri("/path?q=1").header("host", "example.test");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from("request body")).unwrap()
}

pub(crate) fn response(status: u16) -> Response<Body> {
    Response::builder().status(status).header("server", "test").body(Body::from("response body")).unwrap()
}

/// A body that comes in these frames.
pub(crate) fn streamed<const N: usize>(frames: [&'static str; N]) -> Body {
    let (mut sender, body) = http_body_util::channel::Channel::<Bytes, std::convert::Infallible>::new(1);
    tokio::spawn(async move {
        for frame in frames {
            if sender.send_data(frame.into()).await.is_err() {
                return;
            }
        }
    });
    Body::new(body)
}

pub(crate) fn streamed_request<const N: usize>(frames: [&'static str; N]) -> Request<Body> {
    Request::post("/path").body(streamed(frames)).unwrap()
}

pub(crate) fn streamed_response<const N: usize>(frames: [&'static str; N]) -> Response<Body> {
    Response::new(streamed(frames))
}

pub(crate) fn open(plugins: impl IntoIterator<Item = Plugin>) -> Exchange {
    PluginChain::new(plugins).unwrap().exchange(ExchangeFacts { id: "exchange-1".into(), ..ExchangeFacts::default() })
}

/// The request phase of one plugin.
pub(crate) async fn ask(plugin: &Plugin, headers: &[(&str, &str)]) -> RequestOutcome {
    let mut exchange = open([plugin.clone()]);
    let outcome = exchange.on_request(request(headers)).await;
    exchange.finish();
    outcome
}

/// The status with which one plugin answers a request; 0 when it lets it pass.
pub(crate) async fn status(plugin: &Plugin, headers: &[(&str, &str)]) -> u16 {
    match ask(plugin, headers).await {
        RequestOutcome::Continue(_) => 0,
        RequestOutcome::Respond(response) => response.status().as_u16(),
        RequestOutcome::BodyFailed(error) => panic!("{error}"),
    }
}

pub(crate) fn passed(outcome: RequestOutcome) -> Request<Body> {
    match outcome {
        RequestOutcome::Continue(request) => request,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn answered(outcome: RequestOutcome) -> Response<Body> {
    match outcome {
        RequestOutcome::Respond(response) => response,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn bytes(body: Body) -> Bytes {
    body.collect().await.unwrap().to_bytes()
}

pub(crate) async fn text(body: Body) -> String {
    String::from_utf8(bytes(body).await.to_vec()).unwrap()
}

/// Runs a test in a process of its own, where nothing else takes memory. False: this is not that process, and it has run.
pub(crate) fn is_alone(test: &str) -> bool {
    const ALONE: &str = "TEST_RUNS_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&output.stderr));
    false
}

/// Keeps what guests log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logged(Arc<Mutex<Vec<String>>>);

impl LogSink for Logged {
    fn log(&self, record: &LogRecord<'_>) {
        let LogRecord { plugin, exchange, level, context, message, .. } = record;
        self.0.lock().push(format!("{plugin} {exchange} {level:?} {context}: {message}"));
    }
}

impl Logged {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().clone()
    }

    /// An engine that logs here.
    pub(crate) fn engine(&self) -> PluginEngine {
        PluginEngine::builder().max_instances(16).log_sink(self.clone()).build().unwrap()
    }
}
