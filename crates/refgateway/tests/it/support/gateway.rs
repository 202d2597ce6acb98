use std::net::SocketAddr;

use refgateway::{Error, Server, ServerHandle, config::Config};

/// A gateway on ports the system chose.
pub(crate) struct Gateway {
    pub(crate) handle: ServerHandle,
}

impl Gateway {
    /// Everything to one upstream.
    pub(crate) fn to(upstream: SocketAddr) -> Self {
        Self::with(upstream, "")
    }

    /// Everything to one upstream, with more top-level config.
    pub(crate) fn with(upstream: SocketAddr, more: &str) -> Self {
        Self::start(&format!(
            "routes: [{{ name: all, service: backend }}]\n\
             services: [{{ name: backend, upstreams: [{{ url: 'http://{upstream}' }}] }}]\n{more}"
        ))
    }

    /// Any config; listener, admin and workers are added where they are missing.
    pub(crate) fn start(text: &str) -> Self {
        Self { handle: Server::start(config(text)).unwrap() }
    }

    pub(crate) fn try_reload(&self, text: &str) -> Result<(), Error> {
        self.handle.reload(config(text))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.addresses()[0]
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.handle.admin_address().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }
}

fn config(text: &str) -> Config {
    let mut text = text.to_owned();
    for (key, line) in [
        ("listeners:", "listeners: [{ address: '127.0.0.1:0' }]\n"),
        ("admin:", "admin: { address: '127.0.0.1:0' }\n"),
        ("workers:", "workers: 1\n"),
        ("access_log:", "access_log: false\n"),
    ] {
        if !text.contains(key) {
            text.push('\n');
            text.push_str(line);
        }
    }
    Config::from_yaml(&text, &|_| None).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
