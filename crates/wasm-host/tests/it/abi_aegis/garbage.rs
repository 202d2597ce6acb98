//! Hostcalls with arbitrary arguments, in arbitrary order.

use proptest::prelude::*;
use wasm_host::{FailureClass, Grants};

use super::{module, of};
use crate::common::{engine, open, request, response};

/// Hostcalls, and how many arguments each has.
const CALLS: [(&str, usize, bool); 23] = [
    ("log", 2, false),
    ("cache_get", 2, true),
    ("cache_set", 5, true),
    ("http_get", 2, true),
    ("http_delete", 2, true),
    ("http_post", 6, true),
    ("http_put", 6, true),
    ("get_shared_buffer", 3, true),
    ("request_get_method", 0, true),
    ("request_get_uri", 0, true),
    ("request_get_body", 0, true),
    ("request_get_header", 2, true),
    ("request_get_header_names", 0, true),
    ("request_set_header", 4, true),
    ("request_add_header", 4, true),
    ("request_remove_header", 2, true),
    ("request_set_body", 2, true),
    ("response_set_status", 1, true),
    ("response_set_header", 4, true),
    ("response_add_header", 4, true),
    ("response_remove_header", 2, true),
    ("response_set_body", 2, true),
    ("request_terminate", 1, true),
];

fn argument() -> impl Strategy<Value = i32> {
    prop_oneof![any::<i32>(), 0..200, 65_500..65_600, prop::sample::select(vec![-1, i32::MIN, i32::MAX, 0, 3, 65_536])]
}

fn calls() -> impl Strategy<Value = Vec<(usize, Vec<i32>)>> {
    let call = (0..CALLS.len()).prop_flat_map(|call| (Just(call), prop::collection::vec(argument(), CALLS[call].1)));
    prop::collection::vec(call, 1..60)
}

/// A function that makes the calls, and imports them under other names than those of the prelude.
fn text(calls: &[(usize, Vec<i32>)]) -> (String, String) {
    let (mut imports, mut main) = (String::new(), String::new());
    for (at, (name, arguments, answers)) in CALLS.iter().enumerate() {
        let result = if *answers { "(result i32)" } else { "" };
        let parameters = "i32 ".repeat(*arguments);
        imports += &format!("(import \"env\" \"{name}\" (func $call{at} (param {parameters}) {result}))");
    }
    for (call, arguments) in calls {
        let arguments: String = arguments.iter().map(|argument| format!("(i32.const {argument})")).collect();
        let made = format!("(call $call{call} {arguments})");
        main += &if CALLS[*call].2 { format!("(drop {made})") } else { made };
    }
    (imports, format!("(func (export \"main\") (result i32) {main} (i32.const 0))"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_function_passes_it_is_told(calls in calls()) {
        let (imports, main) = text(&calls);
        let guest = module(&imports, &main);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let grants = Grants { cache: true, ..Grants::default() };
            let mut exchange = open([of(&guest).grants(grants).load(engine()).await.unwrap()]);
            let outcome = exchange.on_request(request(&[("x-a", "1")])).await;
            if matches!(outcome, wasm_host::RequestOutcome::Continue(_)) {
                exchange.on_response(response(200)).await;
            }
            // A status of 100 to 199 is the one thing that is taken and then no response.
            let failures = exchange.failures();
            assert!(failures.iter().all(|failure| failure.class == FailureClass::InvalidOutput), "{failures:?}");
        });
    }
}
