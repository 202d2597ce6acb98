//! Every case in turn, round after round, and their medians as a table: on a busy machine only the ratios of one such
//! run can be compared.
//!
//! A round's figure is the median of its batches: what else runs on the machine interrupts some of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "prints its result")]

mod cases;

use std::time::{Duration, Instant};

use cases::{BATCH, Case};
use tokio::runtime::Runtime;

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(250);
/// Batches after which a case looks at the clock.
const STRIDE: u64 = 8;

fn main() {
    let runtime = cases::runtime();
    let mut cases = cases::all(&runtime);
    let mut figures = vec![Vec::new(); cases.len()];
    for case in &mut cases {
        round(case, &runtime);
    }
    for _ in 0..ROUNDS {
        for (case, figures) in cases.iter_mut().zip(&mut figures) {
            figures.push(round(case, &runtime));
        }
    }
    let floors: Vec<_> = cases.iter().zip(&figures).map(|(case, figures)| (case.name, median(figures))).collect();
    println!("| case | median | lowest–highest round | against |\n| --- | --- | --- | --- |");
    for (case, figures) in cases.iter().zip(&figures) {
        let floor = floors.iter().find(|(name, _)| Some(*name) == case.against);
        let ratio = floor.map_or(String::new(), |(name, floor)| format!("{:.2} × {name}", median(figures) / floor));
        let (low, high) = figures.iter().fold((f64::MAX, 0f64), |(low, high), x| (low.min(*x), high.max(*x)));
        let name = format!("{}: {}", case.group, case.name);
        println!("| {name} | {} | {}–{} | {ratio} |", time(median(figures)), time(low), time(high));
    }
}

/// Nanoseconds per call.
fn round(case: &mut Case, runtime: &Runtime) -> f64 {
    let start = Instant::now();
    let mut batches = Vec::new();
    while start.elapsed() < ROUND {
        let spent = (case.run)(runtime, BATCH * STRIDE);
        batches.extend(spent.iter().map(|batch| batch.as_nanos() as f64 / BATCH as f64));
    }
    median(&batches)
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap()
}

fn time(nanos: f64) -> String {
    if nanos < 1000.0 { format!("{nanos:.0} ns") } else { format!("{:.2} µs", nanos / 1000.0) }
}
