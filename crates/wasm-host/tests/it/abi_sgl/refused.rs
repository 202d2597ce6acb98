//! Guests and options that do not fit.

use serde_json::json;
use test_guests as guest;
use wasm_host::{Error, FailureClass};

use crate::common::{engine, plugin};

#[tokio::test]
pub(crate) async fn sgl_misfit() {
    let error = plugin(guest::SGL_MISFIT).load(engine()).await.unwrap_err();
    let Error::Start { failure, .. } = &error else { panic!("{error}") };
    assert_eq!(failure.class, FailureClass::InvalidOutput);
    assert!(failure.message.starts_with("exports a phase of another type than its ABI has it"), "{failure}");
}

#[tokio::test]
pub(crate) async fn sgl_missing_imports() {
    let error = plugin(guest::SGL_MISSING_IMPORTS).load(engine()).await.unwrap_err();
    let Error::MissingImports { abi: "sgl", missing } = &error else { panic!("{error}") };
    assert_eq!(*missing, ["test:missing/database"]);
}

#[tokio::test]
async fn attach_points_that_do_not_fit_the_guest_are_refused() {
    let load = async |options| plugin(guest::SGL_AUTH).abi_options(options).load(engine()).await;
    load(json!({ "attach_points": ["OnRequest"] })).await.unwrap();
    for options in [
        json!({ "attach_points": ["OnResponse"] }),
        json!({ "attach_points": ["OnError"] }),
        json!({ "attach_points": [] }),
        json!({ "attach_points": "OnRequest" }),
        json!({ "attach": ["OnRequest"] }),
    ] {
        let error = load(options.clone()).await.unwrap_err();
        assert!(matches!(error, Error::AbiOptions { abi: "sgl", .. }), "{options}: {error}");
    }
}

#[test]
fn the_three_packages_differ_in_nothing_but_their_names() {
    let texts = [
        (include_str!("../../../../../wit/foreign/sgl/model-gateway.wit"), "sgl:model-gateway", "sgl-model-gateway"),
        (include_str!("../../../../../wit/foreign/sgl/router.wit"), "sgl:router", "sgl-router"),
        (include_str!("../../../../../wit/foreign/sgl/smg.wit"), "smg:gateway", "smg"),
    ];
    let of_no_name = texts.map(|(text, package, world)| {
        let text = text.replace(&format!("package {package};"), "").replace(&format!("world {world} {{"), "");
        text.lines().filter(|line| !line.starts_with("//")).collect::<String>()
    });
    assert_eq!(of_no_name[0], of_no_name[1]);
    assert_eq!(of_no_name[0], of_no_name[2]);
}
