use crate::support::*;

async fn ask(request: &str) -> (String, usize) {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let answer = raw(gateway.address(), request.as_bytes()).await;
    (answer, upstream.requests())
}

/// One 400, then the connection is closed: nothing after the request is read as another one.
async fn refuses(request: &str) -> String {
    let (answer, _) = ask(&format!("{request}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let lines = raw_lines(&answer);
    assert_eq!(lines, ["HTTP/1.1 400 Bad Request"], "{request:?} got {answer:?}");
    answer
}

#[tokio::test]
async fn refuses_two_lengths_that_differ() {
    refuses("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc").await;
    refuses("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 4\r\n\r\nabc").await;
}

#[tokio::test]
async fn refuses_lengths_that_are_not_numbers() {
    for length in ["-1", "+3", "0x3", "3 3", "", "99999999999999999999"] {
        refuses(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\nabc")).await;
    }
}

#[tokio::test]
async fn refuses_length_with_transfer_encoding() {
    let chunked = "0\r\n\r\n";
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "content-length: 0\r\ntransfer-encoding: chunked",
    ] {
        let answer = refuses(&format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{chunked}")).await;
        assert!(answer.contains("both Content-Length and Transfer-Encoding"), "{answer}");
    }
}

#[tokio::test]
async fn refuses_it_on_a_kept_connection_as_well() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let requests = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
         POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\
         POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
         GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = raw(gateway.address(), requests.as_bytes()).await;
    let lines = raw_lines(&answer);
    assert_eq!(lines, ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 400 Bad Request"], "{answer}");
    assert_eq!(upstream.requests(), 2);
}

#[tokio::test]
async fn refuses_transfer_encodings_it_does_not_know() {
    for coding in ["gzip", "chunked, gzip", "xchunked", "identity"] {
        refuses(&format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n")).await;
    }
    refuses("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn refuses_bad_chunking() {
    for body in ["zz\r\nabc\r\n0\r\n\r\n", "3\r\nabcdef\r\n0\r\n\r\n", "-1\r\n\r\n", "fffffffffffffffff\r\na\r\n"] {
        refuses(&format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}")).await;
    }
}

#[tokio::test]
async fn refuses_headers_that_can_be_read_two_ways() {
    refuses("GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc").await;
    refuses("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n").await;
    refuses("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n").await;
    refuses("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    refuses("GET / HTTP/1.1\r\n\r\n").await;
    refuses("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n").await;
    refuses("GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n").await;
    refuses("GET http://b/ HTTP/1.1\r\n\r\n").await;
    refuses("GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n").await;
    refuses("GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n").await;
    refuses("GET /%2e%2e/b HTTP/1.1\r\nHost: a\r\n\r\n").await;
}

#[tokio::test]
async fn the_target_decides_about_the_host_and_is_the_only_one_upstream() {
    let (answer, _) = ask("GET http://b/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains(r#""host":["b"]"#), "{answer}");
    assert!(answer.contains(r#""uri":"/x""#), "{answer}");
}

#[tokio::test]
async fn equal_lengths_are_one() {
    let (answer, requests) =
        ask("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc")
            .await;
    assert_eq!(raw_lines(&answer), ["HTTP/1.1 200 OK"]);
    assert_eq!(requests, 1);
}
