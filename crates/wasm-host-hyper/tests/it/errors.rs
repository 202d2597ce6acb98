use std::io;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use wasm_host::{Body, Plugin, PluginChain, UpstreamFailure, UpstreamFailureKind};
use wasm_host_hyper::PluginLayer;

use crate::common::chain;

async fn fails(_: Request<Body>) -> Result<Response<Body>, io::Error> {
    Err(io::Error::new(io::ErrorKind::ConnectionRefused, "refused"))
}

fn failure(error: &io::Error) -> (UpstreamFailure, Response<Body>) {
    let failure = UpstreamFailure {
        service: Some("shop".into()),
        kind: UpstreamFailureKind::Connect,
        message: error.to_string(),
        status: StatusCode::BAD_GATEWAY,
    };
    let fallback = Response::builder().status(failure.status).body(Body::from("bad gateway")).unwrap();
    (failure, fallback)
}

fn request() -> Request<Empty<bytes::Bytes>> {
    Request::new(Empty::new())
}

#[tokio::test]
async fn an_error_is_passed_on() {
    let layer = PluginLayer::new(PluginChain::new([]));
    let error = ServiceBuilder::new().layer(layer).service(service_fn(fails)).oneshot(request()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn an_error_becomes_the_fallback() {
    let layer = PluginLayer::new(PluginChain::new([])).errors_as(failure);
    let answer = ServiceBuilder::new().layer(layer).service(service_fn(fails)).oneshot(request()).await.unwrap();
    assert_eq!(answer.status(), 502);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "bad gateway");
}

#[tokio::test]
async fn a_plugin_answers_for_an_error() {
    let plugin = Plugin::builder("brand").file(test_guests::NATIVE_BRAND_ERRORS);
    let layer = PluginLayer::new(chain(plugin).await).errors_as(failure);
    let answer = ServiceBuilder::new().layer(layer).service(service_fn(fails)).oneshot(request()).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "sorry: shop (connect, 502)");
}
