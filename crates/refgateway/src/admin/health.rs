//! `/health/live`, `/health/ready`, `/metrics`.

use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::reply::Reply;
use crate::{plugins, server::Shared, telemetry::metrics};

/// The process answers.
pub(super) fn live(_: &Shared, _: &Request<Incoming>) -> Reply {
    Reply::json(&json!({ "status": "live" }))
}

/// New requests are taken; 503 while draining.
pub(super) fn ready(shared: &Shared, _: &Request<Incoming>) -> Reply {
    if shared.is_draining() {
        return Reply::json(&json!({ "status": "draining" })).with_status(StatusCode::SERVICE_UNAVAILABLE);
    }
    Reply::json(&json!({ "status": "ready" }))
}

/// Prometheus text.
pub(super) fn metrics(shared: &Shared, _: &Request<Incoming>) -> Reply {
    match metrics::handle() {
        Some(handle) => {
            ::metrics::gauge!("refgateway_connections").set(shared.connections() as f64);
            let gateway = shared.gateway();
            plugins::gather_compilations(&gateway.engine);
            gateway.plugins.iter().for_each(|plugin| plugin.gather_metrics());
            Reply::text("text/plain; version=0.0.4; charset=utf-8", handle.render())
        }
        None => Reply::error(StatusCode::NOT_IMPLEMENTED, "the process has its own metrics recorder"),
    }
}
