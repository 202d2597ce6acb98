//! Commands that come with a request, and those of the command line.

mod cli;
mod form;
mod settings;

use http::Request;
use serde_json::{Value, json};
use test_guests as guest;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::*;

const BOUNDARY: &str = "5d1f9c3e";

/// A gateway that executes, with this in its `execute` section.
fn executing(section: &str) -> Gateway {
    Gateway::start(&format!("execute: {{ {section} }}"))
}

fn read(file: &str) -> Vec<u8> {
    std::fs::read(file).unwrap()
}

/// A form of these parts.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, bytes) in parts {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(bytes);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    form
}

fn post_form(gateway: &Gateway, form: Vec<u8>) -> Request<Body> {
    Request::post(format!("http://{}/api/wasm/execute", gateway.admin()))
        .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(body::full(form))
        .unwrap()
}

async fn send_parts(gateway: &Gateway, parts: &[(&str, &[u8])]) -> Answer {
    send(&client(), post_form(gateway, form(parts))).await
}

async fn execute(gateway: &Gateway, file: &str, input: &str) -> Answer {
    send_parts(gateway, &[("wasm", &read(file)), ("input", input.as_bytes())]).await
}

/// Status, and what there is of `output` and `error`.
fn told(answer: &Answer) -> (u16, Value, Value) {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let json = answer.json();
    assert_eq!(json.as_object().unwrap().len(), 2, "{json}");
    (answer.status.as_u16(), json["output"].clone(), json["error"].clone())
}

fn failed(answer: &Answer) -> (u16, String) {
    let (status, output, error) = told(answer);
    assert_eq!(output, Value::Null);
    (status, error.as_str().unwrap().to_owned())
}

#[tokio::test]
async fn answers_with_the_output() {
    let gateway = executing("");
    for file in [guest::COMMAND_UPPER, guest::COMMAND_UPPER_COMPONENT] {
        assert_eq!(told(&execute(&gateway, file, "text \"é\"\n").await), (200, json!("TEXT \"é\"\n"), Value::Null));
        assert_eq!(told(&execute(&gateway, file, "").await), (200, json!(""), Value::Null));
    }
    assert_eq!(
        told(&execute(&gateway, guest::COMMAND_COUNT_WORDS, "a b\n").await),
        (200, json!("1 2 4\n"), Value::Null)
    );

    let mut request = post_form(&gateway, form(&[("input", b"other name"), ("wasm", &read(guest::COMMAND_UPPER))]));
    *request.uri_mut() = format!("http://{}/api/execute", gateway.admin()).parse().unwrap();
    assert_eq!(told(&send(&client(), request).await), (200, json!("OTHER NAME"), Value::Null));
}

#[tokio::test]
async fn answers_with_bytes_when_asked() {
    let gateway = executing("");
    let parts = form(&[("wasm", &read(guest::COMMAND_BEHAVE)), ("input", b"not-text")]);
    let (status, error) = failed(&send(&client(), post_form(&gateway, parts.clone())).await);
    let expected = "its output is not UTF-8 text, from byte 2 on; binary output has to be asked for, by `Accept: \
                    application/octet-stream`";
    assert_eq!((status, error.as_str()), (422, expected));

    let mut request = post_form(&gateway, parts);
    request.headers_mut().insert("accept", "application/octet-stream".parse().unwrap());
    let answer = send(&client(), request).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"ok\xff\xfe"[..]));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));

    let mut request = post_form(&gateway, form(&[("wasm", &read(guest::COMMAND_BEHAVE)), ("input", b"return 1")]));
    request.headers_mut().insert("accept", "application/octet-stream".parse().unwrap());
    assert_eq!(failed(&send(&client(), request).await).0, 422);
}

#[tokio::test]
async fn a_guest_that_fails_is_told_of() {
    let gateway = executing("timeout: 300ms, memory: 16MiB, max_output: 1KiB");
    for file in [guest::COMMAND_BEHAVE, guest::COMMAND_BEHAVE_COMPONENT] {
        for (input, expected) in [
            ("complain no such thing", "exited with code 1; stderr: no such thing"),
            ("panic at this", "trapped: wasm trap: wasm `unreachable` instruction executed"),
            ("loop", "went over its limit of time: "),
            ("sleep", "went over its limit of time: took longer than 300ms"),
            ("flood", "went over its limit of output: wrote more than 1024 bytes to stdout"),
        ] {
            let (status, error) = failed(&execute(&gateway, file, input).await);
            assert_eq!(status, 422, "{input}: {error}");
            assert!(error.starts_with(expected), "{input}: {error}");
        }
    }
    let generous = executing("timeout: 1m, memory: 16MiB");
    let (status, error) = failed(&execute(&generous, guest::COMMAND_BEHAVE, "grow").await);
    assert!(status == 422 && error.starts_with("went over its limit of memory: wants "), "{status} {error}");

    let metrics = get(&format!("http://{}/metrics", gateway.admin())).await;
    for outcome in ["exit", "trap", "time", "output"] {
        let line = format!("refgateway_executions_total{{outcome=\"{outcome}\"}}");
        assert!(metrics.text().contains(&line), "{line}");
    }
}

#[tokio::test]
async fn a_module_that_is_no_command_is_told_of() {
    let gateway = executing("");
    for (module, status, expected) in [
        (b"#!/bin/sh".to_vec(), 400, "not a WebAssembly file: it starts with "),
        (Vec::new(), 400, "not a WebAssembly file: it starts with nothing: the file is empty"),
        (b"\0asm\x01\0\0\0\xff".to_vec(), 422, "damaged WebAssembly file: "),
        (read(guest::NATIVE_WRONG_WORLD), 422, "no plugin ABI fits this component: it exports add; supported are: "),
        (read(guest::NATIVE_EDIT), 422, "it is a plugin of the native ABI and no command: "),
        (
            read(guest::COMMAND_MISSING_IMPORTS),
            422,
            "the guest imports what the command ABI does not offer: wasix_32v1.thread_spawn, env.system",
        ),
    ] {
        let told = failed(&send_parts(&gateway, &[("wasm", &module), ("input", b"")]).await);
        assert_eq!(told.0, status, "{}", told.1);
        assert!(told.1.starts_with(expected), "{}", told.1);
    }
}

/// One place: a command that goes on is in the way until its client leaves.
#[tokio::test]
async fn a_client_that_leaves_stops_the_guest() {
    let gateway = executing("timeout: 1h, concurrency: 1");
    for input in ["loop", "sleep"] {
        let form = form(&[("wasm", &read(guest::COMMAND_BEHAVE)), ("input", input.as_bytes())]);
        let head = format!(
            "POST /api/wasm/execute HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\
             content-type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n",
            form.len()
        );
        let mut client = TcpStream::connect(gateway.admin()).await.unwrap();
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&form).await.unwrap();
        let answers = async || told(&execute(&gateway, guest::COMMAND_UPPER, "a").await);
        until(async || answers().await.0 == 503).await;
        let answer = execute(&gateway, guest::COMMAND_UPPER, "a").await;
        assert_eq!(answer.header("retry-after"), Some("1"));
        let expected = "1 commands are executed now, `execute.concurrency`; try again";
        assert_eq!(failed(&answer), (503, expected.to_owned()));
        drop(client);
        until(async || answers().await == (200, json!("A"), Value::Null)).await;
    }
}

/// Health is answered while commands compute.
#[tokio::test]
async fn the_admin_listener_goes_on_meanwhile() {
    let gateway = executing("timeout: 1s, concurrency: 2");
    let running = async {
        let request = || post_form(&gateway, form(&[("wasm", &read(guest::COMMAND_BEHAVE)), ("input", b"loop")]));
        let client = client();
        let (one, other) = tokio::join!(send(&client, request()), send(&client, request()));
        [one, other].map(|answer| failed(&answer).0)
    };
    let answered = std::cell::Cell::new(0);
    let asking = async {
        loop {
            assert_eq!(get(&format!("http://{}/health/live", gateway.admin())).await.status, 200);
            answered.set(answered.get() + 1);
        }
    };
    let ended = tokio::select! {
        ended = running => ended,
        () = asking => unreachable!(),
    };
    assert_eq!(ended, [422, 422]);
    assert!(answered.get() > 10, "{} answers", answered.get());
}

#[tokio::test]
async fn a_command_is_no_plugin() {
    let upstream = Upstream::echo().await;
    let gateway = Plugged::to(upstream.address).through("upper", guest::COMMAND_UPPER, "").start();
    let list = get(&format!("http://{}/api/plugins", gateway.admin())).await.json();
    let reason = list["plugins"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("it is a WASI command, which runs by itself from stdin to stdout"), "{reason}");
    assert!(reason.ends_with("; `refgateway plugin exec` and `POST /api/wasm/execute` run it"), "{reason}");
}
