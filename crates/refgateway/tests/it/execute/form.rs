use http::Request;
use test_guests as guest;

use super::{BOUNDARY, executing, failed, form, post_form, read, send_parts};
use crate::support::*;

#[tokio::test]
async fn parts_that_are_missing_or_too_many_are_named() {
    let gateway = executing("");
    let wasm = read(guest::COMMAND_UPPER);
    for (parts, status, expected) in [
        (&[("input", &b"a"[..])][..], 400, "the part `wasm` is missing: the module to execute"),
        (&[("wasm", &wasm)], 400, "the part `input` is missing: what the module reads; it may be empty"),
        (&[], 400, "the part `wasm` is missing: the module to execute"),
        (&[("wasm", &wasm), ("input", b"a"), ("input", b"b")], 400, "the part `input` is there twice"),
        (&[("wasm", &wasm), ("module_id", b"7"), ("input", b"a")], 400, "give `wasm` or `module_id`, not both"),
        (
            &[("module_id", b"7"), ("input", b"a")],
            404,
            "no modules are stored here: send the module as the part `wasm`",
        ),
    ] {
        assert_eq!(failed(&send_parts(&gateway, parts).await), (status, expected.to_owned()));
    }
    let others = [("name", &b"upper"[..]), ("wasm", &wasm), ("note", b"x"), ("input", b"a")];
    assert_eq!(send_parts(&gateway, &others).await.status, 200);
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    let gateway = executing("");
    let url = format!("http://{}/api/wasm/execute", gateway.admin());
    let unsupported = "the body is a form of `Content-Type: multipart/form-data` with a boundary";
    for content_type in ["application/json", "multipart/form-data", "multipart/mixed; boundary=a", "text"] {
        let request = Request::post(&url).header("content-type", content_type).body(body::full("{}")).unwrap();
        assert_eq!(failed(&send(&client(), request).await), (415, unsupported.to_owned()), "{content_type}");
    }
    let bare = send(&client(), Request::post(&url).body(body::full("{}")).unwrap()).await;
    assert_eq!(failed(&bare).0, 415);

    let cut = form(&[("wasm", &read(guest::COMMAND_UPPER)), ("input", b"a")]);
    for form in [cut[..cut.len() / 2].to_vec(), b"--other\r\n".to_vec(), Vec::new()] {
        let (status, error) = failed(&send(&client(), post_form(&gateway, form)).await);
        assert!(status == 400 && error.starts_with("the form cannot be read: "), "{status} {error}");
    }

    let answer = get(&url).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let wasm = read(guest::COMMAND_UPPER);
    let gateway = executing(&format!("max_module: {}, max_input: 10", wasm.len()));
    assert_eq!(send_parts(&gateway, &[("wasm", &wasm), ("input", b"0123456789")]).await.status, 200);
    let long = failed(&send_parts(&gateway, &[("wasm", &wasm), ("input", b"0123456789a")]).await);
    assert_eq!(long, (413, "the part `input` is larger than 10 bytes".to_owned()));
    let large = failed(&send_parts(&gateway, &[("wasm", &[&wasm[..], b"x"].concat()), ("input", b"")]).await);
    assert_eq!(large, (413, format!("the part `wasm` is larger than {} bytes", wasm.len())));

    let whole = wasm.len() + 10 + (64 << 10);
    let (status, error) = failed(&send_parts(&gateway, &[("other", &vec![b'x'; whole])]).await);
    assert_eq!((status, error), (413, format!("the form is larger than {whole} bytes")));
    let other = failed(&send_parts(&gateway, &[("other", &vec![b'x'; 65 << 10])]).await);
    assert_eq!(other, (413, "the part `other` is larger than 65536 bytes".to_owned()));

    // Without a length, which tells before anything is read.
    let (sender, streamed) = channel();
    for _ in 0..20 {
        sender.send(http_body::Frame::data(vec![b'x'; 16 << 10].into())).unwrap();
    }
    drop(sender);
    let request = post_form(&gateway, Vec::new()).map(|_| streamed);
    assert_eq!(failed(&send(&client(), request).await).0, 413);
}

#[tokio::test]
async fn a_client_that_asks_first_is_answered_before_it_sends() {
    let gateway = executing("max_module: 1KiB");
    let head = format!(
        "POST /api/wasm/execute HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000000\r\nexpect: 100-continue\r\n\
         connection: close\r\ncontent-type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    );
    let answer = raw(gateway.admin(), head.as_bytes()).await;
    assert_eq!(raw_lines(&answer), ["HTTP/1.1 413 Payload Too Large"]);
}
