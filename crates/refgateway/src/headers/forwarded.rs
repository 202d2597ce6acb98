//! What an upstream is told about the client: `Forwarded` (RFC 7239) and its older relatives.

use std::{fmt::Write, net::IpAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What the gateway itself knows about the client's request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hop<'h> {
    pub(crate) client: IpAddr,
    pub(crate) is_tls: bool,
    pub(crate) host: Option<&'h HeaderValue>,
}

/// How far the hop before this one is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// What it says stays, this hop is appended.
    Append,
    /// Anyone may have written it: replaced.
    Replace,
}

/// Writes `Forwarded` and `X-Forwarded-For`, `-Host`, `-Proto`.
pub(crate) fn write(headers: &mut HeaderMap, hop: Hop<'_>, trust: Trust) {
    let proto = if hop.is_tls { "https" } else { "http" };
    let client = hop.client.to_canonical();
    add(headers, &X_FORWARDED_FOR, &client.to_string(), trust);
    add(headers, &header::FORWARDED, &element(client, proto, hop.host), trust);

    // These two describe the client's own request: the first hop's word counts.
    let is_known = |headers: &HeaderMap, name| trust == Trust::Append && headers.contains_key(name);
    if !is_known(headers, &X_FORWARDED_PROTO) {
        headers.insert(X_FORWARDED_PROTO.clone(), HeaderValue::from_static(proto));
    }
    if !is_known(headers, &X_FORWARDED_HOST) {
        match hop.host {
            Some(host) => drop(headers.insert(X_FORWARDED_HOST.clone(), host.clone())),
            None => drop(headers.remove(&X_FORWARDED_HOST)),
        }
    }
}

fn element(client: IpAddr, proto: &str, host: Option<&HeaderValue>) -> String {
    let mut element = match client {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    };
    if let Some(host) = host.and_then(|host| host.to_str().ok()).filter(|host| !host.contains(['"', '\\'])) {
        let _ = write!(element, ";host=\"{host}\"");
    }
    let _ = write!(element, ";proto={proto}");
    element
}

fn add(headers: &mut HeaderMap, name: &HeaderName, value: &str, trust: Trust) {
    let earlier = if trust == Trust::Append { joined(headers, name) } else { None };
    let line = match earlier {
        Some(earlier) => format!("{earlier}, {value}"),
        None => value.to_owned(),
    };
    if let Ok(line) = HeaderValue::try_from(line) {
        headers.insert(name.clone(), line);
    }
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    if values.is_empty() { None } else { Some(values.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(host: &HeaderValue) -> Hop<'_> {
        Hop { client: IpAddr::from([192, 0, 2, 1]), is_tls: true, host: Some(host) }
    }

    #[test]
    fn replaces_what_is_not_trusted() {
        let host = HeaderValue::from_static("shop.example:8443");
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
        headers.insert("x-forwarded-host", HeaderValue::from_static("evil"));
        write(&mut headers, hop(&host), Trust::Replace);
        assert_eq!(headers.get("x-forwarded-for"), Some(&HeaderValue::from_static("192.0.2.1")));
        assert_eq!(headers.get("x-forwarded-host"), Some(&host));
        assert_eq!(headers.get("x-forwarded-proto"), Some(&HeaderValue::from_static("https")));
        let forwarded = HeaderValue::from_static("for=192.0.2.1;host=\"shop.example:8443\";proto=https");
        assert_eq!(headers.get("forwarded"), Some(&forwarded));
    }

    #[test]
    fn appends_to_what_is_trusted() {
        let host = HeaderValue::from_static("inner");
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("10.0.0.1"));
        headers.append("x-forwarded-for", HeaderValue::from_static("10.0.0.2"));
        headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
        headers.insert("x-forwarded-host", HeaderValue::from_static("outer"));
        write(&mut headers, hop(&host), Trust::Append);
        let chain = HeaderValue::from_static("10.0.0.1, 10.0.0.2, 192.0.2.1");
        assert_eq!(headers.get("x-forwarded-for"), Some(&chain));
        assert_eq!(headers.get("x-forwarded-proto"), Some(&HeaderValue::from_static("http")));
        assert_eq!(headers.get("x-forwarded-host"), Some(&HeaderValue::from_static("outer")));
    }

    #[test]
    fn ipv6_is_quoted_and_mapped_ipv4_is_not_ipv6() {
        let v6: IpAddr = std::net::Ipv6Addr::LOCALHOST.into();
        assert_eq!(element(v6, "http", None), "for=\"[::1]\";proto=http");
        let mut headers = HeaderMap::new();
        let mapped = std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped().into();
        write(&mut headers, Hop { client: mapped, is_tls: false, host: None }, Trust::Replace);
        assert_eq!(headers.get("x-forwarded-for"), Some(&HeaderValue::from_static("127.0.0.1")));
    }
}
