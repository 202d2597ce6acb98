//! The admin token.

use std::hint::black_box;

use http::{HeaderMap, header};

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
