//! An axum application behind a plugin.
//!
//! ```text
//! cargo xtask guests
//! cargo run -p embed-axum -- target/plugins/api_key_auth.wasm
//! curl -i http://127.0.0.1:3000/hello
//! curl -i -H 'x-api-key: demo-key' http://127.0.0.1:3000/hello
//! ```
#![allow(clippy::print_stdout, reason = "it tells its user where to ask")]

use std::error::Error;

use axum::{Router, routing::get};
use serde_json::json;
use tokio::net::TcpListener;
use wasm_host::{Plugin, PluginChain, PluginEngine};
use wasm_host_hyper::PluginLayer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let file = std::env::args().nth(1).ok_or("usage: embed-axum PLUGIN.wasm")?;
    let engine = PluginEngine::builder().build()?;
    let plugin = Plugin::builder("auth")
        .file(file)
        .config(json!({ "keys": [{ "name": "demo", "key": "demo-key" }] }))
        .load(&engine)
        .await?;

    let router = Router::new()
        .route("/hello", get(|| async { "hello from axum\n" }))
        .layer(PluginLayer::new(PluginChain::new([plugin])?));
    let listener = TcpListener::bind(("127.0.0.1", 3000)).await?;
    println!("http://{}/hello", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}
