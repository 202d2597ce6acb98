#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use http::StatusCode;
use parking_lot::Mutex;

use super::*;
use crate::{BoxFuture, Names};

/// Answers with what it is given, and keeps what it was sent.
#[derive(Debug, Default)]
struct Script {
    answers: Mutex<Vec<Response<Body>>>,
    sent: Mutex<Vec<(HttpTarget, Method, Uri, HeaderMap)>>,
}

impl HttpClient for Arc<Script> {
    fn send(&self, call: HttpCall) -> BoxFuture<'_, Result<Response<Body>, HttpCallError>> {
        let request = call.request;
        let what = (call.target, request.method().clone(), request.uri().clone(), request.headers().clone());
        self.sent.lock().push(what);
        let answer = self.answers.lock().pop();
        Box::pin(async move {
            match answer {
                Some(answer) => Ok(answer),
                None => std::future::pending().await,
            }
        })
    }
}

fn redirect(status: u16, location: &str) -> Response<Body> {
    Response::builder().status(status).header("location", location).body(Body::empty()).unwrap()
}

fn ok(body: &'static str) -> Response<Body> {
    Response::new(Body::from(body))
}

fn grant() -> HttpGrant {
    HttpGrant {
        hosts: vec!["a.test".parse().unwrap(), "*.b.test".parse().unwrap()],
        methods: vec![Method::GET, Method::POST],
        services: Names::Only(vec!["orders".into()]),
        ..HttpGrant::default()
    }
}

fn plugin(answers: impl IntoIterator<Item = Response<Body>>, limits: HttpLimits) -> (Arc<PluginHttp>, Arc<Script>) {
    let mut answers: Vec<_> = answers.into_iter().collect();
    answers.reverse();
    let script = Arc::new(Script { answers: Mutex::new(answers), sent: Mutex::default() });
    (Arc::new(PluginHttp::new("p".into(), Arc::new(Arc::clone(&script)), grant(), limits)), script)
}

fn call(method: &str, url: &str) -> WholeCall {
    WholeCall {
        method: method.into(),
        target: WholeCall::to_url(url),
        headers: vec![("authorization".into(), b"secret".to_vec()), ("x-other".into(), b"kept".to_vec())],
        body: Bytes::from_static(b"body"),
        timeout: None,
        redirects: None,
    }
}

async fn send(plugin: &PluginHttp, call: WholeCall) -> Result<Response<Bytes>, HttpCallError> {
    let admitted = plugin.admit(call, TraceContext::default(), &AtomicU32::new(0))?;
    plugin.send(admitted).await
}

fn kind<T>(result: &Result<T, HttpCallError>) -> &'static str {
    result.as_ref().err().map_or("sent", HttpCallError::kind)
}

#[tokio::test]
async fn follows_redirects_that_are_granted() {
    let answers = [redirect(307, "/next"), redirect(302, "https://x.b.test/"), ok("end")];
    let (plugin, script) = plugin(answers, HttpLimits::default());
    let response = send(&plugin, call("POST", "https://a.test/")).await.unwrap();
    assert_eq!(response.body(), "end");
    let sent = script.sent.lock();
    assert_eq!((&sent[1].1, sent[1].2.to_string()), (&Method::POST, "https://a.test/next".into()));
    assert!(sent[1].3.contains_key("authorization"), "the same origin");
    assert_eq!((&sent[2].1, sent[2].2.to_string()), (&Method::GET, "https://x.b.test/".into()));
    assert!(!sent[2].3.contains_key("authorization"), "another origin");
    assert_eq!(sent[2].3["x-other"], "kept");
}

#[tokio::test]
async fn checks_each_redirect_as_the_call() {
    for (location, key) in [
        ("https://evil.test/", "grants.http.hosts"),
        ("https://evilb.test/", "grants.http.hosts"),
        ("http://a.test/", "grants.http.schemes"),
        ("https://a.test:8443/", "grants.http.ports"),
    ] {
        let (plugin, script) = plugin([redirect(302, location), ok("not seen")], HttpLimits::default());
        let error = send(&plugin, call("GET", "https://a.test/")).await.unwrap_err();
        assert_eq!(error.denial().unwrap().0, key, "{location}");
        assert_eq!(script.sent.lock().len(), 1);
    }
    for location in ["file:///etc/passwd", "https://u:p@a.test/", "gopher://a.test"] {
        let (plugin, _) = plugin([redirect(302, location)], HttpLimits::default());
        assert_eq!(kind(&send(&plugin, call("GET", "https://a.test/")).await), "invalid", "{location}");
    }
}

#[tokio::test]
async fn follows_no_more_redirects_than_allowed() {
    let endless = || (0..20).map(|_| redirect(302, "/again"));
    let (plugin, script) = plugin(endless(), HttpLimits { redirects: 3, ..HttpLimits::default() });
    assert_eq!(kind(&send(&plugin, call("GET", "https://a.test/")).await), "too_many_redirects");
    assert_eq!(script.sent.lock().len(), 4);
    let wanted = |redirects| WholeCall { redirects: Some(redirects), ..call("GET", "https://a.test/") };
    assert_eq!(kind(&send(&plugin, wanted(100)).await), "too_many_redirects");
    assert_eq!(script.sent.lock().len(), 8);
    assert_eq!(send(&plugin, wanted(0)).await.unwrap().status(), StatusCode::FOUND);
}

#[tokio::test]
async fn a_service_is_called_by_name_and_may_redirect() {
    let (plugin, script) = plugin([redirect(303, "b"), ok("end")], HttpLimits::default());
    let to = |name: &str| WholeCall {
        target: WholeCall::to_service(name.into(), "/x/a"),
        ..call("POST", "https://a.test/")
    };
    assert_eq!(send(&plugin, to("orders")).await.unwrap().body(), "end");
    let orders = HttpTarget::Service("orders".into());
    let sent: Vec<_> = script.sent.lock().iter().map(|sent| (sent.0.clone(), sent.2.to_string())).collect();
    assert_eq!(sent, [(orders.clone(), "/x/a".into()), (orders, "/x/b".into())]);
    assert_eq!(kind(&send(&plugin, to("billing")).await), "denied");
}

#[tokio::test]
async fn counts_calls_and_bytes() {
    let limits = HttpLimits { calls: 2, request_bytes: 40, response_bytes: 10, ..HttpLimits::default() };
    let (plugin, script) = plugin([ok("0123456789"), ok("0123456789a")], limits);
    let made = AtomicU32::new(0);
    let admit = |call| plugin.admit(call, TraceContext::default(), &made);
    assert_eq!(kind(&admit(call("GET", "https://evil.test/"))), "denied");
    assert_eq!(
        kind(&admit(WholeCall { body: vec![0; 41].into(), ..call("GET", "https://a.test/") })),
        "request_too_large"
    );
    let first = admit(call("GET", "https://a.test/")).unwrap();
    let second = admit(call("GET", "https://a.test/")).unwrap();
    assert_eq!(kind(&admit(call("GET", "https://a.test/"))), "too_many_calls");
    assert_eq!(plugin.send(first).await.unwrap().body(), "0123456789");
    assert_eq!(kind(&plugin.send(second).await), "response_too_large");
    assert_eq!(script.sent.lock().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn waits_for_its_turn_and_no_longer_than_its_time() {
    let (plugin, script) = plugin([], HttpLimits { concurrency: 1, ..HttpLimits::default() });
    let first = send(&plugin, call("GET", "https://a.test/"));
    let second =
        send(&plugin, WholeCall { timeout: Some(Duration::from_millis(10)), ..call("GET", "https://a.test/") });
    let (first, second) = tokio::join!(first, second);
    assert_eq!((kind(&first), kind(&second)), ("timeout", "too_many_at_once"));
    assert_eq!(script.sent.lock().len(), 1);
    assert_eq!(plugin.turns.available_permits(), 1, "the turn is given back");
}

#[tokio::test]
async fn a_dropped_call_gives_its_turn_back() {
    let (plugin, _) = plugin([ok("x")], HttpLimits { concurrency: 1, ..HttpLimits::default() });
    let request = Request::get("https://a.test/").body(Body::empty()).unwrap();
    let made = AtomicU32::new(0);
    let call = plugin.stream(request, StreamOptions::default(), TraceContext::default(), &made).unwrap();
    let response = call.await.unwrap();
    assert_eq!(plugin.turns.available_permits(), 0, "its body has not been read");
    drop(response);
    assert_eq!(plugin.turns.available_permits(), 1);
}
