use std::{net::SocketAddr, time::Duration};

use super::Gateway;

/// A config that sends everything to one upstream, through plugins.
#[derive(Clone, Debug)]
pub(crate) struct Plugged {
    upstream: SocketAddr,
    service: &'static str,
    plugins: Vec<String>,
    chain: Vec<String>,
}

impl Plugged {
    pub(crate) fn to(upstream: SocketAddr) -> Self {
        Self { upstream, service: "", plugins: Vec::new(), chain: Vec::new() }
    }

    /// Whose service has this in its entry, as YAML.
    pub(crate) fn service(mut self, more: &'static str) -> Self {
        self.service = more;
        self
    }

    /// With this plugin in the route's chain; `more` is what else its entry says, as YAML.
    pub(crate) fn through(mut self, name: &str, file: &str, more: &str) -> Self {
        self.plugins.push(format!("  - {{ name: {name}, file: '{file}', {more} }}\n"));
        self.chain.push(name.to_owned());
        self
    }

    pub(crate) fn text(&self) -> String {
        format!(
            "routes: [{{ name: all, service: backend, chain: [{}] }}]\n\
             services: [{{ name: backend, upstreams: [{{ url: 'http://{}' }}], {} }}]\n\
             plugins:\n{}",
            self.chain.join(", "),
            self.upstream,
            self.service,
            self.plugins.concat()
        )
    }

    pub(crate) fn start(&self) -> Gateway {
        Gateway::start(&self.text())
    }
}

/// Asks again and again until it is so.
pub(crate) async fn until(is_so: impl AsyncFn() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.expect("it never was so");
}
