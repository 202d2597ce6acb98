use proptest::prelude::*;

use super::*;

const MAX: usize = 1 << 20;

/// The pieces of a body that comes in these chunks, taken as soon as they are there, and the error that ended them.
fn pieces_within(framing: Framing, max: usize, chunks: &[&[u8]]) -> (Vec<Piece>, Option<PieceTooLong>, Framer) {
    let mut framer = Framer::new(framing, max);
    let mut pieces = Vec::new();
    for chunk in chunks.iter().map(Some).chain([None]) {
        framer.push(Bytes::copy_from_slice(chunk.unwrap_or(&&[][..])));
        loop {
            match if chunk.is_some() { framer.next_piece() } else { framer.last_piece() } {
                Ok(Some(piece)) => pieces.push(piece),
                Ok(None) => break,
                Err(error) => return (pieces, Some(error), framer),
            }
        }
    }
    (pieces, None, framer)
}

fn pieces(framing: Framing, chunks: &[&[u8]]) -> Vec<Piece> {
    let (pieces, error, mut framer) = pieces_within(framing, MAX, chunks);
    assert_eq!(error, None);
    assert_eq!(framer.rest().next(), None);
    assert_eq!(raws(&pieces).concat(), chunks.concat());
    assert!(pieces.iter().all(|piece| !piece.raw.is_empty()));
    pieces
}

fn raws(pieces: &[Piece]) -> Vec<Bytes> {
    pieces.iter().map(|piece| piece.raw.clone()).collect()
}

fn events(pieces: &[Piece]) -> Vec<Event> {
    let event = |piece: &Piece| match &piece.kind {
        PieceKind::Event(event) => Some(event.clone()),
        _ => None,
    };
    pieces.iter().filter_map(event).collect()
}

/// The pieces, with each line feed that came after the carriage return it belongs to put back where it belongs.
fn rejoined(mut pieces: Vec<Piece>) -> Vec<Piece> {
    for index in (1..pieces.len()).rev() {
        if pieces[index].raw == "\n" && pieces[index - 1].raw.ends_with(b"\r") {
            assert_eq!(pieces.remove(index).kind, PieceKind::Comment);
            pieces[index - 1].raw = [&pieces[index - 1].raw[..], b"\n"].concat().into();
        }
    }
    pieces
}

fn rest(framer: &mut Framer) -> Vec<u8> {
    let rest = framer.rest().collect::<Vec<_>>();
    assert!(rest.iter().all(|bytes| !bytes.is_empty()));
    rest.concat()
}

fn data(data: &str) -> Event {
    Event { data: data.into(), ..Event::default() }
}

fn parsed(stream: &str) -> Vec<Event> {
    events(&pieces(Framing::Sse, &[stream.as_bytes()]))
}

fn written(event: &Event) -> Vec<u8> {
    let mut out = BytesMut::new();
    event.write_to(&mut out);
    out.to_vec()
}

/// Cuts a body at these places.
fn cut<'a>(body: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut ends = places.iter().map(|place| body.len().min(*place)).chain([0, body.len()]).collect::<Vec<_>>();
    ends.sort_unstable();
    ends.windows(2).map(|ends| &body[ends[0]..ends[1]]).collect()
}

const BODIES: &[&str] = &[
    "",
    "\n",
    "a\n\nb\r\nc\rd\n\r\n\n\re",
    "{\"a\":\"ä€😀\"}\r\n{\"b\":2}\n{}",
    ": test stream\r\n\r\ndata: first event\r\nid: 1\r\n\r\ndata:second\r\nid\r\n\r\ndata:  third",
    "data\r\rdata\rdata\r\rdata:\r",
    "data: a\r\n\n\r\r\n\rdata: b\n\r\nid: 1\r\r\n",
    "\u{feff}data: ä€😀\r\n\r\n\u{feff}data: no field\n\n",
    "\u{feff}\r\n\r\n\u{feff}\r\n",
    "event: e\nretry: 10\nretry: x\nother: y\n:c\n\n:c\n\n",
];

#[test]
fn split_anywhere_gives_the_same_pieces() {
    for body in BODIES.iter().map(|body| body.as_bytes()) {
        for framing in [Framing::Lines, Framing::Sse] {
            let whole = pieces(framing, &[body]);
            for first in 0..=body.len() {
                for second in first..=body.len() {
                    let split = pieces(framing, &cut(body, &[first, second]));
                    assert_eq!(rejoined(split), whole, "{framing:?} {body:?} at {first} and {second}");
                }
            }
            assert_eq!(rejoined(pieces(framing, &body.chunks(1).collect::<Vec<_>>())), whole);
        }
    }
}

#[test]
fn chunks_pass_as_they_come_up_to_64_kib() {
    let chunk = Bytes::from(vec![7; 2 * MAX_CHUNK + 1]);
    let mut framer = Framer::new(Framing::Chunks, 1);
    framer.push(Bytes::new());
    framer.push(Bytes::from_static(b"a"));
    framer.push(chunk.clone());
    let pieces = std::iter::from_fn(|| framer.next_piece().unwrap()).collect::<Vec<_>>();
    assert_eq!(pieces.iter().map(|piece| piece.raw.len()).collect::<Vec<_>>(), [1, MAX_CHUNK, MAX_CHUNK, 1]);
    assert_eq!(pieces[0].kind, PieceKind::Chunk);
    assert_eq!(pieces[2].raw.as_ptr(), chunk[MAX_CHUNK..].as_ptr());
    assert_eq!(framer.last_piece(), Ok(None));
}

#[test]
fn lines_end_in_line_feeds_only() {
    let lines = pieces(Framing::Lines, &[b"a\r", b"\nb\rc\n\nd"]);
    assert_eq!(raws(&lines), ["a\r\n", "b\rc\n", "\n", "d"]);
    assert!(lines.iter().all(|piece| piece.kind == PieceKind::Line));
}

#[test]
fn piece_in_one_chunk_is_not_copied() {
    for framing in [Framing::Lines, Framing::Sse] {
        let chunk = Bytes::from(b"data: a\n\ndata: b\n\ndata: c".to_vec());
        let mut framer = Framer::new(framing, MAX);
        framer.push(chunk.clone());
        let mut at = 0;
        while let Some(piece) = framer.last_piece().unwrap() {
            assert_eq!(piece.raw.as_ptr(), chunk[at..].as_ptr());
            at += piece.raw.len();
        }
        assert_eq!(at, chunk.len());
    }
}

#[test]
fn piece_is_there_with_its_last_byte() {
    for (framing, body) in [(Framing::Lines, "abc\n"), (Framing::Sse, "data: a\r\r"), (Framing::Sse, "data: a\n\n")] {
        let mut framer = Framer::new(framing, MAX);
        let (last, start) = body.as_bytes().split_last().unwrap();
        framer.push(Bytes::from_static(start));
        assert_eq!(framer.next_piece(), Ok(None));
        framer.push(Bytes::copy_from_slice(&[*last]));
        assert_eq!(framer.next_piece().unwrap().unwrap().raw, body);
    }
}

#[test]
fn too_long_is_known_before_the_end_and_loses_nothing() {
    for framing in [Framing::Lines, Framing::Sse] {
        let mut framer = Framer::new(framing, 4);
        for chunk in ["a\n\n", "b", "c", "de"] {
            framer.push(chunk.into());
        }
        while framer.next_piece().is_ok_and(|piece| piece.is_some()) {}
        assert_eq!(framer.next_piece(), Ok(None), "four bytes are not too long");
        framer.push("f".into());
        assert_eq!(framer.next_piece(), Err(PieceTooLong { max: 4 }));
        framer.push("g\n\n".into());
        assert_eq!(framer.last_piece(), Err(PieceTooLong { max: 4 }));
        assert_eq!(rest(&mut framer), b"bcdefg\n\n");
        assert_eq!(framer.last_piece(), Ok(None));
        framer.push("ab".into());
        assert_eq!(framer.next_piece(), Ok(None));
        assert_eq!(rest(&mut framer), b"ab");
        framer.push("\n\n".into());
        assert!(framer.next_piece().unwrap().unwrap().raw.starts_with(b"\n"));
    }
}

#[test]
fn end_counts_except_for_a_line_feed_after_the_block() {
    let cases: [(_, &[&[u8]], _); 5] = [
        (Framing::Lines, &[b"abc\n"], 4),
        (Framing::Lines, &[b"abc\r\n"], 5),
        (Framing::Sse, &[b"id:a\n\n"], 6),
        (Framing::Sse, &[b"id:a\r\r\n"], 6),
        (Framing::Sse, &[b"id:a\r\r", b"\n"], 6),
    ];
    for (framing, chunks, len) in cases {
        assert_eq!(pieces_within(framing, len, chunks).1, None);
        assert_eq!(pieces_within(framing, len - 1, chunks).1, Some(PieceTooLong { max: len - 1 }));
    }
}

#[test]
fn parses_the_examples_of_the_standard() {
    let id = |id: &str, text: &str| Event { id: Some(id.into()), ..data(text) };
    let examples = [
        ("data: YHOO\ndata: +2\ndata: 10\n\n", vec![data("YHOO\n+2\n10")]),
        (
            ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            vec![id("1", "first event"), id("", "second event"), data(" third event")],
        ),
        // The last one is not fired by a client. Here it is a piece as any other, for its bytes go on.
        ("data\n\ndata\ndata\n\ndata:", vec![data(""), data("\n"), data("")]),
        ("data:test\n\ndata: test\n\n", vec![data("test"), data("test")]),
        ("event: add\ndata: 73857293\n\n", vec![Event { event: Some("add".into()), ..data("73857293") }]),
    ];
    for (stream, expected) in examples {
        assert_eq!(parsed(stream), expected, "{stream:?}");
        assert_eq!(parsed(&stream.replace('\n', "\r\n")), expected, "{stream:?} with CRLF");
        assert_eq!(parsed(&stream.replace('\n', "\r")), expected, "{stream:?} with CR");
    }
}

#[test]
fn ignores_what_the_standard_ignores() {
    for block in
        [": comment", "other: a", "retry: -1", "retry: +1", "retry: 1x", "retry", "id: a\0b", "Data: a", " data: a"]
    {
        let pieces = pieces(Framing::Sse, &[block.as_bytes(), b"\n\n"]);
        assert!(pieces.iter().all(|piece| piece.kind == PieceKind::Comment), "{block:?}");
    }
    assert_eq!(parsed("retry: 007\nretry: 18446744073709551616\n\n")[0].retry, Some(7));
    assert_eq!(parsed("id: a\nid: b\0\n\n")[0].id.as_deref(), Some("a"));
    assert_eq!(parsed("event: a\nevent: b\n\n")[0].event.as_deref(), Some("b"));
    assert_eq!(parsed("data:a:b\n\n"), [data("a:b")]);
    // Broken UTF-8 is replaced in the event, and kept in the bytes.
    assert_eq!(events(&pieces(Framing::Sse, &[b"data: a\xE2", b"\x82\n\n"])), [data("a\u{fffd}")]);
    assert_eq!(parsed("\u{feff}data:a\n\n\u{feff}data:b\n\n"), [data("a")]);
    assert_eq!(raws(&pieces(Framing::Sse, &[b"\xEF\xBB", b"\xBF\n\xEF\xBB\xBF\n"])), ["\u{feff}\n", "\u{feff}\n"]);
}

#[test]
fn writes_data_unless_another_field_stands_alone() {
    let id = Event { id: Some("1".into()), ..Event::default() };
    assert_eq!(written(&id), b"id: 1\n\n");
    assert_eq!(written(&Event::default()), b"data: \n\n");
    assert_eq!(written(&Event { id: Some("\0".into()), ..Event::default() }), b"data: \n\n");
    let event = Event { event: Some("a\nb".into()), retry: Some(5), data: "1\r\n2\r3\n".into(), ..id };
    assert_eq!(written(&event), b"event: a b\nid: 1\nretry: 5\ndata: 1\ndata: 2\ndata: 3\ndata: \n\n");
}

/// Bodies that are mostly of the bytes that matter.
fn body() -> impl Strategy<Value = Vec<u8>> {
    const TOKENS: &[&str] =
        &["\n", "\r", "\r\n", "\n\n", ":", " ", "data", "data: ", "id:1", "event:", "retry: 5", "\u{feff}", "€", "\0"];
    let token = prop_oneof![
        8 => prop::sample::select(TOKENS).prop_map(|token| token.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a:\r\n\0 \u{feff}]{0,8}", "(\r|\n|data:|id: |event| |x){0,8}"]
}

proptest! {
    #[test]
    fn random_splits_give_the_same_pieces_up_to_the_limit_and_lose_nothing(
        body in body(),
        places in prop::collection::vec(0..200_usize, 0..8),
        max in 0..60_usize,
    ) {
        for framing in [Framing::Lines, Framing::Sse] {
            let (whole, error, mut framer) = pieces_within(framing, max, &[&body]);
            prop_assert_eq!([raws(&whole).concat(), rest(&mut framer)].concat(), &body[..]);
            prop_assert!(whole.iter().all(|piece| piece.raw.len() <= max + 1));
            let (split, split_error, mut framer) = pieces_within(framing, max, &cut(&body, &places));
            prop_assert!(body.starts_with(&[raws(&split).concat(), rest(&mut framer)].concat()));
            prop_assert_eq!(split_error, error);
            prop_assert_eq!(events(&split), events(&whole));
            prop_assert!(error.is_some() || rejoined(split) == whole);
        }
    }

    #[test]
    fn written_event_is_read_back_whatever_its_values(
        event in prop::option::of(value()),
        text in value(),
        id in prop::option::of(value()),
        retry in any::<Option<u64>>(),
    ) {
        let written = written(&Event { event: event.clone(), data: text.clone(), id: id.clone(), retry });
        let pieces = pieces(Framing::Sse, &[&written]);
        let one_line = |value: String| value.replace(['\r', '\n'], " ");
        prop_assert_eq!(pieces.len(), 1);
        prop_assert_eq!(events(&pieces), [Event {
            event: event.map(one_line),
            data: text.replace("\r\n", "\n").replace('\r', "\n"),
            id: id.filter(|id| !id.contains('\0')).map(one_line),
            retry,
        }]);
    }
}
