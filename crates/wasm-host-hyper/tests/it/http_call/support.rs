use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, uri::Scheme};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use wasm_host::{
    Body, BoxFuture, ExchangeFacts, Grants, HttpGrant, Limits, Plugin, PluginBuilder, PluginChain, PluginEngine,
    RequestOutcome,
};
use wasm_host_hyper::{HttpCaller, Resolve};

use crate::common::Logged;

/// An engine whose plugins call out.
pub(super) struct Calls {
    pub(super) engine: PluginEngine,
    logged: Logged,
}

impl Calls {
    /// With names that the system resolves.
    pub(super) fn new() -> Self {
        Self::over(HttpCaller::builder().build())
    }

    pub(super) fn over(caller: HttpCaller) -> Self {
        let logged = Logged::default();
        let engine = PluginEngine::builder().max_instances(16).log_sink(logged.clone()).http_client(caller);
        Self { engine: engine.build().unwrap(), logged }
    }

    pub(super) fn resolving(answers: impl IntoIterator<Item = &'static [&'static str]>) -> (Self, Names) {
        let names = Names::new(answers);
        (Self::over(HttpCaller::builder().resolver(names.clone()).build()), names)
    }

    /// A plugin with time enough for a busy machine.
    pub(super) fn plugin(&self, name: &str, guest: &str) -> PluginBuilder {
        Plugin::builder(name).file(guest).limits(patient())
    }

    pub(super) fn logged(&self, plugin: &str) -> Vec<String> {
        self.logged.of(plugin)
    }

    /// Runs the request phase of a guest, and gives what it logged.
    pub(super) async fn run(&self, guest: &str, config: Value, grants: Grants) -> Vec<String> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("plugin-{}", NEXT.fetch_add(1, SeqCst));
        self.run_as(&name, guest, config, grants).await
    }

    pub(super) async fn run_as(&self, name: &str, guest: &str, config: Value, grants: Grants) -> Vec<String> {
        let plugin = self.plugin(name, guest).config(config).grants(grants).load(&self.engine).await.unwrap();
        self.ask(&plugin).await
    }

    pub(super) async fn ask(&self, plugin: &Plugin) -> Vec<String> {
        let mut exchange = PluginChain::new([plugin.clone()]).unwrap().exchange(ExchangeFacts::default());
        let outcome = exchange.on_request(request(&[])).await;
        assert!(matches!(outcome, RequestOutcome::Continue(_)), "{outcome:?} {:?}", exchange.failures());
        self.logged(plugin.name())
    }
}

/// Limits that nothing here reaches.
pub(super) fn patient() -> Limits {
    let mut limits = Limits { wall: Duration::from_secs(60), cpu: Duration::from_secs(20), ..Limits::default() };
    limits.http.timeout = Duration::from_secs(30);
    limits.http.connect = Duration::from_secs(30);
    limits
}

/// The config of a guest that gets a URL.
pub(super) fn get(url: &str) -> Value {
    json!({ "on": "request", "url": url })
}

pub(super) fn request(headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::post("/path");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Body::from("request body")).unwrap()
}

pub(super) fn response() -> Response<Body> {
    Response::new(Body::from("response body"))
}

/// A resolver whose next answer is the next of its list; the last one stays.
#[derive(Clone, Debug)]
pub(super) struct Names(Arc<Mutex<(VecDeque<Vec<IpAddr>>, usize)>>);

impl Names {
    fn new(answers: impl IntoIterator<Item = &'static [&'static str]>) -> Self {
        let parse = |answer: &[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Self(Arc::new(Mutex::new((answers.into_iter().map(parse).collect(), 0))))
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.0.lock().1
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let (answers, asked) = &mut *self.0.lock();
        *asked += 1;
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        let found = answer.unwrap_or_default().into_iter().map(|address| SocketAddr::new(address, port)).collect();
        Box::pin(async move { Ok(found) })
    }
}

/// An HTTP/1.1 server on a loopback address; what it answers is in the path.
pub(super) struct Server {
    address: SocketAddr,
    seen: Seen,
}

#[derive(Clone, Default)]
struct Seen {
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap()).await
    }

    pub(super) async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Seen::default();
        tokio::spawn(accept(listener, seen.clone()));
        Self { address, seen }
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// A URL of it, by name.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port())
    }

    /// Everything that is here.
    pub(super) fn grant(&self) -> Grants {
        let mut http = HttpGrant {
            hosts: vec!["localhost".parse().unwrap()],
            ports: vec![self.port()],
            methods: vec![Method::GET, Method::POST],
            schemes: vec![Scheme::HTTP],
            ..HttpGrant::default()
        };
        http.addresses.loopback = true;
        Grants { http, ..Grants::default() }
    }

    pub(super) fn requests(&self) -> usize {
        self.seen.requests.load(SeqCst)
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(SeqCst)
    }

    /// Connections that are open now.
    pub(super) fn open(&self) -> usize {
        self.seen.open.load(SeqCst)
    }
}

async fn accept(listener: TcpListener, seen: Seen) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        seen.connections.fetch_add(1, SeqCst);
        seen.open.fetch_add(1, SeqCst);
        let seen = seen.clone();
        tokio::spawn(async move {
            let requests = Arc::clone(&seen.requests);
            let service = service_fn(move |request| {
                requests.fetch_add(1, SeqCst);
                async { Ok::<_, Infallible>(answer(request).await) }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            seen.open.fetch_sub(1, SeqCst);
        });
    }
}

async fn answer(request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let (what, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    match what {
        "echo" => {
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let headers = parts.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
            let headers = headers.collect::<Vec<_>>().join("\n");
            let text = format!("{} {}\n{headers}\n\n{}", parts.method, parts.uri, String::from_utf8_lossy(&body));
            Response::new(Body::from(text))
        }
        "count" => Response::new(Body::from(body.collect().await.map_or(0, |body| body.to_bytes().len()).to_string())),
        "never" => std::future::pending().await,
        "large" => Response::new(Body::from(vec![b'x'; rest.parse().unwrap()])),
        // Without a length.
        "flood" => Response::new(endless(Duration::ZERO, &[b'x'; 1024])),
        "trickle" => Response::new(endless(Duration::from_millis(5), b"x")),
        "close" => Response::builder().header("connection", "close").body(Body::from("closed")).unwrap(),
        "to" => {
            let location = parts.uri.query().unwrap().to_owned();
            Response::builder().status(302).header("location", location).body(Body::empty()).unwrap()
        }
        "loop" => Response::builder().status(302).header("location", "/loop").body(Body::empty()).unwrap(),
        "upgrade" => Response::builder().status(101).body(Body::empty()).unwrap(),
        _ => Response::new(Body::from("ok")),
    }
}

/// This chunk again and again.
fn endless(every: Duration, chunk: &'static [u8]) -> Body {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        while sender.send(Ok::<_, Infallible>(Frame::data(Bytes::from_static(chunk)))).await.is_ok() {
            tokio::time::sleep(every).await;
        }
    });
    Body::new(StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(receiver)))
}
