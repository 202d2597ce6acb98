//! A client whose requests go through a plugin: here one that injects headers.
//!
//! ```text
//! cargo xtask guests
//! cargo run -p embed-tower-client -- target/plugins/header_injection.wasm http://127.0.0.1:8080/
//! ```
#![allow(clippy::print_stdout, reason = "it shows the answer")]

use std::error::Error;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::json;
use tower::{ServiceBuilder, ServiceExt};
use wasm_host::{Body, Plugin, PluginChain, PluginEngine};
use wasm_host_hyper::PluginLayer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    const USAGE: &str = "usage: embed-tower-client PLUGIN.wasm URL";
    let mut arguments = std::env::args().skip(1);
    let (file, url) = (arguments.next().ok_or(USAGE)?, arguments.next().ok_or(USAGE)?);
    let engine = PluginEngine::builder().build()?;
    let plugin = Plugin::builder("inject")
        .file(file)
        .config(json!({ "request": [{ "op": "set", "header": "x-client", "value": "embed-tower-client" }] }))
        .load(&engine)
        .await?;

    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let service = ServiceBuilder::new().layer(PluginLayer::new(PluginChain::new([plugin])?)).service(client);
    let response = service.oneshot(Request::get(url).body(Empty::<Bytes>::new())?).await?;
    println!("{}", response.status());
    let body = response.into_body().collect().await?.to_bytes();
    println!("{}", String::from_utf8_lossy(&body));
    Ok(())
}
