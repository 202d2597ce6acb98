//! The codings, each a thin layer over its library.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

/// The name of a coding and a decoder of it: `None` for a name that is not known.
pub(super) fn find(name: &str) -> Option<(&'static str, Box<dyn Codec>)> {
    Some(match name.to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => ("gzip", Box::new(Gzip::new())),
        "deflate" => ("deflate", Box::new(Deflate::default())),
        "br" => ("br", Box::new(Brotli::new())),
        "zstd" => ("zstd", Box::new(Zstd::new()?)),
        _ => return None,
    })
}

/// The decoder of one coding.
pub(super) trait Codec: Send + Sync {
    /// Reads `input` and writes to `output` until one of them is used up, or the stream ends. Not called after an
    /// error, nor between the end and a restart.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Invalid>;

    /// Begins a stream after the end of one: false when `next` cannot be its first byte.
    fn restart(&mut self, _next: u8) -> bool {
        false
    }
}

#[derive(Default)]
pub(super) struct Step {
    pub(super) read: usize,
    pub(super) written: usize,
    /// The end of the stream is read and all of its output written.
    pub(super) ended: bool,
}

/// Bytes that the coding does not allow.
pub(super) struct Invalid;

/// RFC 1952: any number of members.
struct Gzip(Decompress);

impl Gzip {
    fn new() -> Self {
        Self(Decompress::new_gzip(15))
    }
}

impl Codec for Gzip {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Invalid> {
        inflate(&mut self.0, input, output)
    }

    fn restart(&mut self, next: u8) -> bool {
        *self = Self::new();
        next == 0x1f
    }
}

/// RFC 1950, or RFC 1951 without a header, which some servers send under the same name. The first two bytes tell.
#[derive(Default)]
struct Deflate {
    first: Option<u8>,
    rest: Option<Decompress>,
}

impl Codec for Deflate {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Invalid> {
        if let Some(rest) = &mut self.rest {
            return inflate(rest, input, output);
        }
        let Some(byte) = input.first() else {
            return Ok(Step::default());
        };
        let Some(first) = self.first else {
            self.first = Some(*byte);
            return Ok(Step { read: 1, ..Step::default() });
        };
        let zlib = first & 0x0f == 8 && first >> 4 <= 7 && u16::from_be_bytes([first, *byte]).is_multiple_of(31);
        let rest = self.rest.insert(Decompress::new(zlib));
        // One byte is less than any header: nothing is written yet.
        inflate(rest, &[first], output)?;
        inflate(rest, input, output)
    }
}

fn inflate(stream: &mut Decompress, input: &[u8], output: &mut [u8]) -> Result<Step, Invalid> {
    let (read, written) = (stream.total_in(), stream.total_out());
    let status = stream.decompress(input, output, FlushDecompress::None).map_err(|_| Invalid)?;
    Ok(Step {
        read: (stream.total_in() - read) as usize,
        written: (stream.total_out() - written) as usize,
        ended: status == Status::StreamEnd,
    })
}

/// RFC 7932.
struct Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>);

impl Brotli {
    fn new() -> Self {
        // Strict, because the "large window" extension lets three bytes allocate 1 GiB.
        let alloc = StandardAlloc::default;
        Self(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())))
    }
}

impl Codec for Brotli {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Invalid> {
        let mut step = Step::default();
        let (mut unread, mut unwritten, mut total) = (input.len(), output.len(), 0);
        let result = BrotliDecompressStream(
            &mut unread,
            &mut step.read,
            input,
            &mut unwritten,
            &mut step.written,
            output,
            &mut total,
            &mut self.0,
        );
        match result {
            BrotliResult::ResultFailure => Err(Invalid),
            BrotliResult::ResultSuccess => Ok(Step { ended: true, ..step }),
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => Ok(step),
        }
    }
}

/// RFC 8878: any number of frames.
struct Zstd(DCtx<'static>);

impl Zstd {
    fn new() -> Option<Self> {
        let mut context = DCtx::try_create()?;
        // RFC 9659: the content-encoding has windows of up to 8 MiB.
        context.set_parameter(DParameter::WindowLogMax(23)).ok()?;
        Some(Self(context))
    }
}

impl Codec for Zstd {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Invalid> {
        let mut input = InBuffer::around(input);
        let mut output = OutBuffer::around(output);
        let wanted = self.0.decompress_stream(&mut output, &mut input).map_err(|_| Invalid)?;
        Ok(Step { read: input.pos(), written: output.pos(), ended: wanted == 0 })
    }

    fn restart(&mut self, _next: u8) -> bool {
        true
    }
}
