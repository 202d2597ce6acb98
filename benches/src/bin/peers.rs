//! The gateway beside other proxies, all in front of the same upstream: `peers [ROUNDS [SECONDS]]`.
//!
//! The proxy has processor 0 for itself; the upstream and the load generator share processor 1. The proxies take turns,
//! round after round, each started anew. The figure that holds on a busy machine is the processor time that the proxy
//! itself takes per request.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "prints its result")]

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use benches::{LOAD_PROCESSOR, PROXY_PROCESSOR, Server, free_address, median, root};

const CONNECTIONS: &str = "32";
const WARM_UP_SECONDS: u32 = 1;
/// With the load generator's own `Host`, ten headers.
const HEADERS: [&str; 9] = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br",
    "Referer: https://shop.example/items",
    "Cookie: session=0123456789abcdef0123456789abcdef",
    "Authorization: Bearer secret",
    "Cache-Control: no-cache",
    "X-Trace: 5f0c1c9e-3d7b-4f61-9c55-0a5f3d1f7c11",
];

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().expect("a number"));
    let rounds: u32 = arguments.next().unwrap_or(7);
    let seconds: u32 = arguments.next().unwrap_or(3);

    let directory = tempfile::tempdir().unwrap();
    let upstream = free_address();
    let _upstream = Server::start(nginx(directory.path(), "upstream", upstream, None), LOAD_PROCESSOR, upstream);
    let proxies = proxies();
    let mut results: Vec<Vec<Sample>> = proxies.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        for (proxy, results) in proxies.iter().zip(&mut results) {
            let address = free_address();
            let command = proxy.command(directory.path(), address, upstream);
            let server = Server::start(command, PROXY_PROCESSOR, address);
            load(address, WARM_UP_SECONDS);
            let before = server.processor_time();
            let (requests, per_second) = load(address, seconds);
            let micros = (server.processor_time() - before).as_secs_f64() * 1e6 / requests;
            eprintln!("round {round}: {}: {per_second:.0} req/s, {micros:.2} µs", proxy.name());
            results.push(Sample { per_second, micros });
        }
    }
    print(&proxies, &results);
}

struct Sample {
    per_second: f64,
    micros: f64,
}

enum Proxy {
    Nginx,
    Gateway { plugin: Option<&'static str> },
    Pingora(PathBuf),
}

/// nginx first: the others are compared with it.
fn proxies() -> Vec<Proxy> {
    let mut proxies = vec![Proxy::Nginx];
    proxies.extend([None, Some("reuse"), Some("fresh")].map(|plugin| Proxy::Gateway { plugin }));
    let pingora = root().join("target/pingora/release/pingora-peer");
    if pingora.exists() {
        proxies.push(Proxy::Pingora(pingora));
    } else {
        eprintln!("no Pingora: {} is not built", pingora.display());
    }
    proxies
}

impl Proxy {
    fn name(&self) -> String {
        match self {
            Self::Nginx => "nginx".to_owned(),
            Self::Gateway { plugin: None } => "refgateway, no plugin".to_owned(),
            Self::Gateway { plugin: Some(pool) } => format!("refgateway, filter, pool `{pool}`"),
            Self::Pingora(_) => "Pingora".to_owned(),
        }
    }

    fn command(&self, directory: &Path, address: SocketAddr, upstream: SocketAddr) -> Command {
        match self {
            Self::Nginx => nginx(directory, "proxy", address, Some(upstream)),
            Self::Gateway { plugin } => gateway(directory, address, upstream, *plugin),
            Self::Pingora(program) => {
                let mut command = Command::new(program);
                command.args([address.to_string(), upstream.to_string()]);
                command
            }
        }
    }
}

fn gateway(directory: &Path, address: SocketAddr, upstream: SocketAddr, pool: Option<&str>) -> Command {
    let mut config = format!(
        r#"
workers = 1
access_log = false
listeners = [{{ address = "{address}" }}]
admin = {{ address = "127.0.0.1:0" }}
services = [{{ name = "upstream", upstreams = [{{ url = "http://{upstream}" }}] }}]
"#
    );
    match pool {
        None => config.push_str(r#"routes = [{ name = "all", service = "upstream" }]"#),
        Some(pool) => config.push_str(&format!(
            r#"
routes = [{{ name = "all", service = "upstream", chain = ["filter"] }}]
plugins = [{{ name = "filter", file = "{}", pool = {{ mode = "{pool}" }} }}]
"#,
            test_guests::NATIVE_FILTER
        )),
    }
    let file = directory.join("gateway.toml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(root().join("target/release/refgateway"));
    command.args(["run", "--config"]).arg(file).env("RUST_LOG", "error");
    command
}

/// nginx with one process, as an upstream that answers itself or as a proxy.
fn nginx(directory: &Path, name: &str, address: SocketAddr, upstream: Option<SocketAddr>) -> Command {
    let own = directory.join(name);
    fs::create_dir_all(&own).unwrap();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {}/{kind};\n", own.display()))
        .concat();
    let location = match upstream {
        None => "default_type text/plain; return 200 'ok';".to_owned(),
        Some(_) => "proxy_pass http://upstream; proxy_http_version 1.1; proxy_set_header Connection '';
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;"
            .to_owned(),
    };
    let group = upstream.map_or(String::new(), |upstream| {
        format!("  upstream upstream {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}\n")
    });
    let config = format!(
        "daemon off; master_process off; worker_processes 1; pid {own}/pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000;
{temporary}{group}  server {{ listen {address}; location / {{ {location} }} }}
}}
",
        own = own.display(),
    );
    let file = own.join("nginx.conf");
    fs::write(&file, config).unwrap();
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-p"]).arg(&own).arg("-c").arg(file);
    command
}

/// Requests answered, and answered per second.
fn load(address: SocketAddr, seconds: u32) -> (f64, f64) {
    let mut command = Command::new("taskset");
    command.args(["-c", LOAD_PROCESSOR, "wrk", "-t1", "-c", CONNECTIONS, "-d", &format!("{seconds}s")]);
    for header in HEADERS {
        command.args(["-H", header]);
    }
    let output = command.arg(format!("http://{address}/api/items/42")).output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(!report.contains("Non-2xx") && !report.contains("Socket errors"), "{report}");
    let figure = |line: &str, word: usize| -> f64 {
        let line = report.lines().find(|each| each.contains(line)).unwrap_or_else(|| panic!("{report}"));
        line.split_whitespace().nth(word).unwrap().parse().unwrap()
    };
    (figure("requests in", 0), figure("Requests/sec:", 1))
}

fn print(proxies: &[Proxy], results: &[Vec<Sample>]) {
    let nginx = results.first().unwrap();
    println!("| proxy | req/s | CPU µs per request | lowest–highest round | CPU against nginx |");
    println!("| --- | --- | --- | --- | --- |");
    for (proxy, samples) in proxies.iter().zip(results) {
        let micros: Vec<_> = samples.iter().map(|sample| sample.micros).collect();
        let (low, high) = micros.iter().fold((f64::MAX, 0f64), |(low, high), x| (low.min(*x), high.max(*x)));
        let ratios = samples.iter().zip(nginx).map(|(sample, nginx)| sample.micros / nginx.micros);
        println!(
            "| {} | {:.0} | {:.1} | {low:.1}–{high:.1} | {:.2} × |",
            proxy.name(),
            median(samples.iter().map(|sample| sample.per_second)),
            median(micros.iter().copied()),
            median(ratios),
        );
    }
}
