//! Answers failures with pages, or has the request sent to another service.

mod page;
mod settings;

use page::{Facts, Format};
use settings::{Kind, Settings};
use wasm_host_guest::{
    Config, ErrorAction, Failure, Failures, LocalResponse, OnError, Plugin, Request, Result, exchange, export,
};

struct ErrorPages {
    settings: Settings,
}

impl Plugin for ErrorPages {
    fn configure(config: Config) -> Result<Self> {
        let settings: Settings = config.parse()?;
        settings.check()?;
        Ok(Self { settings })
    }
}

impl OnError for ErrorPages {
    fn failures(&self) -> Failures {
        self.settings.failures.iter().fold(Failures::empty(), |all, failure| all | failure.flag())
    }

    fn on_error(&mut self, request: &Request<'_>, failure: Failure) -> Result<ErrorAction> {
        let kind = Kind::of(&failure);
        if let Some(retry) = &self.settings.retry
            && failure.retryable
            && failure.attempts == 1
            && retry.kinds.contains(&kind)
        {
            return Ok(ErrorAction::Retry(Some(retry.service.clone())));
        }
        let Some(page) = self.settings.page(failure.status, kind) else { return Ok(ErrorAction::Continue) };
        let status = page.set_status.map_or(failure.status, |status| status.0);
        let facts = Facts { status, message: &page.message, id: &exchange::id() };
        let html = page.html.as_ref().unwrap_or(&self.settings.html);
        let mut response = LocalResponse::new(status)?.header("cache-control", "no-store")?;
        if let Some(seconds) = page.retry_after {
            response = response.header("retry-after", seconds.to_string())?;
        }
        let response = match Format::accepted(&request.header_values("accept")) {
            Format::Html => response.header("content-type", "text/html; charset=utf-8")?.body(html.fill(&facts))?,
            Format::Json => response.json(&facts.to_json())?,
        };
        Ok(response.into())
    }
}

export!(ErrorPages: error);
