use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use super::{Body, EditBudget, EditError, edit::set_status};

/// An answer made by a guest.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct LocalResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl LocalResponse {
    pub(crate) fn new(status: u16) -> Result<Self, EditError> {
        let mut response = Self { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::new() };
        set_status(&mut response.status, status)?;
        Ok(response)
    }

    /// An answer that was kept, brought into a message: its headers count as those that a guest sets.
    pub(crate) fn kept(
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
        budget: &mut EditBudget,
    ) -> Result<Self, EditError> {
        budget.spend(headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum())?;
        Ok(Self { status, headers, body })
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let bodiless = matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let mut response = Response::new(if bodiless { Body::empty() } else { Body::from(self.body) });
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
