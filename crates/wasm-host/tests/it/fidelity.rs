//! A message that no plugin edits passes as it came.

use std::sync::OnceLock;

use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, Version};
use proptest::{collection::vec, prelude::*};
use tokio::runtime::Runtime;
use wasm_host::{Body, Plugin};

use crate::common::{bytes, load, open, passed};

#[derive(Clone, Debug, PartialEq)]
struct Marker(u8);

fn runtime() -> &'static (Runtime, Plugin) {
    static RUNTIME: OnceLock<(Runtime, Plugin)> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let plugin = runtime.block_on(load(test_guests::NATIVE_OBSERVE));
        (runtime, plugin)
    })
}

fn headers() -> impl Strategy<Value = Vec<(HeaderName, HeaderValue)>> {
    let name = "[a-z!#$%&'*+.^_`|~-][a-z0-9!#$%&'*+.^_`|~-]{0,8}";
    let value = vec(prop_oneof![Just(b'\t'), 32_u8..127, 128_u8..=255], 0..12);
    let header = (name, value).prop_filter_map("a header", |(name, value)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(&value).ok()?))
    });
    // Few names make many duplicates.
    let repeated = (0..3_u8, vec(128_u8..=255, 0..4)).prop_map(|(number, value)| {
        (HeaderName::try_from(format!("x-{number}")).unwrap(), HeaderValue::from_bytes(&value).unwrap())
    });
    vec(prop_oneof![header, repeated], 0..12)
}

fn uri() -> impl Strategy<Value = Uri> {
    prop_oneof!["/[a-zA-Z0-9/%~._-]{0,12}(\\?[a-z0-9=&]{0,8})?", "https?://[a-z]{1,8}(:80)?/[a-z]{0,4}", "\\*"]
        .prop_filter_map("a target", |uri| uri.parse().ok())
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::HTTP_10), Just(Version::HTTP_11), Just(Version::HTTP_2)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests_pass_unchanged(
        method in "[A-Z]{1,8}", uri in uri(), version in version(), headers in headers(), body in vec(any::<u8>(), 0..64),
        marker in any::<u8>(),
    ) {
        let mut request = Request::new(Body::from(body.clone()));
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.uri_mut() = uri.clone();
        *request.version_mut() = version;
        request.headers_mut().extend(headers);
        request.extensions_mut().insert(Marker(marker));
        let before = request.headers().clone();

        let (runtime, plugin) = runtime();
        let mut exchange = open([plugin.clone()]);
        let after = passed(runtime.block_on(exchange.on_request(request)));
        prop_assert_eq!(after.method().as_str(), method);
        prop_assert_eq!(after.uri(), &uri);
        prop_assert_eq!(after.version(), version);
        prop_assert_eq!(after.headers().iter().collect::<Vec<_>>(), before.iter().collect::<Vec<_>>());
        prop_assert_eq!(after.extensions().get::<Marker>(), Some(&Marker(marker)));
        prop_assert_eq!(&runtime.block_on(bytes(after.into_body()))[..], body);
    }

    #[test]
    fn responses_pass_unchanged(
        status in 200_u16..1000, version in version(), headers in headers(), body in vec(any::<u8>(), 0..64),
        marker in any::<u8>(),
    ) {
        let mut response = Response::new(Body::from(body.clone()));
        *response.status_mut() = status.try_into().unwrap();
        *response.version_mut() = version;
        response.headers_mut().extend(headers);
        response.extensions_mut().insert(Marker(marker));
        let before = response.headers().clone();

        let (runtime, plugin) = runtime();
        let mut exchange = open([plugin.clone()]);
        passed(runtime.block_on(exchange.on_request(Request::new(Body::empty()))));
        let after = runtime.block_on(exchange.on_response(response));
        prop_assert_eq!(after.status().as_u16(), status);
        prop_assert_eq!(after.version(), version);
        prop_assert_eq!(after.headers().iter().collect::<Vec<_>>(), before.iter().collect::<Vec<_>>());
        prop_assert_eq!(after.extensions().get::<Marker>(), Some(&Marker(marker)));
        prop_assert_eq!(&runtime.block_on(bytes(after.into_body()))[..], body);
    }
}
