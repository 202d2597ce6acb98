//! `refgateway plugin test`.

use test_guests::NATIVE_OBSERVE;

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
