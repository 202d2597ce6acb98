use std::{cell::RefCell, io::Write, rc::Rc};

use flate2::Compression;
use http::HeaderValue;
use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

/// Every coding, and which of its forms.
const KINDS: [(&str, Kind); 5] = [
    ("gzip", Kind::Gzip),
    ("deflate", Kind::Zlib),
    ("deflate", Kind::RawDeflate),
    ("br", Kind::Brotli),
    ("zstd", Kind::Zstd),
];

#[derive(Debug, Clone, Copy)]
enum Kind {
    Gzip,
    Zlib,
    RawDeflate,
    Brotli,
    Zstd,
}

#[derive(Clone, Default)]
struct Sink(Rc<RefCell<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An encoder that ends its stream when it is dropped.
fn encoder(kind: Kind, sink: Sink) -> Box<dyn Write> {
    match kind {
        Kind::Gzip => Box::new(flate2::write::GzEncoder::new(sink, Compression::default())),
        Kind::Zlib => Box::new(flate2::write::ZlibEncoder::new(sink, Compression::default())),
        Kind::RawDeflate => Box::new(flate2::write::DeflateEncoder::new(sink, Compression::default())),
        Kind::Brotli => Box::new(brotli::CompressorWriter::new(sink, 4096, 5, 22)),
        Kind::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(sink, 3).unwrap();
            encoder.include_checksum(true).unwrap();
            Box::new(encoder.auto_finish())
        }
    }
}

fn encode(kind: Kind, data: &[u8]) -> Vec<u8> {
    let sink = Sink::default();
    encoder(kind, sink.clone()).write_all(data).unwrap();
    sink.0.take()
}

fn decoder(coding: &str) -> Decoder {
    let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap())]);
    Decoder::for_headers(&headers).unwrap().unwrap()
}

fn pull_all(decoder: &mut Decoder, max: usize) -> Result<Vec<u8>, DecodeError> {
    let mut all = Vec::new();
    while let Some(bytes) = decoder.pull(max)? {
        assert!((1..=max).contains(&bytes.len()));
        all.extend_from_slice(&bytes);
    }
    assert_eq!(decoder.pull(max), Ok(None));
    Ok(all)
}

/// Pushes chunk by chunk, and pulls after each.
fn decode<'a>(coding: &str, chunks: impl IntoIterator<Item = &'a [u8]>, max: usize) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = decoder(coding);
    let mut all = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        all.extend(pull_all(&mut decoder, max)?);
    }
    decoder.finish()?;
    Ok(all)
}

fn sample() -> Vec<u8> {
    b"a body, a body, a body with some repetition; ".iter().copied().cycle().take(200).chain(0..=255).collect()
}

#[test]
fn decodes_every_coding_split_anywhere() {
    for (coding, kind) in KINDS {
        let encoded = encode(kind, &sample());
        for at in 0..=encoded.len() {
            for max in [1, usize::MAX] {
                let (head, tail) = encoded.split_at(at);
                assert_eq!(decode(coding, [head, tail], max), Ok(sample()), "{kind:?} at {at}");
            }
        }
        assert_eq!(decode(coding, encoded.chunks(1), 7), Ok(sample()), "{kind:?}");
        assert_eq!(decode(coding, encode(kind, b"").chunks(1), 7), Ok(Vec::new()), "{kind:?}");
    }
}

#[test]
fn accepts_a_body_of_no_bytes() {
    for coding in ["gzip", "deflate", "br", "zstd", "gzip, br"] {
        assert_eq!(decode(coding, [&b""[..]], 1), Ok(Vec::new()));
    }
}

#[test]
fn events_come_out_as_they_are_flushed() {
    for (coding, kind) in KINDS {
        let sink = Sink::default();
        let mut encoder = encoder(kind, sink.clone());
        let mut decoder = decoder(coding);
        for event in 0..100 {
            let event = format!("data: {{\"event\": {event}}}\n\n");
            encoder.write_all(event.as_bytes()).unwrap();
            encoder.flush().unwrap();
            decoder.push(sink.0.take().into());
            assert_eq!(pull_all(&mut decoder, 64 * 1024), Ok(event.into_bytes()), "{kind:?}");
        }
        drop(encoder);
        decoder.push(sink.0.take().into());
        assert_eq!((pull_all(&mut decoder, 1), decoder.finish()), (Ok(Vec::new()), Ok(())));
    }
}

#[test]
fn undoes_a_list_from_its_end() {
    let encoded = KINDS.into_iter().skip(1).fold(sample(), |data, (_, kind)| encode(kind, &data));
    assert_eq!(decode("deflate, deflate, br, zstd", encoded.chunks(3), 5), Ok(sample()));
    let encoded = encode(Kind::Brotli, &encode(Kind::Gzip, &sample()));
    for values in [&["gzip, br"][..], &["X-GZIP", "identity,,Br"], &["gzip ,\tbr,"]] {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        let mut decoder = Decoder::for_headers(&headers).unwrap().unwrap();
        decoder.push(encoded.clone().into());
        assert_eq!((pull_all(&mut decoder, 9), decoder.finish()), (Ok(sample()), Ok(())));
    }
}

#[test]
fn decodes_gzip_members_and_zstd_frames() {
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    for (coding, kind, between) in [("gzip", Kind::Gzip, &[][..]), ("zstd", Kind::Zstd, &skippable)] {
        let encoded = [&encode(kind, b"one "), &encode(kind, b""), between, &encode(kind, b"two")].concat();
        for size in 1..=encoded.len() {
            assert_eq!(decode(coding, encoded.chunks(size), 2), Ok(b"one two".to_vec()), "{kind:?} by {size}");
        }
    }
}

#[test]
fn none_without_a_coding() {
    for value in [None, Some(""), Some("identity"), Some("Identity, ,identity")] {
        let headers = HeaderMap::from_iter(value.map(|value| (CONTENT_ENCODING, HeaderValue::from_static(value))));
        assert!(Decoder::for_headers(&headers).unwrap().is_none());
    }
}

#[test]
fn names_what_it_does_not_support() {
    let long = "x".repeat(1000);
    for (value, named) in [
        (&b"compress"[..], "compress"),
        (b"gzip, dcb", "dcb"),
        (b"gzip;q=1", "gzip;q=1"),
        (b"gzip, gzip, gzip, gzip, gzip", "gzip, gzip, gzip, gzip, gzip"),
        (b"\xff", "\u{fffd}"),
        (long.as_bytes(), &long[..64]),
    ] {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_bytes(value).unwrap())]);
        assert_eq!(Decoder::for_headers(&headers).unwrap_err(), DecodeError::Unsupported(named.to_owned()));
    }
}

#[test]
fn a_body_cut_off_anywhere_is_truncated() {
    for (coding, kind) in KINDS {
        let encoded = encode(kind, &sample());
        for len in 1..encoded.len() {
            assert_eq!(decode(coding, [&encoded[..len]], 64), Err(DecodeError::Truncated { coding }), "{kind:?} {len}");
        }
    }
}

#[test]
fn bytes_after_the_end_are_corrupt() {
    for (coding, kind) in KINDS {
        for garbage in [&b"x"[..], b"\0", b"\0\0\0\0\0\0\0\0", b"<html>"] {
            let mut decoder = decoder(coding);
            decoder.push(encode(kind, &sample()).into());
            assert_eq!(pull_all(&mut decoder, 64), Ok(sample()));
            decoder.push(Bytes::from_static(garbage));
            let corrupt = DecodeError::Corrupt { coding };
            assert_eq!(decoder.pull(64), Err(corrupt.clone()), "{kind:?} {garbage:?}");
            assert_eq!((decoder.pull(64), decoder.finish()), (Err(corrupt.clone()), Err(corrupt)));
        }
    }
}

#[test]
fn a_body_in_another_coding_is_corrupt() {
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let error = decode(coding, [&b"<!doctype html><title>plain</title>"[..]], 64).unwrap_err();
        assert_eq!(error.to_string(), format!("the body is not valid {coding}"));
    }
}

#[test]
fn a_wrong_checksum_is_corrupt() {
    for (coding, kind) in [("gzip", Kind::Gzip), ("deflate", Kind::Zlib), ("zstd", Kind::Zstd)] {
        let mut encoded = encode(kind, &sample());
        *encoded.last_mut().unwrap() ^= 1;
        assert_eq!(decode(coding, [&encoded[..]], 64), Err(DecodeError::Corrupt { coding }));
    }
}

#[test]
fn windows_above_the_bound_are_corrupt() {
    // A frame that claims a window of 16 MiB, and a stream that claims 1 GiB.
    for (coding, body) in [("zstd", &[0x28, 0xb5, 0x2f, 0xfd, 0, 0x70, 0, 0, 0][..]), ("br", &[0x11, 0x1e, 0, 0])] {
        assert_eq!(decode(coding, [body], 64), Err(DecodeError::Corrupt { coding }));
    }
}

#[test]
fn a_bomb_comes_out_one_pull_at_a_time() {
    const SIZE: usize = 100 * 1024 * 1024;
    for (coding, kind) in KINDS {
        let sink = Sink::default();
        let mut encoder = encoder(kind, sink.clone());
        (0..100).for_each(|_| encoder.write_all(&[0; SIZE / 100]).unwrap());
        drop(encoder);
        let mut decoder = decoder(coding);
        decoder.push(sink.0.take().into());
        let pulls = std::iter::from_fn(|| decoder.pull(64 * 1024).unwrap());
        let total: usize = pulls.map(|bytes| bytes.len()).inspect(|len| assert!(*len <= 64 * 1024)).sum();
        assert_eq!((total, decoder.finish()), (SIZE, Ok(())), "{kind:?}");
    }
}

#[test]
fn a_bomb_of_nothing_inside_a_bomb_is_corrupt() {
    // Blocks without content: 100 MiB of deflate that never gives a byte.
    let blocks = [0, 0, 0, 0xff, 0xff].repeat(20 * 1024 * 1024);
    let mut decoder = decoder("deflate, gzip");
    decoder.push(encode(Kind::Gzip, &blocks).into());
    assert_eq!(decoder.pull(64), Err(DecodeError::Corrupt { coding: "deflate" }));
}

#[test]
fn deflate_without_a_header_is_told_by_its_first_two_bytes() {
    // Stored blocks, whose unused bits make some of the first bytes look like those of zlib.
    for first in [0x00, 0x08, 0x78, 0x88] {
        let block = [&[first, 28, 0, 0xe3, 0xff], &[b'x'; 28][..], &[1, 0, 0, 0xff, 0xff]].concat();
        for size in [1, block.len()] {
            assert_eq!(decode("deflate", block.chunks(size), 64), Ok(vec![b'x'; 28]), "{first:#x} by {size}");
        }
    }
}

proptest! {
    #[test]
    fn round_trips(
        (coding, kind) in select(&KINDS),
        data in vec(0..8_u8, 0..100_000),
        (size, max) in (1..5000_usize, 1..70_000_usize),
    ) {
        prop_assert_eq!(decode(coding, encode(kind, &data).chunks(size), max), Ok(data));
    }

    #[test]
    fn a_changed_byte_gives_the_same_for_every_split(
        (coding, kind) in select(&KINDS),
        (at, byte) in (any::<prop::sample::Index>(), any::<u8>()),
        (size, max) in (1..64_usize, 1..64_usize),
    ) {
        let mut encoded = encode(kind, &sample());
        *at.get_mut(&mut encoded) = byte;
        prop_assert_eq!(decode(coding, encoded.chunks(size), max), decode(coding, [&encoded[..]], 4096));
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        coding in select(&["gzip", "deflate", "br", "zstd", "gzip, br", "zstd, deflate"]),
        data in vec(any::<u8>(), 0..2000),
        size in 1..100_usize,
    ) {
        let _ = decode(coding, data.chunks(size), 100);
    }
}
