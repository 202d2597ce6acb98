//! Counts the tokens that the event streams of language models report.

mod usage;

use std::{cell::Cell, rc::Rc};

use serde::Deserialize;
use usage::Usage;
use wasm_host_guest::{
    Action, BodyMode, BodyReading, BodyStream, Config, Framing, OnComplete, OnResponse, OnResponseStream, Piece,
    Plugin, Response, Result, Summary, exchange, export, metrics,
};

/// Ends the streams of some services, and says nothing.
const DONE: &str = "[DONE]";

const TRAILERS: [&str; 4] =
    ["x-token-meter-events", "x-token-meter-input", "x-token-meter-output", "x-token-meter-total"];

struct TokenMeter {
    settings: Settings,
    /// What the stream of this exchange came to so far; none when it has no event stream.
    current: Option<Rc<Cell<Meter>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default = "yes")]
    trailers: bool,
    #[serde(default = "yes")]
    metrics: bool,
}

#[derive(Clone, Copy, Default)]
struct Meter {
    events: u64,
    usage: Usage,
}

impl Plugin for TokenMeter {
    fn configure(config: Config) -> Result<Self> {
        Ok(Self { settings: config.parse()?, current: None })
    }
}

impl OnResponse for TokenMeter {
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action> {
        let is_event_stream = response.media_type().is_some_and(|kind| kind == "text/event-stream");
        self.current = is_event_stream.then(Rc::default);
        if !is_event_stream {
            response.skip_body()?;
        } else if self.settings.trailers {
            response.announce_trailers(&TRAILERS)?;
        }
        Ok(Action::Continue)
    }
}

impl OnResponseStream for TokenMeter {
    fn response_body(&self) -> BodyReading {
        BodyMode::Stream(Framing::Sse).decoded()
    }

    fn on_response_stream(&mut self, body: BodyStream) -> impl Future<Output = Result<()>> + 'static {
        let meter = Rc::clone(self.current.get_or_insert_default());
        let trailers = self.settings.trailers;
        async move {
            while let Some(piece) = body.next().await {
                if let Piece::Event(event) = &piece {
                    meter.set(meter.get().after(&event.data));
                }
                body.pass(piece);
            }
            if trailers {
                meter.get().write_trailers(&body);
            }
            Ok(())
        }
    }
}

/// In the complete phase, so that a stream that its client left in the middle is counted too.
impl OnComplete for TokenMeter {
    fn on_complete(&mut self, _: Summary) {
        if let Some(meter) = self.current.take()
            && self.settings.metrics
        {
            meter.get().record();
        }
    }
}

impl Meter {
    fn after(self, data: &str) -> Self {
        if data.is_empty() || data == DONE {
            return self;
        }
        Self { events: self.events + 1, usage: self.usage.updated_by(data) }
    }

    fn write_trailers(self, body: &BodyStream) {
        let Self { events, usage } = self;
        let values = [Some(events), usage.input, usage.output, usage.total()];
        for (name, value) in TRAILERS.into_iter().zip(values) {
            if let Some(value) = value {
                body.set_trailer(name, value.to_string());
            }
        }
    }

    fn record(self) {
        let service = exchange::service().unwrap_or_default();
        let service = ("service", service.as_str());
        count("streams_total", &[service], 1);
        count("events_total", &[service], self.events);
        count("tokens_total", &[service, ("kind", "input")], self.usage.input.unwrap_or_default());
        count("tokens_total", &[service, ("kind", "output")], self.usage.output.unwrap_or_default());
    }
}

/// What the operator did not grant, the host logs.
fn count(name: &str, labels: &[(&str, &str)], by: u64) {
    let _ = metrics::count(name, labels, by);
}

fn yes() -> bool {
    true
}

export!(TokenMeter: response, response_stream, complete);
