//! Answers in place of an upstream that failed.

use wasm_host_guest::{Action, Config, Failure, LocalResponse, OnError, Plugin, Result, export};

struct BrandErrors;

impl Plugin for BrandErrors {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnError for BrandErrors {
    fn on_error(&mut self, failure: Failure) -> Result<Action> {
        let page = format!("sorry: {} ({}, {})", failure.service.unwrap_or_default(), failure.kind, failure.status);
        Ok(LocalResponse::new(502)?.body(page)?.into())
    }
}

export!(BrandErrors: error);
