//! The program that is given work.

use std::{
    fmt::Write as _,
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{net::TcpStream, time};

use crate::work::{WORK, Work};

const SOON: Duration = Duration::from_millis(20);
/// Longer than it takes to start, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// No request fails because the machine is busy.
const LIMITS: &str = "limits = { cpu = \"10s\", wall = \"60s\" }";

/// A running gateway with a route for each kind of work.
#[derive(Debug)]
pub(crate) struct Gateway {
    process: Child,
    pub(crate) address: SocketAddr,
    _directory: TempDir,
}

impl Gateway {
    /// Starts it, and waits until it takes connections.
    pub(crate) async fn start(program: &Path, upstream: SocketAddr, access_log: bool) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("gateway.toml");
        fs::write(&file, config(address, upstream, access_log)).unwrap();
        let mut command = Command::new(program);
        command.args(["run", "--config"]).arg(file).stdout(Stdio::null());
        if access_log {
            command.env("RUST_LOG", "info").stderr(Stdio::null());
        } else {
            command.env("RUST_LOG", "warn");
        }
        let process = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let mut gateway = Self { process, address, _directory: directory };
        time::timeout(PATIENCE, gateway.listens()).await.expect("the gateway takes no connections");
        gateway
    }

    async fn listens(&mut self) {
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("the gateway ended ({status})");
            }
            if TcpStream::connect(self.address).await.is_ok() {
                return;
            }
            time::sleep(SOON).await;
        }
    }

    /// Has it end by itself, and so write down what it counted.
    pub(crate) async fn end(mut self) {
        assert!(Command::new("kill").arg(self.process.id().to_string()).status().unwrap().success());
        // The clients' connections end meanwhile.
        let status = time::timeout(PATIENCE, self.ends()).await.expect("the gateway does not end");
        assert!(status.success(), "the gateway ended ({status})");
    }

    async fn ends(&mut self) -> ExitStatus {
        loop {
            match self.process.try_wait().unwrap() {
                Some(status) => return status,
                None => time::sleep(SOON).await,
            }
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn config(address: SocketAddr, upstream: SocketAddr, access_log: bool) -> String {
    let mut config = format!(
        r#"
workers = 1
access_log = {access_log}
listeners = [{{ address = "{address}" }}]
admin = {{ address = "127.0.0.1:0" }}
services = [{{ name = "upstream", upstreams = [{{ url = "http://{upstream}" }}] }}]
"#
    );
    for Work { name, plugin, .. } in &WORK {
        let chain = if plugin.is_some() { format!("\"{name}\"") } else { String::new() };
        writeln!(
            config,
            "[[routes]]\nname = \"{name}\"\nmatch = {{ path_prefix = \"/{name}\" }}\nservice = \"upstream\"\nchain = [{chain}]"
        )
        .unwrap();
        if let Some((file, settings)) = plugin {
            writeln!(config, "[[plugins]]\nname = \"{name}\"\nfile = \"{file}\"\n{LIMITS}\n{settings}").unwrap();
        }
    }
    config
}
