//! Calls out with `wasi:http`, as a component does that was not written for this host.

wit_bindgen::generate!({
    inline: "
        package test:call-wasi;

        world caller {
            import wasi:http/outgoing-handler@0.2.12;
        }
    ",
    path: [
        "../../../wit/deps/io",
        "../../../wit/deps/clocks",
        "../../../wit/deps/http",
    ],
    world: "test:call-wasi/caller",
    generate_all,
});

use serde::Deserialize;
use wasi::{
    http::{
        outgoing_handler,
        types::{
            ErrorCode, Fields, FutureIncomingResponse, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme,
        },
    },
    io::streams::StreamError,
};
use wasm_host_guest::{Action, Config, Error, OnRequest, OnResponse, Plugin, Request, Response, Result, export, log};

#[derive(Deserialize)]
struct Settings {
    authority: String,
    path: String,
    /// Sent with POST.
    #[serde(default)]
    body: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
}

struct CallWasi {
    settings: Settings,
    started: Option<FutureIncomingResponse>,
}

impl CallWasi {
    fn start(&self) -> Result<FutureIncomingResponse, String> {
        let fields = Fields::new();
        for (name, value) in &self.settings.headers {
            fields.append(name, value.as_bytes()).map_err(|error| format!("{name}: {error:?}"))?;
        }
        let request = OutgoingRequest::new(fields);
        let _ = request.set_scheme(Some(&Scheme::Http));
        let _ = request.set_authority(Some(&self.settings.authority));
        let _ = request.set_path_with_query(Some(&self.settings.path));
        if self.settings.body.is_empty() {
            return outgoing_handler::handle(request, None).map_err(told);
        }
        let _ = request.set_method(&Method::Post);
        let body = request.body().map_err(|()| "no body".to_owned())?;
        let future = outgoing_handler::handle(request, None).map_err(told)?;
        let stream = body.write().map_err(|()| "no stream".to_owned())?;
        for chunk in self.settings.body.as_bytes().chunks(4096) {
            // The host may be gone already: the response says why.
            if stream.blocking_write_and_flush(chunk).is_err() {
                break;
            }
        }
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
        Ok(future)
    }

    fn finish(future: FutureIncomingResponse) -> Result<String, String> {
        future.subscribe().block();
        let response = match future.get() {
            Some(Ok(response)) => response.map_err(told)?,
            other => return Err(format!("{other:?}")),
        };
        let body = response.consume().map_err(|()| "no body".to_owned())?;
        let stream = body.stream().map_err(|()| "no stream".to_owned())?;
        let mut read = Vec::new();
        loop {
            match stream.blocking_read(4096) {
                Ok(bytes) => read.extend(bytes),
                Err(StreamError::Closed) => break,
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(format!("body: {}", error.to_debug_string()));
                }
            }
        }
        drop(stream);
        let trailers = IncomingBody::finish(body);
        drop(trailers);
        Ok(format!("{} {}", response.status(), String::from_utf8_lossy(&read)))
    }
}

fn told(error: ErrorCode) -> String {
    format!("{error:?}")
}

fn log_result(result: Result<String, String>) {
    log::info(&result.unwrap_or_else(|error| error));
}

impl Plugin for CallWasi {
    fn configure(config: Config) -> Result<Self> {
        Ok(Self { settings: config.parse()?, started: None })
    }
}

impl OnRequest for CallWasi {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let what = request.header("x-do");
        match what.as_ref().and_then(|what| what.to_str()).unwrap_or_default() {
            // Gets the response in the response phase.
            "ahead" => self.started = Some(self.start().map_err(Error::new)?),
            "hoard" => std::mem::forget(self.start().map_err(Error::new)?),
            "hoard-fields" => std::mem::forget(Fields::new()),
            _ => log_result(self.start().and_then(Self::finish)),
        }
        Ok(Action::Continue)
    }
}

impl OnResponse for CallWasi {
    fn on_response(&mut self, _: &Response<'_>) -> Result<Action> {
        if let Some(started) = self.started.take() {
            log_result(Self::finish(started));
        }
        Ok(Action::Continue)
    }
}

export!(CallWasi: request, response);
