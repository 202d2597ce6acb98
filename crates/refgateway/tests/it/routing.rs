use http::Request;

use crate::support::*;

#[tokio::test]
async fn routes_by_host_path_method_and_header() {
    let (a, b) = (Upstream::saying("a").await, Upstream::saying("b").await);
    let gateway = Gateway::start(&format!(
        "
routes:
  - {{ name: by-host, match: {{ host: '*.b.example' }}, service: b }}
  - {{ name: by-path, match: {{ path_prefix: /b }}, service: b }}
  - {{ name: by-method, match: {{ path: /m, methods: [PUT] }}, service: b }}
  - {{ name: by-header, match: {{ headers: {{ x-version: '2' }} }}, service: b }}
  - {{ name: rest, match: {{ methods: [GET] }}, service: a }}
services:
  - {{ name: a, upstreams: [{{ url: 'http://{}' }}] }}
  - {{ name: b, upstreams: [{{ url: 'http://{}' }}] }}
",
        a.address, b.address
    ));
    let ask = async |request: http::request::Builder| send(&client(), request.body(body::empty()).unwrap()).await;
    let url = |path: &str| gateway.url(path);
    assert_eq!(ask(Request::get(url("/")).header("host", "x.B.example:8080")).await.text(), "b");
    assert_eq!(ask(Request::get(url("/b/x"))).await.text(), "b");
    assert_eq!(ask(Request::put(url("/m"))).await.text(), "b");
    assert_eq!(ask(Request::get(url("/")).header("x-version", "2")).await.text(), "b");
    assert_eq!(ask(Request::get(url("/m"))).await.text(), "a");

    let refused = ask(Request::delete(url("/m"))).await;
    assert_eq!(refused.status, 405);
    assert_eq!(refused.header("allow"), Some("PUT, GET"));
    assert_eq!(refused.text(), r#"{"error":"method not allowed"}"#);
}

#[tokio::test]
async fn strips_the_prefix() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(&format!(
        "routes: [{{ name: api, match: {{ path_prefix: /api }}, service: b, strip_prefix: /api }}]\n\
         services: [{{ name: b, upstreams: [{{ url: 'http://{}' }}] }}]",
        upstream.address
    ));
    for (path, seen) in [("/api/x?y=1", "/x?y=1"), ("/api", "/"), ("/api?q", "/?q"), ("/api/", "/")] {
        assert_eq!(get(&gateway.url(path)).await.json()["uri"], seen, "{path}");
    }
}
