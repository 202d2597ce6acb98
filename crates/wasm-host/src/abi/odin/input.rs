//! What the guest is told: `{"context": …, "input": …, "config": …}`.

use std::time::SystemTime;

use http::{StatusCode, request::Parts as RequestParts, response::Parts as ResponseParts};
use serde_json::{Map, Value};

use super::{
    encoding::BodyEncoding,
    headers,
    json::{self, Members},
    query,
};
use crate::message::ExchangeState;

/// The property of an exchange that has the metadata which Odin plugins leave for later ones.
pub(super) const METADATA: &str = "odin.metadata";

/// Writes the whole, over what was in the buffer.
pub(super) fn write(
    to: &mut Vec<u8>,
    exchange: &ExchangeState,
    config: &str,
    input: impl FnOnce(&mut Members<'_>, &ExchangeState),
) {
    to.clear();
    let facts = &exchange.facts;
    let service = exchange.routing.service.as_ref().or(facts.service.as_ref());
    // The original has maps here, and guests that expect them.
    let config = if config == "null" { "{}" } else { config };
    json::object(to, |whole| {
        whole.object("context", |context| {
            context.text("requestId", &facts.id);
            context.text("serviceId", service.map_or("", |service| service));
            context.text("routePath", exchange.request.uri.path());
            let received_at = humantime::format_rfc3339_seconds(facts.received_at.max(SystemTime::UNIX_EPOCH));
            context.text("timestamp", &received_at.to_string());
            context.raw("config", config);
            context.raw("metadata", &Value::Object(metadata(exchange)).to_string());
        });
        whole.object("input", |members| input(members, exchange));
        whole.raw("config", config);
    });
}

/// What plugins left for this one. A plugin of another ABI may have set the property to anything.
pub(super) fn metadata(exchange: &ExchangeState) -> Map<String, Value> {
    let property = exchange.property(METADATA);
    property.and_then(|json| serde_json::from_slice(json).ok()).unwrap_or_default()
}

pub(super) fn request(to: &mut Members<'_>, request: &RequestParts, body: &[u8], encoding: BodyEncoding) {
    to.text("method", request.method.as_str());
    to.text("url", request.uri.path_and_query().map_or("/", |target| target.as_str()));
    to.object("headers", |members| headers::write(members, &request.headers));
    encoding.write(to.member("body"), body);
    to.object("query", |members| query::write(members, request.uri.query().unwrap_or_default()));
    to.object("params", |_| {});
}

pub(super) fn response(to: &mut Members<'_>, response: &ResponseParts, body: &[u8], encoding: BodyEncoding) {
    message(to, response.status, &response.headers, body, encoding);
}

/// What every response has, wherever it comes from.
pub(super) fn message(
    to: &mut Members<'_>,
    status: StatusCode,
    headers: &http::HeaderMap,
    body: &[u8],
    encoding: BodyEncoding,
) {
    to.raw("statusCode", status.as_str());
    to.object("headers", |members| headers::write(members, headers));
    encoding.write(to.member("body"), body);
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use serde_json::json;

    use super::*;
    use crate::ExchangeFacts;

    fn exchange() -> Box<ExchangeState> {
        let facts = ExchangeFacts {
            id: "abc-123".into(),
            service: Some("users-service".into()),
            received_at: std::time::UNIX_EPOCH + Duration::from_secs(1_704_067_200),
            ..ExchangeFacts::default()
        };
        let mut exchange = ExchangeState::blank(Arc::new(facts));
        let request = http::Request::get("/api/users?limit=10&limit=20").header("content-type", "text/plain");
        exchange.request = request.header("x-many", "1").header("x-many", "2").body(()).unwrap().into_parts().0;
        exchange
    }

    fn told(exchange: &ExchangeState, config: &str, fill: impl FnOnce(&mut Members<'_>, &ExchangeState)) -> Value {
        let mut to = b"left over".to_vec();
        write(&mut to, exchange, config, fill);
        serde_json::from_slice(&to).unwrap()
    }

    #[test]
    fn a_request_is_told_whole() {
        let mut exchange = exchange();
        assert_eq!(exchange.set_property(METADATA, br#"{"key":"value"}"#), Ok(()));
        let told = told(&exchange, r#"{"key":1}"#, |input, exchange| {
            request(input, &exchange.request, b"hello", BodyEncoding::Base64);
        });
        let expected = json!({
            "context": {
                "requestId": "abc-123",
                "serviceId": "users-service",
                "routePath": "/api/users",
                "timestamp": "2024-01-01T00:00:00Z",
                "config": { "key": 1 },
                "metadata": { "key": "value" },
            },
            "input": {
                "method": "GET",
                "url": "/api/users?limit=10&limit=20",
                "headers": { "Content-Type": ["text/plain"], "X-Many": ["1", "2"] },
                "body": "aGVsbG8=",
                "query": { "limit": ["10", "20"] },
                "params": {},
            },
            "config": { "key": 1 },
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn a_response_is_told_whole() {
        let mut exchange = exchange();
        let response = http::Response::builder().status(404).header("x-a", "b").body(()).unwrap();
        exchange.response = response.into_parts().0;
        let told = told(&exchange, "null", |input, exchange| {
            super::response(input, &exchange.response, b"", BodyEncoding::Text);
        });
        assert_eq!(told["input"], json!({ "statusCode": 404, "headers": { "X-A": ["b"] }, "body": "" }));
        assert_eq!((&told["config"], &told["context"]["config"]), (&json!({}), &json!({})));
    }

    #[test]
    fn metadata_that_is_none_is_empty() {
        let mut exchange = exchange();
        for property in ["", "[1]", "\u{0}", "null"] {
            assert_eq!(exchange.set_property(METADATA, property.as_bytes()), Ok(()));
            assert!(metadata(&exchange).is_empty());
        }
    }
}
