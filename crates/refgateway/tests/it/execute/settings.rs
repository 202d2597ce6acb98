use http::Request;
use refgateway::{
    Error,
    config::{Config, Size, Time},
};
use test_guests as guest;

use super::{executing, failed, form, post_form, read};
use crate::support::*;

const LISTENER: &str = "listeners: [{ address: '127.0.0.1:8080' }]\n";

fn wasmwiz(name: &str) -> Option<String> {
    let value = match name {
        "MAX_WASM_SIZE" => "1000",
        "MAX_INPUT_SIZE" => "200",
        "EXECUTION_TIMEOUT" => "7",
        "MEMORY_LIMIT" => "3000000",
        _ => return None,
    };
    Some(value.to_owned())
}

#[test]
fn the_environment_says_what_the_config_does_not() {
    let execute = Config::from_yaml(LISTENER, &wasmwiz).unwrap().execute;
    assert_eq!((execute.max_module, execute.max_input), (Some(Size(1000)), Some(Size(200))));
    assert_eq!((execute.timeout, execute.memory), (Some(Time::seconds(7)), Some(Size(3_000_000))));

    let text = format!("{LISTENER}execute: {{ max_input: 5KiB, timeout: 2s }}");
    let execute = Config::from_yaml(&text, &wasmwiz).unwrap().execute;
    assert_eq!((execute.max_module, execute.max_input), (Some(Size(1000)), Some(Size::kib(5))));
    assert_eq!((execute.timeout, execute.memory), (Some(Time::seconds(2)), Some(Size(3_000_000))));

    let execute = Config::from_yaml(LISTENER, &|_| Some(String::new())).unwrap().execute;
    assert_eq!((execute.max_module, execute.timeout), (None, None));
}

#[test]
fn what_makes_no_sense_is_named() {
    let error = Config::from_yaml(LISTENER, &|name| (name == "MEMORY_LIMIT").then(|| "512Mi".to_owned())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "execute.memory: environment variable `MEMORY_LIMIT` is not a number of bytes above 0; change it, or set \
         `execute.memory`, which comes before it"
    );
    let off = format!("{LISTENER}execute: {{ enabled: false }}");
    Config::from_yaml(&off, &|_| Some("all of it".to_owned())).unwrap();

    let zeros = format!("{LISTENER}execute: {{ max_input: 0, timeout: 0s, max_output: 0B }}");
    let error = Config::from_yaml(&zeros, &|_| None).unwrap_err();
    let problems: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    let expected = ["max_input", "timeout", "max_output"].map(|key| format!("execute.{key}: must be more than 0"));
    assert_eq!(problems, expected);
    assert!(Config::from_yaml(&format!("{LISTENER}execute: {{ concurrency: 0 }}"), &|_| None).is_err());
}

#[tokio::test]
async fn it_can_be_switched_off_and_needs_a_restart() {
    let gateway = executing("enabled: false");
    let request = post_form(&gateway, form(&[("wasm", &read(guest::COMMAND_UPPER)), ("input", b"a")]));
    let expected = "no commands are executed here: `execute.enabled` is off";
    assert_eq!(failed(&send(&client(), request).await), (404, expected.to_owned()));
    let error = gateway.try_reload("execute: { enabled: true }").unwrap_err();
    assert!(matches!(error, Error::NeedsRestart("execute")), "{error}");
}

#[tokio::test]
async fn the_admin_token_is_needed() {
    let gateway = Gateway::start("admin: { address: '127.0.0.1:0', token: 0123456789abcdef }");
    let request = |authorization: Option<&str>| {
        let parts = form(&[("wasm", &read(guest::COMMAND_UPPER)), ("input", b"a")]);
        let mut request: Request<Body> = post_form(&gateway, parts);
        if let Some(value) = authorization {
            request.headers_mut().insert("authorization", value.parse().unwrap());
        }
        request
    };
    assert_eq!(send(&client(), request(None)).await.status, 401);
    assert_eq!(send(&client(), request(Some("Bearer 0123456789abcdeX"))).await.status, 401);
    assert_eq!(send(&client(), request(Some("Bearer 0123456789abcdef"))).await.status, 200);
}

/// A page that a browser shows must not run commands where no token is asked for.
#[tokio::test]
async fn pages_of_other_sites_are_refused() {
    let gateway = executing("");
    let mut request = post_form(&gateway, form(&[("wasm", &read(guest::COMMAND_UPPER)), ("input", b"a")]));
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(send(&client(), request).await.status, 403);
}
