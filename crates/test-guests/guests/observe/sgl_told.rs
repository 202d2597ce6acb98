// What the guests of each package do alike.

struct Observe;

impl middleware_on_request::Guest for Observe {
    fn on_request(request: Request) -> Action {
        let Request { method, path, query, headers, body, request_id, now_epoch_ms } = request;
        let line = format!("{method} {path} [{query}] {request_id} {now_epoch_ms}");
        told(line, headers, body)
    }
}

impl middleware_on_response::Guest for Observe {
    fn on_response(response: Response) -> Action {
        told(response.status.to_string(), response.headers, response.body)
    }
}

fn told(line: String, headers: Vec<Header>, body: Vec<u8>) -> Action {
    let headers: Vec<_> = headers.into_iter().map(|Header { name, value }| format!("{name}={value}")).collect();
    let set = |name: &str, value| Header { name: name.to_owned(), value };
    Action::Modify(ModifyAction {
        status: None,
        headers_set: vec![
            set("x-line", line),
            set("x-headers", headers.join("; ")),
            set("x-body", String::from_utf8_lossy(&body).into_owned()),
        ],
        headers_add: Vec::new(),
        headers_remove: Vec::new(),
        body_replace: None,
    })
}

export!(Observe);
