use std::{iter, mem};

use bytes::{BufMut, Bytes, BytesMut};
use memchr::{memchr, memchr2};

use super::{FindEnd, Piece, PieceEnd, PieceKind, PieceTooLong, Unframed};

/// An event of an event stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) event: Option<String>,
    /// The values of its data fields, joined by line feeds.
    pub(crate) data: String,
    pub(crate) id: Option<String>,
    /// Milliseconds.
    pub(crate) retry: Option<u64>,
}

impl Event {
    /// Writes the event, with the blank line that ends it.
    ///
    /// No value can add a field or end the event early: `data` is written line by line, in `event` and `id` each
    /// character of a line end becomes a space. An `id` with NUL is left out, as every reader ignores it.
    pub(crate) fn write_to(&self, out: &mut BytesMut) {
        let id = self.id.as_ref().filter(|id| !id.contains('\0'));
        if let Some(event) = &self.event {
            write_field(out, "event", &one_line(event));
        }
        if let Some(id) = id {
            write_field(out, "id", &one_line(id));
        }
        if let Some(retry) = self.retry {
            write_field(out, "retry", retry.to_string().as_bytes());
        }
        // Without data a reader notes the id and the time, and fires nothing: an event with a name is to be fired, and one
        // with no field at all would be none.
        let only_noted = self.event.is_none() && (id.is_some() || self.retry.is_some());
        if !self.data.is_empty() || !only_noted {
            lines(self.data.as_bytes()).for_each(|line| write_field(out, "data", line));
        }
        out.put_u8(b'\n');
    }

    /// The event that the lines of a block describe. None when they set nothing.
    fn parse(block: &[u8]) -> Option<Self> {
        let mut parsed = Self::default();
        let mut data = None::<String>;
        for line in lines(block) {
            let (name, value) = split_field(line);
            match name {
                b"event" => parsed.event = Some(text(value)),
                b"data" => match &mut data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(&text(value));
                    }
                    None => data = Some(text(value)),
                },
                b"id" if !value.contains(&0) => parsed.id = Some(text(value)),
                b"retry" => parsed.retry = milliseconds(value).or(parsed.retry),
                _ => {}
            }
        }
        let empty = data.is_none() && parsed == Self::default();
        parsed.data = data.unwrap_or_default();
        (!empty).then_some(parsed)
    }
}

fn write_field(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.reserve(name.len() + value.len() + 3);
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_u8(b'\n');
}

fn one_line(value: &str) -> Vec<u8> {
    value.bytes().map(|byte| if is_line_end(byte) { b' ' } else { byte }).collect()
}

/// The name and the value of a line. A comment is a field without a name; a line without a colon is all name.
fn split_field(line: &[u8]) -> (&[u8], &[u8]) {
    let colon = memchr(b':', line).unwrap_or(line.len());
    let (name, value) = line.split_at_checked(colon).unwrap_or_default();
    let value = value.get(1..).unwrap_or_default();
    (name, value.strip_prefix(b" ").unwrap_or(value))
}

fn text(value: &[u8]) -> String {
    str::from_utf8(value).map_or_else(|_| String::from_utf8_lossy(value).into_owned(), str::to_owned)
}

fn milliseconds(value: &[u8]) -> Option<u64> {
    // `parse` would take a sign.
    let digits = value.iter().all(u8::is_ascii_digit);
    str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

/// What lies between the line ends, the last line too when it is empty.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    iter::from_fn(move || {
        let bytes = rest.take()?;
        let end = memchr2(b'\n', b'\r', bytes).unwrap_or(bytes.len());
        let (line, after) = bytes.split_at_checked(end)?;
        rest = after.strip_prefix(b"\r\n").or_else(|| after.get(1..));
        Some(line)
    })
}

const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Cuts an event stream after its blank lines.
#[derive(Debug)]
pub(crate) struct Events {
    pub(super) unframed: Unframed<BlankLine>,
    /// Whether a byte order mark may come.
    at_start: bool,
}

impl Events {
    pub(super) fn new(max: usize) -> Self {
        Self { unframed: Unframed::new(max, BlankLine::Start), at_start: true }
    }

    pub(super) fn next_piece(&mut self) -> Result<Option<Piece>, PieceTooLong> {
        Ok(self.unframed.next()?.map(|raw| self.piece(raw)))
    }

    pub(super) fn last_piece(&mut self) -> Result<Option<Piece>, PieceTooLong> {
        Ok(self.unframed.last()?.map(|raw| self.piece(raw)))
    }

    fn piece(&mut self, raw: Bytes) -> Piece {
        let mark: &[u8] = if mem::take(&mut self.at_start) { b"\xEF\xBB\xBF" } else { b"" };
        let block = raw.strip_prefix(mark).unwrap_or(&raw);
        let kind = Event::parse(block).map_or(PieceKind::Comment, PieceKind::Event);
        Piece { raw, kind }
    }
}

/// Finds the blank line that ends a block. What the bytes so far end in:
#[derive(Clone, Copy, Debug)]
pub(super) enum BlankLine {
    /// Nothing: no byte has come.
    Start,
    /// The first byte of a byte order mark.
    Mark1,
    /// The second byte of a byte order mark.
    Mark2,
    /// The end of a block, or of a byte order mark.
    BlockStart,
    /// A byte of a comment that no field comes before.
    Comment,
    /// The end of a line.
    LineStart,
    /// A byte of a line.
    InLine,
    /// A carriage return that ended a line; a line feed is the rest of that line end.
    LineCr,
}

impl FindEnd for BlankLine {
    /// A comment before the fields of a block is a piece of its own: a sender may keep the connection alive with comments
    /// and no blank lines, which must reach the client, and not fill the limit.
    ///
    /// A block that ends in a carriage return is not held back until it is known whether a line feed follows: the line
    /// feed is part of it when it is there, and otherwise looks like a blank line, a piece of its own. It does not count,
    /// so that the limit is the same for both.
    fn find_end(&mut self, bytes: &[u8]) -> Option<PieceEnd> {
        let mut at = 0;
        loop {
            if matches!(self, Self::InLine | Self::Comment) {
                at += memchr2(b'\n', b'\r', bytes.get(at..)?)?;
            }
            let byte = bytes.get(at)?;
            at += 1;
            *self = match (*self, byte) {
                (Self::Start | Self::BlockStart | Self::Comment | Self::LineStart, b'\n') => {
                    *self = Self::BlockStart;
                    return Some(PieceEnd { at, counted: at });
                }
                (Self::Start | Self::BlockStart | Self::Comment | Self::LineStart | Self::LineCr, b'\r') => {
                    let line_feed = bytes.get(at) == Some(&b'\n');
                    *self = Self::BlockStart;
                    return Some(PieceEnd { at: at + usize::from(line_feed), counted: at });
                }
                (_, b'\n') => Self::LineStart,
                (_, b'\r') => Self::LineCr,
                (Self::Start, 0xEF) => Self::Mark1,
                (Self::Mark1, 0xBB) => Self::Mark2,
                (Self::Mark2, 0xBF) => Self::BlockStart,
                (Self::Start | Self::BlockStart, b':') | (Self::Comment, _) => Self::Comment,
                _ => Self::InLine,
            };
        }
    }
}
