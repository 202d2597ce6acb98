//! Where a redirect leads (RFC 9110 10.2.2, RFC 3986 5.2).

use http::{HeaderMap, Method, StatusCode, Uri, header};

use super::{CallTarget, HttpCallError};

/// Where an answer redirects to, if it does.
pub(super) fn redirect_of(
    status: StatusCode,
    headers: &HeaderMap,
    from: &CallTarget,
) -> Option<Result<CallTarget, HttpCallError>> {
    let follows = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = headers.get(header::LOCATION).filter(|_| follows)?;
    Some(match std::str::from_utf8(location.as_bytes()) {
        Ok(text) => resolve(from, text),
        Err(_) => Err(HttpCallError::Invalid("the location of a redirect is no URL".into())),
    })
}

/// The method after a redirect, when it is another: what has a body is fetched with GET after 303, and after 301 and 302 a
/// POST, as all clients do.
pub(super) fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status.as_u16() {
        303 => *method != Method::HEAD && *method != Method::GET,
        301 | 302 => *method == Method::POST,
        _ => false,
    }
}

fn resolve(from: &CallTarget, reference: &str) -> Result<CallTarget, HttpCallError> {
    let reference = reference.split_once('#').map_or(reference, |(url, _)| url);
    if has_scheme(reference) {
        return CallTarget::url(reference);
    }
    match from {
        CallTarget::Service { name, path } => {
            if reference.starts_with("//") {
                return Err(HttpCallError::Invalid("a redirect of a service leads to a host without a scheme".into()));
            }
            CallTarget::service(name.clone(), &path_of(path.path(), path.query(), reference))
        }
        CallTarget::Url(url) => {
            let scheme = url.scheme_str().unwrap_or_default();
            if reference.starts_with("//") {
                return CallTarget::url(&format!("{scheme}:{reference}"));
            }
            let authority = url.authority().map_or("", |authority| authority.as_str());
            CallTarget::url(&format!("{scheme}://{authority}{}", relative(url, reference)))
        }
    }
}

fn relative(url: &Uri, reference: &str) -> String {
    path_of(url.path(), url.query(), reference)
}

/// Path and query of a reference that has neither scheme nor host.
fn path_of(base: &str, base_query: Option<&str>, reference: &str) -> String {
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let (path, query) = match path {
        "" => (base.to_owned(), query.or(base_query)),
        _ if path.starts_with('/') => (without_dots(path), query),
        _ => {
            let directory = base.rsplit_once('/').map_or("", |(directory, _)| directory);
            (without_dots(&format!("{directory}/{path}")), query)
        }
    };
    query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"))
}

/// RFC 3986 5.2.4, for a path that starts with a slash.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        match *segment {
            "." | ".." => {
                if *segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

fn has_scheme(reference: &str) -> bool {
    let is_scheme = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    };
    reference.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn resolves_references() {
        let from = CallTarget::url("https://a.example:8443/b/c/d?q").unwrap();
        for (reference, expected) in [
            ("http://other/x", "http://other/x"),
            ("//other/x", "https://other/x"),
            ("/x?y=1", "https://a.example:8443/x?y=1"),
            ("x", "https://a.example:8443/b/c/x"),
            ("./x", "https://a.example:8443/b/c/x"),
            ("../x", "https://a.example:8443/b/x"),
            ("../../../x", "https://a.example:8443/x"),
            ("..", "https://a.example:8443/b/"),
            ("?y", "https://a.example:8443/b/c/d?y"),
            ("#top", "https://a.example:8443/b/c/d?q"),
            ("x:y/z", ""),
            ("file:///etc/passwd", ""),
            ("https://u:p@a.example/", ""),
        ] {
            match resolve(&from, reference) {
                Ok(target) => assert_eq!(target, CallTarget::url(expected).unwrap(), "{reference}"),
                Err(_) => assert_eq!(expected, "", "{reference}"),
            }
        }
    }

    #[test]
    fn a_service_redirects_within_itself_or_to_a_url() {
        let from = CallTarget::service("orders".into(), "/a/b").unwrap();
        assert_eq!(resolve(&from, "c?d").unwrap(), CallTarget::service("orders".into(), "/a/c?d").unwrap());
        assert_eq!(resolve(&from, "http://x/").unwrap(), CallTarget::url("http://x/").unwrap());
        assert!(resolve(&from, "//x/").is_err());
    }
}
