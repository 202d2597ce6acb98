//! The admin token.

use std::{hint::black_box, net::IpAddr};

use http::{HeaderMap, Request, header};

/// The token requests must carry. Never shown.
pub(super) struct Token(Vec<u8>);

impl Token {
    pub(super) fn new(token: &str) -> Self {
        Self(token.as_bytes().to_vec())
    }

    /// Whether the one `Authorization` header is `Bearer` and this token.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else { return false };
        let Some((scheme, token)) = value.as_bytes().split_at_checked("Bearer ".len()) else { return false };
        scheme.eq_ignore_ascii_case(b"Bearer ") && self.equals(token)
    }

    /// Takes as long for any token of the same length, however much of it is right.
    fn equals(&self, given: &[u8]) -> bool {
        let difference = self.0.iter().zip(given).fold(0_u8, |all, (a, b)| black_box(all | (a ^ b)));
        self.0.len() == given.len() && difference == 0
    }
}

/// Whether a browser sent the request for a page, which must not reach a listener that asks for no token. A page of
/// another site shows in `Origin` or `Sec-Fetch-Site`; one whose name was made to point here shows in `Host`.
pub(super) fn is_from_a_page<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, _port)) => address,
        None => host.split_once(':').map_or(host, |(name, _port)| name),
    };
    let is_local_name = name.is_empty() || name == "localhost" || name.parse::<IpAddr>().is_ok();
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    let own_origin = |origin: &[u8]| origin.strip_prefix(b"http://").is_some_and(|origin| origin == host.as_bytes());
    !is_local_name
        || site.is_some_and(|site| site != b"same-origin" && site != b"none")
        || headers.get(header::ORIGIN).is_some_and(|origin| !own_origin(origin.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepts(values: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        Token::new("secret-secret-secret").is_in(&headers)
    }

    #[test]
    fn pages_of_other_sites_are_known() {
        let is_from_a_page = |headers: &[(&str, &str)]| {
            let mut request = Request::new(());
            for (name, value) in headers {
                request.headers_mut().insert(header::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
            }
            super::is_from_a_page(&request)
        };
        for host in ["127.0.0.1:9901", "localhost:9901", "[::1]:9901", "[::1]"] {
            assert!(!is_from_a_page(&[("host", host)]), "{host}");
        }
        assert!(!is_from_a_page(&[("host", "localhost:1"), ("origin", "http://localhost:1")]));
        assert!(is_from_a_page(&[("host", "rebound.example:9901")]));
        assert!(is_from_a_page(&[("host", "127.0.0.1:9901"), ("origin", "https://evil.example")]));
        assert!(is_from_a_page(&[("host", "127.0.0.1:9901"), ("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn accepts_the_token_only() {
        assert!(accepts(&["Bearer secret-secret-secret"]));
        assert!(accepts(&["bearer secret-secret-secret"]));
        for wrong in ["Bearer secret-secret-secreT", "Bearer secret", "Basic secret-secret-secret", "Bearer ", ""] {
            assert!(!accepts(&[wrong]), "{wrong}");
        }
        assert!(!accepts(&[]));
        assert!(!accepts(&["Bearer secret-secret-secret", "Bearer x"]));
    }
}
