//! Reads bodies as its config says, and does with each piece what its config says.

use serde::Deserialize;
use wasm_host_guest::{
    Action, BodyAction, BodyMode, BodyReading, Config, Error, Framing, LocalResponse, OnRequest, OnRequestBody,
    OnResponse, OnResponseBody, Piece, Plugin, Request, Response, Result, export, log, upstream,
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Bodies {
    request: Side,
    response: Side,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Side {
    mode: String,
    bytes: u32,
    decode: bool,
    /// What to do with a piece.
    act: String,
    /// What to do with the end.
    end: String,
    /// Log each piece.
    log: bool,
    /// Declare nothing, and say how to read in the phase of the headers.
    late: bool,
}

impl Side {
    fn reading(&self) -> BodyReading {
        let mode = match &*self.mode {
            "trailers" => BodyMode::Trailers,
            "peek" => BodyMode::Peek(self.bytes),
            "buffer" => BodyMode::Buffer(self.bytes),
            "chunks" => BodyMode::Stream(Framing::Chunks),
            "lines" => BodyMode::Stream(Framing::Lines),
            "sse" => BodyMode::Stream(Framing::Sse),
            _ => BodyMode::None,
        };
        BodyReading { mode, decode: self.decode }
    }

    fn declared(&self) -> BodyReading {
        if self.late { BodyMode::None.into() } else { self.reading() }
    }

    fn decide(&self, piece: Piece) -> Result<BodyAction> {
        if self.log {
            log::info(&describe(&piece));
        }
        let act = if matches!(piece, Piece::End) { &self.end } else { &self.act };
        Ok(match &**act {
            "" | "pass" => BodyAction::Pass,
            "upper" => BodyAction::replace(piece.as_bytes().to_ascii_uppercase()),
            "upper-event" => match piece {
                Piece::Event(mut event) => {
                    event.data = event.data.to_uppercase();
                    BodyAction::replace(event)
                }
                _ => BodyAction::Pass,
            },
            "drop" => BodyAction::drop(),
            "twice" => BodyAction::replace(piece.as_bytes().repeat(2)),
            "inflate" => BodyAction::replace(vec![b'x'; 8 << 20]),
            "append" => BodyAction::replace("appended".to_owned()),
            "finish" => BodyAction::finish("finished".to_owned()),
            "reset" => BodyAction::Reset,
            "leave" => BodyAction::Leave,
            "respond" => LocalResponse::new(403)?.body("refused by its body")?.into(),
            "fail" => return Err(Error::new("says no")),
            "trap" => panic!("on purpose"),
            "trap-on-bad" if piece.as_bytes().starts_with(b"bad") => panic!("on purpose"),
            "sleep" => {
                std::thread::sleep(std::time::Duration::from_millis(30));
                BodyAction::Pass
            }
            "spin" => loop {
                std::hint::black_box(());
            },
            _ => BodyAction::Pass,
        })
    }
}

fn describe(piece: &Piece) -> String {
    let text = String::from_utf8_lossy(piece.as_bytes()).into_owned();
    match piece {
        Piece::Start { complete, .. } => format!("start {text:?} {complete}"),
        Piece::Whole(_) => format!("whole {text:?}"),
        Piece::Chunk(_) => format!("chunk {text:?}"),
        Piece::Line(_) => format!("line {text:?}"),
        Piece::Event(event) => format!("event {:?} {text:?} {:?} {:?}", event.event, event.id, event.retry),
        Piece::End => "end".to_owned(),
    }
}

impl Plugin for Bodies {
    fn configure(config: Config) -> Result<Self> {
        config.parse()
    }
}

impl OnRequest for Bodies {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        if self.request.late {
            request.read_body(self.request.reading())?;
        }
        if request.header("x-skip-body").is_some() {
            request.skip_body()?;
        }
        Ok(Action::Continue)
    }
}

impl OnRequestBody for Bodies {
    fn request_body(&self) -> BodyReading {
        self.request.declared()
    }

    fn on_request_body(&mut self, request: &Request<'_>, piece: Piece) -> Result<BodyAction> {
        match &*self.request.act {
            "tell-path" => log::info(&request.path()),
            "edit" => match request.set_header("x-peeked", piece.as_bytes()) {
                Ok(()) => drop(upstream::choose("other")),
                Err(refused) => log::info(&format!("{refused:?}")),
            },
            _ => {}
        }
        trailers_of(&self.request.end, &piece, || request.set_trailer("x-end", "request").map_err(Into::into))?;
        self.request.decide(piece)
    }
}

impl OnResponse for Bodies {
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action> {
        if self.response.late {
            response.read_body(self.response.reading())?;
        }
        if self.response.end == "trailer" {
            response.announce_trailers(&["x-end"])?;
        }
        Ok(Action::Continue)
    }
}

impl OnResponseBody for Bodies {
    fn response_body(&self) -> BodyReading {
        self.response.declared()
    }

    fn on_response_body(&mut self, response: &Response<'_>, piece: Piece) -> Result<BodyAction> {
        if self.response.act == "edit"
            && let Err(refused) = response.set_status(418)
        {
            log::info(&format!("{refused:?}"));
        }
        trailers_of(&self.response.end, &piece, || response.set_trailer("x-end", "response").map_err(Into::into))?;
        self.response.decide(piece)
    }
}

/// Sets a trailer with the last piece, and finds that it cannot with another.
fn trailers_of(end: &str, piece: &Piece, set: impl FnOnce() -> Result<()>) -> Result<()> {
    if end != "trailer" {
        return Ok(());
    }
    match (set(), piece) {
        (Ok(()), Piece::End | Piece::Whole(_) | Piece::Start { complete: true, .. }) => Ok(()),
        (Err(_), Piece::Chunk(_) | Piece::Line(_) | Piece::Event(_) | Piece::Start { .. }) => Ok(()),
        (set, piece) => Err(Error::new(format!("{set:?} with {}", describe(piece)))),
    }
}

export!(Bodies: request, request_body, response, response_body);
