//! How many instructions the hot paths take, counted by valgrind, beside the counts that are committed: what a busy machine
//! does not disturb. It fails when a path takes over 5 % more. `instructions --accept`: commits to the counts of now.
//!
//! The committed counts are those of the profile `dev`, in which the tests have everything built: dependencies optimised, our
//! own code not. They say what a change adds, not what a call costs.
//!
//! A path is run in two processes that differ in nothing but its calls: making a request and starting up cancel out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "prints its result")]

mod cases;

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Command, ExitCode},
    sync::atomic::Ordering::Relaxed,
};

use cases::Work;

/// The paths, by the start of their names.
const PATHS: [&str; 10] = [
    "chain: no plugin",
    "chain: filter reused",
    "chain: filter fresh",
    "chain: without WASI, filter fresh",
    "chain: response, filter",
    "abi: sgl",
    "abi: odin",
    "abi: blitz",
    "abi: aegis",
    "layer: no body, filter",
];
const ALLOWED: f64 = 1.05;
/// Until caches are filled and pools have what they keep.
const WARM_UP: u64 = 200;
const CALLS: u64 = 1_000;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--run", path, "calls"] => run(path, false),
        ["--run", path, "preparation"] => run(path, true),
        arguments => return compare(arguments.contains(&"--accept")),
    }
    ExitCode::SUCCESS
}

fn compare(accept: bool) -> ExitCode {
    let known = read();
    let mut counted = BTreeMap::new();
    let mut grown = Vec::new();
    println!("| path | instructions | committed | |\n| --- | --- | --- | --- |");
    for path in PATHS {
        let count = count(path);
        let committed = known.get(path).copied();
        let ratio = committed.map(|committed| count as f64 / committed as f64);
        println!(
            "| {path} | {count} | {} | {} |",
            committed.map_or_else(|| "none".to_owned(), |committed| committed.to_string()),
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.3} ×")),
        );
        if ratio.is_none_or(|ratio| ratio > ALLOWED) {
            grown.push(path);
        }
        counted.insert(path.to_owned(), count);
    }
    if accept {
        write(&counted);
        return ExitCode::SUCCESS;
    }
    if grown.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "over 5 % more instructions than committed, or none committed: {}\n\
         When that is meant: `cargo xtask instructions --accept`, and say why in the commit.",
        grown.join(", ")
    );
    ExitCode::FAILURE
}

/// Instructions of one call.
fn count(path: &str) -> u64 {
    // Code that is compiled now is in the cache for both of the others. Outside of valgrind the processor is another one.
    instructions(path, "preparation");
    let [with, without] = ["calls", "preparation"].map(|what| instructions(path, what));
    with.saturating_sub(without) / CALLS
}

fn instructions(path: &str, what: &str) -> u64 {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    let output = valgrind.arg(std::env::current_exe().unwrap()).args(["--run", path, what]).output();
    let output =
        output.expect("valgrind counts the instructions: install it, on Debian with `apt-get install valgrind`");
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{path}: {report}");
    let line = report.lines().find(|line| line.contains("I refs:") || line.contains("I   refs:"));
    let figure = line.and_then(|line| line.split_whitespace().last()).expect("a count");
    figure.replace(',', "").parse().unwrap()
}

fn run(path: &str, prepares_only: bool) {
    cases::IS_COUNTED.store(true, Relaxed);
    let runtime = benches::runtime();
    let mut case = cases::all().into_iter().find(|case| case.full_name().starts_with(path)).expect("a path");
    (case.run)(&runtime, Work::of(WARM_UP));
    (case.run)(&runtime, Work { iterations: CALLS, prepares_only });
}

fn file() -> PathBuf {
    benches::root().join("benches/instructions.txt")
}

fn read() -> BTreeMap<String, u64> {
    let text = fs::read_to_string(file()).unwrap_or_default();
    let line = |line: &str| line.rsplit_once(" = ").map(|(path, count)| (path.to_owned(), count.parse().unwrap()));
    text.lines().filter_map(line).collect()
}

fn write(counts: &BTreeMap<String, u64>) {
    let lines: String = counts.iter().map(|(path, count)| format!("{path} = {count}\n")).collect();
    fs::write(file(), lines).unwrap();
}
