use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use test_guests as guest;
use wasm_host::{
    Body, BoxFuture, Grants, HttpCall, HttpCallError, HttpClient, HttpTarget, Names, Plugin, PluginEngine,
};

use super::ask_with;
use crate::common::{answered, plugin, text};

/// Tells who was asked for what; the service `down` is.
#[derive(Debug)]
pub(super) struct Services;

impl HttpClient for Services {
    fn send(&self, call: HttpCall) -> BoxFuture<'_, Result<Response<Body>, HttpCallError>> {
        Box::pin(async move {
            let HttpCall { target, request, .. } = call;
            let (parts, body) = request.into_parts();
            let sent = body.collect().await.map_or_else(|_| Bytes::new(), |body| body.to_bytes());
            let sent = String::from_utf8_lossy(&sent);
            let told = parts.uri.path_and_query().map_or("", |target| target.as_str());
            let values = |name: &str| -> Vec<&str> {
                parts.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
            };
            let method = &parts.method;
            match target {
                HttpTarget::Service(name) if &*name == "down" => Err(HttpCallError::Timeout),
                HttpTarget::Service(name) => {
                    let (mark, coding) = (values("x-mark").join(","), values("accept-encoding").join(","));
                    let body = format!("{name}: {method} {told} {mark}{coding} {sent}");
                    let answer = Response::builder().status(200).header(header::CONTENT_TYPE, "text/plain");
                    Ok(answer.body(Body::from(body)).unwrap())
                }
                _ => {
                    let (from, many) = (values("x-from").join(","), values("x-many").join(","));
                    let body = format!("{method} {told} from {from} with {many}: {sent}");
                    let answer = Response::builder().status(201).header("x-answered", "1").header("x-answered", "2");
                    Ok(answer.body(Body::from(body)).unwrap())
                }
            }
        })
    }
}

pub(super) fn granted() -> Grants {
    let mut grants = Grants::default();
    grants.http.hosts = vec!["api.test".parse().unwrap()];
    grants.http.schemes = vec![http::uri::Scheme::HTTP];
    grants.http.methods = vec![http::Method::POST];
    grants.http.services = Names::Only(vec!["users".into(), "orders".into(), "down".into()]);
    grants
}

async fn aggregating(services: Value) -> Plugin {
    let engine = PluginEngine::builder().http_client(Services).build().unwrap();
    let options = json!({ "type": "aggregation", "services": services });
    plugin(guest::ODIN_AGGREGATE).abi_options(options).grants(granted()).load(&engine).await.unwrap()
}

async fn aggregate(plugin: &Plugin) -> Response<Body> {
    let request = Request::post("/all?page=2")
        .header("host", "example.test")
        .header("content-length", "4")
        .header("x-mark", "m")
        .header("accept-encoding", "gzip");
    answered(ask_with(plugin, request.body(Body::from("sent")).unwrap()).await)
}

#[tokio::test]
pub(crate) async fn odin_aggregate() {
    let answer = aggregate(&aggregating(json!(["users", "orders", "down", "secret"])).await).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    let told: Value = serde_json::from_str(&text(answer.into_body()).await).unwrap();
    let came = |service: &str| {
        let body = format!("{service}: POST /all?page=2 m sent");
        json!({ "service": service, "status": 200, "type": "text/plain", "body": body, "error": null })
    };
    assert_eq!((&told[0], &told[1]), (&came("users"), &came("orders")));
    for (index, why) in [(2, "took too long"), (3, "`secret`")] {
        assert_eq!((&told[index]["status"], &told[index]["body"]), (&json!(502), &json!("")));
        assert!(told[index]["error"].as_str().unwrap().contains(why), "{told}");
    }
}

#[tokio::test]
async fn an_aggregation_may_refuse() {
    let answer = aggregate(&aggregating(json!(["down"])).await).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(text(answer.into_body()).await, "no service answers");
}

#[tokio::test]
async fn an_aggregation_answers() {
    let engine = PluginEngine::builder().http_client(Services).build().unwrap();
    let options = json!({ "type": "aggregation", "services": ["users"] });
    let says_nothing = plugin(guest::ODIN_OBSERVE).abi_options(options).grants(granted()).load(&engine).await.unwrap();
    let mut exchange = crate::common::open([says_nothing]);
    let answer = exchange.on_request(Request::post("/").body(Body::empty()).unwrap()).await;
    assert_eq!(answered(answer).status(), 500);
    let failure = exchange.failures().remove(0);
    assert_eq!(failure.class, wasm_host::FailureClass::InvalidOutput);
    assert!(failure.message.contains("no `response`"), "{}", failure.message);
}
