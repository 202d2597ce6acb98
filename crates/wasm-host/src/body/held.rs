use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::{
    PULL,
    decode::{DecodeError, Decoder},
};
use crate::{Body, BodyError};

/// A frame of fewer bytes is copied to the others: a sender of single bytes would have each of them held as a frame.
const SMALL: usize = 1 << 10;

/// The beginning of a body that was read ahead, and the rest of it.
pub(crate) struct Held {
    /// As they came.
    frames: VecDeque<Bytes>,
    /// Small frames behind those.
    tail: BytesMut,
    frame_bytes: usize,
    decoded: Option<(Decoder, BytesMut)>,
    /// Present when the body has ended.
    trailers: Option<HeaderMap>,
    rest: Body,
}

/// Why a body could not be read ahead.
pub(crate) enum HoldError {
    /// The sender broke it off.
    Body(BodyError),
    /// Its content-encoding cannot be undone.
    Decode(DecodeError),
    /// Its encoded bytes are more than the decoded ones may be.
    TooLarge,
}

impl Held {
    pub(crate) fn new(body: Body, decoder: Option<Decoder>) -> Self {
        Self {
            frames: VecDeque::new(),
            tail: BytesMut::new(),
            frame_bytes: 0,
            decoded: decoder.map(|decoder| (decoder, BytesMut::new())),
            trailers: None,
            rest: body,
        }
    }

    /// Reads until so many bytes, decoded ones if they are decoded, or the end are there.
    pub(crate) async fn fill(&mut self, bytes: usize) -> Result<(), HoldError> {
        loop {
            self.decode(bytes).map_err(HoldError::Decode)?;
            if self.trailers.is_some() || self.len() >= bytes {
                return Ok(());
            }
            // Both are held. An encoding that makes a body longer than this is not an honest one.
            if self.decoded.is_some() && self.frame_bytes > bytes.max(PULL) {
                return Err(HoldError::TooLarge);
            }
            match self.rest.frame().await.transpose().map_err(HoldError::Body)?.map(Frame::into_data) {
                Some(Ok(data)) => {
                    self.take(data);
                    if http_body::Body::is_end_stream(&self.rest) {
                        self.trailers = Some(HeaderMap::new());
                    }
                }
                Some(Err(frame)) => self.trailers = frame.into_trailers().ok().or_else(|| self.trailers.take()),
                None => self.trailers = Some(HeaderMap::new()),
            }
        }
    }

    fn take(&mut self, data: Bytes) {
        if let Some((decoder, _)) = &mut self.decoded {
            decoder.push(data.clone());
        }
        self.frame_bytes += data.len();
        if data.len() < SMALL && self.frame_bytes > data.len() {
            return self.tail.extend_from_slice(&data);
        }
        self.close_tail();
        if !data.is_empty() {
            self.frames.push_back(data);
        }
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.frames.push_back(self.tail.split().freeze());
        }
    }

    fn decode(&mut self, bytes: usize) -> Result<(), DecodeError> {
        let Some((decoder, decoded)) = &mut self.decoded else { return Ok(()) };
        while decoded.len() < bytes {
            match decoder.pull(PULL.min(bytes - decoded.len()))? {
                Some(more) => decoded.extend_from_slice(&more),
                None if self.trailers.is_some() => return decoder.finish(),
                None => break,
            }
        }
        Ok(())
    }

    /// Bytes that are there, for the plugin.
    pub(crate) fn len(&self) -> usize {
        self.decoded.as_ref().map_or(self.frame_bytes, |(_, decoded)| decoded.len())
    }

    /// The first bytes, and whether they are all.
    pub(crate) fn start(&mut self, bytes: usize) -> (Bytes, bool) {
        self.close_tail();
        let complete = self.trailers.is_some() && self.len() <= bytes;
        let held = match (&self.decoded, self.frames.front()) {
            (None, Some(first)) if first.len() >= bytes => first.clone(),
            _ => self.whole(),
        };
        (held.slice(..bytes.min(held.len())), complete)
    }

    /// All bytes that are there, as one.
    pub(crate) fn whole(&mut self) -> Bytes {
        if let Some((_, decoded)) = &self.decoded {
            return Bytes::copy_from_slice(decoded);
        }
        self.close_tail();
        if self.frames.len() > 1 {
            let mut joined = BytesMut::with_capacity(self.frame_bytes);
            self.frames.drain(..).for_each(|frame| joined.extend_from_slice(&frame));
            self.frames.push_back(joined.freeze());
        }
        self.frames.front().cloned().unwrap_or_default()
    }

    pub(crate) fn is_decoded(&self) -> bool {
        self.decoded.is_some()
    }

    /// The trailers, when the body has ended.
    pub(crate) fn trailers(&mut self) -> &mut Option<HeaderMap> {
        &mut self.trailers
    }

    /// The body as it came, its trailers as they are now.
    pub(crate) fn into_body(mut self) -> Body {
        self.close_tail();
        with_trailers(self.frames, self.trailers, self.rest)
    }

    /// Another body with the trailers of this one.
    pub(crate) fn into_replaced(self, bytes: Bytes) -> Body {
        with_trailers([bytes].into(), Some(self.trailers.unwrap_or_default()), Body::empty())
    }
}

fn with_trailers(mut frames: VecDeque<Bytes>, trailers: Option<HeaderMap>, rest: Body) -> Body {
    frames.retain(|frame| !frame.is_empty());
    let ended = trailers.is_some();
    let trailers = trailers.filter(|trailers| !trailers.is_empty());
    match (frames.len(), ended && trailers.is_none()) {
        (0, true) => Body::empty(),
        (1, true) => Body::from(frames.pop_front().unwrap_or_default()),
        (0, false) if !ended => rest,
        _ => Body::new(Replay { frames, trailers, rest: (!ended).then_some(rest) }),
    }
}

/// Frames that were read ahead, then the rest.
struct Replay {
    frames: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    rest: Option<Body>,
}

impl http_body::Body for Replay {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
        let frame = match &mut self.rest {
            Some(rest) => ready!(Pin::new(rest).poll_frame(cx)),
            None => self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))),
        };
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
            && self.trailers.is_none()
            && self.rest.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.frames.iter().map(|frame| frame.len() as u64).sum::<u64>();
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + ahead);
        // A body whose length is known is sent with it, and then HTTP/1.1 has no place for trailers.
        if let Some(upper) = rest.upper().filter(|_| self.trailers.is_none()) {
            hint.set_upper(upper + ahead);
        }
        hint
    }
}
