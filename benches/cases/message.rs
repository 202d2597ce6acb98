use http::{Request, Response};
use wasm_host::Body;

/// A request as browsers send them: ten headers, one of them the secret the filter asks for.
pub(super) fn request() -> Request<Body> {
    Request::builder()
        .uri("/api/items/42?fields=name")
        .header("host", "shop.example")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        .header("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
        .header("accept-language", "en-GB,en;q=0.5")
        .header("accept-encoding", "gzip, deflate, br")
        .header("referer", "https://shop.example/items")
        .header("cookie", "session=0123456789abcdef0123456789abcdef")
        .header("authorization", "Bearer secret")
        .header("cache-control", "no-cache")
        .header("x-request-id", "5f0c1c9e-3d7b-4f61-9c55-0a5f3d1f7c11")
        .body(Body::empty())
        .unwrap()
}

pub(super) fn response() -> Response<Body> {
    Response::builder()
        .header("content-type", "text/plain")
        .header("content-length", "2")
        .body(Body::from("ok"))
        .unwrap()
}
