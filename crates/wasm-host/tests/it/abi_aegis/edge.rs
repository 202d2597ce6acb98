//! Edge functions: each hostcall, with right and with wrong arguments.

use http::{Method, Request, StatusCode};
use serde_json::json;
use wasm_host::{
    Body, FailureAction, FailureClass, FailurePolicy, Limits, PathRegex, PathRule, PoolPolicy, RequestOutcome, Reuse,
    Scope,
};

use super::{function, module, of};
use crate::common::{Logged, answered, ask, engine, load, open, passed, request, response, text};

/// What a function answers that answers with what it got.
async fn told(main: &str, headers: &[(&str, &str)]) -> String {
    let guest = of(&function(&format!("{main} (call $is (call $terminate (i32.const 200)) (i32.const 0))")));
    let plugin = guest.load(engine()).await.unwrap();
    text(answered(ask(&plugin, headers).await).into_body()).await
}

/// Runs a function that traps when something is not as it has to be, and gives the response it makes of the upstream's.
async fn changed(main: &str) -> http::Response<Body> {
    let mut exchange = open([of(&function(main)).load(engine()).await.unwrap()]);
    passed(exchange.on_request(request(&[])).await);
    let mut upstream = response(200);
    for (name, value) in
        [("x-a", "upstream"), ("X-B", "1"), ("x-b", "2"), ("set-cookie", "u=0"), ("content-length", "13")]
    {
        upstream.headers_mut().append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    let changed = exchange.on_response(upstream).await;
    assert!(exchange.failures().is_empty(), "{:?}", exchange.failures());
    changed
}

fn values(response: &http::Response<Body>, name: &str) -> Vec<String> {
    response.headers().get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn getters_leave_their_text_in_the_buffer() {
    assert_eq!(told("(call $answer (call $method))", &[]).await, "GET");
    assert_eq!(told("(call $answer (call $uri))", &[]).await, "/path");
    let header = "(call $answer (call $header (i32.const 0) (i32.const 3)))";
    assert_eq!(told(header, &[("X-A", "first"), ("x-a", "second")]).await, "first");
    assert_eq!(told(header, &[("x-a", "")]).await, "");
    let names = told("(call $answer (call $names))", &[("x-a", "1"), ("x-b", "2"), ("x-a", "3")]).await;
    assert_eq!(names, r#"["host","x-a","x-a","x-b"]"#);
}

#[tokio::test]
async fn a_body_is_read_as_it_is() {
    let guest = module(
        r#"(import "env" "request_get_body" (func $request_body (result i32)))"#,
        r#"(func (export "main") (result i32)
             (call $answer (call $request_body)) (drop (call $terminate (i32.const 200))) (i32.const 0))"#,
    );
    let plugin = of(&guest).load(engine()).await.unwrap();
    for body in ["", "request \u{0} body"] {
        let mut exchange = open([plugin.clone()]);
        let request = Request::post("/").body(Body::from(body)).unwrap();
        assert_eq!(text(answered(exchange.on_request(request).await).into_body()).await, body);
    }
}

#[tokio::test]
async fn what_is_absent_is_told_and_leaves_the_buffer() {
    let main = "(call $is (call $buffer (i32.const 1024) (i32.const 0) (i32.const 1)) (i32.const -1))
         (call $is (call $buffer (i32.const 1024) (i32.const 0) (i32.const 0)) (i32.const 0))
         (call $is (call $method) (i32.const 3))
         (call $is (call $header (i32.const 0) (i32.const 3)) (i32.const -1))
         (call $is (call $header (i32.const 0) (i32.const 0)) (i32.const -1))
         (call $answer (i32.const 3))";
    assert_eq!(told(main, &[]).await, "GET");
}

#[tokio::test]
async fn the_buffer_is_read_in_parts_and_never_beyond() {
    let part = |to: &str, offset: &str, len: &str, wanted: &str| {
        format!(
            "(call $is (call $buffer (i32.const {to}) (i32.const {offset}) (i32.const {len})) (i32.const {wanted}))"
        )
    };
    let main = [
        "(call $is (call $header (i32.const 0) (i32.const 3)) (i32.const 6))".to_owned(),
        "(i32.store8 (i32.const 2048) (i32.const 33))".to_owned(),
        part("2048", "0", "7", "-1"),
        part("2048", "6", "1", "-1"),
        part("2048", "-1", "1", "-1"),
        part("2048", "0", "-1", "-1"),
        part("2048", "2147483647", "2147483647", "-1"),
        part("65533", "0", "6", "-1"),
        part("-1", "0", "6", "-1"),
        // Nothing was written by any of them.
        "(call $is (i32.load8_u (i32.const 2048)) (i32.const 33))".to_owned(),
        "(call $is (i32.load8_u (i32.const 65533)) (i32.const 0))".to_owned(),
        part("65533", "3", "3", "3"),
        part("65536", "6", "0", "0"),
        part("2048", "4", "2", "2"),
        part("2050", "0", "4", "4"),
        "(call $is (call $body (i32.const 2048) (i32.const 6)) (i32.const 0))".to_owned(),
    ];
    assert_eq!(told(&main.concat(), &[("x-a", "abcdef")]).await, "efabcd");
}

#[tokio::test]
async fn the_buffer_is_empty_at_the_start_of_each_call() {
    let guest = function(
        "(call $is (call $buffer (i32.const 1024) (i32.const 0) (i32.const 1)) (i32.const -1)) (drop (call $method))",
    );
    let plugin = of(&guest).pool(PoolPolicy::Reuse(Reuse::default())).load(engine()).await.unwrap();
    for _ in 0..3 {
        passed(ask(&plugin, &[]).await);
    }
    assert_eq!((plugin.stats().pool_misses, plugin.stats().pool_hits), (0, 3));
}

#[tokio::test]
async fn changes_wait_for_the_upstream_s_response() {
    let response = changed(
        "(call $is (call $status (i32.const 201)) (i32.const 0))
         (call $is (call $set (i32.const 0) (i32.const 3) (i32.const 16) (i32.const 3)) (i32.const 0))
         (call $is (call $add (i32.const 48) (i32.const 10) (i32.const 64) (i32.const 3)) (i32.const 0))
         (call $is (call $add (i32.const 48) (i32.const 10) (i32.const 80) (i32.const 3)) (i32.const 0))
         (call $is (call $remove (i32.const 32) (i32.const 3)) (i32.const 0))",
    )
    .await;
    assert_eq!(response.status(), 201);
    assert_eq!((values(&response, "x-a"), values(&response, "x-b")), (vec!["one".to_owned()], vec![]));
    assert_eq!(values(&response, "set-cookie"), ["u=0", "a=1", "b=2"]);
    assert_eq!(values(&response, "content-length"), ["13"]);
    assert_eq!(text(response.into_body()).await, "response body");
}

#[tokio::test]
async fn removing_counts_what_the_function_has_set() {
    let response = changed(
        "(drop (call $add (i32.const 48) (i32.const 10) (i32.const 64) (i32.const 3)))
         (drop (call $add (i32.const 48) (i32.const 10) (i32.const 80) (i32.const 3)))
         (call $is (call $remove (i32.const 48) (i32.const 10)) (i32.const 2))
         (call $is (call $remove (i32.const 48) (i32.const 10)) (i32.const 0))
         (drop (call $add (i32.const 48) (i32.const 10) (i32.const 80) (i32.const 3)))",
    )
    .await;
    assert_eq!(values(&response, "set-cookie"), ["b=2"]);
}

#[tokio::test]
async fn a_body_takes_the_place_of_the_upstream_s() {
    let response = changed("(call $is (call $body (i32.const 16) (i32.const 3)) (i32.const 0))").await;
    assert_eq!((response.status(), values(&response, "content-length")), (StatusCode::OK, vec!["3".to_owned()]));
    assert_eq!(values(&response, "x-b"), ["1", "2"]);
    assert_eq!(text(response.into_body()).await, "one");
    let response = changed(
        "(drop (call $status (i32.const 204))) (call $is (call $body (i32.const 16) (i32.const 3)) (i32.const 0))",
    )
    .await;
    assert_eq!((response.status().as_u16(), values(&response, "content-length").len()), (204, 0));
    assert_eq!(text(response.into_body()).await, "");
}

#[tokio::test]
async fn the_last_word_on_status_and_body_counts() {
    let response = changed(
        "(drop (call $body (i32.const 0) (i32.const 3))) (drop (call $body (i32.const 16) (i32.const 3)))
         (drop (call $status (i32.const 500))) (drop (call $status (i32.const 202)))",
    )
    .await;
    assert_eq!(response.status(), 202);
    assert_eq!(text(response.into_body()).await, "one");
}

#[tokio::test]
async fn terminating_answers_after_the_function_has_returned() {
    let guest = function(
        "(call $is (call $terminate (i32.const 429)) (i32.const 0))
         (drop (call $add (i32.const 48) (i32.const 10) (i32.const 64) (i32.const 3)))
         (drop (call $add (i32.const 48) (i32.const 10) (i32.const 80) (i32.const 3)))
         (drop (call $body (i32.const 16) (i32.const 3)))",
    );
    let answer = answered(ask(&of(&guest).load(engine()).await.unwrap(), &[]).await);
    assert_eq!(answer.status(), 429);
    assert_eq!(values(&answer, "set-cookie"), ["a=1", "b=2"]);
    assert_eq!(text(answer.into_body()).await, "one");
}

#[tokio::test]
async fn wrong_arguments_are_told_and_change_nothing() {
    let mut main = String::new();
    for status in ["0", "99", "600", "700", "-1", "65736", "-2147483648"] {
        main += &format!("(call $is (call $status (i32.const {status})) (i32.const -1))");
        main += &format!("(call $is (call $terminate (i32.const {status})) (i32.const -1))");
    }
    // No memory there, not UTF-8, no name, line breaks, NUL.
    for (name, value) in [
        ("-1 3", "16 3"),
        ("65535 2", "16 3"),
        ("0 -1", "16 3"),
        ("0 3", "65536 1"),
        ("0 3", "16 2147483647"),
        ("128 2", "16 3"),
        ("0 3", "128 2"),
        ("0 0", "16 3"),
        ("144 11", "16 3"),
        ("0 3", "144 11"),
        ("0 3", "160 2"),
    ] {
        let at = |range: &str| range.split(' ').map(|number| format!("(i32.const {number})")).collect::<String>();
        for call in ["set", "add"] {
            main += &format!("(call $is (call ${call} {} {}) (i32.const -1))", at(name), at(value));
        }
        if value == "16 3" {
            main += &format!("(call $is (call $remove {}) (i32.const -1))", at(name));
        }
    }
    for range in ["(i32.const 65535) (i32.const 2)", "(i32.const 0) (i32.const -1)", "(i32.const -1) (i32.const 1)"] {
        main += &format!("(call $is (call $body {range}) (i32.const -1)) (call $log {range})");
        main += &format!("(call $is (call $header {range}) (i32.const -1))");
    }
    main += "(call $log (i32.const 128) (i32.const 2))";
    let response = changed(&main).await;
    assert_eq!((response.status(), values(&response, "x-a")), (StatusCode::OK, vec!["upstream".to_owned()]));
    assert_eq!(text(response.into_body()).await, "response body");
}

#[tokio::test]
async fn what_the_host_manages_stays_and_the_operator_is_told() {
    let logged = Logged::default();
    let guest = module(
        "",
        r#"(data (i32.const 200) "Content-Length")
           (func (export "main") (result i32)
             (call $is (call $set (i32.const 200) (i32.const 14) (i32.const 16) (i32.const 3)) (i32.const 0))
             (call $is (call $remove (i32.const 200) (i32.const 14)) (i32.const 0))
             (call $log (i32.const 16) (i32.const 3))
             (i32.const 0))"#,
    );
    let mut exchange = open([of(&guest).load(&logged.engine()).await.unwrap()]);
    passed(exchange.on_request(request(&[])).await);
    assert_eq!(exchange.on_response(response(200)).await.headers().len(), 1);
    let left = "test exchange-1 Warn host: response: `content-length` is left as it is, the host manages it";
    assert_eq!(logged.lines(), [left, left, "test exchange-1 Info : one"]);
}

#[tokio::test]
async fn an_error_of_the_function_discards_its_changes() {
    let guest = module(
        r#"(import "env" "request_set_header" (func $set_request (param i32 i32 i32 i32) (result i32)))"#,
        r#"(func (export "main") (result i32)
             (drop (call $set (i32.const 0) (i32.const 3) (i32.const 16) (i32.const 3)))
             (call $is (call $set_request (i32.const 0) (i32.const 3) (i32.const 16) (i32.const 3)) (i32.const 0))
             (drop (call $terminate (i32.const 418)))
             (i32.const -3))"#,
    );
    let open_policy = of(&guest).on_failure(FailurePolicy::always(FailureAction::Open)).load(engine()).await.unwrap();
    let mut exchange = open([open_policy]);
    let sent = passed(exchange.on_request(request(&[("x-a", "client")])).await);
    assert_eq!(sent.headers()["x-a"], "client");
    let answer = exchange.on_response(response(200)).await;
    assert_eq!((answer.status(), answer.headers().get("x-a")), (StatusCode::OK, None));
    let failure = exchange.failures().remove(0);
    assert_eq!((failure.class, failure.message.as_str()), (FailureClass::GuestError, "`main` returned -3"));
    let closed = of(&guest).load(engine()).await.unwrap();
    assert_eq!(answered(ask(&closed, &[]).await).status(), 500);
}

#[tokio::test]
async fn changes_of_one_exchange_never_reach_another() {
    // It marks the response of the one request that asks for it.
    let guest = function(
        "(if (i32.ne (call $header (i32.const 0) (i32.const 3)) (i32.const -1))
           (then (drop (call $set (i32.const 32) (i32.const 3) (i32.const 16) (i32.const 3)))
                 (drop (call $status (i32.const 418)))))",
    );
    let plugin = of(&guest).pool(PoolPolicy::Reuse(Reuse::default())).load(engine()).await.unwrap();
    // Its response never comes: the instance goes back with what it has.
    passed(ask(&plugin, &[("x-a", "1")]).await);
    let mut exchange = open([plugin.clone()]);
    passed(exchange.on_request(request(&[])).await);
    let answer = exchange.on_response(response(200)).await;
    assert_eq!((answer.status(), answer.headers().get("x-b")), (StatusCode::OK, None));
    assert_eq!(plugin.stats().pool_misses, 0);
}

#[tokio::test]
async fn the_result_becomes_the_property_that_is_named() {
    let guest = of(&function("(drop (call $method)) (drop (call $uri))"));
    let writes = guest.abi_options(json!({ "result": "edge.result" })).priority(-1).load(engine()).await.unwrap();
    let share =
        crate::common::load_with(test_guests::NATIVE_SHARE, json!({ "name": "!", "property": "edge.result" })).await;
    let sent = passed(open([share, writes]).on_request(request(&[])).await);
    assert_eq!(sent.headers()["x-trail"], "/path!");
}

#[tokio::test]
async fn a_response_that_switches_protocols_is_left_alone() {
    let guest = function("(drop (call $body (i32.const 16) (i32.const 3)))");
    let mut exchange = open([of(&guest).load(engine()).await.unwrap()]);
    passed(exchange.on_request(request(&[])).await);
    assert_eq!(exchange.on_response(response(101)).await.status(), 101);
    assert!(exchange.failures().is_empty());
}

#[tokio::test]
async fn requests_can_be_edited_too() {
    let guest = module(
        r#"(import "env" "request_set_header" (func $set_request (param i32 i32 i32 i32) (result i32)))
           (import "env" "request_add_header" (func $add_request (param i32 i32 i32 i32) (result i32)))
           (import "env" "request_remove_header" (func $remove_request (param i32 i32) (result i32)))
           (import "env" "request_set_body" (func $set_body (param i32 i32) (result i32)))
           (import "env" "request_get_body" (func $request_body (result i32)))"#,
        r#"(func (export "main") (result i32)
             (call $is (call $remove_request (i32.const 32) (i32.const 3)) (i32.const 2))
             (call $is (call $set_request (i32.const 0) (i32.const 3) (i32.const 16) (i32.const 3)) (i32.const 0))
             (call $is (call $add_request (i32.const 0) (i32.const 3) (i32.const 64) (i32.const 3)) (i32.const 0))
             (call $is (call $header (i32.const 0) (i32.const 3)) (i32.const 3))
             (call $is (call $set_body (i32.const 96) (i32.const 3)) (i32.const 0))
             (call $is (call $request_body) (i32.const 3))
             (call $is (call $set_body (i32.const 0) (i32.const -1)) (i32.const -1))
             (call $is (call $set_request (i32.const 144) (i32.const 11) (i32.const 16) (i32.const 3)) (i32.const -1))
             (call $is (call $add_request (i32.const 0) (i32.const 3) (i32.const 144) (i32.const 11)) (i32.const -1))
             (i32.const 0))"#,
    );
    let mut exchange = open([of(&guest).load(engine()).await.unwrap()]);
    let request = request(&[("x-a", "old"), ("x-b", "1"), ("x-b", "2")]);
    let sent = passed(exchange.on_request(request).await);
    let values: Vec<_> = sent.headers().get_all("x-a").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!((values, sent.headers().get("x-b")), (vec!["one", "a=1"], None));
    assert_eq!(sent.headers()["content-length"], "3");
    assert_eq!(text(sent.into_body()).await, "key");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let guest = module("", r#"(func (export "main") (result i32) (call $body (i32.const 0) (i32.const 65536)))"#);
    let limits = wasm_host::Limits { response_body: 65_535, ..wasm_host::Limits::default() };
    let plugin = of(&guest).limits(limits).load(engine()).await.unwrap();
    let RequestOutcome::Respond(answer) = ask(&plugin, &[]).await else { panic!("it was taken") };
    assert_eq!(answer.status(), 500);
    passed(ask(&of(&guest).load(engine()).await.unwrap(), &[]).await);
}

#[tokio::test]
async fn functions_of_one_chain_have_routes_of_their_own() {
    let marks = |name: &str, at: u32, scope: Scope, priority: i32| {
        let main = format!("(drop (call $add (i32.const 48) (i32.const 10) (i32.const {at}) (i32.const 3)))");
        wasm_host::Plugin::builder(name).bytes(function(&main)).scope(scope).priority(priority)
    };
    let prefix = Scope { paths: vec![PathRule::Prefix("/api".into())], ..Scope::default() };
    let regex = PathRule::Regex(PathRegex::new("/v[0-9]+/").unwrap());
    let exact = PathRule::Exact("/api/v1/exact".into());
    let posts = Scope { paths: vec![regex, exact], methods: vec![Method::POST], ..Scope::default() };
    let first = marks("first", 64, prefix, 1).load(engine()).await.unwrap();
    let second = marks("second", 80, posts, 0).load(engine()).await.unwrap();
    for (method, path, expected) in [
        ("GET", "/api/v1/exact", &["a=1"][..]),
        // The response passes the chain in reverse order.
        ("POST", "/api/v1/exact", &["a=1", "b=2"]),
        ("POST", "/v2/x", &["b=2"]),
        ("GET", "/v2/x", &[]),
        ("POST", "/apix", &[]),
    ] {
        let mut exchange = open([first.clone(), second.clone()]);
        passed(exchange.on_request(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await);
        assert_eq!(values(&exchange.on_response(response(200)).await, "set-cookie"), expected, "{method} {path}");
    }
}

#[tokio::test]
async fn a_filter_in_c_needs_no_buffered_body() {
    let filter = load(test_guests::AEGIS_FILTER).await;
    let phases = filter.phases();
    assert!(phases.request && !phases.request_body && !phases.response, "{phases:?}");
}

#[tokio::test]
async fn arguments_have_the_bound_of_hostcalls() {
    let main = "(call $is (call $header (i32.const 0) (i32.const 4)) (i32.const -1))
         (call $is (call $set (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 4)) (i32.const -1))
         (call $is (call $remove (i32.const 0) (i32.const 4)) (i32.const -1))
         (call $is (call $set (i32.const 0) (i32.const 3) (i32.const 16) (i32.const 3)) (i32.const 0))";
    let limits = Limits { hostcall_bytes: 3, ..Limits::default() };
    let plugin = of(&function(main)).limits(limits).load(engine()).await.unwrap();
    let mut exchange = open([plugin]);
    passed(exchange.on_request(request(&[])).await);
    assert_eq!(exchange.on_response(response(200)).await.headers()["x-a"], "one");
    assert!(exchange.failures().is_empty(), "{:?}", exchange.failures());
}
