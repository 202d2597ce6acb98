//! Calls out in the phase that its config says, and logs what came of it.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use wasm_host_guest::{
    Action, BodyAction, BodyMode, BodyReading, Config, Error, ErrorAction, Failure, OnComplete, OnError, OnRequest,
    OnRequestBody, OnResponse, OnResponseBody, Piece, Plugin, Request, Response, Result, Summary, export, http, log,
};

#[derive(Deserialize)]
struct CallOut {
    /// The phases, with spaces between.
    on: String,
    #[serde(default = "get")]
    method: String,
    url: Option<String>,
    /// Instead of a URL: a service and a path.
    service: Option<(String, String)>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    timeout_ms: Option<u64>,
    redirects: Option<u32>,
    #[serde(default = "once")]
    times: usize,
}

fn get() -> String {
    "GET".to_owned()
}

fn once() -> usize {
    1
}

impl CallOut {
    fn calls_in(&self, phase: &str) {
        if self.is_on(phase) {
            (0..self.times).for_each(|_| self.call());
        }
    }

    fn is_on(&self, phase: &str) -> bool {
        self.on.split(' ').any(|on| on == phase)
    }

    fn call(&self) {
        let request = match (&self.url, &self.service) {
            (Some(url), _) => http::request(&self.method, url),
            (None, Some((name, path))) => http::service(name, path).method(&self.method),
            (None, None) => return,
        };
        let request = self.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = self.redirects.into_iter().fold(request, |request, redirects| request.redirects(redirects));
        let timeout = self.timeout_ms.map(Duration::from_millis);
        let request = timeout.into_iter().fold(request, |request, timeout| request.timeout(timeout));
        match request.body(self.body.as_str()).send() {
            Ok(response) => log::info(&format!("{} {}", response.status(), response.text().unwrap_or("not text"))),
            Err(error) => log::info(&Error::from(error).to_string()),
        }
    }

    fn reading(&self, phase: &str) -> BodyReading {
        if self.is_on(phase) { BodyMode::Buffer(1024).into() } else { BodyMode::None.into() }
    }
}

impl Plugin for CallOut {
    fn configure(config: Config) -> Result<Self> {
        let this: Self = config.parse()?;
        this.calls_in("configure");
        Ok(this)
    }
}

impl OnRequest for CallOut {
    fn on_request(&mut self, _: &Request<'_>) -> Result<Action> {
        self.calls_in("request");
        Ok(Action::Continue)
    }
}

impl OnRequestBody for CallOut {
    fn request_body(&self) -> BodyReading {
        self.reading("request-body")
    }

    fn on_request_body(&mut self, _: &Request<'_>, _: Piece) -> Result<BodyAction> {
        self.calls_in("request-body");
        Ok(BodyAction::Pass)
    }
}

impl OnResponse for CallOut {
    fn on_response(&mut self, _: &Response<'_>) -> Result<Action> {
        self.calls_in("response");
        Ok(Action::Continue)
    }
}

impl OnResponseBody for CallOut {
    fn response_body(&self) -> BodyReading {
        self.reading("response-body")
    }

    fn on_response_body(&mut self, _: &Response<'_>, _: Piece) -> Result<BodyAction> {
        self.calls_in("response-body");
        Ok(BodyAction::Pass)
    }
}

impl OnError for CallOut {
    fn on_error(&mut self, _: &Request<'_>, _: Failure) -> Result<ErrorAction> {
        self.calls_in("error");
        Ok(ErrorAction::Continue)
    }
}

impl OnComplete for CallOut {
    fn on_complete(&mut self, _: Summary) {
        self.calls_in("complete");
    }
}

export!(CallOut: request, request_body, response, response_body, error, complete);
