//! The load: one thread of wrk, on the processor of the upstream.

use std::{net::SocketAddr, process::Command};

use benches::{LOAD_PROCESSOR, SECRET};

/// What is asked for, again and again.
pub(crate) const PATH: &str = "/api/items/42";
/// With the load generator's own `Host`, ten headers.
pub(crate) const HEADERS: [&str; 9] = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br",
    "Referer: https://shop.example/items",
    "Cookie: session=0123456789abcdef0123456789abcdef",
    SECRET,
    "Cache-Control: no-cache",
    "X-Trace: 5f0c1c9e-3d7b-4f61-9c55-0a5f3d1f7c11",
];
const CONNECTIONS: &str = "32";

#[derive(Debug)]
pub(crate) struct Done {
    /// That were answered.
    pub(crate) requests: f64,
    pub(crate) per_second: f64,
}

/// Fails when a request does.
pub(crate) fn load(address: SocketAddr, seconds: u32) -> Result<Done, String> {
    let mut command = Command::new("taskset");
    command.args(["-c", LOAD_PROCESSOR, "wrk", "-t1", "-c", CONNECTIONS, "-d", &format!("{seconds}s")]);
    for header in HEADERS {
        command.args(["-H", header]);
    }
    let output = command.arg(format!("http://{address}{PATH}")).output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    if let Some(failed) = report.lines().find(|line| line.contains("Non-2xx") || line.contains("Socket errors")) {
        return Err(format!("under load, {}", failed.trim()));
    }
    let figure = |line: &str, word: usize| -> f64 {
        let line = report.lines().find(|each| each.contains(line)).unwrap_or_else(|| panic!("`wrk` says: {report}"));
        line.split_whitespace().nth(word).unwrap().parse().unwrap()
    };
    Ok(Done { requests: figure("requests in", 0), per_second: figure("Requests/sec:", 1) })
}
