//! Extism, which knows no HTTP: what a call takes, by `benches/extism-peer`.

use std::process::Command;

use benches::{PROXY_PROCESSOR, root};

use crate::{
    load::HEADERS,
    measure::{Measured, Sample},
    peer::Kind,
};

/// A name for each line that the program prints.
const NAMES: [&str; 2] = ["Extism, a call, plugin reused", "Extism, a call, plugin made for it"];

pub(crate) fn run(rounds: u32, seconds: u32) -> Vec<Measured> {
    let rounds: Result<Vec<_>, _> = (1..=rounds).map(|_| round(seconds)).collect();
    let samples = |index: usize| -> Result<Vec<Sample>, String> {
        let of = |round: &Vec<f64>| round.get(index).copied().ok_or_else(|| "it prints no figure".to_owned());
        let figures: Result<Vec<_>, _> = rounds.as_ref().map_err(Clone::clone)?.iter().map(of).collect();
        Ok(figures?.into_iter().map(|per_second| Sample { per_second, micros: 1e6 / per_second }).collect())
    };
    let measured = |(index, name): (usize, &str)| Measured {
        name: name.to_owned(),
        kind: Kind::Host,
        against: None,
        samples: samples(index),
    };
    (0..).zip(NAMES).map(measured).collect()
}

/// Calls a second, of each.
fn round(seconds: u32) -> Result<Vec<f64>, String> {
    let program = root().join("target/extism/release/extism-peer");
    if !program.exists() {
        return Err("`extism-peer` is not there".to_owned());
    }
    let mut command = Command::new("taskset");
    command.args(["-c", PROXY_PROCESSOR]).arg(program).arg(root().join("target/peers/extism_guest.wasm"));
    let output = command.arg(seconds.to_string()).args(HEADERS).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        return Err(format!("`extism-peer` ended ({})", output.status));
    }
    let figures = String::from_utf8_lossy(&output.stdout).lines().map(str::parse).collect::<Result<Vec<f64>, _>>();
    figures.map_err(|error| format!("`extism-peer` prints something else: {error}"))
}
