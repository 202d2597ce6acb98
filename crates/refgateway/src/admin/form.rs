//! The form of a command to execute: `multipart/form-data`, each part bounded.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyDataStream, BodyExt};
use hyper::body::Incoming;
use multer::{Constraints, Multipart, SizeLimit};
use wasm_host::CommandLimits;

/// How long a form may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);
/// What a form has besides its parts: boundaries, headers of parts, and parts that are not ours.
const AROUND: u64 = 64 << 10;
/// How long is waited for the rest of a form that is refused, so that its sender reads the answer.
const REST: Duration = Duration::from_secs(2);

/// The parts of a form.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) wasm: Option<Bytes>,
    pub(super) module_id: Option<Bytes>,
    pub(super) input: Option<Bytes>,
}

/// Why a form is not taken.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) reason: String,
}

/// How many bytes a form may have.
pub(super) fn bytes(limits: &CommandLimits) -> u64 {
    (limits.module as u64).saturating_add(limits.input as u64).saturating_add(AROUND)
}

/// Reads a form.
pub(super) async fn read(body: &mut Incoming, boundary: String, limits: &CommandLimits) -> Result<Form, Refused> {
    match tokio::time::timeout(ARRIVAL, parts(body, boundary, limits)).await {
        Ok(form) => form,
        Err(_) => Err(refused(StatusCode::REQUEST_TIMEOUT, format!("the form did not arrive within {ARRIVAL:?}"))),
    }
}

/// Throws away what comes of a form, up to what it may have.
pub(super) async fn discard(body: &mut Incoming, limits: &CommandLimits) {
    let mut left = bytes(limits);
    let discard = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
            if left == 0 {
                return;
            }
        }
    };
    // Whoever sends longer than this may miss the answer.
    let _ = tokio::time::timeout(REST, discard).await;
}

async fn parts(body: &mut Incoming, boundary: String, limits: &CommandLimits) -> Result<Form, Refused> {
    let sizes = SizeLimit::new()
        .whole_stream(bytes(limits))
        .per_field(AROUND)
        .for_field("wasm", limits.module as u64)
        .for_field("input", limits.input as u64);
    let constraints = Constraints::new().size_limit(sizes);
    let mut form = Form::default();
    let mut parts = Multipart::with_constraints(BodyDataStream::new(body), boundary, constraints);
    while let Some(part) = parts.next_field().await.map_err(not_read)? {
        let (name, place) = match part.name() {
            Some("wasm") => ("wasm", &mut form.wasm),
            Some("module_id") => ("module_id", &mut form.module_id),
            Some("input") => ("input", &mut form.input),
            _ => continue,
        };
        if place.is_some() {
            return Err(refused(StatusCode::BAD_REQUEST, format!("the part `{name}` is there twice")));
        }
        *place = Some(part.bytes().await.map_err(not_read)?);
    }
    Ok(form)
}

fn not_read(error: multer::Error) -> Refused {
    match error {
        multer::Error::FieldSizeExceeded { limit, field_name } => {
            let name = field_name.unwrap_or_default();
            refused(StatusCode::PAYLOAD_TOO_LARGE, format!("the part `{name}` is larger than {limit} bytes"))
        }
        multer::Error::StreamSizeExceeded { limit } => too_large(limit),
        error => refused(StatusCode::BAD_REQUEST, format!("the form cannot be read: {error}")),
    }
}

/// A form of more than so many bytes.
pub(super) fn too_large(limit: u64) -> Refused {
    refused(StatusCode::PAYLOAD_TOO_LARGE, format!("the form is larger than {limit} bytes"))
}

fn refused(status: StatusCode, reason: String) -> Refused {
    Refused { status, reason }
}
