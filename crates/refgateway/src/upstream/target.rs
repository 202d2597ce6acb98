//! Where a server of a service is.

use std::str::FromStr;

use http::{Uri, uri::Authority};
use rustls::pki_types::ServerName;

/// The parsed URL of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Speak TLS.
    pub tls: bool,
    /// Host and, if written, port: what `Host` says when the client's is not preserved.
    pub authority: Authority,
}

/// Why a URL cannot be an upstream; never holds the URL, which may carry a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an upstream URL is `http://` or `https://` with host and port, {0}")]
pub struct InvalidTarget(&'static str);

impl Target {
    /// The name or address to connect to.
    pub fn host(&self) -> &str {
        let host = self.authority.host();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(if self.tls { 443 } else { 80 })
    }

    /// The name the server's certificate must have.
    pub fn server_name(&self) -> Result<ServerName<'static>, InvalidTarget> {
        ServerName::try_from(self.host().to_owned()).map_err(|_| InvalidTarget("with a valid host name"))
    }
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(url: &str) -> Result<Self, InvalidTarget> {
        let uri: Uri = url.parse().map_err(|_| InvalidTarget("and this is not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(InvalidTarget("and this has another scheme or none")),
        };
        if uri.path() != "/" || uri.query().is_some() {
            return Err(InvalidTarget("without a path or query"));
        }
        let authority = uri.authority().ok_or(InvalidTarget("and this has no host"))?.clone();
        if authority.as_str().contains('@') {
            return Err(InvalidTarget("without user and password"));
        }
        let target = Self { tls, authority };
        target.server_name()?;
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn reads_scheme_host_and_port() {
        let target: Target = "https://backend.internal".parse().unwrap();
        assert_eq!((target.tls, target.host(), target.port()), (true, "backend.internal", 443));
        let target: Target = "http://[::1]:8081".parse().unwrap();
        assert_eq!((target.tls, target.host(), target.port()), (false, "::1", 8081));
    }

    #[test]
    fn refuses_what_is_no_server() {
        for url in ["", "backend:80", "ftp://x", "http://x/path", "http://u:p@x", "http://x?q"] {
            assert!(url.parse::<Target>().is_err(), "{url}");
        }
    }
}
