//! Headers that are for one connection only (RFC 9110 §7.6.1).

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Removes every hop-by-hop header, those that `Connection` names included. `TE: trailers` stays.
///
/// Returns the protocol that `Upgrade` asks for, when `Connection` names it and it is the only one.
pub(crate) fn remove(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let mut listed = headers.keys().filter(|name| is_listed(name));
    let first = listed.next()?;
    if *first == header::CONNECTION && listed.next().is_none() && names_nothing(headers) {
        headers.remove(header::CONNECTION);
        return None;
    }
    let named = named_in_connection(headers);
    let upgrade = if named.contains(&header::UPGRADE) { only(headers, &header::UPGRADE) } else { None };
    let wants_trailers = headers.contains_key(header::TE) && wants_trailers(headers);

    for name in named.iter().filter(|name| may_be_named(name)) {
        headers.remove(name);
    }
    while let Some(name) = headers.keys().find(|name| is_listed(name)).cloned() {
        headers.remove(name);
    }
    if wants_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    upgrade
}

/// Whether each `Connection` is one of the two that almost all are, and that name no other header.
fn names_nothing(headers: &HeaderMap) -> bool {
    let is_plain = |value: &HeaderValue| matches!(value.as_bytes(), b"keep-alive" | b"close");
    headers.get_all(header::CONNECTION).iter().all(is_plain)
}

fn is_listed(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "keep-alive"
            | "proxy-connection"
    )
}

/// Without `close`, which names no header.
fn named_in_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let options = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = options.flat_map(|value| value.split(',')).map(str::trim);
    names
        .filter(|name| !name.eq_ignore_ascii_case("close"))
        .filter_map(|name| HeaderName::try_from(name).ok())
        .collect()
}

/// What frames or addresses the message is not the sender's to take away.
fn may_be_named(name: &HeaderName) -> bool {
    *name != header::HOST && *name != header::CONTENT_LENGTH
}

fn only(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none()).cloned()
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::TE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = list.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn removes_listed_and_named_headers() {
        let mut map = headers(&[
            ("connection", "close, X-Secret"),
            ("connection", "x-other"),
            ("keep-alive", "timeout=5"),
            ("x-secret", "1"),
            ("x-other", "2"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("accept", "*/*"),
        ]);
        assert_eq!(remove(&mut map), None);
        assert_eq!(map, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn a_plain_connection_takes_itself_away_only() {
        let others = [("accept", "*/*"), ("close", "1")];
        for options in [&["keep-alive"][..], &["close"], &["keep-alive", "close"], &["Close"]] {
            let mut map = headers(&others);
            for option in options {
                map.append(header::CONNECTION, HeaderValue::from_static(option));
            }
            assert_eq!(remove(&mut map), None);
            assert_eq!(map, headers(&others), "{options:?}");
        }
        let mut map = headers(&[("connection", "close"), ("connection", "accept"), ("accept", "*/*")]);
        remove(&mut map);
        assert!(map.is_empty(), "{map:?}");
    }

    #[test]
    fn keeps_te_trailers_only() {
        let mut map = headers(&[("te", "gzip, Trailers"), ("connection", "TE")]);
        remove(&mut map);
        assert_eq!(map, headers(&[("te", "trailers")]));
    }

    #[test]
    fn connection_cannot_take_framing_away() {
        let mut map = headers(&[("connection", "host, content-length"), ("host", "a"), ("content-length", "3")]);
        remove(&mut map);
        assert_eq!(map, headers(&[("host", "a"), ("content-length", "3")]));
    }

    #[test]
    fn reports_a_real_upgrade() {
        let mut map = headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        assert_eq!(remove(&mut map), Some(HeaderValue::from_static("websocket")));
        assert!(map.is_empty());
    }
}
