//! What a function says about a response that is not there yet.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

use crate::{
    abi::{GuestError, GuestResult},
    message::{Action, EditBudget, EditError, ExchangeState, Headers, LocalResponse, forget_coding, set_status},
};

/// Changes of a response, to be applied to that of the upstream, or to be the answer.
#[derive(Debug)]
pub(super) struct ResponseChanges {
    status: Option<u16>,
    /// Names of which nothing stays that the upstream says.
    cleared: HeaderMap<()>,
    /// What the function says.
    values: HeaderMap,
    body: Option<Bytes>,
    terminates: bool,
    budget: EditBudget,
}

impl Default for ResponseChanges {
    fn default() -> Self {
        Self {
            status: None,
            cleared: HeaderMap::default(),
            values: HeaderMap::new(),
            body: None,
            terminates: false,
            budget: EditBudget::new(0),
        }
    }
}

impl ResponseChanges {
    /// Starts anew, with so many bytes for names and values.
    pub(super) fn clear(&mut self, header_bytes: usize) {
        self.status = None;
        self.cleared.clear();
        self.values.clear();
        self.body = None;
        self.terminates = false;
        self.budget = EditBudget::new(header_bytes);
    }

    /// Sets the status; none where it is not one of 100 to 599.
    pub(super) fn set_status(&mut self, status: i32) -> Option<()> {
        let status = u16::try_from(status).ok().filter(|status| (100..600).contains(status))?;
        self.status = Some(status);
        Some(())
    }

    pub(super) fn set_header(&mut self, name: &str, value: &[u8]) -> Result<(), EditError> {
        self.headers().set(name, value)?;
        self.clear_header(name)
    }

    pub(super) fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), EditError> {
        self.headers().append(name, value)
    }

    /// Removes what the function itself has said under a name, of which it gives the number, and what the upstream will.
    pub(super) fn remove_header(&mut self, name: &str) -> Result<u32, EditError> {
        let removed = self.headers().remove(name)?;
        self.budget.spend(name.len())?;
        self.clear_header(name)?;
        Ok(removed)
    }

    pub(super) fn set_body(&mut self, body: Bytes) {
        self.body = Some(body);
    }

    /// Makes the changes the answer; none where that is no status.
    pub(super) fn terminate(&mut self, status: i32) -> Option<()> {
        self.set_status(status)?;
        self.terminates = true;
        Some(())
    }

    /// The answer, when the function terminates the request. A status that can end no exchange is an error, of an answer
    /// and of changes alike.
    pub(super) fn answer(&mut self) -> GuestResult<Option<Box<LocalResponse>>> {
        let mut answer = LocalResponse::new(self.status.unwrap_or(StatusCode::FORBIDDEN.as_u16())).map_err(invalid)?;
        if !self.terminates {
            return Ok(None);
        }
        answer.headers = std::mem::take(&mut self.values);
        answer.body = self.body.take().unwrap_or_default();
        Ok(Some(Box::new(answer)))
    }

    /// Applies the changes to the upstream's response. One whose body is replaced is answered, so that nobody has to read
    /// the body that was there. A switch of protocols is not changed.
    pub(super) fn apply(&mut self, exchange: &mut ExchangeState) -> GuestResult<Action> {
        let is_empty =
            self.status.is_none() && self.body.is_none() && self.cleared.is_empty() && self.values.is_empty();
        if is_empty || exchange.response.status.is_informational() {
            return Ok(Action::Continue);
        }
        let (response, _) = exchange.edit_response();
        if self.body.is_some() {
            forget_coding(&mut response.headers);
            [header::CONTENT_LENGTH, header::TRAILER]
                .into_iter()
                .for_each(|of_the_old| drop(response.headers.remove(of_the_old)));
        }
        if let Some(status) = self.status {
            set_status(&mut response.status, status).map_err(invalid)?;
        }
        for name in self.cleared.keys() {
            response.headers.remove(name);
        }
        for (name, value) in &self.values {
            response.headers.try_append(name, value.clone()).map_err(|_| invalid(EditError::TooLarge))?;
        }
        let Some(body) = self.body.take() else { return Ok(Action::Continue) };
        let mut headers = std::mem::take(&mut response.headers);
        if !matches!(response.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            headers.try_insert(header::CONTENT_LENGTH, body.len().into()).map_err(|_| invalid(EditError::TooLarge))?;
        }
        Ok(Action::Respond(Box::new(LocalResponse { status: response.status, headers, body })))
    }

    fn headers(&mut self) -> Headers<'_> {
        Headers { map: &mut self.values, budget: &mut self.budget }
    }

    fn clear_header(&mut self, name: &str) -> Result<(), EditError> {
        let name = http::HeaderName::try_from(name).map_err(|_| EditError::InvalidName(name.to_owned()))?;
        self.cleared.try_insert(name, ()).map_err(|_| EditError::TooLarge)?;
        Ok(())
    }
}

fn invalid(error: EditError) -> GuestError {
    GuestError::Invalid(format!("changed the response to what cannot be sent: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Edit {
        Set(&'static str, u8),
        Add(&'static str, u8),
        Remove(&'static str),
    }

    fn edits() -> impl Strategy<Value = Vec<Edit>> {
        let name = || prop::sample::select(vec!["a", "B", "Set-Cookie", "b"]);
        let edit = prop_oneof![
            (name(), 0_u8..10).prop_map(|(name, value)| Edit::Set(name, value)),
            (name(), 0_u8..10).prop_map(|(name, value)| Edit::Add(name, value)),
            name().prop_map(Edit::Remove),
        ];
        prop::collection::vec(edit, 0..12)
    }

    fn all(headers: &HeaderMap) -> Vec<(String, Vec<HeaderValue>)> {
        let names = headers.keys().map(ToString::to_string);
        let mut all: Vec<_> =
            names.map(|name| (name.clone(), headers.get_all(&name).iter().cloned().collect())).collect();
        all.sort();
        all
    }

    proptest! {
        #[test]
        fn changes_made_ahead_are_those_made_in_order(upstream in edits(), made in edits()) {
            let mut exchange = ExchangeState::blank(Arc::default());
            let (mut changes, mut own) = (ResponseChanges::default(), HeaderMap::<u8>::default());
            changes.clear(1000);
            for edit in upstream {
                if let Edit::Set(name, value) | Edit::Add(name, value) = edit {
                    exchange.response.headers.append(name, u16::from(value).into());
                }
            }
            let mut expected = exchange.response.headers.clone();
            for edit in made {
                match edit {
                    Edit::Set(name, value) => {
                        changes.set_header(name, value.to_string().as_bytes()).unwrap();
                        expected.insert(name, u16::from(value).into());
                        own.insert(name, value);
                    }
                    Edit::Add(name, value) => {
                        changes.add_header(name, value.to_string().as_bytes()).unwrap();
                        expected.append(name, u16::from(value).into());
                        own.append(name, value);
                    }
                    Edit::Remove(name) => {
                        let mine = own.get_all(name).iter().count();
                        prop_assert_eq!(changes.remove_header(name).unwrap() as usize, mine);
                        expected.remove(name);
                        own.remove(name);
                    }
                }
            }
            prop_assert!(matches!(changes.apply(&mut exchange), Ok(Action::Continue)));
            prop_assert_eq!(all(&exchange.response.headers), all(&expected));
        }

        #[test]
        fn statuses_are_those_of_http(status: i32, near in 90_i32..610) {
            for status in [status, near] {
                let mut changes = ResponseChanges::default();
                prop_assert_eq!(changes.set_status(status).is_some(), (100..600).contains(&status));
                prop_assert_eq!(changes.terminate(status).is_some(), (100..600).contains(&status));
                let answered = changes.answer().ok().flatten().map(|answer| i32::from(answer.status.as_u16()));
                prop_assert_eq!(answered, (200..600).contains(&status).then_some(status));
            }
        }
    }

    #[test]
    fn the_names_that_are_removed_count_against_the_headers() {
        let mut changes = ResponseChanges::default();
        changes.clear(10);
        assert_eq!(changes.remove_header("x-name"), Ok(0));
        assert_eq!(changes.remove_header("x-name"), Err(EditError::TooLarge));
    }

    #[test]
    fn a_new_body_says_its_own_length() {
        let mut exchange = ExchangeState::blank(Arc::default());
        for (name, value) in [("content-length", "9"), ("content-encoding", "gzip"), ("etag", "\"a\""), ("x-kept", "1")]
        {
            exchange.response.headers.insert(name, HeaderValue::from_static(value));
        }
        let mut changes = ResponseChanges::default();
        changes.clear(1000);
        changes.set_header("ETag", b"\"own\"").unwrap();
        changes.set_body(Bytes::from_static(b"new"));
        let Ok(Action::Respond(answer)) = changes.apply(&mut exchange) else { panic!("no answer") };
        assert_eq!(
            all(&answer.headers),
            [("content-length", "3"), ("etag", "\"own\""), ("x-kept", "1")]
                .map(|(name, value)| (name.to_owned(), vec![HeaderValue::from_static(value)]))
        );
    }
}
