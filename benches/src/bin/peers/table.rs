//! The results, as markdown.

use benches::median;

use crate::{
    measure::{Measured, Sample},
    peer::Kind,
};

/// `against`: what they are compared with, in words.
pub(crate) fn print_proxies(all: &[Measured], against: &str) {
    println!(
        "| proxy | req/s | CPU µs per request | lowest–highest round | CPU against {against} | added by the filter, µs |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (measured, samples) in ran(all) {
        let compared = |with: &str, compare: fn(f64, f64) -> f64| {
            let (_, others) = ran(all).find(|(other, _)| other.name == with)?;
            Some(median(samples.iter().zip(others).map(|(sample, other)| compare(sample.micros, other.micros))))
        };
        let ratio = measured.against.as_deref().and_then(|with| compared(with, |micros, first| micros / first));
        let ratio = ratio.map_or(String::new(), |x| format!("{x:.2} ×"));
        let added = match &measured.kind {
            Kind::Filter { without } => compared(without, |micros, without| micros - without),
            Kind::Proxy | Kind::Host => None,
        };
        let added = added.map_or(String::new(), |x| format!("{x:.1}"));
        println!("| {} | {} | {ratio} | {added} |", measured.name, figures(samples));
    }
}

/// Nothing when no host ran.
pub(crate) fn print_hosts(all: &[Measured]) {
    if ran(all).next().is_none() {
        return;
    }
    println!("\nHosts answering a call themselves:\n");
    println!("| host | a second | µs each | lowest–highest round |");
    println!("| --- | --- | --- | --- |");
    for (measured, samples) in ran(all) {
        println!("| {} | {} |", measured.name, figures(samples));
    }
}

/// Nothing when all ran.
pub(crate) fn print_not_run<'m>(all: impl Iterator<Item = &'m Measured>) {
    let left_out: Vec<_> =
        all.filter_map(|measured| Some((&measured.name, measured.samples.as_ref().err()?))).collect();
    if !left_out.is_empty() {
        println!("\nNot run:\n");
    }
    for (name, reason) in left_out {
        println!("- {name}: {reason}");
    }
}

fn ran(all: &[Measured]) -> impl Iterator<Item = (&Measured, &[Sample])> {
    all.iter().filter_map(|measured| Some((measured, measured.samples.as_deref().ok()?)))
}

/// Three columns: how many a second, what each takes, and the least and the most it took in a round.
fn figures(samples: &[Sample]) -> String {
    let micros = || samples.iter().map(|sample| sample.micros);
    let (low, high) = micros().fold((f64::MAX, 0f64), |(low, high), x| (low.min(x), high.max(x)));
    let per_second = median(samples.iter().map(|sample| sample.per_second));
    format!("{per_second:.0} | {:.1} | {low:.1}–{high:.1}", median(micros()))
}
