//! Counters for Prometheus.

use std::{sync::OnceLock, thread, time::Duration};

use http::StatusCode;
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::plugins;

const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// How often the histograms' samples are folded.
const UPKEEP: Duration = Duration::from_secs(5);

/// The process's recorder, installed on first use. `None` when the process has installed another one.
pub(crate) fn handle() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE.get_or_init(install).as_ref()
}

fn install() -> Option<PrometheusHandle> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let measured = Matcher::Prefix(plugins::PREFIX.to_owned());
    let edge_functions = Matcher::Full(plugins::EXECUTION_TIME.to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &SECONDS).ok()?;
    let builder = builder.set_buckets_for_metric(edge_functions, &plugins::MILLISECONDS).ok()?;
    let recorder = builder.set_buckets_for_metric(measured, &plugins::BUCKETS).ok()?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok()?;
    let upkeep = handle.clone();
    thread::Builder::new().name("metrics".to_owned()).spawn(move || keep_up(&upkeep)).ok()?;
    describe_counter!("refgateway_requests_total", "Requests answered, by route, service and class of status");
    describe_histogram!("refgateway_request_duration_seconds", "From request headers to the end of the response");
    describe_counter!("refgateway_upstream_errors_total", "Requests an upstream gave no response to");
    describe_gauge!("refgateway_requests_in_flight", "Requests under way");
    describe_gauge!("refgateway_connections", "Client connections open");
    describe_counter!("refgateway_reloads_total", "Config reloads, by result");
    describe_counter!("refgateway_secret_changes_total", "Plugins that a changed secret configured again, by result");
    describe_counter!("refgateway_executions_total", "Commands that ran, by how they ended");
    describe_histogram!("refgateway_execution_duration_seconds", "How long commands ran");
    plugins::describe_metrics();
    Some(handle)
}

/// Folds the histograms' samples: without it they pile up while nobody asks for metrics.
fn keep_up(handle: &PrometheusHandle) {
    loop {
        thread::sleep(UPKEEP);
        handle.run_upkeep();
    }
}

/// Counters of one route, looked up once.
#[derive(Clone)]
pub(crate) struct RouteMetrics {
    classes: [Counter; 5],
    duration: Histogram,
    in_flight: Gauge,
    route: String,
    service: String,
}

impl std::fmt::Debug for RouteMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RouteMetrics").field("route", &self.route).finish_non_exhaustive()
    }
}

impl RouteMetrics {
    pub(crate) fn new(route: &str, service: &str) -> Self {
        handle();
        let (route, service) = (route.to_owned(), service.to_owned());
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|class| {
            counter!("refgateway_requests_total", "route" => route.clone(), "service" => service.clone(), "status" => class)
        });
        let duration = histogram!("refgateway_request_duration_seconds", "route" => route.clone());
        let in_flight = gauge!("refgateway_requests_in_flight", "route" => route.clone());
        Self { classes, duration, in_flight, route, service }
    }

    pub(crate) fn started(&self) {
        self.in_flight.increment(1.0);
    }

    pub(crate) fn finished(&self, status: StatusCode, took: Duration) {
        self.in_flight.decrement(1.0);
        self.duration.record(took);
        if let Some(class) = self.classes.get(usize::from(status.as_u16() / 100).saturating_sub(1)) {
            class.increment(1);
        }
    }

    pub(crate) fn upstream_error(&self, class: &'static str) {
        let labels = [("route", self.route.clone()), ("service", self.service.clone()), ("class", class.to_owned())];
        counter!("refgateway_upstream_errors_total", &labels).increment(1);
    }
}

/// Counts a request that reached no route.
pub(crate) fn unrouted(status: StatusCode) {
    counter!("refgateway_unrouted_requests_total", "status" => status.as_str().to_owned()).increment(1);
}

/// Counts a reload.
pub(crate) fn reloaded(succeeded: bool) {
    handle();
    counter!("refgateway_reloads_total", "result" => if succeeded { "ok" } else { "error" }).increment(1);
}

/// Counts a plugin that a changed secret configures again.
pub(crate) fn secrets_changed(succeeded: bool) {
    handle();
    counter!("refgateway_secret_changes_total", "result" => if succeeded { "ok" } else { "error" }).increment(1);
}

/// Counts a command that ran.
pub(crate) fn executed(outcome: &'static str, took: Duration) {
    handle();
    counter!("refgateway_executions_total", "outcome" => outcome).increment(1);
    histogram!("refgateway_execution_duration_seconds").record(took);
}
