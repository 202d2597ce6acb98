//! Guests that do not load, or do not start.

use test_guests as guest;
use wasm_host::{Error, FailureClass};

use crate::common::{answered, engine, load, open, plugin, request};

#[tokio::test]
pub(crate) async fn native_missing_imports() {
    let error = plugin(guest::NATIVE_MISSING_IMPORTS).load(engine()).await.unwrap_err();
    let Error::MissingImports { abi: "native", missing } = &error else { panic!("{error}") };
    assert_eq!(*missing, ["test:missing/database", "test:missing/queue"]);
}

#[tokio::test]
pub(crate) async fn native_misfit() {
    let error = plugin(guest::NATIVE_MISFIT).load(engine()).await.unwrap_err();
    let Error::Start { failure, .. } = &error else { panic!("{error}") };
    assert_eq!(failure.class, FailureClass::InvalidOutput);
    assert!(failure.message.starts_with("exports a phase of another type than its ABI has it"), "{failure}");
}

#[tokio::test]
pub(crate) async fn native_wrong_world() {
    let error = plugin(guest::NATIVE_WRONG_WORLD).load(engine()).await.unwrap_err();
    let told = error.to_string();
    let expected = "no plugin ABI fits this component: it exports add; supported are: native (exports one or more of \
                    wasm-host:plugin/{request-phase, request-body-phase, response-phase, response-body-phase, \
                    error-phase, complete-phase, tick-phase}@0.1.0); ";
    assert!(told.starts_with(expected), "{told}");
    assert!(told.contains("sgl (exports middleware-on-request, middleware-on-response or both, of "), "{told}");
}

#[tokio::test]
pub(crate) async fn native_many_memories() {
    let error = fails(guest::NATIVE_MANY_MEMORIES).await;
    assert_eq!(error.0, FailureClass::Memory);
    assert!(error.1.starts_with("wants ") && error.1.ends_with("`limits.memory` is 67108864 bytes"), "{}", error.1);
}

#[tokio::test]
pub(crate) async fn native_many_elements() {
    let error = fails(guest::NATIVE_MANY_ELEMENTS).await;
    assert_eq!(error.0, FailureClass::Memory);
    assert!(error.1.ends_with("table elements, `limits.table_elements` is 20000"), "{}", error.1);
}

async fn fails(file: &str) -> (FailureClass, String) {
    let plugin = load(file).await;
    let mut exchange = open([plugin]);
    assert_eq!(answered(exchange.on_request(request(&[])).await).status(), 500);
    let failures = exchange.failures();
    let failure = failures.first().unwrap();
    (failure.class, failure.message.clone())
}
