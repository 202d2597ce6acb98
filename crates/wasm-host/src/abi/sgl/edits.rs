//! What a guest decided, done to the message.

use http::StatusCode;

use super::records::Modify;
use crate::message::{EditError, Headers, LocalResponse, set_status};

/// The status that stands in for one that is none.
const BAD_REQUEST: u16 = 400;

/// Header edits of one call that came to nothing: a name or a value that is none, or a header that the host manages.
#[derive(Debug, Default)]
pub(super) struct Ignored {
    count: usize,
    first: Option<EditError>,
}

impl Ignored {
    /// A word to the operator, when there is something to say.
    pub(super) fn message(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(match self.count {
            1 => format!("ignored an edit of a header: {first}"),
            count => format!("ignored {count} edits of headers, the first because {first}"),
        })
    }

    /// Passes over an edit that cannot be made. One that is over a limit is an error.
    fn pass_over(&mut self, edit: Result<(), EditError>) -> Result<(), EditError> {
        match edit {
            Ok(()) => {}
            Err(EditError::TooLarge) => return Err(EditError::TooLarge),
            Err(error) => {
                self.count += 1;
                self.first.get_or_insert(error);
            }
        }
        Ok(())
    }
}

/// Edits headers: first those that are set, then those that are added, then those that are removed.
pub(super) fn edit_headers(headers: &mut Headers<'_>, modify: &Modify) -> Result<Ignored, EditError> {
    let mut ignored = Ignored::default();
    for header in &modify.headers_set {
        let value = text_value(&header.name, &header.value);
        ignored.pass_over(value.and_then(|value| headers.set(&header.name, value)))?;
    }
    for header in &modify.headers_add {
        let value = text_value(&header.name, &header.value);
        ignored.pass_over(value.and_then(|value| headers.append(&header.name, value)))?;
    }
    for name in &modify.headers_remove {
        ignored.pass_over(headers.remove(name).map(drop))?;
    }
    Ok(ignored)
}

impl Modify {
    pub(super) fn edits_headers(&self) -> bool {
        !self.headers_set.is_empty() || !self.headers_add.is_empty() || !self.headers_remove.is_empty()
    }
}

/// An answer without a body. A status that is none is 400.
pub(super) fn answer_of(status: u16) -> Result<LocalResponse, EditError> {
    LocalResponse::new(status).or_else(|_| LocalResponse::new(BAD_REQUEST))
}

/// Sets the status of a response that a guest rejects. A switch of protocols stays one.
pub(super) fn reject(response: &mut StatusCode, status: u16) {
    if set_status(response, status).is_err() {
        drop(set_status(response, BAD_REQUEST));
    }
}

/// A value that a guest of this ABI can be shown, too.
fn text_value<'a>(name: &str, value: &'a str) -> Result<&'a [u8], EditError> {
    let is_text = |byte: &u8| *byte == b'\t' || (b' '..=b'~').contains(byte);
    match value.as_bytes() {
        bytes if bytes.iter().all(is_text) => Ok(bytes),
        _ => Err(EditError::InvalidValue(name.to_owned())),
    }
}

#[cfg(test)]
mod tests;
