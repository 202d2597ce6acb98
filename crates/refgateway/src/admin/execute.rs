//! `/api/wasm/execute`: runs a command that comes with the request, once.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use serde_json::json;
use wasm_host::{CommandError, CommandOutput, Error};

use super::{
    form::{self, Form, Refused},
    reply::Reply,
};
use crate::execute::{Executor, Failed, Place};

/// Answers a request with a form of `wasm` and `input`. Dropping the future stops the command.
pub(super) async fn answer(executor: Option<&Executor>, request: Request<Incoming>) -> Reply {
    let Some(executor) = executor else {
        return failed(StatusCode::NOT_FOUND, "no commands are executed here: `execute.enabled` is off");
    };
    if request.method() != Method::POST {
        return Reply::method_not_allowed("POST");
    }
    let (head, mut body) = request.into_parts();
    let form = match receive(executor, &head.headers, &mut body).await {
        Ok(form) => form,
        Err(reply) => {
            // A client that asks first is answered before it sends.
            if !head.headers.contains_key(header::EXPECT) {
                form::discard(&mut body, executor.limits()).await;
            }
            return reply;
        }
    };
    let (place, module, input) = form;
    match executor.execute(place, module, input).await {
        Ok(output) if wants_bytes(&head.headers) => Reply::binary(output.stdout),
        Ok(output) => text(output),
        Err(error) => failed(status(&error), &error.to_string()),
    }
}

/// A place, and what to execute in it.
async fn receive(
    executor: &Executor,
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Result<(Place, Bytes, Bytes), Reply> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type).map_err(|_| {
        let reason = "the body is a form of `Content-Type: multipart/form-data` with a boundary";
        failed(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason)
    })?;
    let refuse = |Refused { status, reason }| failed(status, &reason);
    let bound = form::bytes(executor.limits());
    if body.size_hint().lower() > bound {
        return Err(refuse(form::too_large(bound)));
    }
    let place = executor.enter().ok_or_else(|| {
        let reason = format!("{} commands are executed now, `execute.concurrency`; try again", executor.concurrency());
        failed(StatusCode::SERVICE_UNAVAILABLE, &reason).with_header(header::RETRY_AFTER, "1")
    })?;
    let form = form::read(body, boundary, executor.limits()).await.map_err(refuse)?;
    let (module, input) = to_execute(form)?;
    Ok((place, module, input))
}

fn to_execute(form: Form) -> Result<(Bytes, Bytes), Reply> {
    let bad = |reason| failed(StatusCode::BAD_REQUEST, reason);
    match (form.wasm, form.module_id, form.input) {
        (Some(_), Some(_), _) => Err(bad("give `wasm` or `module_id`, not both")),
        (None, None, _) => Err(bad("the part `wasm` is missing: the module to execute")),
        (_, _, None) => Err(bad("the part `input` is missing: what the module reads; it may be empty")),
        (None, Some(_), Some(_)) => {
            Err(failed(StatusCode::NOT_FOUND, "no modules are stored here: send the module as the part `wasm`"))
        }
        (Some(module), None, Some(input)) => Ok((module, input)),
    }
}

fn text(output: CommandOutput) -> Reply {
    match output.text() {
        Ok(output) => Reply::json(&json!({ "output": output, "error": null })),
        Err(error) => {
            let reason = format!("{error}, by `Accept: application/octet-stream`");
            failed(StatusCode::UNPROCESSABLE_ENTITY, &reason)
        }
    }
}

fn failed(status: StatusCode, reason: &str) -> Reply {
    Reply::json(&json!({ "output": null, "error": reason })).with_status(status)
}

fn status(error: &Failed) -> StatusCode {
    match error {
        Failed::Load(Error::NotWasm { .. }) => StatusCode::BAD_REQUEST,
        Failed::Load(Error::CommandTooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
        Failed::Run(CommandError::Saturated { .. }) => StatusCode::SERVICE_UNAVAILABLE,
        Failed::Load(_) | Failed::Run(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Failed::Host(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Whether the output is asked for as it is: of this type and JSON, the one that is named first counts.
fn wants_bytes(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types =
        accepted.flat_map(|value| value.split(',')).map(|item| item.split(';').next().unwrap_or(item).trim());
    let known = types.find_map(|media_type| {
        let is = |name: &str| media_type.eq_ignore_ascii_case(name);
        is("application/octet-stream").then_some(true).or_else(|| is("application/json").then_some(false))
    });
    known.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(values: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT, http::HeaderValue::from_static(value));
        }
        wants_bytes(&headers)
    }

    #[test]
    fn bytes_have_to_be_asked_for() {
        for accept in [
            &["application/octet-stream"][..],
            &["text/html, Application/Octet-Stream;q=0.5"],
            &["*/*", "application/octet-stream, application/json"],
        ] {
            assert!(accepts(accept), "{accept:?}");
        }
        for accept in
            [&[][..], &["*/*"], &["application/json, application/octet-stream"], &["application/octet-streams"]]
        {
            assert!(!accepts(accept), "{accept:?}");
        }
    }
}
