use std::io;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, StreamBody};
use serde_json::json;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use wasm_host::{
    Body, ExchangeFacts, FailureAction, FailurePolicy, Grants, Names, Plugin, PluginChain, Routing, UpstreamFailure,
    UpstreamFailureKind,
};
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
    let layer = PluginLayer::new(PluginChain::new([]).unwrap());
    let error = ServiceBuilder::new().layer(layer).service(service_fn(fails)).oneshot(request()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn an_error_becomes_the_fallback() {
    let layer = PluginLayer::new(PluginChain::new([]).unwrap()).errors_as(failure);
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

/// A body that flows, so that it cannot be sent twice.
fn flowing(text: &'static str) -> Body {
    let frame = http_body::Frame::data(bytes::Bytes::from(text));
    Body::new(StreamBody::new(tokio_stream::iter([Ok::<_, io::Error>(frame)])))
}

/// Reads the body, and fails when it breaks off.
async fn reads(request: Request<Body>) -> Result<Response<Body>, io::Error> {
    let body = request.into_body().collect().await.map_err(io::Error::other)?;
    Ok(Response::new(Body::from(body.to_bytes())))
}

fn bodies(name: &str, config: serde_json::Value) -> wasm_host::PluginBuilder {
    let policy = FailurePolicy::always(FailureAction::closed_with(StatusCode::IM_A_TEAPOT));
    Plugin::builder(name).file(test_guests::NATIVE_BODIES).config(config).on_failure(policy)
}

#[tokio::test]
async fn a_request_that_a_plugin_cut_gets_its_policy_s_answer() {
    let trap = bodies("trap", json!({ "request": { "mode": "lines", "act": "trap" } }));
    let service = ServiceBuilder::new().layer(PluginLayer::new(chain(trap).await)).service(service_fn(reads));
    let answer = service.oneshot(Request::new(flowing("a\n"))).await.unwrap();
    assert_eq!(answer.status(), 418);
}

#[tokio::test]
async fn a_cut_body_that_another_plugin_waits_for_gets_the_same_answer() {
    let engine = &crate::common::engine().0;
    let trap = bodies("trap", json!({ "request": { "mode": "lines", "act": "trap" } })).load(engine).await.unwrap();
    let waits = bodies("waits", json!({ "request": { "mode": "buffer", "bytes": 9 } })).load(engine).await.unwrap();
    let layer = PluginLayer::new(PluginChain::new([trap, waits]).unwrap());
    let service = ServiceBuilder::new().layer(layer).service(service_fn(reads));
    let answer = service.oneshot(Request::new(flowing("a\n"))).await.unwrap();
    assert_eq!(answer.status(), 418);
}

#[tokio::test]
async fn a_body_that_breaks_off_while_a_plugin_waits_is_answered() {
    let broken = || {
        let frames = [Ok(http_body::Frame::data(bytes::Bytes::from("a"))), Err(io::Error::other("gone"))];
        Request::new(StreamBody::new(tokio_stream::iter(frames)))
    };
    let chain = chain(bodies("waits", json!({ "request": { "mode": "buffer", "bytes": 9 } }))).await;
    let plain = PluginLayer::new(chain.clone());
    let answer = ServiceBuilder::new().layer(plain).service(service_fn(reads)).oneshot(broken()).await.unwrap();
    assert_eq!(answer.status(), 400);
    let told = PluginLayer::new(chain).broken_requests_as(|error| {
        Response::builder().status(408).body(Body::from(error.to_string())).unwrap_or_default()
    });
    let answer = ServiceBuilder::new().layer(told).service(service_fn(reads)).oneshot(broken()).await.unwrap();
    assert_eq!(answer.status(), 408);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "gone");
}

#[tokio::test]
async fn a_retry_goes_to_the_service_that_the_plugin_names() {
    let grants = Grants { upstreams: Names::All, ..Grants::default() };
    let brand = Plugin::builder("retry").file(test_guests::NATIVE_BRAND_ERRORS).grants(grants);
    let brand = brand.config(json!({ "retry": "spare" }));
    let inner = service_fn(|request: Request<Body>| async move {
        match request.extensions().get::<Routing>().and_then(|routing| routing.service.as_ref()) {
            Some(name) => Ok(Response::new(Body::from(name.to_string()))),
            None => fails(request).await,
        }
    });
    let layer = PluginLayer::new(chain(brand).await).errors_as(failure);
    let facts = ExchangeFacts { services: ["shop".into(), "spare".into()].into(), ..ExchangeFacts::default() };
    let request = Request::builder().extension(facts).body(Empty::<bytes::Bytes>::new()).unwrap();
    let answer = ServiceBuilder::new().layer(layer).service(inner).oneshot(request).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "spare");
}
