use std::convert::Infallible;

use axum::{Router, routing};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use wasm_host::{Body, ExchangeFacts, Outcome};
use wasm_host_hyper::PluginLayer;

use crate::common::{gate, get, serve};

#[tokio::test]
async fn a_chain_decides_in_front_of_a_hyper_service() {
    let inner = service_fn(|request: Request<Body>| async move {
        Ok::<_, Infallible>(Response::new(Body::from(format!("served {}", request.uri().path()))))
    });
    let address = serve(ServiceBuilder::new().layer(PluginLayer::new(gate().await)).service(inner)).await;
    assert_eq!(get(address, "/a", &[]).await, (403, "closed".into()));
    assert_eq!(get(address, "/a", &[("x-token", "open")]).await, (200, "served /a".into()));
}

#[tokio::test]
async fn a_chain_decides_in_front_of_an_axum_router() {
    let router =
        Router::new().route("/hello", routing::get(|| async { "hello" })).layer(PluginLayer::new(gate().await));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    assert_eq!(get(address, "/hello", &[]).await, (403, "closed".into()));
    assert_eq!(get(address, "/hello", &[("x-token", "open")]).await, (200, "hello".into()));
}

#[tokio::test]
async fn a_chain_decides_in_front_of_a_tonic_router() {
    let routes = tonic::service::Routes::default().prepare();
    let service = ServiceBuilder::new().layer(PluginLayer::new(gate().await)).service(routes);
    let call = |token: &str| {
        Request::post("/pkg.Service/Method")
            .header("content-type", "application/grpc")
            .header("x-token", token)
            .body(Empty::<bytes::Bytes>::new())
            .unwrap()
    };
    let refused = service.clone().oneshot(call("shut")).await.unwrap();
    assert_eq!(refused.status(), 403);
    let unimplemented = service.oneshot(call("open")).await.unwrap();
    assert_eq!(
        (unimplemented.status().as_u16(), &unimplemented.headers()["grpc-status"]),
        (200, &"12".parse().unwrap())
    );
}

#[tokio::test]
async fn a_chain_decides_in_front_of_a_client() {
    let upstream = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::from("from afar"))) });
    let open = wasm_host::PluginChain::new([]).unwrap();
    let address = serve(ServiceBuilder::new().layer(PluginLayer::new(open)).service(upstream)).await;

    let sender = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http::<Body>();
    let service = ServiceBuilder::new().layer(PluginLayer::new(gate().await)).service(sender);
    let call = |token: &str| {
        let request = Request::get(format!("http://{address}/")).header("x-token", token);
        service.clone().oneshot(request.body(Empty::<bytes::Bytes>::new()).unwrap())
    };
    assert_eq!(call("shut").await.unwrap().status(), 403);
    let answer = call("open").await.unwrap();
    let decisions = answer.extensions().get::<wasm_host::DecisionLog>().unwrap().read();
    assert_eq!((&*decisions[0].plugin, decisions[0].outcome), ("gate", Outcome::Continue));
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "from afar");
}

#[tokio::test]
async fn plugins_learn_the_facts_in_the_extensions() {
    let logged = &crate::common::engine().1;
    let plugin = wasm_host::Plugin::builder("facts").file(test_guests::NATIVE_OBSERVE);
    let inner = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    let service = ServiceBuilder::new().layer(PluginLayer::new(crate::common::chain(plugin).await)).service(inner);
    let facts = ExchangeFacts { id: "abc".into(), service: Some("shop".into()), ..ExchangeFacts::default() };
    let request = Request::get("http://example.test/x").extension(facts).body(Empty::<bytes::Bytes>::new()).unwrap();
    service.oneshot(request).await.unwrap();
    assert_eq!(logged.of("facts")[0], "GET example.test /x 0 headers for Some(\"shop\") via None from None as abc");
}

#[tokio::test]
async fn plugins_learn_the_facts_of_a_single_call() {
    let logged = &crate::common::engine().1;
    let plugin = wasm_host::Plugin::builder("facts-of-a-call").file(test_guests::NATIVE_OBSERVE);
    let layer = PluginLayer::new(crate::common::chain(plugin).await);
    let inner = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    let facts = |id: &str| ExchangeFacts { id: id.into(), ..ExchangeFacts::default() };
    let request = Request::get("http://example.test/x").extension(facts("from the extensions"));
    let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
    layer.call(inner, facts("given"), request).await.unwrap();
    let lines = logged.of("facts-of-a-call");
    assert_eq!(lines[0], "GET example.test /x 0 headers for None via None from None as given");
}
