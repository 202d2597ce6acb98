//! A plain hyper server behind a plugin, HTTP/1.1 and HTTP/2.
//!
//! ```text
//! cargo xtask guests
//! cargo run -p embed-hyper -- target/plugins/api_key_auth.wasm
//! curl -i http://127.0.0.1:3000/hello
//! curl -i -H 'x-api-key: demo-key' http://127.0.0.1:3000/hello
//! ```
#![allow(clippy::print_stdout, reason = "it tells its user where to ask")]

use std::{convert::Infallible, error::Error};

use http::{Request, Response};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde_json::json;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use wasm_host::{Body, Plugin, PluginChain, PluginEngine};
use wasm_host_hyper::PluginLayer;

async fn hello(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::from("hello from hyper\n")))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let file = std::env::args().nth(1).ok_or("usage: embed-hyper PLUGIN.wasm")?;
    let engine = PluginEngine::builder().build()?;
    let plugin = Plugin::builder("auth")
        .file(file)
        .config(json!({ "keys": [{ "name": "demo", "key": "demo-key" }] }))
        .load(&engine)
        .await?;
    let service = ServiceBuilder::new().layer(PluginLayer::new(PluginChain::new([plugin])?)).service_fn(hello);

    let listener = TcpListener::bind(("127.0.0.1", 3000)).await?;
    println!("http://{}/hello", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            if let Err(error) = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
                eprintln!("connection: {error}");
            }
        });
    }
}
