use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tower_service::Service;
use wasm_host::{LogRecord, LogSink, Plugin, PluginBuilder, PluginChain, PluginEngine};
use wasm_host_hyper::PluginBody;

/// What guests logged in this test binary.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logged(Arc<Mutex<Vec<String>>>);

impl LogSink for Logged {
    fn log(&self, record: &LogRecord<'_>) {
        self.0.lock().push(format!("{}: {}", record.plugin, record.message));
    }
}

impl Logged {
    pub(crate) fn of(&self, plugin: &str) -> Vec<String> {
        let prefix = format!("{plugin}: ");
        self.0.lock().iter().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
    }
}

pub(crate) fn engine() -> &'static (PluginEngine, Logged) {
    static ENGINE: OnceLock<(PluginEngine, Logged)> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let logged = Logged::default();
        (PluginEngine::builder().log_sink(logged.clone()).build().unwrap(), logged)
    })
}

pub(crate) async fn chain(plugin: PluginBuilder) -> PluginChain {
    PluginChain::new([plugin.load(&engine().0).await.unwrap()]).unwrap()
}

/// Lets requests with `x-token: open` pass, and answers the others with 403.
pub(crate) async fn gate() -> PluginChain {
    let config = serde_json::json!({ "token": "open" });
    chain(Plugin::builder("gate").file(test_guests::NATIVE_GATE).config(config)).await
}

/// Serves every connection with a service, on a port that the system picks.
pub(crate) async fn serve<S, E>(service: S) -> SocketAddr
where
    S: Service<Request<hyper::body::Incoming>, Response = Response<PluginBody>, Error = E> + Clone + Send + 'static,
    S::Future: Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                drop(server.serve_connection_with_upgrades(TokioIo::new(stream), service).await);
            });
        }
    });
    address
}

/// Status and body of an answer to a GET.
pub(crate) async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = Request::builder().uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request.body(Empty::new()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
