//! haproxy with one thread.

use std::{fs, process::Command};

use crate::peer::Place;

const RULES: &str = r#"
  http-request deny deny_status 401 unless { req.fhdr(authorization) -m str "Bearer secret" }
  http-request set-header x-plugin 1"#;

pub(crate) fn proxy(place: &Place<'_>) -> Command {
    command(place, "")
}

pub(crate) fn with_rules(place: &Place<'_>) -> Command {
    command(place, RULES)
}

fn command(place: &Place<'_>, rules: &str) -> Command {
    let Place { address, upstream, .. } = place;
    let config = format!(
        "global
  nbthread 1
  maxconn 1024
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
  option forwardfor
frontend clients
  bind {address}{rules}
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend upstream
backend upstream
  server upstream {upstream}
"
    );
    let file = place.directory.join("haproxy.cfg");
    fs::write(&file, config).unwrap();
    let mut command = Command::new("haproxy");
    command.args(["-db", "-f"]).arg(file);
    command
}
