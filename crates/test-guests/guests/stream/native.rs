//! Iterates over bodies: numbers the lines of requests, and counts the events of responses in a trailer.

use wasm_host_guest::{
    Action, BodyMode, BodyReading, BodyStream, Config, Framing, OnRequestStream, OnResponse, OnResponseStream, Piece,
    Plugin, Response, Result, export,
};

struct Stream;

impl Plugin for Stream {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequestStream for Stream {
    fn request_body(&self) -> BodyReading {
        BodyMode::Stream(Framing::Lines).into()
    }

    fn on_request_stream(&mut self, body: BodyStream) -> impl Future<Output = Result<()>> + 'static {
        async move {
            let mut number = 0;
            while let Some(line) = body.next().await {
                number += 1;
                body.emit(format!("{number}: "));
                body.pass(line);
            }
            body.emit(format!("{number} lines"));
            Ok(())
        }
    }
}

impl OnResponse for Stream {
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action> {
        response.announce_trailers(&["x-events"])?;
        Ok(Action::Continue)
    }
}

impl OnResponseStream for Stream {
    fn response_body(&self) -> BodyReading {
        BodyMode::Stream(Framing::Sse).into()
    }

    fn on_response_stream(&mut self, body: BodyStream) -> impl Future<Output = Result<()>> + 'static {
        async move {
            let mut events = 0;
            while let Some(piece) = body.next().await {
                if let Piece::Event(event) = &piece
                    && event.data == "[DONE]"
                {
                    body.pass(piece);
                    break;
                }
                events += 1;
                body.pass(piece);
            }
            while let Some(piece) = body.next().await {
                body.pass(piece);
            }
            body.set_trailer("x-events", events.to_string());
            Ok(())
        }
    }
}

export!(Stream: request_stream, response, response_stream);
