//! The project's own commands; `cargo xtask help` lists them.

mod packages;
mod peers;
mod pgo;
mod report;
mod servers;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus},
};

use packages::Needed;
use xtask::guests::{self, GuestSet, Pick};

const HELP: &str = "\
cargo xtask guests        builds the example plugins into target/plugins
cargo xtask demo          builds them and starts refgateway with one of them in front of an echo server
cargo xtask test          runs every test of the workspace, with the servers they need
cargo xtask instructions [--accept]
                          counts the instructions of the hot paths and compares them with those that are committed
cargo xtask pgo           builds refgateway by what it was seen to do under load (profile-guided), into target/pgo/refgateway
cargo xtask bench-peers [ROUNDS [SECONDS]]
                          installs other proxies, measures refgateway beside them, and writes docs/performance.md";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<_> = arguments.collect();
    let done = match command.as_str() {
        "guests" => build_plugins().map(|_| ()),
        "demo" => build_plugins().and_then(|directory| demo(&directory, &rest)),
        "test" => test(&rest),
        "instructions" => instructions(&rest),
        "pgo" => pgo::build(),
        "bench-peers" => peers::bench(&rest),
        "help" | "--help" | "-h" => {
            eprintln!("{HELP}");
            Ok(())
        }
        other => Err(format!("no such command: `{other}`\n\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// Builds the example plugins and puts them where a user finds them.
fn build_plugins() -> Result<PathBuf, String> {
    let root = root();
    let set = GuestSet { workspace: &root.join("examples/plugins"), target: "wasm32-wasip2", pick: Pick::Packages };
    let directory = root.join("target/plugins");
    put_guests(set, &root.join("target/guests"), &directory)?;
    eprintln!("example plugins are in {}", directory.display());
    Ok(directory)
}

/// Builds guests in one directory, and copies their files into another.
fn put_guests(set: GuestSet<'_>, work: &Path, directory: &Path) -> Result<(), String> {
    let built = guests::build(set, work).map_err(|error| error.to_string())?;
    std::fs::create_dir_all(directory).map_err(|error| error.to_string())?;
    for (name, path) in built {
        std::fs::copy(&path, directory.join(name).with_extension("wasm")).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn demo(plugins: &Path, arguments: &[String]) -> Result<(), String> {
    let mut cargo = cargo(&["run", "--quiet", "--package", "refgateway", "--", "demo", "--plugin"]);
    run(cargo.arg(plugins.join("api_key_auth.wasm")).args(arguments))
}

fn test(arguments: &[String]) -> Result<(), String> {
    servers::ensure()?;
    run(cargo(&["test", "--workspace", "--locked"]).args(arguments))
}

/// In the profile of the tests: what they have built is not built again.
fn instructions(arguments: &[String]) -> Result<(), String> {
    let valgrind = Needed { check: &["valgrind", "--version"], packages: &["valgrind"] };
    packages::ensure(&[valgrind], "counting instructions")?;
    let bench = ["bench", "--workspace", "--bench", "instructions", "--profile", "dev", "--locked", "--"];
    run(cargo(&bench).args(arguments))
}

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments).current_dir(root());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(guests::says_of_the_package) {
            cargo.env_remove(name);
        }
    }
    cargo
}

fn run(command: &mut Command) -> Result<(), String> {
    let status: ExitStatus = command.status().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed ({status})")) }
}
