//! Answers in place of what failed, or has the request sent again.

use serde::Deserialize;
use wasm_host_guest::{
    Config, ErrorAction, Failure, Failures, LocalResponse, OnError, Plugin, Request, Result, export,
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct BrandErrors {
    /// See failed plugins and statuses as well.
    all: bool,
    /// Have the request sent again to this service, when that can be.
    retry: Option<String>,
    /// Have it sent again whether or not that can be.
    insist: bool,
}

impl Plugin for BrandErrors {
    fn configure(config: Config) -> Result<Self> {
        config.parse()
    }
}

impl OnError for BrandErrors {
    fn failures(&self) -> Failures {
        if self.all {
            Failures::UNREACHABLE | Failures::SERVER_ERRORS | Failures::PLUGINS
        } else {
            Failures::UNREACHABLE
        }
    }

    fn on_error(&mut self, request: &Request<'_>, failure: Failure) -> Result<ErrorAction> {
        if self.retry.is_some() && (failure.retryable || self.insist) {
            request.set_header("x-attempt", failure.attempts.to_string())?;
            return Ok(ErrorAction::Retry(self.retry.clone().filter(|service| !service.is_empty())));
        }
        let whose = failure.plugin.or(failure.service).unwrap_or_default();
        let page = format!("sorry: {whose} ({}, {})", failure.kind, failure.status);
        Ok(LocalResponse::new(502)?.header("x-failed-path", request.path())?.body(page)?.into())
    }
}

export!(BrandErrors: error);
