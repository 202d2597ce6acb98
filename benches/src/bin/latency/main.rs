//! How long the gateway takes to answer at a fixed rate: `latency [ROUNDS [SECONDS]]`.
//!
//! The gateway has processor 0 for itself, all its threads, and one worker; clients and upstream share processor 1. The
//! rate is half of what the same clients get with one filter when each asks again at once. The cases take turns, each with
//! a gateway of its own. Requests of moments in which a virtual machine did not have its processors are left out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "prints its result")]

mod answers;
mod case;
mod disturb;
mod load;
mod stolen;

use std::{process::Command, time::Duration};

use benches::{LOAD_PROCESSOR, median};

use self::{
    answers::Answers,
    case::{CASES, Case, FILTER},
    load::{Load, Pace},
};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().expect("a number"));
    let rounds = arguments.next().unwrap_or(5);
    let time = Duration::from_secs(arguments.next().unwrap_or(4));
    let own = std::process::id().to_string();
    assert!(Command::new("taskset").args(["-apc", LOAD_PROCESSOR, &own]).output().unwrap().status.success());

    let mut load = Load::new();
    let capacity = FILTER.run(&mut load, Pace::AtOnce, time).per_second(time);
    let rate = capacity / 2.0;
    let mut answers: Vec<Vec<Answers>> = CASES.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (case, answers) in CASES.iter().zip(&mut answers) {
            answers.push(case.run(&mut load, Pace::Rate(rate), time));
        }
    }

    println!("{capacity:.0} requests a second with one filter; below, {rate:.0} a second.\n");
    println!(
        "| case | p50 | p99 | p99 of the calmest round | p99.9 | slowest | left out | not answered 200 \
         | processor |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    for (case, answers) in CASES.iter().zip(&answers) {
        print_row(case, answers);
    }
    for case in CASES.iter().filter(|case| case.is_loaded_in_full) {
        let answers = case.run(&mut load, Pace::AtOnce, time);
        println!(
            "\n{}, as fast as it answers: {:.0} a second, {} not answered 200",
            case.name,
            answers.per_second(time),
            answers.failed
        );
    }
}

/// Medians of the rounds, also of how busy the proxy's processor was; the least p99 of a round, because what the machine
/// holds up it seldom holds up in each; the slowest of all answers, the mean of the shares that were left out, and all
/// failures.
fn print_row(case: &Case, rounds: &[Answers]) {
    let within: Vec<_> = rounds.iter().filter_map(|answers| answers.within([0.5, 0.99, 0.999, 1.0])).collect();
    if within.is_empty() {
        println!("| {} | none was left |", case.name);
        return;
    }
    let [p50, p99, p999] =
        [0, 1, 2].map(|index: usize| median(within.iter().filter_map(|all| all.get(index)).map(micros)));
    let calmest = within.iter().map(|[_, p99, ..]| micros(p99)).fold(f64::INFINITY, f64::min);
    let slowest = within.iter().filter_map(|all| all.last()).map(micros).fold(0.0, f64::max);
    let left_out = 100.0 * rounds.iter().map(Answers::held_up).sum::<f64>() / rounds.len() as f64;
    let busy = 100.0 * median(rounds.iter().map(|answers| answers.busy));
    let failed: usize = rounds.iter().map(|answers| answers.failed).sum();
    println!(
        "| {} | {p50:.0} µs | {p99:.0} µs | {calmest:.0} µs | {p999:.0} µs | {slowest:.0} µs | {left_out:.0} % \
         | {failed} | {busy:.0} % |",
        case.name
    );
}

fn micros(time: &Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
