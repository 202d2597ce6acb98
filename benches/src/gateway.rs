use std::{env, fs, net::SocketAddr, path::Path, path::PathBuf, process::Command};

use crate::root;

/// The gateway with one worker in front of one upstream, without an access log. `rest` are its routes and plugins, in
/// TOML; the file goes into `directory`. `REFGATEWAY` names another program than the one that a release build makes.
pub fn gateway(directory: &Path, address: SocketAddr, upstream: SocketAddr, rest: &str) -> Command {
    let program = env::var_os("REFGATEWAY").map_or_else(|| root().join("target/release/refgateway"), PathBuf::from);
    gateway_of(&program, directory, address, upstream, rest)
}

/// The same with this program, whatever `REFGATEWAY` says.
pub fn gateway_of(program: &Path, directory: &Path, address: SocketAddr, upstream: SocketAddr, rest: &str) -> Command {
    let config = format!(
        r#"
workers = 1
access_log = false
listeners = [{{ address = "{address}" }}]
admin = {{ address = "127.0.0.1:0" }}
services = [{{ name = "upstream", upstreams = [{{ url = "http://{upstream}" }}] }}]
{rest}
"#
    );
    let file = directory.join("gateway.toml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(program);
    command.args(["run", "--config"]).arg(file).env("RUST_LOG", "error");
    command
}

/// The library that the gateway is made of, with next to nothing around it: `benches/src/bin/hyper-proxy.rs`.
pub fn hyper_alone(address: SocketAddr, upstream: SocketAddr) -> Command {
    let mut command = Command::new(root().join("target/release/hyper-proxy"));
    command.args([address.to_string(), upstream.to_string()]);
    command
}
