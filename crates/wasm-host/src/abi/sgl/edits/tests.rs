use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::{collection::vec, option, prelude::*};

use super::{super::records::Header, *};
use crate::message::EditBudget;

const BUDGET: usize = 200;

fn edit(map: &mut HeaderMap, modify: &Modify, left: usize) -> Result<Ignored, EditError> {
    edit_headers(&mut Headers { map, budget: &mut EditBudget::new(left) }, modify)
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_owned(), value: value.to_owned() }
}

/// Names that are close together, of the host's, and of anything.
fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "x-[ab]",
        1 => prop_oneof![Just("X-A"), Just("Content-Length"), Just("host"), Just("connection")].prop_map(str::to_owned),
        1 => any::<String>(),
        1 => "[a-z]{1,80}",
    ]
}

fn headers() -> impl Strategy<Value = Vec<Header>> {
    let values = prop_oneof![3 => "[ -~]{0,60}", 1 => any::<String>(), 1 => Just("a\r\nx-b: c".to_owned())];
    vec((names(), values).prop_map(|(name, value)| Header { name, value }), 0..8)
}

fn modifications() -> impl Strategy<Value = Modify> {
    (option::of(any::<u16>()), headers(), headers(), vec(names(), 0..4)).prop_map(
        |(status, headers_set, headers_add, headers_remove)| Modify {
            status,
            headers_set,
            headers_add,
            headers_remove,
            body_replace: None,
        },
    )
}

/// What remains of a message's headers, by the words of the contract and of nothing else.
fn expected(modify: &Modify) -> Vec<(String, String)> {
    let is_name = |name: &str| HeaderName::from_bytes(name.as_bytes()).is_ok() && !name.is_empty();
    let is_managed = |name: &str| ["content-length", "host", "connection"].contains(&name);
    let usable = |header: &&Header| {
        is_name(&header.name)
            && !is_managed(&header.name.to_lowercase())
            && HeaderValue::from_str(&header.value).is_ok()
    };
    let mut kept: Vec<(String, String)> = Vec::new();
    for Header { name, value } in modify.headers_set.iter().filter(usable) {
        kept.retain(|(known, _)| *known != name.to_lowercase());
        kept.push((name.to_lowercase(), value.clone()));
    }
    let added = modify.headers_add.iter().filter(usable);
    kept.extend(added.map(|Header { name, value }| (name.to_lowercase(), value.clone())));
    for name in &modify.headers_remove {
        kept.retain(|(known, _)| *known != name.to_lowercase());
    }
    kept.sort();
    kept
}

proptest! {
    #[test]
    fn edits_are_made_in_order_and_nothing_else_is(modify in modifications()) {
        let mut map = HeaderMap::new();
        map.insert("host", HeaderValue::from_static("example.test"));
        edit(&mut map, &modify, usize::MAX).unwrap();
        prop_assert_eq!(map.remove("host").unwrap(), "example.test");
        let pair = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
        let mut left: Vec<_> = map.iter().map(pair).collect();
        left.sort();
        prop_assert_eq!(left, expected(&modify));
    }

    #[test]
    fn what_a_call_brings_in_is_bounded(modify in modifications()) {
        let mut map = HeaderMap::new();
        let edited = edit(&mut map, &modify, BUDGET);
        let bytes: usize = map.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        prop_assert!(bytes <= BUDGET);
        if let Err(error) = edited {
            prop_assert_eq!(error, EditError::TooLarge);
        }
    }

    #[test]
    fn every_rejection_is_a_status(status in any::<u16>(), before in 100_u16..1000) {
        let expected = if (200..600).contains(&status) { status } else { 400 };
        let answer = answer_of(status).unwrap();
        prop_assert_eq!(answer.status.as_u16(), expected);
        prop_assert!(answer.body.is_empty() && answer.headers.is_empty());
        let mut response = StatusCode::from_u16(before).unwrap();
        reject(&mut response, status);
        prop_assert_eq!(response.as_u16(), if before < 200 { before } else { expected });
    }
}

#[test]
fn says_what_was_ignored_once() {
    let nothing = edit(&mut HeaderMap::new(), &Modify::default(), BUDGET).unwrap();
    assert_eq!(nothing.message(), None);
    let mut modify = Modify { headers_set: vec![header("Host", "a")], ..Modify::default() };
    let one = edit(&mut HeaderMap::new(), &modify, BUDGET).unwrap();
    assert_eq!(one.message().unwrap(), "ignored an edit of a header: the host manages `host`");
    modify.headers_add = vec![header("a b", "1"), header("x", "ä")];
    let three = edit(&mut HeaderMap::new(), &modify, BUDGET).unwrap();
    assert_eq!(three.message().unwrap(), "ignored 3 edits of headers, the first because the host manages `host`");
}
