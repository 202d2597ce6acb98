//! What operators of other gateways have: their configs, environment variables and management APIs.

mod modules;
mod odin_config;
mod odin_load;
mod odin_plugins;
mod plugin_dir;
mod plugin_test;

use std::path::Path;

use http::{Method, Request};
use serde_json::Value;

use crate::support::*;

/// Asks the admin API.
async fn call(admin: &str, method: Method, path: &str, body: impl Into<bytes::Bytes>) -> Answer {
    let url = format!("http://{admin}{path}");
    send(&client(), Request::builder().method(method).uri(url).body(body::full(body)).unwrap()).await
}

/// What the admin API says about the plugins: name, state and reason.
async fn states(admin: &str) -> Vec<(String, String, String)> {
    let answer = call(admin, Method::GET, "/api/plugins", "").await.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let plugins = answer["plugins"].as_array().unwrap().iter();
    plugins.map(|plugin| (text(&plugin["name"]), text(&plugin["state"]), text(&plugin["reason"]))).collect()
}

/// A directory with copies of guests under these names.
fn directory_of(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, guest) in files {
        let file = directory.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::copy(Path::new(guest), file).unwrap();
    }
    directory
}
