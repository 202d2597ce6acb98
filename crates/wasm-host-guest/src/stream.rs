//! A streamed body as something to iterate over, across the calls of the host.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use crate::{BodyAction, Error, HeaderValue, Piece, Result, SseEvent, body::write_event};

/// A body that a plugin reads piece by piece:
///
/// ```
/// use wasm_host_guest::{BodyStream, Piece, Result};
///
/// async fn shout(body: BodyStream) -> Result<()> {
///     while let Some(piece) = body.next().await {
///         match piece {
///             Piece::Line(line) => body.emit(line.to_ascii_uppercase()),
///             other => body.pass(other),
///         }
///     }
///     body.emit("the end\n");
///     Ok(())
/// }
/// ```
///
/// A piece that is neither passed nor followed by output is dropped. After [`next`](Self::next) has given `None` the body
/// has ended: what is emitted then is appended, and the trailers are there. Returning earlier lets the rest of the body
/// go on untouched. Nothing else than `next` can be awaited.
///
/// Cloning gives the same stream.
#[derive(Clone, Debug, Default)]
pub struct BodyStream(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    /// A piece that was not taken. `None` in it: the end.
    inbox: Option<Option<Piece>>,
    output: Output,
    fate: Fate,
    trailers: Vec<(String, HeaderValue)>,
    trailer_edits: Vec<(String, Option<Vec<u8>>)>,
}

/// What goes on in the place of the piece.
#[derive(Debug, Default)]
enum Output {
    #[default]
    Nothing,
    /// The piece itself, as it came.
    Piece(Piece),
    Bytes(Vec<u8>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    GoesOn,
    Finished,
    Reset,
}

impl BodyStream {
    /// The next piece, when the host has it; `None` at the end.
    pub fn next(&self) -> impl Future<Output = Option<Piece>> + use<> {
        let state = Rc::clone(&self.0);
        poll_fn(move |_| state.borrow_mut().inbox.take().map_or(Poll::Pending, Poll::Ready))
    }

    /// Lets a piece go on, byte for byte as it came when nothing else goes on beside it.
    pub fn pass(&self, piece: Piece) {
        let mut state = self.0.borrow_mut();
        state.output = match mem::take(&mut state.output) {
            Output::Nothing => Output::Piece(piece),
            before => {
                let mut bytes = before.into_bytes();
                write_piece(&piece, &mut bytes);
                Output::Bytes(bytes)
            }
        };
    }

    /// Lets these bytes go on.
    pub fn emit(&self, bytes: impl AsRef<[u8]>) {
        self.extend(|out| out.extend_from_slice(bytes.as_ref()));
    }

    /// Lets this event go on.
    pub fn emit_event(&self, event: &SseEvent) {
        self.extend(|out| write_event(event, out));
    }

    /// Ends the body with what was emitted; what was to follow is not read.
    pub fn finish(&self) {
        self.0.borrow_mut().fate = Fate::Finished;
    }

    /// Breaks the body off: the receiver learns that it is incomplete.
    pub fn reset(&self) {
        self.0.borrow_mut().fate = Fate::Reset;
    }

    /// The trailers, after the end.
    pub fn trailers(&self) -> Vec<(String, HeaderValue)> {
        self.0.borrow().trailers.clone()
    }

    /// Sets a trailer, after the end.
    pub fn set_trailer(&self, name: &str, value: impl AsRef<[u8]>) {
        self.0.borrow_mut().trailer_edits.push((name.to_owned(), Some(value.as_ref().to_vec())));
    }

    /// Removes a trailer, after the end.
    pub fn remove_trailer(&self, name: &str) {
        self.0.borrow_mut().trailer_edits.push((name.to_owned(), None));
    }

    fn extend(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.borrow_mut();
        let mut bytes = mem::take(&mut state.output).into_bytes();
        write(&mut bytes);
        state.output = Output::Bytes(bytes);
    }
}

impl Output {
    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Bytes(bytes) => bytes,
            Self::Piece(piece) => {
                let mut bytes = Vec::new();
                write_piece(&piece, &mut bytes);
                bytes
            }
        }
    }
}

fn write_piece(piece: &Piece, out: &mut Vec<u8>) {
    match piece {
        Piece::Event(event) => write_event(event, out),
        other => out.extend_from_slice(other.as_bytes()),
    }
}

/// Where a message's trailers are.
pub(crate) trait Trailers {
    fn trailers(&self) -> Result<Vec<(String, HeaderValue)>>;
    fn edit(&self, name: &str, value: Option<&[u8]>) -> Result<()>;
}

/// A plugin's work on one body, from its first piece to its last.
pub(crate) struct BodyTask {
    stream: BodyStream,
    work: Option<Pin<Box<dyn Future<Output = Result<()>>>>>,
}

impl BodyTask {
    pub(crate) fn new<F: Future<Output = Result<()>> + 'static>(work: impl FnOnce(BodyStream) -> F) -> Self {
        let stream = BodyStream::default();
        Self { work: Some(Box::pin(work(stream.clone()))), stream }
    }

    /// Goes on with one piece, and says whether that was the last one.
    pub(crate) fn push(&mut self, piece: Piece, message: &dyn Trailers) -> Result<(BodyAction, bool)> {
        // What the host held is all of the body that it shows.
        let is_held = matches!(piece, Piece::Start { .. } | Piece::Whole(_));
        let is_end = is_held || matches!(piece, Piece::End);
        if matches!(piece, Piece::End | Piece::Whole(_) | Piece::Start { complete: true, .. }) {
            self.stream.0.borrow_mut().trailers = message.trailers()?;
        }
        if self.work.is_none() {
            return Ok((BodyAction::Leave, true));
        }
        let delivered = (!matches!(piece, Piece::End)).then_some(piece);
        let mut returned = self.show(delivered.clone())?;
        if is_held && !returned && self.stream.0.borrow().inbox.is_none() {
            returned = self.show(None)?;
        }
        let mut state = self.stream.0.borrow_mut();
        if !returned && state.inbox.is_some() {
            return Err(Error::new("a body's future awaited something else than the next piece"));
        }
        if !returned && is_end && state.fate == Fate::GoesOn {
            return Err(Error::new("a body's future did not return at the end of the body"));
        }
        for (name, value) in mem::take(&mut state.trailer_edits) {
            message.edit(&name, value.as_deref())?;
        }
        let output = mem::take(&mut state.output);
        let is_last = is_end || state.fate != Fate::GoesOn;
        let action = match (state.fate, output) {
            (Fate::Reset, _) => BodyAction::Reset,
            (Fate::Finished, output) => BodyAction::finish(output.into_bytes()),
            // It returned without a look at this piece.
            (Fate::GoesOn, Output::Nothing) if returned && state.inbox.take().is_some() => BodyAction::Leave,
            (Fate::GoesOn, Output::Nothing) if is_end => BodyAction::Pass,
            (Fate::GoesOn, Output::Piece(piece)) if delivered.as_ref() == Some(&piece) => BodyAction::Pass,
            (Fate::GoesOn, output) => BodyAction::replace(output.into_bytes()),
        };
        let is_last = is_last || matches!(action, BodyAction::Leave);
        Ok((action, is_last))
    }

    /// Goes on with a piece, or with the end. Whether the work is done.
    fn show(&mut self, piece: Option<Piece>) -> Result<bool> {
        self.stream.0.borrow_mut().inbox = Some(piece);
        self.poll()
    }

    /// Whether the work is done.
    fn poll(&mut self) -> Result<bool> {
        let Some(work) = &mut self.work else { return Ok(true) };
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => {
                self.work = None;
                result.map(|()| true)
            }
            Poll::Pending => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoTrailers;

    impl Trailers for NoTrailers {
        fn trailers(&self) -> Result<Vec<(String, HeaderValue)>> {
            Ok(Vec::new())
        }

        fn edit(&self, _: &str, _: Option<&[u8]>) -> Result<()> {
            Ok(())
        }
    }

    fn push(task: &mut BodyTask, piece: Piece) -> (BodyAction, bool) {
        task.push(piece, &NoTrailers).unwrap()
    }

    fn line(text: &str) -> Piece {
        Piece::Line(text.into())
    }

    fn bytes(action: &BodyAction) -> &[u8] {
        match action {
            BodyAction::Replace(crate::Output::Bytes(bytes)) | BodyAction::Finish(crate::Output::Bytes(bytes)) => bytes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn passes_replaces_drops_multiplies_and_appends() {
        let mut task = BodyTask::new(|body| async move {
            while let Some(piece) = body.next().await {
                match piece.as_bytes() {
                    b"drop" => {}
                    b"twice" => {
                        body.pass(piece.clone());
                        body.pass(piece);
                    }
                    b"other" => body.emit("another"),
                    _ => body.pass(piece),
                }
            }
            body.emit("end");
            Ok(())
        });
        assert!(matches!(push(&mut task, line("as it is")), (BodyAction::Pass, false)));
        assert_eq!(bytes(&push(&mut task, line("drop")).0), b"");
        assert_eq!(bytes(&push(&mut task, line("twice")).0), b"twicetwice");
        assert_eq!(bytes(&push(&mut task, line("other")).0), b"another");
        let (action, is_last) = push(&mut task, Piece::End);
        assert_eq!((bytes(&action), is_last), (&b"end"[..], true));
    }

    #[test]
    fn what_was_changed_or_kept_is_not_passed_as_it_came() {
        let mut task = BodyTask::new(|body| async move {
            let mut kept = None;
            while let Some(piece) = body.next().await {
                if let Piece::Line(mut text) = piece.clone()
                    && text.starts_with(b"up")
                {
                    text.make_ascii_uppercase();
                    body.pass(Piece::Line(text));
                } else if let Some(before) = kept.replace(piece) {
                    body.pass(before);
                }
            }
            Ok(())
        });
        assert_eq!(bytes(&push(&mut task, line("up")).0), b"UP");
        assert_eq!(bytes(&push(&mut task, line("a")).0), b"");
        assert_eq!(bytes(&push(&mut task, line("b")).0), b"a");
    }

    #[test]
    fn a_held_body_is_one_piece_and_its_end() {
        let mut task = BodyTask::new(|body| async move {
            while let Some(piece) = body.next().await {
                body.pass(piece);
            }
            body.emit("!");
            Ok(())
        });
        let (action, is_last) = push(&mut task, Piece::Whole(b"whole".to_vec()));
        assert_eq!((bytes(&action), is_last), (&b"whole!"[..], true));
        let mut task = BodyTask::new(|body| async move {
            while let Some(piece) = body.next().await {
                body.pass(piece);
            }
            Ok(())
        });
        let start = Piece::Start { bytes: b"st".to_vec(), complete: false };
        assert!(matches!(push(&mut task, start), (BodyAction::Pass, true)));
    }

    #[test]
    fn leaves_when_it_returns() {
        let mut task = BodyTask::new(|body| async move {
            if let Some(piece) = body.next().await {
                body.pass(piece);
            }
            Ok(())
        });
        assert!(matches!(push(&mut task, line("a")), (BodyAction::Pass, false)));
        assert!(matches!(push(&mut task, line("b")), (BodyAction::Leave, true)));
    }

    #[test]
    fn ends_and_breaks_off() {
        let mut task = BodyTask::new(|body| async move {
            body.next().await;
            body.emit("last");
            body.finish();
            Ok(())
        });
        let (action, is_last) = push(&mut task, line("a"));
        assert_eq!((bytes(&action), is_last), (&b"last"[..], true));
        let mut task = BodyTask::new(|body| async move {
            body.next().await;
            body.reset();
            Ok(())
        });
        assert!(matches!(push(&mut task, line("a")), (BodyAction::Reset, true)));
    }

    #[test]
    fn says_what_cannot_be_awaited() {
        let mut task = BodyTask::new(|_| std::future::pending());
        let error = task.push(line("a"), &NoTrailers).unwrap_err();
        assert!(error.to_string().contains("something else"), "{error}");
    }
}
