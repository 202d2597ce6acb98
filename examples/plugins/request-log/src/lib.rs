//! Gives each request an id, logs how it went, and makes an upstream's 500 a 503.

use http::HeaderName;
use serde::Deserialize;
use wasm_host_guest::{
    Action, Config, Error, OnComplete, OnRequest, OnResponse, Plugin, Request, Response, Result, Summary, exchange,
    export, log,
};

const MAX_ID: usize = 128;

struct RequestLog {
    header: String,
    current: Logged,
}

/// What the later phases need to know of the request. All phases of one exchange run on the same instance.
#[derive(Default)]
struct Logged {
    id: String,
    method: String,
    path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default = "default_header")]
    header: String,
}

impl Plugin for RequestLog {
    fn configure(config: Config) -> Result<Self> {
        let Settings { header } = config.parse()?;
        HeaderName::try_from(&header).map_err(|_| Error::new(format!("`header`: `{header}` is not a header name")))?;
        Ok(Self { header, current: Logged::default() })
    }
}

impl OnRequest for RequestLog {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let sent = request.header(&self.header);
        let sent = sent.as_ref().and_then(|id| id.to_str()).filter(|id| is_sane(id));
        let id = sent.map_or_else(exchange::id, str::to_owned);
        request.set_header(&self.header, &id)?;
        self.current = Logged { id, method: request.method(), path: request.path() };
        Ok(Action::Continue)
    }
}

impl OnResponse for RequestLog {
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action> {
        if response.status() == 500 {
            response.set_status(503)?;
        }
        response.set_header(&self.header, &self.current.id)?;
        Ok(Action::Continue)
    }
}

impl OnComplete for RequestLog {
    fn on_complete(&mut self, summary: Summary) {
        let Logged { id, method, path } = &self.current;
        let status = summary.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let Summary { duration_us, response_bytes, finished, .. } = summary;
        let end = if finished { "" } else { " aborted" };
        log::info(&format!("{method} {path} {status} {duration_us}us {response_bytes}B id={id}{end}"));
    }
}

/// Whether an id of the client's may go into headers and logs as it is.
fn is_sane(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(&byte))
}

fn default_header() -> String {
    "x-request-id".into()
}

export!(RequestLog: request, response, complete);
