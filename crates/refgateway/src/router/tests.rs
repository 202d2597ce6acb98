#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::config::Match;

fn router(matches: &[Match]) -> Router {
    let mut builder = Router::builder();
    for (index, rule) in matches.iter().enumerate() {
        builder.add(rule, index).unwrap();
    }
    builder.build()
}

fn find(router: &Router, method: &str, host: &str, path: &str) -> Found {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    router.find(Question { method: &method, host, path, headers: &HeaderMap::new() })
}

fn prefix(prefix: &str) -> Match {
    Match { path_prefix: Some(prefix.to_owned()), ..Match::default() }
}

fn exact(path: &str) -> Match {
    Match { path: Some(path.to_owned()), ..Match::default() }
}

fn host(host: &str) -> Match {
    Match { host: Some(host.to_owned()), ..Match::default() }
}

#[test]
fn the_most_specific_path_wins_whatever_the_order() {
    let router = router(&[
        Match { path_regex: Some("/api/.*".to_owned()), ..Match::default() },
        prefix("/"),
        prefix("/api"),
        Match { path_pattern: Some("/api/users/{id}".to_owned()), ..Match::default() },
        exact("/api/users/me"),
        prefix("/api/users/7/very/long/prefix"),
    ]);
    for (path, route) in [
        ("/api/users/me", 4),
        ("/api/users/7", 3),
        ("/api/users/7/very/long/prefix/x", 5),
        ("/api/users/7/x", 2),
        ("/api", 2),
        ("/api/", 2),
        ("/apix", 1),
        ("/", 1),
    ] {
        assert_eq!(find(&router, "GET", "any", path), Found::Route(route), "{path}");
    }
}

#[test]
fn regexes_match_the_whole_path_in_order() {
    let regex = |regex: &str| Match { path_regex: Some(regex.to_owned()), ..Match::default() };
    let router = router(&[regex("/v[0-9]+/a"), regex("/v.*")]);
    assert_eq!(find(&router, "GET", "", "/v1/a"), Found::Route(0));
    assert_eq!(find(&router, "GET", "", "/v1/ab"), Found::Route(1));
    assert_eq!(find(&router, "GET", "", "/x/v1/a"), Found::Nothing);
}

#[test]
fn the_most_specific_host_wins_and_falls_through() {
    let router = router(&[
        host("*.example.com"),
        Match { path: Some("/only".to_owned()), ..host("api.example.com") },
        host("*.b.example.com"),
        prefix("/"),
    ]);
    for (name, path, route) in [
        ("api.example.com", "/only", 1),
        ("api.example.com", "/other", 0),
        ("a.b.example.com", "/", 2),
        ("example.com", "/", 3),
        ("other.org", "/", 3),
    ] {
        assert_eq!(find(&router, "GET", name, path), Found::Route(route), "{name}{path}");
    }
}

#[test]
fn a_wrong_method_is_told_apart_from_a_wrong_path() {
    let with =
        |methods: &[&str], rule: Match| Match { methods: methods.iter().map(|&m| m.to_owned()).collect(), ..rule };
    let router = router(&[with(&["GET", "HEAD"], exact("/a")), with(&["PUT"], prefix("/a"))]);
    assert_eq!(find(&router, "PUT", "", "/a"), Found::Route(1));
    let allowed = vec![Method::GET, Method::HEAD, Method::PUT];
    assert_eq!(find(&router, "DELETE", "", "/a"), Found::MethodNotAllowed(allowed));
    assert_eq!(find(&router, "GET", "", "/b"), Found::Nothing);
}

#[test]
fn headers_choose_between_routes_of_one_path() {
    let canary = Match { headers: [("x-canary".to_owned(), "yes".to_owned())].into(), ..prefix("/") };
    let router = router(&[canary, prefix("/")]);
    let mut headers = HeaderMap::new();
    headers.insert("x-canary", "yes".parse().unwrap());
    let question = Question { method: &Method::GET, host: "", path: "/", headers: &headers };
    assert_eq!(router.find(question), Found::Route(0));
    assert_eq!(find(&router, "GET", "", "/"), Found::Route(1));
}

#[test]
fn conflicting_patterns_are_refused() {
    let pattern = |pattern: &str| Match { path_pattern: Some(pattern.to_owned()), ..Match::default() };
    let mut builder = Router::builder();
    builder.add(&pattern("/a/{id}"), 0).unwrap();
    builder.add(&pattern("/a/{id}"), 1).unwrap();
    let (key, reason) = builder.add(&pattern("/a/{name}"), 2).unwrap_err();
    assert_eq!(key, "path_pattern");
    assert!(reason.contains("/a/{id}"), "{reason}");
}

#[test]
fn a_thousand_routes_are_found_by_lookup() {
    let routes: Vec<_> = (0..1000).map(|n| prefix(&format!("/service-{n}/v1"))).collect();
    let router = router(&routes);
    for n in 0..1000 {
        assert_eq!(find(&router, "GET", "", &format!("/service-{n}/v1/x/y")), Found::Route(n));
    }
}
