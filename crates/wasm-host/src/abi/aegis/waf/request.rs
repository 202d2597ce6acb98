//! A request, as WAF modules read it.

use std::borrow::Cow;

use http::{header, request::Parts};
use serde::{Serialize, Serializer, ser::SerializeSeq};

/// JSON of a request: `{"method", "uri", "headers": [["name", "value"], …], "body"}`. What is no UTF-8 becomes U+FFFD.
pub(super) fn json(request: &Parts, body: &[u8]) -> Vec<u8> {
    let uri = request.uri.path_and_query().map_or("/", |target| target.as_str());
    let request = Request {
        method: request.method.as_str(),
        uri,
        headers: Headers(request),
        body: String::from_utf8_lossy(body),
    };
    // Texts and lists of them can always be written, and to memory too.
    serde_json::to_vec(&request).unwrap_or_default()
}

#[derive(Serialize)]
struct Request<'a> {
    method: &'a str,
    uri: &'a str,
    headers: Headers<'a>,
    body: Cow<'a, str>,
}

/// All headers, and the host that HTTP/2 has elsewhere.
struct Headers<'a>(&'a Parts);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Parts { headers, uri, .. } = self.0;
        let mut list = serializer.serialize_seq(None)?;
        if !headers.contains_key(header::HOST)
            && let Some(authority) = uri.authority()
        {
            list.serialize_element(&("host", authority.as_str()))?;
        }
        for (name, value) in headers {
            list.serialize_element(&(name.as_str(), String::from_utf8_lossy(value.as_bytes())))?;
        }
        list.end()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn parts(uri: &str) -> Parts {
        http::Request::post(uri).body(()).unwrap().into_parts().0
    }

    fn read(parts: &Parts, body: &[u8]) -> Value {
        serde_json::from_slice(&super::json(parts, body)).unwrap()
    }

    #[test]
    fn a_request_has_all_its_parts() {
        let mut request = parts("https://example.test/a?b=%27");
        request.headers.append("x-a", HeaderValue::from_static("1"));
        request.headers.append("x-a", HeaderValue::from_bytes(b"\xff\"").unwrap());
        let headers = json!([["host", "example.test"], ["x-a", "1"], ["x-a", "\u{fffd}\""]]);
        let expected = json!({ "method": "POST", "uri": "/a?b=%27", "headers": headers, "body": "\u{fffd}b" });
        assert_eq!(read(&request, b"\xffb"), expected);
        request.headers.insert("host", HeaderValue::from_static("other.test"));
        assert_eq!(read(&request, b"")["headers"].as_array().unwrap().len(), 3);
    }

    proptest! {
        #[test]
        fn every_body_is_json(body: Vec<u8>) {
            let read = read(&parts("/"), &body);
            prop_assert_eq!(read["body"].as_str().unwrap(), String::from_utf8_lossy(&body));
        }
    }
}
