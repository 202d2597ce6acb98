use std::{fmt, net::IpAddr, str::FromStr};

use http::{Method, Uri, uri::Scheme};

use super::{AddressPolicy, HttpCallError, message::CallTarget};
use crate::Names;

/// What a plugin may call. The default is nothing: no host and no service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGrant {
    /// The hosts of URLs.
    pub hosts: Vec<HostPattern>,
    /// The ports of URLs. When there are none: 443 with `https`, 80 with `http`.
    pub ports: Vec<u16>,
    /// The methods, of calls to services too. GET and HEAD by default.
    pub methods: Vec<Method>,
    /// The schemes of URLs. `https` by default.
    pub schemes: Vec<Scheme>,
    /// The addresses that the hosts may have.
    pub addresses: AddressPolicy,
    /// The services of the host's configuration.
    pub services: Names,
}

impl Default for HttpGrant {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            ports: Vec::new(),
            methods: vec![Method::GET, Method::HEAD],
            schemes: vec![Scheme::HTTPS],
            addresses: AddressPolicy::default(),
            services: Names::None,
        }
    }
}

impl HttpGrant {
    /// Whether a request with this method may go to this target. An address is checked when it is known; one that stands in
    /// the URL, here.
    pub(super) fn check(&self, method: &Method, target: &CallTarget) -> Result<(), HttpCallError> {
        let denied = |key, what| Err(HttpCallError::Denied { key, what });
        match target {
            CallTarget::Service { name, .. } if !self.services.contains(name) => {
                return denied("grants.http.services", format!("the service `{name}`"));
            }
            CallTarget::Service { .. } => {}
            CallTarget::Url(url) => self.check_url(url)?,
        }
        if !self.methods.contains(method) {
            return denied("grants.http.methods", format!("the method {method}"));
        }
        Ok(())
    }

    fn check_url(&self, url: &Uri) -> Result<(), HttpCallError> {
        let denied = |key, what| Err(HttpCallError::Denied { key, what });
        let host = url.host().unwrap_or_default();
        if !self.hosts.iter().any(|pattern| pattern.matches(host)) {
            return denied("grants.http.hosts", format!("the host `{host}`"));
        }
        let is_https = url.scheme() == Some(&Scheme::HTTPS);
        let scheme = if is_https { Scheme::HTTPS } else { Scheme::HTTP };
        if !self.schemes.contains(&scheme) {
            return denied("grants.http.schemes", format!("`{scheme}` to `{host}`"));
        }
        let usual = if is_https { 443 } else { 80 };
        let port = url.port_u16().unwrap_or(usual);
        if if self.ports.is_empty() { port != usual } else { !self.ports.contains(&port) } {
            return denied("grants.http.ports", format!("the port {port} of `{host}`"));
        }
        match literal(host) {
            Some(address) if !self.addresses.allows(address) => {
                Err(HttpCallError::AddressDenied { host: host.to_owned(), address })
            }
            _ => Ok(()),
        }
    }
}

/// Which hosts: a name or an address, `*.suffix` for every name under it, or `*` for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern(Pattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Any,
    Name(String),
    Address(IpAddr),
    /// With its leading dot.
    Under(String),
}

impl HostPattern {
    /// Whether a host of a URL is one of them.
    pub fn matches(&self, host: &str) -> bool {
        match &self.0 {
            Pattern::Any => true,
            Pattern::Name(name) => host.eq_ignore_ascii_case(name),
            Pattern::Address(address) => literal(host) == Some(*address),
            Pattern::Under(suffix) => {
                let label = host.len().checked_sub(suffix.len()).and_then(|end| host.split_at_checked(end));
                label.is_some_and(|(label, end)| !label.is_empty() && end.eq_ignore_ascii_case(suffix))
                    && literal(host).is_none()
            }
        }
    }
}

/// Not a pattern for hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a host is a name without a port, an IP address, `*.` and a name, or `*`")]
pub struct InvalidHost;

impl FromStr for HostPattern {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        if text == "*" {
            return Ok(Self(Pattern::Any));
        }
        if let Some(address) = literal(text) {
            return Ok(Self(Pattern::Address(address)));
        }
        let name = text.strip_prefix("*.").unwrap_or(text);
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        // What ends in digits is read as an address by those who resolve it.
        let ends_in_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if !name.split('.').all(is_label) || ends_in_number {
            return Err(InvalidHost);
        }
        let is_suffix = name.len() != text.len();
        Ok(Self(if is_suffix { Pattern::Under(format!(".{name}")) } else { Pattern::Name(name.to_owned()) }))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Pattern::Any => f.write_str("*"),
            Pattern::Name(name) => f.write_str(name),
            Pattern::Address(address) => write!(f, "{address}"),
            Pattern::Under(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// The address that a host of a URL is, with or without the brackets of IPv6.
fn literal(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn matches(pattern: &str, host: &str) -> bool {
        pattern.parse::<HostPattern>().unwrap().matches(host)
    }

    #[test]
    fn patterns_match_whole_labels() {
        for (pattern, host, expected) in [
            ("api.example.com", "API.example.COM", true),
            ("api.example.com", "example.com", false),
            ("*.example.com", "a.example.com", true),
            ("*.Example.com", "a.b.example.COM", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "evilexample.com", false),
            ("*.example.com", "example.com.evil.org", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.1", false),
            ("::1", "[::1]", true),
            ("[::1]", "[0:0::1]", true),
            ("*", "anything", true),
            ("*", "10.0.0.1", true),
        ] {
            assert_eq!(matches(pattern, host), expected, "{pattern} {host}");
        }
        for text in ["", "*.", "*com", "a.*.b", "a:80", "http://a", "a b", "*.0.1", "127.1", "a..b", "a."] {
            assert_eq!(text.parse::<HostPattern>(), Err(InvalidHost), "{text}");
        }
    }

    fn check(grant: &HttpGrant, method: Method, url: &str) -> String {
        match grant.check(&method, &CallTarget::Url(url.parse().unwrap())) {
            Ok(()) => "allowed".into(),
            Err(error) => error.denial().unwrap().0.into(),
        }
    }

    #[test]
    fn the_default_for_a_host_is_reading_over_https() {
        let grant = HttpGrant { hosts: vec!["*".parse().unwrap()], ..HttpGrant::default() };
        assert_eq!(check(&HttpGrant::default(), Method::GET, "https://a"), "grants.http.hosts");
        assert_eq!(check(&grant, Method::GET, "https://a"), "allowed");
        assert_eq!(check(&grant, Method::GET, "https://a:443/x"), "allowed");
        assert_eq!(check(&grant, Method::GET, "https://a:8443"), "grants.http.ports");
        assert_eq!(check(&grant, Method::GET, "https://a:80"), "grants.http.ports");
        assert_eq!(check(&grant, Method::GET, "http://a"), "grants.http.schemes");
        assert_eq!(check(&grant, Method::POST, "https://a"), "grants.http.methods");
        assert_eq!(check(&grant, Method::GET, "https://10.0.0.1"), "grants.http.addresses");
        assert_eq!(check(&grant, Method::GET, "https://[::ffff:169.254.169.254]"), "grants.http.addresses");
        let ported = HttpGrant { ports: vec![8443], ..grant };
        assert_eq!(check(&ported, Method::GET, "https://a:8443"), "allowed");
        assert_eq!(check(&ported, Method::GET, "https://a"), "grants.http.ports");
    }

    #[test]
    fn services_have_a_grant_of_their_own() {
        let to = |name: &str| CallTarget::Service { name: name.into(), path: "/".parse().unwrap() };
        let grant = HttpGrant { services: Names::Only(vec!["orders".into()]), ..HttpGrant::default() };
        assert!(grant.check(&Method::GET, &to("orders")).is_ok());
        assert_eq!(
            grant.check(&Method::GET, &to("billing")).unwrap_err().denial().unwrap(),
            ("grants.http.services", "the service `billing`".into())
        );
        assert_eq!(grant.check(&Method::PUT, &to("orders")).unwrap_err().denial().unwrap().0, "grants.http.methods");
    }
}
