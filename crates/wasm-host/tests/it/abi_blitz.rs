//! The Blitz ABI: modules as wasm-bindgen makes them, old and new, and plain ones.

mod growth;
mod shapes;

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use proptest::prelude::*;
use test_guests as guest;
use wasm_host::{
    Body, Error, FailureAction, FailureClass, FailurePolicy, Grants, Limits, Names, Phases, Plugin, PoolPolicy,
    RequestOutcome, Reuse,
};

use crate::common::{Logged, answered, ask, engine, load, open, passed, plugin, request, response, status, text};

/// What becomes of a request and a response that one plugin sees.
struct Seen {
    request: Request<Body>,
    response: Response<Body>,
    failures: Vec<FailureClass>,
}

async fn seen(plugin: &Plugin, request: Request<Body>, response: Response<Body>) -> Seen {
    let mut exchange = open([plugin.clone()]);
    let request = passed(exchange.on_request(request).await);
    let response = exchange.on_response(response).await;
    let failures = exchange.failures().iter().map(|failure| failure.class).collect();
    exchange.finish();
    Seen { request, response, failures }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Grants the variables that tests read.
fn grants(names: &[&str]) -> Grants {
    Grants { env: Names::Only(names.iter().map(|name| (*name).to_owned()).collect()), ..Grants::default() }
}

fn reuse() -> PoolPolicy {
    PoolPolicy::Reuse(Reuse { max_idle: 1, ..Reuse::default() })
}

/// The document's own plugin, whatever it was built with.
async fn logs_requests(file: &str) {
    let logged = Logged::default();
    let plugin = plugin(file).load(&logged.engine()).await.unwrap();
    assert_eq!(plugin.abi(), Some("blitz"));
    assert_eq!(
        plugin.phases().iter().collect::<Vec<_>>(),
        [wasm_host::Phase::Request, wasm_host::Phase::ResponseBody],
        "it cannot ask for the body of a request"
    );
    for (status, marked) in [(200, ""), (404, "true"), (500, "true")] {
        let seen = seen(&plugin, request(&[]), response(status)).await;
        assert_eq!(header(seen.response.headers(), "x-error-logged"), marked, "{status}");
        assert_eq!(seen.response.status(), status);
        assert_eq!(text(seen.response.into_body()).await, "response body");
        assert_eq!(text(seen.request.into_body()).await, "request body");
        assert!(seen.failures.is_empty());
    }
    let lines = logged.lines();
    assert_eq!(lines[0], "test  Info : request logger is ready");
    for line in ["test exchange-1 Info : GET /path", "test exchange-1 Warn : answered 404 with 13 bytes"] {
        assert!(lines.iter().any(|known| known == line), "{line} in {lines:?}");
    }
}

#[tokio::test]
pub(crate) async fn blitz_request_logger() {
    logs_requests(guest::BLITZ_REQUEST_LOGGER).await;
}

#[tokio::test]
pub(crate) async fn blitz_old_request_logger() {
    logs_requests(guest::BLITZ_OLD_REQUEST_LOGGER).await;
}

#[tokio::test]
pub(crate) async fn blitz_old_request_logger_for_bundler() {
    logs_requests(guest::BLITZ_OLD_REQUEST_LOGGER_FOR_BUNDLER).await;
}

#[tokio::test]
pub(crate) async fn blitz_old_request_logger_for_nodejs() {
    logs_requests(guest::BLITZ_OLD_REQUEST_LOGGER_FOR_NODEJS).await;
}

#[tokio::test]
async fn cleanup_is_called_when_an_instance_goes() {
    let logged = Logged::default();
    let plugin = plugin(guest::BLITZ_REQUEST_LOGGER).pool(reuse()).load(&logged.engine()).await.unwrap();
    seen(&plugin, request(&[]), response(200)).await;
    let count = || logged.lines().iter().filter(|line| line.ends_with("request logger is gone")).count();
    assert_eq!(count(), 0);
    drop(plugin);
    while count() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(count(), 1);
}

#[tokio::test]
pub(crate) async fn blitz_rate_limiter() {
    let closed = FailurePolicy::default()
        .on(FailureClass::GuestError, FailureAction::closed_with(StatusCode::TOO_MANY_REQUESTS));
    let limiter = plugin(guest::BLITZ_RATE_LIMITER).pool(reuse()).on_failure(closed).load(engine()).await.unwrap();
    let ask_as = async |client: &str| match ask(&limiter, &[("x-api-key", client)]).await {
        RequestOutcome::Continue(request) => header(request.headers(), "x-ratelimit-remaining").to_owned(),
        RequestOutcome::Respond(response) => response.status().as_u16().to_string(),
        RequestOutcome::BodyFailed(error) => panic!("{error}"),
    };
    for left in (0..100).rev() {
        assert_eq!(ask_as("a").await, left.to_string());
    }
    // It remembers whom it has refused.
    for _ in 0..3 {
        assert_eq!(ask_as("a").await, "429");
    }
    assert_eq!(ask_as("b").await, "99");
    assert_eq!(limiter.stats().pool_misses, 0);
}

#[tokio::test]
pub(crate) async fn blitz_auth_custom() {
    const VARIABLE: &str = "AUTH_TOKENS";
    if std::env::var_os(VARIABLE).is_none() {
        let refused = plugin(guest::BLITZ_AUTH_CUSTOM).grants(grants(&[VARIABLE])).load(engine()).await.unwrap_err();
        assert_eq!(refused.to_string(), "plugin `test` does not start: guest-error: `init` returned -1");
        return run_with("abi_blitz::blitz_auth_custom", (VARIABLE, "first, second"));
    }
    let refused = plugin(guest::BLITZ_AUTH_CUSTOM).load(engine()).await.unwrap_err();
    assert!(refused.to_string().ends_with("`init` returned -1"), "it is not granted the variable");
    let policy =
        FailurePolicy::default().on(FailureClass::GuestError, FailureAction::closed_with(StatusCode::UNAUTHORIZED));
    let auth = plugin(guest::BLITZ_AUTH_CUSTOM).grants(grants(&[VARIABLE])).on_failure(policy);
    let auth = auth.load(engine()).await.unwrap();
    for token in ["first", "second"] {
        let request = passed(ask(&auth, &[("authorization", &format!("Bearer {token}"))]).await);
        assert_eq!(header(request.headers(), "x-authenticated"), "true");
    }
    for wrong in ["Bearer third", "Bearer ", "Bearer", "first", "Bearer first, second", "Bearer firs", ""] {
        assert_eq!(status(&auth, &[("authorization", wrong)]).await, 401, "{wrong}");
    }
    assert_eq!(status(&auth, &[]).await, 401);
}

/// Runs a test once more, in a process whose environment has a variable.
fn run_with(test: &str, (variable, value): (&str, &str)) {
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    let output = again.args(["--exact", test, "--nocapture"]).env(variable, value).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
pub(crate) async fn blitz_filter() {
    let policy =
        FailurePolicy::default().on(FailureClass::GuestError, FailureAction::closed_with(StatusCode::UNAUTHORIZED));
    let filter = plugin(guest::BLITZ_FILTER).on_failure(policy).load(engine()).await.unwrap();
    assert_eq!(filter.phases(), phases(|phases| phases.request = true));
    let passed = passed(ask(&filter, &[("Authorization", "Bearer secret")]).await);
    assert_eq!(header(passed.headers(), "x-plugin"), "1");
    for headers in [&[][..], &[("authorization", "Bearer wrong")]] {
        assert_eq!(status(&filter, headers).await, 401);
    }
}

fn phases(edit: impl FnOnce(&mut Phases)) -> Phases {
    let mut phases = Phases::default();
    edit(&mut phases);
    phases
}

#[tokio::test]
pub(crate) async fn blitz_scenario() {
    // Told nothing, it does nothing; what it does has its own tests.
    assert_eq!(status(&load(guest::BLITZ_SCENARIO).await, &[]).await, 0);
}

#[tokio::test]
pub(crate) async fn blitz_old_scenario() {
    assert_eq!(status(&load(guest::BLITZ_OLD_SCENARIO).await, &[]).await, 0);
}

/// What a guest tells in headers that it got from the host.
async fn uses_the_host(file: &str, headers: &str, same: &str) {
    const GRANTED: &str = "CARGO_PKG_NAME";
    let logged = Logged::default();
    let plugin = plugin(file).grants(grants(&[GRANTED])).pool(reuse()).load(&logged.engine()).await.unwrap();
    let asked = request(&[("x-variable", GRANTED), ("x-many", "first"), ("x-many", "second")]);
    let seen_once = seen(&plugin, asked, response(201)).await;
    assert!(seen_once.failures.is_empty(), "{:?}", seen_once.failures);
    let told = seen_once.request.headers();
    assert_eq!(header(told, "x-seen"), "GET /path");
    assert_eq!(header(told, "x-env"), format!("[{}]", std::env::var(GRANTED).unwrap()));
    assert_eq!(header(told, "x-headers"), headers);
    assert_eq!(header(told, "x-body"), "request body");
    let told = seen_once.response.headers();
    assert_eq!((header(told, "x-seen"), header(told, "x-same")), ("201 response body", same));
    assert_eq!(header(told, "server"), "test");

    // Another variable, and a message without a body.
    let mut asked = request(&[("x-variable", "PATH")]);
    *asked.body_mut() = Body::empty();
    let mut empty = response(204);
    *empty.body_mut() = Body::empty();
    let seen = seen(&plugin, asked, empty).await;
    assert!(seen.failures.is_empty(), "{:?}", seen.failures);
    assert_eq!(header(seen.request.headers(), "x-env"), "[]");
    assert_eq!(header(seen.request.headers(), "x-body"), "");
    assert_eq!(header(seen.response.headers(), "x-seen"), "204 ");
    let denied = "test exchange-1 Warn host: env: denied the variable `PATH`: `grants.env` does not grant it";
    assert_eq!(logged.lines().iter().filter(|line| *line == denied).count(), 1, "{:?}", logged.lines());
}

#[tokio::test]
pub(crate) async fn blitz_use_host() {
    uses_the_host(guest::BLITZ_USE_HOST, "[first] []", "true").await;
}

#[tokio::test]
pub(crate) async fn blitz_plain_use_host() {
    uses_the_host(guest::BLITZ_PLAIN_USE_HOST, "[first] []", "true").await;
}

#[tokio::test]
pub(crate) async fn blitz_c_use_host() {
    uses_the_host(guest::BLITZ_C_USE_HOST, "[fi of 5] [-1]", "true").await;
}

#[tokio::test]
async fn a_module_with_a_c_library_starts_it_first() {
    let logged = Logged::default();
    plugin(guest::BLITZ_C_USE_HOST).load(&logged.engine()).await.unwrap();
    assert_eq!(logged.lines(), ["test  Warn stderr: starts with a C library"]);
}

#[tokio::test]
async fn a_request_that_is_stopped_is_answered_with_what_was_set() {
    for file in [guest::BLITZ_USE_HOST, guest::BLITZ_PLAIN_USE_HOST] {
        let plugin = load(file).await;
        let answer = answered(ask(&plugin, &[("x-code", "1"), ("x-other", "2")]).await);
        assert_eq!(answer.status(), 200);
        assert_eq!(
            (header(answer.headers(), "x-seen"), header(answer.headers(), "x-body")),
            ("GET /path", "request body")
        );
        // What the request had, and the guest has not set.
        assert!(!answer.headers().contains_key("x-other") && !answer.headers().contains_key("host"));
        assert_eq!(text(answer.into_body()).await, "");
        // The answer of one call is not that of the next.
        let again = plugin.clone();
        assert!(!passed(ask(&again, &[]).await).headers().contains_key("x-other"));
    }
}

#[tokio::test]
async fn a_response_that_is_stopped_passes_the_plugins_in_front() {
    let behind = load(guest::BLITZ_USE_HOST).await;
    let front = Plugin::builder("front").file(guest::BLITZ_REQUEST_LOGGER).load(engine()).await.unwrap();
    for (code, marked) in [("0", "true"), ("1", "")] {
        let mut exchange = open([front.clone(), behind.clone()]);
        passed(exchange.on_request(request(&[])).await);
        let mut failed = response(500);
        failed.headers_mut().insert("x-code", HeaderValue::from_str(code).unwrap());
        let answer = exchange.on_response(failed).await;
        exchange.finish();
        assert_eq!(header(answer.headers(), "x-seen"), "500 response body");
        assert_eq!(header(answer.headers(), "x-error-logged"), marked, "{code}");
        assert_eq!(text(answer.into_body()).await, "response body");
    }
}

#[tokio::test]
async fn any_other_number_is_an_error_and_the_instance_serves_on() {
    let plugin = plugin(guest::BLITZ_USE_HOST).pool(reuse()).load(engine()).await.unwrap();
    for code in ["-1", "-7", "2", "2147483647"] {
        let mut exchange = open([plugin.clone()]);
        let answer = answered(exchange.on_request(request(&[("x-code", code)])).await);
        assert_eq!(answer.status(), 500);
        let failure = exchange.failures()[0].to_string();
        assert_eq!(failure, format!("guest-error: `process_request` returned {code}"));
        exchange.finish();
    }
    assert_eq!(header(passed(ask(&plugin, &[]).await).headers(), "x-calls"), "5");
}

#[tokio::test]
async fn a_failed_request_leaves_nothing_where_the_chain_goes_on() {
    let policy = FailurePolicy::always(FailureAction::Open);
    let plugin = plugin(guest::BLITZ_USE_HOST).on_failure(policy).load(engine()).await.unwrap();
    let request = passed(ask(&plugin, &[("x-code", "-1")]).await);
    assert!(!request.headers().contains_key("x-seen"));
    assert_eq!(text(request.into_body()).await, "request body");
}

#[tokio::test]
async fn a_body_that_is_no_text_is_shown_as_one_and_passes_as_it_came() {
    let plugin = load(guest::BLITZ_USE_HOST).await;
    let bytes: &[u8] = b"a\xffb\xf0\x9f";
    let mut binary = response(200);
    *binary.body_mut() = Body::from(bytes.to_vec());
    let answer = seen(&plugin, request(&[]), binary).await.response;
    assert_eq!(answer.headers()["x-seen"].as_bytes(), "200 a\u{fffd}b\u{fffd}".as_bytes());
    assert_eq!(header(answer.headers(), "x-same"), "true");
    assert_eq!(crate::common::bytes(answer.into_body()).await, bytes);
}

#[tokio::test]
async fn without_a_message_there_is_nothing_to_read() {
    let logged = Logged::default();
    plugin(guest::BLITZ_USE_HOST).load(&logged.engine()).await.unwrap();
    assert_eq!(logged.lines()[0], r#"test  Debug : without a message there is "" and """#);
}

#[tokio::test]
async fn a_limit_below_what_a_module_starts_with_says_both() {
    let limits = |memory| Limits { memory, ..Limits::default() };
    for file in [guest::BLITZ_REQUEST_LOGGER, guest::BLITZ_OLD_REQUEST_LOGGER] {
        let error = plugin(file).limits(limits(1 << 20)).load(engine()).await.unwrap_err();
        assert!(matches!(error, Error::Start { .. }));
        assert_eq!(
            error.to_string(),
            "plugin `test` does not start: memory: wants 1114112 bytes of memory, `limits.memory` is 1048576 bytes"
        );
        assert!(plugin(file).limits(limits(1_114_112)).load(engine()).await.is_ok());
        // Its allocator takes the first page that is more.
        let plugin = plugin(file).limits(limits(2 << 20)).load(engine()).await.unwrap();
        assert_eq!(status(&plugin, &[]).await, 0);
    }
}

#[tokio::test]
async fn a_text_that_is_larger_than_one_hostcall_may_hand_over_is_refused() {
    let limits = Limits { hostcall_bytes: 30, ..Limits::default() };
    let plugin = plugin(guest::BLITZ_SCENARIO).limits(limits).load(engine()).await.unwrap();
    let mut exchange = open([plugin.clone()]);
    answered(exchange.on_request(request(&[("x-scenario", "throw")])).await);
    assert_eq!(exchange.failures()[0].to_string(), "trap: threw: no such tenant");
    exchange.finish();
    let mut exchange = open([plugin]);
    answered(exchange.on_request(request(&[("x-scenario", "log with a bad length")])).await);
    assert_eq!(
        exchange.failures()[0].to_string(),
        "hostcall: a hostcall failed: it was given 2147483647 bytes (one may hand over `limits.hostcall_bytes`, 30 bytes)"
    );
}

#[test]
fn a_hostcall_with_any_numbers_reads_and_writes_only_the_guest() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let plugin = runtime.block_on(load(guest::BLITZ_C_USE_HOST));
    let near = prop_oneof![any::<u32>(), 0_u32..200_000, 0_u32..64, (0_u32..64).prop_map(|n| u32::MAX - n)];
    let numbers = (prop_oneof!["log", "set", "header", "env"], near.clone(), near.clone(), near.clone(), near);
    proptest!(ProptestConfig::with_cases(300), |((function, a, b, c, d) in numbers)| {
        let raw = format!("{function} {a} {b} {c} {d}");
        let (failure, size) = runtime.block_on(raw_hostcall(&plugin, &raw));
        let is_in = |ptr: u32, len: u32| u64::from(ptr) + u64::from(len) <= size;
        // What it writes where it is told to write can spoil the guest, and nothing else.
        let (reaches_out, spoils) = match &*function {
            "env" => (!is_in(a, b) || !is_in(c, 8), true),
            "header" => (!is_in(a, b), false),
            _ => (!is_in(a, b) || !is_in(c, d), false),
        };
        if reaches_out {
            prop_assert_eq!(failure, Some(FailureClass::Hostcall));
        } else if !spoils {
            let told = [None, Some(FailureClass::Hostcall), Some(FailureClass::InvalidOutput)];
            prop_assert!(told.contains(&failure), "{:?}", failure);
        }
    });
    assert_eq!(runtime.block_on(status(&plugin, &[])), 0);
}

/// How one hostcall with these numbers failed, and how much memory the guest has.
async fn raw_hostcall(plugin: &Plugin, raw: &str) -> (Option<FailureClass>, u64) {
    let mut exchange = open([plugin.clone()]);
    let size = match exchange.on_request(request(&[("x-raw", "none 0 0 0 0")])).await {
        RequestOutcome::Continue(request) => header(request.headers(), "x-size").parse().unwrap(),
        other => panic!("{other:?}"),
    };
    exchange.finish();
    let mut exchange = open([plugin.clone()]);
    let outcome = exchange.on_request(request(&[("x-raw", raw)])).await;
    drop(outcome);
    let failure = exchange.failures().first().map(|failure| failure.class);
    exchange.finish();
    (failure, size)
}
