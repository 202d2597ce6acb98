//! `refgateway demo`.

use std::{io, net::SocketAddr, path::PathBuf, thread};

use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::{Failure, run, signals::Signals};
use crate::{
    Error, Server,
    body::{self, Body},
    config::Plugin,
    listener,
    plugins::Loading,
    telemetry::logs,
};

/// Serve a built-in upstream that echoes requests behind a plugin, with curl lines to try.
#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// Where to listen; port 0 lets the system choose.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The API-key plugin to put in front, as built by `cargo xtask guests`.
    #[arg(long, value_name = "FILE", default_value = "target/plugins/api_key_auth.wasm")]
    plugin: PathBuf,
}

/// The key that the demo's plugin lets in.
const KEY: &str = "demo-key";

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        logs::install(None);
        if !self.plugin.exists() {
            let missing = self.plugin.display();
            return Err(Failure::Config(format!("there is no plugin {missing}; build it with `cargo xtask guests`")));
        }
        let signals = Signals::install()?;
        let upstream = start_echo()?;
        let mut plugin = Plugin::from_file("api-key-auth".to_owned(), self.plugin);
        plugin.config = json!({ "keys": [{ "name": "demo", "key": KEY }] });
        let mut config = run::to_one_upstream(&format!("http://{upstream}"), self.listen, vec![plugin]);
        config.admin.address.set_port(0);
        let handle = Server::start_loading(config, Loading::Strict)?;
        for address in handle.addresses() {
            print_lines(*address, handle.admin_address());
        }
        signals.serve(handle, None::<fn() -> _>)
    }
}

#[allow(clippy::print_stdout, reason = "the command's result")]
fn print_lines(address: SocketAddr, admin: Option<SocketAddr>) {
    println!("A plugin in front of an upstream that echoes what it receives lets in who has the key. Try:\n");
    println!("  curl -i http://{address}/hello");
    println!("  curl -i http://{address}/hello -H 'x-api-key: {KEY}'");
    println!("  curl -i http://{address}/orders/7 -H 'x-api-key: {KEY}' -d 'one coffee'\n");
    if let Some(admin) = admin {
        println!("  curl http://{admin}/api/plugins");
        println!("  curl -X POST http://{admin}/api/plugins/api-key-auth/disable");
        println!("  curl 'http://{admin}/api/explain?method=GET&host=localhost&path=/hello'");
        println!("  curl http://{admin}/metrics");
    }
    println!("\nCtrl-C ends it.");
}

/// Starts the echoing upstream on its own thread.
fn start_echo() -> Result<SocketAddr, Failure> {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let failed = |source| Error::Listen { address, source };
    let socket = listener::bind(address, 1).map_err(failed)?.pop();
    let socket = socket.ok_or_else(|| failed(io::ErrorKind::AddrNotAvailable.into()))?;
    let address = socket.local_addr().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Worker)?;
    thread::Builder::new()
        .name("echo".to_owned())
        .spawn(move || runtime.block_on(serve_echo(socket)))
        .map_err(Error::Worker)?;
    Ok(address)
}

async fn serve_echo(socket: std::net::TcpListener) -> io::Result<()> {
    let listener = listener::register(socket)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(echo)));
    }
}

async fn echo(request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let (parts, incoming) = request.into_parts();
    let received = incoming.collect().await?.to_bytes();
    let echo = json!({
        "method": parts.method.as_str(),
        "path": parts.uri.to_string(),
        "headers": headers_of(&parts.headers),
        "body": String::from_utf8_lossy(&received),
    });
    let mut response = Response::new(body::full(format!("{echo:#}\n")));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn headers_of(headers: &HeaderMap) -> Value {
    let names = headers.keys().map(|name| {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        (name.to_string(), json!(values.join(", ")))
    });
    Value::Object(names.collect())
}
