//! Plugins in the chains of a gateway.

mod admin;
mod cache;
mod calls;
mod cli;
mod decisions;
mod edge_functions;
mod environment;
mod failures;
mod kv;
mod lifecycle;
mod observed;
mod response_cache;
mod routing;
mod sgl;
mod streaming;

use http::Request;

use crate::support::*;

/// Sends a GET with these headers.
async fn get_with(url: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(&client(), request.body(body::empty()).unwrap()).await
}

/// What the admin API says about the plugins.
pub(crate) async fn plugins(gateway: &Gateway) -> Vec<serde_json::Value> {
    let answer = get(&format!("http://{}/api/plugins", gateway.admin())).await;
    answer.json()["plugins"].as_array().unwrap().clone()
}
