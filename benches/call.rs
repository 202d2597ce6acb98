//! Each case by criterion: for one case before and after a change. For ratios between cases, see `rounds.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

mod cases;

use std::time::Duration;

use cases::Work;
use criterion::Criterion;

fn main() {
    let runtime = benches::runtime();
    let mut criterion = Criterion::default().configure_from_args();
    for mut case in cases::all() {
        let mut group = criterion.benchmark_group(case.group);
        group.measurement_time(Duration::from_secs(3));
        group.bench_function(case.name, |bencher| {
            bencher.iter_custom(|iterations| (case.run)(&runtime, Work::of(iterations)).iter().sum());
        });
        group.finish();
    }
    criterion.final_summary();
}
