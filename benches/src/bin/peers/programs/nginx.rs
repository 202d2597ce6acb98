//! nginx with one process: as the upstream, and as a proxy.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use crate::peer::Place;

/// The query to which the upstream answers with what it got of [`MARK`].
pub(crate) const SEEN: &str = "seen";
/// What a filter adds to a request.
pub(crate) const MARK: &str = "x-plugin: 1";

const MODULES: &str = "load_module modules/ndk_http_module.so; load_module modules/ngx_http_lua_module.so;";
const FILTER: &str = r#"access_by_lua_block {
      if ngx.var.http_authorization ~= "Bearer secret" then
        return ngx.exit(401)
      end
      ngx.req.set_header("x-plugin", "1")
    }"#;

/// A server that answers itself.
pub(crate) fn upstream(directory: &Path, address: SocketAddr) -> Command {
    let location = format!(
        r#"default_type text/plain;
    if ($args = {SEEN}) {{ return 200 "x-plugin: $http_x_plugin"; }}
    return 200 "ok";"#
    );
    let config = Config { modules: "", group: String::new(), location };
    config.command(&directory.join("upstream"), address)
}

pub(crate) fn proxy(place: &Place<'_>) -> Command {
    to_upstream(place, "", "")
}

pub(crate) fn with_lua(place: &Place<'_>) -> Command {
    to_upstream(place, MODULES, FILTER)
}

fn to_upstream(place: &Place<'_>, modules: &str, filter: &str) -> Command {
    let group =
        format!("upstream upstream {{ server {}; keepalive 128; keepalive_requests 1000000000; }}", place.upstream);
    let location = format!(
        "{filter}
    proxy_pass http://upstream; proxy_http_version 1.1; proxy_set_header Connection '';
    proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;"
    );
    Config { modules, group, location }.command(&place.directory.join("nginx"), place.address)
}

struct Config<'c> {
    modules: &'c str,
    group: String,
    location: String,
}

impl Config<'_> {
    fn command(&self, directory: &Path, address: SocketAddr) -> Command {
        let Self { modules, group, location } = self;
        let own = directory.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("  {kind}_temp_path {own}/{kind};\n"))
            .concat();
        let config = format!(
            "{modules}
daemon off; master_process off; worker_processes 1; pid {own}/pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000;
{temporary}  {group}
  server {{ listen {address}; location / {{
    {location}
  }} }}
}}
"
        );
        fs::create_dir_all(directory).unwrap();
        let file = directory.join("nginx.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-c"]).arg(file);
        command
    }
}
