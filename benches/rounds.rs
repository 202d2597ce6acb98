//! Every case in turn, round after round, and their medians as a table: on a busy machine only the ratios of one such
//! run can be compared. `rounds [START]`: the cases whose `GROUP: NAME` starts with it.
//!
//! A round's figure is the median of its batches: what else runs on the machine interrupts some of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "prints its result")]

mod cases;

use std::time::{Duration, Instant};

use cases::{BATCH, Case, Work};
use tokio::runtime::Runtime;

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(250);
/// Batches after which a case looks at the clock.
const STRIDE: u64 = 8;

fn main() {
    // `cargo bench` adds `--bench`.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    let runtime = benches::runtime();
    let mut cases = cases::all();
    cases.retain(|case| case.full_name().starts_with(&wanted));
    let mut figures = vec![Vec::new(); cases.len()];
    for case in &mut cases {
        round(case, &runtime);
    }
    for _ in 0..ROUNDS {
        for (case, figures) in cases.iter_mut().zip(&mut figures) {
            figures.push(round(case, &runtime));
        }
    }
    let measured: Vec<_> = cases.iter().zip(figures).map(|(case, rounds)| Measured { case, rounds }).collect();
    let (bodies, calls): (Vec<_>, Vec<_>) = measured.into_iter().partition(|measured| measured.case.load.is_some());
    if !calls.is_empty() {
        print_calls(&calls);
    }
    if !bodies.is_empty() {
        print_bodies(&bodies);
    }
}

struct Measured<'a> {
    case: &'a Case,
    /// Nanoseconds per call.
    rounds: Vec<f64>,
}

impl Measured<'_> {
    fn median(&self) -> f64 {
        median(&self.rounds)
    }

    fn range(&self) -> String {
        let (low, high) = self.rounds.iter().fold((f64::MAX, 0f64), |(low, high), x| (low.min(*x), high.max(*x)));
        format!("{}–{}", time(low), time(high))
    }
}

/// Nanoseconds per call.
fn round(case: &mut Case, runtime: &Runtime) -> f64 {
    let batch = case.load.map_or(BATCH, |load| load.batch);
    let start = Instant::now();
    let mut batches = Vec::new();
    while start.elapsed() < ROUND {
        let spent = (case.run)(runtime, Work::of(batch * STRIDE));
        batches.extend(spent.iter().map(|spent| spent.as_nanos() as f64 / batch as f64));
    }
    median(&batches)
}

fn print_calls(calls: &[Measured<'_>]) {
    println!("| case | median | lowest–highest round | against |\n| --- | --- | --- | --- |");
    for measured in calls {
        let Case { group, name, against, .. } = measured.case;
        let floor = calls.iter().find(|floor| Some(floor.case.name) == *against);
        let ratio = floor
            .map_or(String::new(), |floor| format!("{:.2} × {}", measured.median() / floor.median(), floor.case.name));
        println!("| {group}: {name} | {} | {} | {ratio} |", time(measured.median()), measured.range());
    }
}

/// What a body costs more than the same one without a plugin is told for each of its pieces.
fn print_bodies(bodies: &[Measured<'_>]) {
    println!("| body | mode | median | lowest–highest round | MiB/s | of that without | pieces/s | more, per piece |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for measured in bodies {
        let Case { group, name, against, load, .. } = measured.case;
        let (load, median) = (load.unwrap(), measured.median());
        let floor = bodies.iter().find(|floor| floor.case.group == *group && Some(floor.case.name) == *against);
        let of_floor = floor.map_or(String::new(), |floor| format!("{:.0} %", floor.median() / median * 100.0));
        let more = floor.map_or(String::new(), |floor| time((median - floor.median()) / load.pieces as f64));
        println!(
            "| {group} | {name} | {} | {} | {:.0} | {of_floor} | {:.0} | {more} |",
            time(median),
            measured.range(),
            load.bytes as f64 / f64::from(1 << 20) / (median / 1e9),
            load.pieces as f64 / (median / 1e9),
        );
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap()
}

fn time(nanos: f64) -> String {
    if nanos.abs() < 1000.0 { format!("{nanos:.0} ns") } else { format!("{:.2} µs", nanos / 1000.0) }
}
