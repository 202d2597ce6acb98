//! Which exchanges of its routes a plugin is for.

use std::fmt;

use http::{HeaderName, HeaderValue, Method, request::Parts};

use crate::{Error, ExchangeFacts, Result};

/// Which exchanges of its routes a plugin is for: all that is given must fit, of the paths, the methods and the
/// services one each. The default is every exchange.
///
/// Asked once an exchange, of the request as the plugins before left it. A plugin that is not for an exchange is called
/// in none of its phases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Paths; any when empty.
    pub paths: Vec<PathRule>,
    /// Methods; any when empty.
    pub methods: Vec<Method>,
    /// Headers that must be there, with this value or with any.
    pub headers: Vec<(HeaderName, Option<HeaderValue>)>,
    /// Names of the services that the route leads to; any when empty.
    pub services: Vec<String>,
}

/// A path, without its query.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathRule {
    /// This one.
    Exact(String),
    /// This one and everything below it: `/api` is for `/api` and `/api/x`, and not for `/apix`.
    Prefix(String),
    /// One that the expression fits.
    Regex(PathRegex),
}

/// A regular expression for a path. It may fit anywhere in it, unless it says otherwise by `^` and `$`.
#[derive(Clone)]
pub struct PathRegex(regex::Regex);

impl PathRegex {
    /// Reads an expression, in the syntax of the `regex` crate. Matching takes time linear in the path.
    pub fn new(expression: &str) -> Result<Self> {
        let invalid = |error: regex::Error| Error::InvalidRegex { reason: error.to_string() };
        regex::Regex::new(expression).map(Self).map_err(invalid)
    }
}

impl PartialEq for PathRegex {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for PathRegex {}

impl fmt::Debug for PathRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PathRegex").field(&self.0.as_str()).finish()
    }
}

impl PathRule {
    fn fits(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Prefix(prefix) => {
                let prefix = prefix.trim_end_matches('/');
                path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Regex(expression) => expression.0.is_match(path),
        }
    }
}

impl Scope {
    /// Whether it is every exchange.
    pub fn is_all(&self) -> bool {
        self.paths.is_empty() && self.methods.is_empty() && self.headers.is_empty() && self.services.is_empty()
    }

    /// Whether an exchange is among them.
    pub(crate) fn has(&self, request: &Parts, facts: &ExchangeFacts) -> bool {
        let service = facts.service.as_deref();
        let has_header = |(name, value): &(HeaderName, Option<HeaderValue>)| match value {
            Some(value) => request.headers.get_all(name).iter().any(|given| given == value),
            None => request.headers.contains_key(name),
        };
        (self.paths.is_empty() || self.has_path(request.uri.path()))
            && (self.methods.is_empty() || self.methods.contains(&request.method))
            && (self.services.is_empty() || self.services.iter().any(|name| service == Some(name)))
            && self.headers.iter().all(has_header)
    }

    /// Whether a rule fits the path as it was sent, or as an upstream may read it: nobody is to get past a plugin by
    /// writing the same path in another way.
    fn has_path(&self, path: &str) -> bool {
        let fits = |path: &str| self.paths.iter().any(|rule| rule.fits(path));
        fits(path) || resolved(path).is_some_and(|path| fits(&path))
    }
}

/// The path with percent-encoding undone and without empty and dot segments (RFC 3986 6.2.2); none when it is so already.
fn resolved(path: &str) -> Option<String> {
    if !["%", "//", "/.", "\\"].iter().any(|mark| path.contains(mark)) {
        return None;
    }
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let mut segments = Vec::new();
    for segment in decoded.split(['/', '\\']) {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let is_folder = ["/", "/.", "/.."].iter().any(|end| decoded.ends_with(end));
    let end = if is_folder && !segments.is_empty() { "/" } else { "" };
    Some(format!("/{}{end}", segments.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(scope: &Scope, method: &str, path: &str) -> bool {
        let request = http::Request::builder().method(method).uri(path).header("x-a", "1").body(()).unwrap();
        let facts = ExchangeFacts { service: Some("users".into()), ..ExchangeFacts::default() };
        scope.has(&request.into_parts().0, &facts)
    }

    #[test]
    fn one_of_the_paths_must_fit() {
        let paths = vec![
            PathRule::Exact("/exact".into()),
            PathRule::Prefix("/api/".into()),
            PathRule::Regex(PathRegex::new("/v[0-9]/").unwrap()),
        ];
        let scope = Scope { paths, ..Scope::default() };
        for (path, expected) in [
            ("/exact", true),
            ("/exact?q=/api", true),
            ("/exact/below", false),
            ("/api", true),
            ("/api/x", true),
            ("/apix", false),
            ("/x/v1/y", true),
            ("/x/va/y", false),
        ] {
            assert_eq!(has(&scope, "GET", path), expected, "{path}");
        }
    }

    #[test]
    fn a_path_fits_however_it_is_written() {
        let scope = Scope { paths: vec![PathRule::Prefix("/api".into())], ..Scope::default() };
        for path in
            ["/%61pi/x", "//api", "/x/../api", "/./api/x", "/x/%2e%2e/api", "/%2fapi", "/x/..%2fapi", "/x\\..\\api"]
        {
            assert!(has(&scope, "GET", path), "{path}");
        }
        for path in ["/%62pi", "/x/api", "/x/..", "/%ff", "/", "/x?/../api"] {
            assert!(!has(&scope, "GET", path), "{path}");
        }
        // What is written as such fits as such.
        let scope = Scope { paths: vec![PathRule::Exact("/a/%2e".into())], ..Scope::default() };
        assert!(has(&scope, "GET", "/a/%2e"));
        assert_eq!(resolved("/a/./b/../c/").as_deref(), Some("/a/c/"));
        assert_eq!(resolved("/../..").as_deref(), Some("/"));
        assert_eq!(resolved("/a.b/c"), None);
    }

    #[test]
    fn all_that_is_given_must_fit() {
        let header =
            |value: Option<&'static str>| (HeaderName::from_static("x-a"), value.map(HeaderValue::from_static));
        let fits = Scope {
            methods: vec![Method::POST],
            services: vec!["orders".into(), "users".into()],
            headers: vec![header(None), header(Some("1"))],
            ..Scope::default()
        };
        assert!(has(&fits, "POST", "/"));
        assert!(!has(&fits, "GET", "/"));
        assert!(!has(&Scope { services: vec!["orders".into()], ..fits.clone() }, "POST", "/"));
        assert!(!has(&Scope { headers: vec![header(Some("2"))], ..fits }, "POST", "/"));
        assert!(Scope::default().is_all());
        assert!(PathRegex::new("(").is_err());
    }
}
