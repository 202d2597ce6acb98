//! What comes of the guest's output: edits of the message, an answer in its place, metadata for later plugins.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{
    encoding::BodyEncoding,
    input::{METADATA, metadata},
    output::{GuestResponse, Output},
};
use crate::{
    LogLevel,
    abi::{GuestError, GuestResult},
    message::{BodyAction, EditError, ExchangeState, Headers, LocalResponse, PropertyError, set_status},
    store::{HostState, HostStop},
};

/// What a request goes on with.
pub(super) fn to_request(output: Output, state: &mut HostState, encoding: BodyEncoding) -> GuestResult<BodyAction> {
    let Some(edit) = decide(output, state, encoding)? else { return Ok(BodyAction::Pass) };
    let edit = match edit {
        Decided::Respond(response) => return Ok(BodyAction::Respond(response)),
        Decided::Edit(edit) => edit,
    };
    let (request, budget) = exchange(state)?.edit_request();
    let managed = replace_headers(Headers { map: &mut request.headers, budget }, edit.headers)?;
    report(managed, state);
    replace_body(edit.body, encoding)
}

/// What a response goes on with.
pub(super) fn to_response(output: Output, state: &mut HostState, encoding: BodyEncoding) -> GuestResult<BodyAction> {
    let Some(edit) = decide(output, state, encoding)? else { return Ok(BodyAction::Pass) };
    let edit = match edit {
        Decided::Respond(response) => return Ok(BodyAction::Respond(response)),
        Decided::Edit(edit) => edit,
    };
    let (response, budget) = exchange(state)?.edit_response();
    if let Some(status) = edit.stated_status()? {
        set_status(&mut response.status, status).map_err(invalid)?;
    }
    let managed = replace_headers(Headers { map: &mut response.headers, budget }, edit.headers)?;
    report(managed, state);
    replace_body(edit.body, encoding)
}

/// The answer of an aggregation.
pub(super) fn to_answer(output: Output, state: &mut HostState, encoding: BodyEncoding) -> GuestResult<BodyAction> {
    note(&output, state)?;
    let response = match output.response {
        Some(response) => answer(response, StatusCode::OK, state, encoding)?,
        None if output.proceeds => {
            let reason = "the output has no `response`, which is what an aggregation is for";
            return Err(GuestError::Invalid(reason.to_owned()));
        }
        None => refusal(output.error, state)?,
    };
    Ok(BodyAction::Respond(Box::new(response)))
}

enum Decided {
    Respond(Box<LocalResponse>),
    Edit(GuestResponse),
}

/// What is said of the message; none: it goes on as it is.
fn decide(output: Output, state: &mut HostState, encoding: BodyEncoding) -> GuestResult<Option<Decided>> {
    note(&output, state)?;
    let respond = |response| Ok(Some(Decided::Respond(Box::new(response))));
    match output.response {
        None if output.proceeds => Ok(None),
        None => respond(refusal(output.error, state)?),
        Some(response) if !output.proceeds => respond(answer(response, StatusCode::FORBIDDEN, state, encoding)?),
        Some(response) => Ok(output.modified.then_some(Decided::Edit(response))),
    }
}

/// Keeps the metadata for later plugins, and logs the error of a guest that goes on.
fn note(output: &Output, state: &mut HostState) -> GuestResult<()> {
    if output.proceeds && !output.error.is_empty() {
        state.log(LogLevel::Warn, "error", &output.error);
    }
    if output.metadata.is_empty() {
        return Ok(());
    }
    let exchange = exchange(state)?;
    let mut metadata = metadata(exchange);
    metadata.extend(output.metadata.clone());
    let json = serde_json::Value::Object(metadata).to_string();
    exchange.set_property(METADATA, json.as_bytes()).map_err(|error| match error {
        PropertyError::TooLarge | PropertyError::InvalidName => {
            GuestError::Invalid("the metadata of all plugins of the exchange is more than 64 KiB".to_owned())
        }
    })
}

/// An answer that a guest made. The status that stands for none depends on what is answered.
fn answer(
    given: GuestResponse,
    unstated: StatusCode,
    state: &mut HostState,
    encoding: BodyEncoding,
) -> GuestResult<LocalResponse> {
    let status = given.stated_status()?.unwrap_or(unstated.as_u16());
    let mut response = LocalResponse::new(status).map_err(invalid)?;
    let budget = &mut exchange(state)?.edits;
    let managed = replace_headers(Headers { map: &mut response.headers, budget }, given.headers)?;
    report(managed, state);
    let json = HeaderValue::from_static("application/json");
    if !response.headers.contains_key(header::CONTENT_TYPE) {
        response.headers.try_insert(header::CONTENT_TYPE, json).map_err(|_| invalid(EditError::TooLarge))?;
    }
    let body = decoded(given.body, encoding)?;
    take_response_bytes(state, body.len())?;
    response.body = body.into();
    Ok(response)
}

/// The answer of a guest that blocks and gives none.
fn refusal(error: String, state: &mut HostState) -> GuestResult<LocalResponse> {
    let mut response = LocalResponse::new(StatusCode::FORBIDDEN.as_u16()).map_err(invalid)?;
    response.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    take_response_bytes(state, error.len())?;
    response.body = error.into();
    Ok(response)
}

impl GuestResponse {
    fn stated_status(&self) -> GuestResult<Option<u16>> {
        match self.status {
            0 => Ok(None),
            status => u16::try_from(status)
                .map(Some)
                .map_err(|_| GuestError::Invalid(format!("`statusCode`: {status} is no status"))),
        }
    }
}

/// Puts the values of each listed name in the place of those that are there, and tells which names are the host's.
/// Managed headers that would stay as they are, such as those of a guest that gives back all it got, are not told.
fn replace_headers(mut headers: Headers<'_>, given: BTreeMap<String, Vec<String>>) -> GuestResult<Vec<String>> {
    let mut managed = Vec::new();
    for (name, values) in given {
        match replace(&mut headers, &name, &values) {
            Ok(()) => {}
            Err(EditError::Forbidden(name)) if has(headers.map, &name, &values) => {}
            Err(EditError::Forbidden(name)) => managed.push(name),
            Err(error) => return Err(invalid(error)),
        }
    }
    Ok(managed)
}

fn replace(headers: &mut Headers<'_>, name: &str, values: &[String]) -> Result<(), EditError> {
    headers.remove(name)?;
    values.iter().try_for_each(|value| headers.append(name, value.as_bytes()))
}

fn has(map: &HeaderMap, name: &str, values: &[String]) -> bool {
    let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return false };
    map.get_all(name).iter().map(HeaderValue::as_bytes).eq(values.iter().map(String::as_bytes))
}

fn report(managed: Vec<String>, state: &mut HostState) {
    if !managed.is_empty() {
        let message = format!("edits of `{}` are ignored: the host manages them", managed.join("`, `"));
        state.log(LogLevel::Warn, "host", &message);
    }
}

fn replace_body(body: String, encoding: BodyEncoding) -> GuestResult<BodyAction> {
    if body.is_empty() { Ok(BodyAction::Pass) } else { Ok(BodyAction::Replace(decoded(body, encoding)?.into())) }
}

fn decoded(body: String, encoding: BodyEncoding) -> GuestResult<Vec<u8>> {
    encoding.decode(body).map_err(|error| {
        GuestError::Invalid(format!(
            "`body` is not base64: {error} (`body_encoding: text` is for plugins that give text)"
        ))
    })
}

fn take_response_bytes(state: &mut HostState, bytes: usize) -> GuestResult<()> {
    let left = state.response_bytes_left.checked_sub(bytes);
    state.response_bytes_left = left.ok_or_else(|| {
        let limit = state.plugin.limits.response_body;
        GuestError::Invalid(format!("an answer of {bytes} bytes passes `limits.response_body`, {limit}"))
    })?;
    Ok(())
}

fn exchange(state: &mut HostState) -> GuestResult<&mut ExchangeState> {
    state.exchange.as_deref_mut().ok_or_else(|| GuestError::Wasm(HostStop::NoExchange.into()))
}

fn invalid(error: EditError) -> GuestError {
    GuestError::Invalid(format!("`response`: {error}"))
}
