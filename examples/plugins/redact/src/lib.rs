//! Masks secrets in streams of JSON lines.

mod line;
mod pattern;
mod settings;

use std::rc::Rc;

use settings::{Direction, NotJson, Settings};
use wasm_host_guest::{
    Action, BodyMode, BodyReading, BodyStream, Config, Framing, OnRequest, OnRequestStream, OnResponse,
    OnResponseStream, Piece, Plugin, Request, Response, Result, export,
};

struct Redact {
    settings: Rc<Settings>,
}

impl Plugin for Redact {
    fn configure(config: Config) -> Result<Self> {
        let settings: Settings = config.parse()?;
        settings.check()?;
        Ok(Self { settings: Rc::new(settings) })
    }
}

impl OnRequest for Redact {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        if !self.settings.has_lines(request.media_type()) {
            request.skip_body()?;
        }
        Ok(Action::Continue)
    }
}

impl OnRequestStream for Redact {
    fn request_body(&self) -> BodyReading {
        self.settings.reading(Direction::Request)
    }

    fn on_request_stream(&mut self, body: BodyStream) -> impl Future<Output = Result<()>> + 'static {
        mask_lines(Rc::clone(&self.settings), body)
    }
}

impl OnResponse for Redact {
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action> {
        if !self.settings.has_lines(response.media_type()) {
            response.skip_body()?;
        }
        Ok(Action::Continue)
    }
}

impl OnResponseStream for Redact {
    fn response_body(&self) -> BodyReading {
        self.settings.reading(Direction::Response)
    }

    fn on_response_stream(&mut self, body: BodyStream) -> impl Future<Output = Result<()>> + 'static {
        mask_lines(Rc::clone(&self.settings), body)
    }
}

async fn mask_lines(settings: Rc<Settings>, body: BodyStream) -> Result<()> {
    while let Some(piece) = body.next().await {
        match &piece {
            Piece::Line(line) if !line.trim_ascii().is_empty() => match settings.masked(line) {
                Masked::Untouched => body.pass(piece),
                Masked::Line(masked) => body.emit(masked),
                Masked::Dropped => {}
            },
            _ => body.pass(piece),
        }
    }
    Ok(())
}

/// What becomes of a line.
enum Masked {
    Untouched,
    Line(String),
    Dropped,
}

impl Settings {
    fn reading(&self, direction: Direction) -> BodyReading {
        let mode = if self.directions.contains(&direction) { BodyMode::Stream(Framing::Lines) } else { BodyMode::None };
        mode.decoded()
    }

    fn masked(&self, line: &[u8]) -> Masked {
        let masked = match std::str::from_utf8(line) {
            Ok(text) => line::mask(text, self).ok_or(text),
            Err(_) => return self.not_text(),
        };
        match (masked, self.not_json) {
            (Ok(None), _) => Masked::Untouched,
            (Ok(Some(masked)), _) => Masked::Line(masked),
            (Err(_), NotJson::Drop) => Masked::Dropped,
            (Err(text), NotJson::Pass) => self.mask_text(text).map_or(Masked::Untouched, Masked::Line),
        }
    }

    fn not_text(&self) -> Masked {
        match self.not_json {
            NotJson::Drop => Masked::Dropped,
            NotJson::Pass => Masked::Untouched,
        }
    }
}

export!(Redact: request, request_stream, response, response_stream);
