//! A second look at how HTTP/1 requests are framed.
//!
//! hyper takes a request with both `Content-Length` and `Transfer-Encoding` as chunked, drops the length and closes
//! after the response. RFC 9112 §6.3 allows that; yet a sender of both is a smuggler or broken, and nothing behind hyper
//! can see it any more. So this scanner follows the bytes, just far enough to find such heads, and the request is refused.

/// So much is kept of a line that comes in pieces: as much as a whole head may be configured to have. Of a longer one, which
/// hyper refuses, the start decides.
const KEPT: usize = 1 << 20;

/// Follows the requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Framing {
    state: State,
    line: Vec<u8>,
    line_is_long: bool,
    head: Head,
    heads: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between requests: no byte of the next one yet.
    #[default]
    Idle,
    Head,
    Sized(u64),
    ChunkSize,
    /// So many bytes of data and line end.
    Chunk(u64),
    Trailers,
    /// Framing that hyper refuses, or another protocol: nothing more to find.
    Lost,
}

#[derive(Debug, Default, Clone, Copy)]
struct Head {
    has_begun: bool,
    length: Option<u64>,
    is_chunked: bool,
}

/// What a piece of input brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The number, from 1, of the first head with both lengths.
    pub(super) conflict: Option<u64>,
}

impl Framing {
    /// Whether a request head has begun and not ended.
    pub(super) fn is_in_head(&self) -> bool {
        self.state == State::Head
    }

    /// Whether a request's body has begun and not ended.
    pub(super) fn is_in_body(&self) -> bool {
        matches!(self.state, State::Sized(_) | State::ChunkSize | State::Chunk(_) | State::Trailers)
    }

    /// Follows the next bytes.
    pub(super) fn feed(&mut self, mut input: &[u8]) -> Seen {
        let mut seen = Seen::default();
        while !input.is_empty() {
            input = match self.state {
                State::Lost => return seen,
                State::Sized(left) => self.skip(input, left, State::Idle, State::Sized),
                State::Chunk(left) => self.skip(input, left, State::ChunkSize, State::Chunk),
                State::Idle | State::Head | State::ChunkSize | State::Trailers => {
                    let Some(rest) = self.follow_line(input, &mut seen) else { return seen };
                    rest
                }
            };
        }
        seen
    }

    fn skip<'i>(&mut self, input: &'i [u8], left: u64, then: State, still: fn(u64) -> State) -> &'i [u8] {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let left = left - here as u64;
        self.state = if left == 0 { then } else { still(left) };
        input.get(here..).unwrap_or_default()
    }

    /// Looks at the line that the input ends; the rest of the input. What does not end a line is kept for its end.
    fn follow_line<'i>(&mut self, input: &'i [u8], seen: &mut Seen) -> Option<&'i [u8]> {
        if self.state == State::Idle {
            self.state = State::Head;
        }
        let Some(end) = memchr::memchr(b'\n', input) else {
            self.keep(input);
            return None;
        };
        let line = input.get(..end).unwrap_or_default();
        if self.line.is_empty() {
            self.end_line(line.strip_suffix(b"\r").unwrap_or(line), seen);
        } else {
            self.keep(line);
            let mut kept = std::mem::take(&mut self.line);
            let is_long = std::mem::take(&mut self.line_is_long);
            self.end_line(if is_long { &kept } else { kept.strip_suffix(b"\r").unwrap_or(&kept) }, seen);
            // Keeps the allocation for the next line.
            kept.clear();
            self.line = kept;
        }
        input.get(end + 1..)
    }

    fn keep(&mut self, part: &[u8]) {
        let room = KEPT.saturating_sub(self.line.len());
        self.line_is_long |= part.len() > room;
        self.line.extend_from_slice(part.get(..room).unwrap_or(part));
    }

    fn end_line(&mut self, text: &[u8], seen: &mut Seen) {
        match self.state {
            // hyper skips empty lines in front of a request (RFC 9112 2.2).
            State::Head if text.is_empty() && !self.head.has_begun => self.state = State::Idle,
            State::Head if text.is_empty() => self.end_head(seen),
            State::Head => self.header(text),
            State::ChunkSize => self.state = chunk(text),
            State::Trailers if text.is_empty() => self.state = State::Idle,
            _ => {}
        }
    }

    fn header(&mut self, line: &[u8]) {
        self.head.has_begun = true;
        // Two letters decide for almost every header.
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T')) {
            return;
        }
        let Some(colon) = memchr::memchr(b':', line) else { return };
        let (name, value) = line.split_at_checked(colon).unwrap_or_default();
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.head.is_chunked = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let digits = value.get(1..).unwrap_or_default().trim_ascii();
            self.head.length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).or(Some(0));
        }
    }

    fn end_head(&mut self, seen: &mut Seen) {
        let head = std::mem::take(&mut self.head);
        self.heads += 1;
        self.state = match head {
            Head { is_chunked: true, length, .. } => {
                if length.is_some() {
                    seen.conflict.get_or_insert(self.heads);
                }
                State::ChunkSize
            }
            Head { length: Some(length @ 1..), .. } => State::Sized(length),
            _ => State::Idle,
        };
    }
}

fn chunk(line: &[u8]) -> State {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let size = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
    match size {
        Some(0) => State::Trailers,
        // The data's own line end.
        Some(size) => size.checked_add(2).map_or(State::Lost, State::Chunk),
        None => State::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &[u8] = b"POST / HTTP/1.1\r\ncontent-length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";

    fn conflict(parts: &[&[u8]]) -> Option<u64> {
        let mut framing = Framing::default();
        parts.iter().find_map(|part| framing.feed(part).conflict)
    }

    #[test]
    fn finds_both_lengths_in_either_order() {
        assert_eq!(conflict(&[BOTH]), Some(1));
        let other = b"POST / HTTP/1.1\nTRANSFER-ENCODING:chunked\nCONTENT-LENGTH:3\n\n";
        assert_eq!(conflict(&[other]), Some(1));
    }

    #[test]
    fn finds_them_however_the_bytes_arrive() {
        let bytes: Vec<&[u8]> = BOTH.chunks(1).collect();
        assert_eq!(conflict(&bytes), Some(1));
    }

    #[test]
    fn a_padded_line_means_the_same_in_pieces() {
        let padded = format!("POST / HTTP/1.1\r\nContent-Length:{}5\r\n\r\na\r\n\r\n", " ".repeat(200)).into_bytes();
        let chunked = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{}5\r\na\r\n\r\n\r\n0\r\n\r\n",
            "0".repeat(200)
        );
        let all = [&padded, chunked.as_bytes(), BOTH].concat();
        let bytes: Vec<&[u8]> = all.chunks(1).collect();
        assert_eq!((conflict(&[&all]), conflict(&bytes)), (Some(3), Some(3)));
    }

    #[test]
    fn follows_bodies_to_the_next_head() {
        let sized = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n\r\n\r\nx";
        let chunked =
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\n\r\n\n\r\n0\r\nTrailer: a\r\n\r\n";
        let plain = b"GET / HTTP/1.1\r\nCookie: x\r\n\r\n";
        assert_eq!(conflict(&[sized, chunked, plain, BOTH]), Some(4));
        assert_eq!(conflict(&[sized, chunked, plain]), None);
    }

    #[test]
    fn a_body_that_looks_like_a_head_is_a_body() {
        let mut request = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", BOTH.len()).into_bytes();
        request.extend_from_slice(BOTH);
        assert_eq!(conflict(&[&request]), None);
    }

    #[test]
    fn empty_lines_in_front_of_a_request_are_none() {
        assert_eq!(conflict(&[b"\r\n\n", BOTH]), Some(1));
        assert_eq!(conflict(&[b"\r", b"\n\r\n", BOTH]), Some(1));
    }

    #[test]
    fn the_first_of_two_counts() {
        assert_eq!(conflict(&[&[BOTH, b"0\r\n\r\n", BOTH].concat()]), Some(1));
    }

    #[test]
    fn long_lines_and_nonsense_are_survived() {
        let long = [b"GET /".as_slice(), &[b'a'; 10_000], b" HTTP/1.1\r\nX: y\r\n\r\n"].concat();
        assert_eq!(conflict(&[&long, BOTH]), Some(2));
        assert_eq!(conflict(&[b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", BOTH]), None);
    }
}
