//! What an upstream is told about the client: `Forwarded` (RFC 7239) and its older relatives.

use std::{fmt::Write, net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, header, uri::Authority};
use parking_lot::Mutex;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// How far the hop before this one is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// What it says stays, this hop is appended.
    Append,
    /// Anyone may have written it: replaced.
    Replace,
}

/// A client's connection, as upstreams are told of it. What its requests have in common is written once.
#[derive(Debug)]
pub(crate) struct Hop {
    client: IpAddr,
    proto: &'static str,
    /// The client, for `X-Forwarded-For`.
    address: HeaderValue,
    /// That of the last request: a connection seldom asks for two.
    host: Mutex<Option<Arc<Host>>>,
}

/// A host that a client asked for.
#[derive(Debug)]
pub(crate) struct Host {
    /// In lower case and without a port.
    pub(crate) name: String,
    /// As it was given.
    header: HeaderValue,
    /// This hop's element of `Forwarded`.
    element: HeaderValue,
}

impl Hop {
    pub(crate) fn new(client: IpAddr, is_tls: bool) -> Self {
        let client = client.to_canonical();
        let proto = if is_tls { "https" } else { "http" };
        Self { client, proto, address: value(client.to_string()), host: Mutex::default() }
    }

    /// The host that a `Host` header names. None when it is none, or has a user in front of it.
    pub(crate) fn host(&self, given: &HeaderValue) -> Option<Arc<Host>> {
        let mut last = self.host.lock();
        if let Some(host) = last.as_ref().filter(|host| host.header == given) {
            return Some(host.clone());
        }
        let authority = Authority::try_from(given.as_bytes()).ok().filter(|a| !a.as_str().contains('@'))?;
        let host = Arc::new(Host {
            name: authority.host().to_ascii_lowercase(),
            // A copy: the value shares the memory of its whole request.
            header: HeaderValue::from_bytes(given.as_bytes()).ok()?,
            element: value(element(self.client, self.proto, Some(authority.as_str()))),
        });
        *last = Some(host.clone());
        Some(host)
    }

    /// Writes `Forwarded` and `X-Forwarded-For`, `-Host`, `-Proto` for a request to this host.
    pub(crate) fn write(&self, headers: &mut HeaderMap, host: Option<&Host>, trust: Trust) {
        add(headers, &X_FORWARDED_FOR, self.address.clone(), trust);
        let element = host.map_or_else(|| value(element(self.client, self.proto, None)), |host| host.element.clone());
        add(headers, &header::FORWARDED, element, trust);

        // These two describe the client's own request: the first hop's word counts.
        let is_known = |headers: &HeaderMap, name| trust == Trust::Append && headers.contains_key(name);
        if !is_known(headers, &X_FORWARDED_PROTO) {
            headers.insert(X_FORWARDED_PROTO.clone(), HeaderValue::from_static(self.proto));
        }
        if !is_known(headers, &X_FORWARDED_HOST) {
            match host {
                Some(host) => drop(headers.insert(X_FORWARDED_HOST.clone(), host.header.clone())),
                None => drop(headers.remove(&X_FORWARDED_HOST)),
            }
        }
    }
}

fn element(client: IpAddr, proto: &str, host: Option<&str>) -> String {
    let mut element = match client {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    };
    if let Some(host) = host.filter(|host| !host.contains(['"', '\\'])) {
        let _ = write!(element, ";host=\"{host}\"");
    }
    let _ = write!(element, ";proto={proto}");
    element
}

/// The value with this text, which has visible ASCII characters only.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

fn add(headers: &mut HeaderMap, name: &HeaderName, own: HeaderValue, trust: Trust) {
    let earlier = if trust == Trust::Append { joined(headers, name) } else { None };
    let line = match earlier {
        Some(earlier) => value(format!("{earlier}, {}", own.to_str().unwrap_or_default())),
        None => own,
    };
    headers.insert(name.clone(), line);
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    if values.is_empty() { None } else { Some(values.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(headers: &mut HeaderMap, host: &HeaderValue, trust: Trust) {
        let hop = Hop::new(IpAddr::from([192, 0, 2, 1]), true);
        hop.write(headers, hop.host(host).as_deref(), trust);
    }

    #[test]
    fn replaces_what_is_not_trusted() {
        let host = HeaderValue::from_static("shop.example:8443");
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
        headers.insert("x-forwarded-host", HeaderValue::from_static("evil"));
        write(&mut headers, &host, Trust::Replace);
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
        write(&mut headers, &host, Trust::Append);
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
        Hop::new(mapped, false).write(&mut headers, None, Trust::Replace);
        assert_eq!(headers.get("x-forwarded-for"), Some(&HeaderValue::from_static("127.0.0.1")));
    }

    #[test]
    fn a_host_is_named_without_its_port_and_has_no_user() {
        let hop = Hop::new(IpAddr::from([192, 0, 2, 1]), false);
        let name = |host: &'static str| hop.host(&HeaderValue::from_static(host)).map(|host| host.name.clone());
        assert_eq!(name("Shop.Example:8443").as_deref(), Some("shop.example"));
        assert_eq!(name("[::1]:80").as_deref(), Some("[::1]"));
        assert_eq!([name("user@shop.example"), name("a b"), name("")], [None, None, None]);
    }

    #[test]
    fn each_request_of_a_connection_has_its_own_host() {
        let hop = Hop::new(IpAddr::from([192, 0, 2, 1]), false);
        let forwarded = |host: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            let host = host.and_then(|host| hop.host(&HeaderValue::from_static(host)));
            hop.write(&mut headers, host.as_deref(), Trust::Replace);
            headers.remove("forwarded")
        };
        for (host, expected) in [
            (Some("a.example"), "for=192.0.2.1;host=\"a.example\";proto=http"),
            (Some("a.example"), "for=192.0.2.1;host=\"a.example\";proto=http"),
            (Some("b.example"), "for=192.0.2.1;host=\"b.example\";proto=http"),
            (None, "for=192.0.2.1;proto=http"),
            (Some("a.example"), "for=192.0.2.1;host=\"a.example\";proto=http"),
        ] {
            assert_eq!(forwarded(host), Some(HeaderValue::from_static(expected)));
        }
    }
}
