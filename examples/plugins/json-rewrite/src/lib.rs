//! Sets, removes and renames what JSON pointers name in JSON bodies.

mod document;
mod edit;
mod pointer;

use document::Node;
use edit::Edit;
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use wasm_host_guest::{
    Action, BodyAction, BodyMode, BodyReading, Config, LocalResponse, OnRequest, OnRequestBody, OnResponse,
    OnResponseBody, Piece, Plugin, Request, Response, Result, export,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonRewrite {
    #[serde(default)]
    request: Side,
    #[serde(default)]
    response: Side,
}

/// What to do with the bodies of one direction.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Side {
    edits: Vec<Edit>,
    not_json: NotJson,
    max_bytes: u32,
}

impl Default for Side {
    fn default() -> Self {
        Self { edits: Vec::new(), not_json: NotJson::Pass, max_bytes: 1 << 20 }
    }
}

/// What happens to a body that is not JSON.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum NotJson {
    Pass,
    Refuse,
}

impl Plugin for JsonRewrite {
    fn configure(config: Config) -> Result<Self> {
        config.parse()
    }
}

impl OnRequest for JsonRewrite {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        request.read_body(self.request.reading_of(request.media_type()))?;
        Ok(Action::Continue)
    }
}

impl OnRequestBody for JsonRewrite {
    fn request_body(&self) -> BodyReading {
        self.request.reading()
    }

    fn on_request_body(&mut self, _: &Request<'_>, piece: Piece) -> Result<BodyAction> {
        match self.request.rewritten(&piece) {
            Rewritten::Pass => Ok(BodyAction::Pass),
            Rewritten::Refuse => refusal(400, "the body is not JSON"),
            Rewritten::Body(body) => Ok(BodyAction::replace(body)),
        }
    }
}

impl OnResponse for JsonRewrite {
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action> {
        response.read_body(self.response.reading_of(response.media_type()))?;
        Ok(Action::Continue)
    }
}

impl OnResponseBody for JsonRewrite {
    fn response_body(&self) -> BodyReading {
        self.response.reading()
    }

    fn on_response_body(&mut self, _: &Response<'_>, piece: Piece) -> Result<BodyAction> {
        match self.response.rewritten(&piece) {
            Rewritten::Pass => Ok(BodyAction::Pass),
            Rewritten::Refuse => refusal(502, "the answer of the service is not JSON"),
            Rewritten::Body(body) => Ok(BodyAction::replace(body)),
        }
    }
}

enum Rewritten {
    Pass,
    Refuse,
    Body(String),
}

impl Side {
    /// How a body is read that says it is JSON.
    fn reading(&self) -> BodyReading {
        if self.edits.is_empty() && self.not_json == NotJson::Pass {
            return BodyMode::None.into();
        }
        BodyMode::Buffer(self.max_bytes).decoded()
    }

    /// How a body of this media type is read. Of one that is to be refused, the first byte: no body is no reason.
    fn reading_of(&self, media_type: Option<String>) -> BodyReading {
        let is_json = media_type.is_some_and(|kind| kind == "application/json" || kind.ends_with("+json"));
        match self.not_json {
            _ if is_json => self.reading(),
            NotJson::Pass => BodyMode::None.into(),
            NotJson::Refuse => BodyMode::Peek(1).into(),
        }
    }

    fn rewritten(&self, piece: &Piece) -> Rewritten {
        let body = match piece {
            piece if piece.as_bytes().is_empty() => return Rewritten::Pass,
            Piece::Whole(body) => body,
            _ => return Rewritten::Refuse,
        };
        let Ok(json) = serde_json::from_slice::<Box<RawValue>>(body) else {
            return match self.not_json {
                NotJson::Pass => Rewritten::Pass,
                NotJson::Refuse => Rewritten::Refuse,
            };
        };
        let mut document = Node::from(json);
        let edited = self.edits.iter().filter(|edit| edit.apply(&mut document)).count();
        if edited == 0 { Rewritten::Pass } else { Rewritten::Body(document.into_json()) }
    }
}

fn refusal(status: u16, error: &str) -> Result<BodyAction> {
    Ok(LocalResponse::new(status)?.json(&json!({ "error": error }))?.into())
}

export!(JsonRewrite: request, request_body, response, response_body);
