//! `refgateway plugin test`.

use serde_json::{Value, json};
use test_guests::{NATIVE_OBSERVE, ODIN_FILTER, ODIN_SCENARIO};

use crate::support::*;

#[test]
fn what_cannot_be_tested_exits_with_1_and_says_why() {
    let (_directory, input) = file("input.json", "{}");
    let (_other, text) = file("text.json", "text");
    for (arguments, reason) in [
        (&[NATIVE_OBSERVE, &text][..], format!("{text}: not valid JSON: ")),
        (&[NATIVE_OBSERVE, "/nowhere.json"], "/nowhere.json: No such file".to_owned()),
        (&[NATIVE_OBSERVE, &input, "--config", &text], format!("{text}: not valid JSON: ")),
        (&["/nowhere.wasm", &input], "/nowhere.wasm: cannot read plugin file /nowhere.wasm: ".to_owned()),
        (&[&text, &input], format!("{text}: not a WebAssembly file: ")),
        (&[NATIVE_OBSERVE, &input], format!("{NATIVE_OBSERVE}: guest-error: ")),
    ] {
        let (code, stdout, stderr) = output(&[&["plugin", "test"][..], arguments].concat());
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        assert!(stderr.lines().last().unwrap().starts_with(&reason), "{reason} in {stderr}");
    }
    assert_eq!(output(&["plugin", "test", NATIVE_OBSERVE]).0, Some(2));
}

/// Calls a plugin with a request that has this header.
fn test(plugin: &str, header: &str, value: &str) -> (Option<i32>, String, String) {
    let request = json!({ "method": "GET", "url": "/", "headers": { header: [value] }, "body": "" });
    let input = json!({ "context": { "requestId": "1" }, "input": request, "config": {} }).to_string();
    let (_directory, input) = file("input.json", &input);
    output(&["plugin", "test", plugin, &input])
}

#[test]
fn what_a_plugin_makes_of_an_input_is_printed() {
    let (code, stdout, stderr) = test(ODIN_FILTER, "Authorization", "Bearer secret");
    assert_eq!(code, Some(0), "{stderr}");
    let made: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(made, json!({ "modified": true, "continue": true, "response": { "headers": { "X-Plugin": ["1"] } } }));
    let refused: Value = serde_json::from_str(&test(ODIN_FILTER, "Authorization", "wrong").1).unwrap();
    assert_eq!(refused, json!({ "continue": false, "response": { "statusCode": 401 } }));
}

#[test]
fn a_call_that_fails_exits_with_1() {
    for (scenario, reason) in [("trap", "trap: "), ("bad-pointer", "")] {
        let (code, stdout, stderr) = test(ODIN_SCENARIO, "X-Scenario", scenario);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{scenario}: {stderr}");
        assert!(stderr.lines().last().unwrap().starts_with(&format!("{ODIN_SCENARIO}: {reason}")), "{stderr}");
    }
}
