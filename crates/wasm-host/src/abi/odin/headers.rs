//! Headers in the JSON of messages.

use http::HeaderMap;

use super::json::{self, Members};

/// Each name once, in the case that MIME has them in, with its values in their order. Bytes that are not UTF-8 are told
/// as U+FFFD.
pub(super) fn write(to: &mut Members<'_>, headers: &HeaderMap) {
    for name in headers.keys() {
        let values = headers.get_all(name).iter();
        to.list(&canonical(name.as_str()), values, |to, value| {
            json::text(to, &String::from_utf8_lossy(value.as_bytes()));
        });
    }
}

/// `x-request-id` as `X-Request-Id`.
fn canonical(name: &str) -> String {
    let mut begins = true;
    let letter = |letter: char| {
        let cased = if begins { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
        begins = letter == '-';
        cased
    };
    name.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_have_the_case_of_mime() {
        for (name, expected) in
            [("x-request-id", "X-Request-Id"), ("etag", "Etag"), ("-a--b", "-A--B"), ("x_y.z", "X_y.z"), ("3d", "3d")]
        {
            assert_eq!(canonical(name), expected);
        }
    }

    proptest! {
        #[test]
        fn every_header_is_told(given in proptest::collection::vec(("[a-z][a-z-]{0,8}", "[ -~]{0,20}"), 0..20)) {
            let mut headers = HeaderMap::new();
            for (name, value) in &given {
                headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
            }
            let mut json = Vec::new();
            json::object(&mut json, |members| write(members, &headers));
            let told: std::collections::BTreeMap<String, Vec<String>> = serde_json::from_slice(&json).unwrap();
            let mut expected = std::collections::BTreeMap::<String, Vec<String>>::new();
            for (name, value) in &given {
                expected.entry(canonical(name)).or_default().push(value.clone());
            }
            prop_assert_eq!(told, expected);
        }
    }
}
