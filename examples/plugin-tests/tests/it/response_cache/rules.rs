//! What needs no guest: the rules of HTTP.

#[path = "../../../../plugins/response-cache/src/conditional.rs"]
mod conditional;
#[path = "../../../../plugins/response-cache/src/directives.rs"]
mod directives;
#[path = "../../../../plugins/response-cache/src/freshness.rs"]
mod freshness;
#[path = "../../../../plugins/response-cache/src/headers.rs"]
mod headers;

use std::time::{Duration, SystemTime};

use conditional::is_not_modified;
use directives::{RequestDirectives, ResponseDirectives};
use freshness::Freshness;
use headers::Headers;

/// Sunday, 06 Nov 1994 08:49:37 GMT.
const NOW: u64 = 784_111_777;

fn with(pairs: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::default();
    pairs.iter().for_each(|(name, value)| headers.set(name, (*value).to_owned()));
    headers
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn reads_directives() {
    let control = |value: &str| ResponseDirectives::of(&with(&[("cache-control", value)]));
    for (value, max_age) in [
        ("max-age=5", Some(5)),
        (" , Max-Age = \"5\" ,", Some(5)),
        ("max-age=9, max-age=5", Some(5)),
        ("max-age", Some(0)),
        ("max-age=-1", Some(0)),
        ("max-age=1.5", Some(0)),
        ("max-age=99999999999999999999", Some(1 << 31)),
        ("x=\"max-age=5\"", None),
        ("x=\"\\\", max-age=5\"", None),
        ("x=\"\\\"\", max-age=5", Some(5)),
        ("max-ages=5", None),
    ] {
        assert_eq!(control(value).max_age, max_age.map(seconds), "{value}");
    }
    let all = "public, no-cache=\"a, b\", must-revalidate, proxy-revalidate, s-maxage=1, stale-while-revalidate=2";
    let expected = ResponseDirectives {
        public: true,
        no_cache: true,
        must_revalidate: true,
        proxy_revalidate: true,
        s_maxage: Some(seconds(1)),
        stale_while_revalidate: Some(seconds(2)),
        ..ResponseDirectives::default()
    };
    assert_eq!(control(all), expected);
    assert!(control(all).is_for_all() && !control("private, no-store").is_for_all());

    let request = RequestDirectives::of(&with(&[("cache-control", "no-store, no-cache, only-if-cached, max-age=3")]));
    let max_age = Some(seconds(3));
    assert_eq!(request, RequestDirectives { no_store: true, no_cache: true, only_if_cached: true, max_age });
}

#[test]
fn computes_freshness() {
    let now = SystemTime::UNIX_EPOCH + seconds(NOW);
    let date = ("date", "Sun, 06 Nov 1994 08:49:07 GMT");
    let expires = ("expires", "Sun, 06 Nov 1994 08:50:37 GMT");
    let control = |value| ("cache-control", value);
    for (headers, fresh, stale, age) in [
        (vec![control("max-age=60")], 60, 0, 0),
        (vec![control("max-age=60"), date], 30, 0, 30),
        (vec![control("max-age=60"), date, ("age", "40")], 20, 0, 40),
        (vec![control("max-age=60"), ("age", "-40")], 60, 0, 0),
        (vec![control("max-age=60, s-maxage=10")], 10, 0, 0),
        (vec![control("max-age=10"), expires], 10, 0, 0),
        (vec![expires], 60, 0, 0),
        (vec![expires, date], 60, 0, 30),
        (vec![control("max-age=60, stale-while-revalidate=20")], 60, 20, 0),
        (vec![control("max-age=60, stale-while-revalidate=20, must-revalidate")], 60, 0, 0),
        (vec![control("max-age=60, stale-while-revalidate=20, proxy-revalidate")], 60, 0, 0),
        (vec![control("s-maxage=60, stale-while-revalidate=20"), ("age", "70")], 0, 10, 70),
    ] {
        let expected = Freshness { fresh: seconds(fresh), stale: seconds(stale), age: seconds(age) };
        assert_eq!(Freshness::of(200, &with(&headers), now, None), Some(expected), "{headers:?}");
    }
    for headers in [
        vec![],
        vec![date],
        vec![("expires", "0")],
        vec![("expires", date.1)],
        vec![control("max-age=60"), ("age", "60")],
        vec![control("max-age=60, stale-while-revalidate=10"), ("age", "70")],
    ] {
        assert_eq!(Freshness::of(200, &with(&headers), now, None), None, "{headers:?}");
    }
}

#[test]
fn a_default_is_for_what_says_nothing() {
    let default = |status, headers: &[(&str, &str)]| {
        Freshness::of(status, &with(headers), SystemTime::now(), Some(seconds(5))).map(|found| found.fresh)
    };
    assert_eq!(default(200, &[]), Some(seconds(5)));
    assert_eq!(default(404, &[]), Some(seconds(5)));
    assert_eq!(default(200, &[("cache-control", "max-age=0")]), None);
    assert_eq!(default(302, &[]), None);
    assert_eq!(default(302, &[("cache-control", "max-age=9")]), Some(seconds(9)));
    assert_eq!(default(503, &[("cache-control", "max-age=9")]), None);
}

#[test]
fn compares_tags_weakly() {
    for (known, tag, has_it) in [
        ("\"a\"", "\"a\"", true),
        ("W/\"a\"", "\"a\"", true),
        ("\"a\"", "W/\"a\"", true),
        ("\"b\",\"a\"", "\"a\"", true),
        ("\"b,\", \"a\"", "\",\"", false),
        ("\"A\"", "\"a\"", false),
        ("\"a", "\"a\"", false),
        ("a", "a", false),
        ("", "\"\"", false),
    ] {
        let found = is_not_modified(&with(&[("if-none-match", known)]), &with(&[("etag", tag)]));
        assert_eq!(found, has_it, "{known} {tag}");
    }
}
