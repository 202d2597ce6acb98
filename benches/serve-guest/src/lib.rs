//! Answers 200 to a request that carries the secret, else 401.

use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Filter;

wasip2::http::proxy::export!(Filter);

impl wasip2::exports::http::incoming_handler::Guest for Filter {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let secrets = request.headers().get("authorization");
        if secrets.first().is_some_and(|secret| secret == b"Bearer secret") {
            respond(out, 200, b"ok");
        } else {
            respond(out, 401, b"");
        }
    }
}

fn respond(out: ResponseOutparam, status: u16, content: &[u8]) {
    let length = content.len().to_string().into_bytes();
    let headers = Fields::from_list(&[("content-length".to_owned(), length)]).expect("a header that is allowed");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a status that is allowed");
    let body = response.body().expect("the body, once");
    ResponseOutparam::set(out, Ok(response));
    if !content.is_empty() {
        let stream = body.write().expect("the stream, once");
        stream.blocking_write_and_flush(content).expect("a client that is there");
    }
    OutgoingBody::finish(body, None).expect("as long as it says");
}
