//! A plugin's place in a body that flows: each piece goes through it before the next is asked for.

use std::{
    collections::VecDeque,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use tokio::task::coop;

use super::{
    core::Ran,
    read::{Reader, undecodable},
};
use crate::{
    Body, BodyError, BodyMode, Failure, FailureClass,
    abi::BoxFuture,
    body::{Decoder, Framer, PULL, Piece, PieceKind},
    message::{BodyAction, BodyPiece},
};

type BodyFrame = Result<Frame<Bytes>, BodyError>;

/// A body that flows through one plugin.
pub(crate) struct Stage(Step);

enum Step {
    Idle(Box<Flow>),
    Busy(BoxFuture<'static, (Box<Flow>, Option<BodyFrame>)>),
    Ended,
}

/// What a stage is about.
struct Flow {
    reader: Reader,
    source: Body,
    decoder: Option<Decoder>,
    /// None: the plugin sees the end only.
    framer: Option<Framer>,
    /// Whether the plugin is still called.
    sees: bool,
    /// The trailers, when the source has ended.
    ended: Option<HeaderMap>,
    /// Whether nothing follows but what is ready.
    over: bool,
    ready: VecDeque<Frame<Bytes>>,
}

impl Stage {
    /// The body as it leaves the plugin.
    pub(crate) fn open(reader: Reader, mode: BodyMode, decoder: Option<Decoder>, source: Body) -> Body {
        let longest = reader.plugin().map_or(0, |plugin| plugin.limits().body_bytes);
        let framer = match mode {
            BodyMode::Stream(framing) => Some(Framer::new(framing, longest)),
            _ => None,
        };
        let ready = VecDeque::new();
        let flow = Flow { reader, source, decoder, framer, sees: true, ended: None, over: false, ready };
        Body::new(Self(Step::Idle(Box::new(flow))))
    }
}

impl http_body::Body for Stage {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<BodyFrame>> {
        if let Step::Idle(flow) = &mut self.0 {
            if flow.is_done_with() {
                return Pin::new(&mut flow.source).poll_frame(cx);
            }
            if let Step::Idle(mut flow) = mem::replace(&mut self.0, Step::Ended) {
                self.0 = Step::Busy(Box::pin(async move {
                    let frame = flow.next().await;
                    (flow, frame)
                }));
            }
        }
        let Step::Busy(work) = &mut self.0 else { return Poll::Ready(None) };
        let (flow, frame) = ready!(work.as_mut().poll(cx));
        self.0 = match &frame {
            Some(Ok(_)) if !(flow.over && flow.ready.is_empty()) => Step::Idle(flow),
            _ => Step::Ended,
        };
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Step::Ended => true,
            Step::Idle(flow) => flow.is_done_with() && flow.source.is_end_stream(),
            Step::Busy(_) => false,
        }
    }
}

impl Flow {
    /// Whether the rest of the source is the rest of the body.
    fn is_done_with(&self) -> bool {
        !self.sees && self.decoder.is_none() && self.ended.is_none() && self.ready.is_empty() && !self.over
    }

    /// The next frame for the receiver.
    async fn next(&mut self) -> Option<BodyFrame> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(Ok(frame));
            }
            if self.over {
                return None;
            }
            // What the plugin drops shows the receiver nothing that it could stop at.
            coop::consume_budget().await;
            let worked = if self.sees { self.show().await } else { self.flow_on().await };
            if let Err(error) = worked {
                self.over = true;
                return Some(Err(error));
            }
        }
    }

    /// Shows the plugin a piece that is there, or the end, or gets more of the source.
    async fn show(&mut self) -> Result<(), BodyError> {
        let piece = match &mut self.framer {
            Some(framer) if self.ended.is_some() => framer.last_piece(),
            Some(framer) => framer.next_piece(),
            None => Ok(None),
        };
        match piece {
            Ok(Some(piece)) => self.show_piece(piece).await,
            Ok(None) if self.ended.is_some() => self.show_end().await,
            Ok(None) => self.get_more().await,
            Err(too_long) => {
                let failure = Failure::new(FailureClass::BodyTooLarge, too_long.to_string());
                match self.reader.fail(failure).await {
                    Some(cut) => Err(self.reader.cut(cut).await),
                    None => self.leave().await,
                }
            }
        }
    }

    async fn show_piece(&mut self, Piece { raw, kind }: Piece) -> Result<(), BodyError> {
        let piece = match kind {
            PieceKind::Comment => {
                self.emit(raw);
                return Ok(());
            }
            PieceKind::Chunk => BodyPiece::Chunk(raw.clone()),
            PieceKind::Line => BodyPiece::Line(raw.clone()),
            PieceKind::Event(event) => BodyPiece::Event(event),
        };
        match self.reader.ask_alone(&piece).await {
            Ran::Done(BodyAction::Pass | BodyAction::Stop) => self.emit(raw),
            Ran::Done(BodyAction::Replace(bytes)) => self.emit(bytes),
            Ran::Done(BodyAction::Finish(bytes)) => {
                self.emit(bytes);
                self.finish().await;
            }
            Ran::Done(BodyAction::Leave) | Ran::Skipped | Ran::Bypassed => {
                self.emit(raw);
                self.leave().await?;
            }
            Ran::Done(BodyAction::Reset | BodyAction::Respond(_)) => return Err(self.reader.cut_error().into()),
            Ran::Closed(closed) => return Err(self.reader.cut(closed).await),
        }
        Ok(())
    }

    async fn show_end(&mut self) -> Result<(), BodyError> {
        let mut core = self.reader.core().await;
        core.state(&self.reader.shared).trailers = self.ended.take();
        let ran = self.reader.ask(&mut core, &BodyPiece::End, false).await;
        let trailers = core.state(&self.reader.shared).trailers.take();
        drop(core);
        match ran {
            Ran::Done(BodyAction::Replace(bytes) | BodyAction::Finish(bytes)) => self.emit(bytes),
            Ran::Done(BodyAction::Reset | BodyAction::Respond(_)) => return Err(self.reader.cut_error().into()),
            Ran::Closed(closed) => return Err(self.reader.cut(closed).await),
            Ran::Done(BodyAction::Pass | BodyAction::Leave | BodyAction::Stop) | Ran::Skipped | Ran::Bypassed => {}
        }
        if let Some(trailers) = trailers.filter(|trailers| !trailers.is_empty()) {
            self.ready.push_back(Frame::trailers(trailers));
        }
        self.finish().await;
        Ok(())
    }

    /// Passes on what the plugin does not see.
    async fn flow_on(&mut self) -> Result<(), BodyError> {
        let Some(trailers) = self.ended.take() else { return self.get_more().await };
        if !trailers.is_empty() {
            self.ready.push_back(Frame::trailers(trailers));
        }
        self.over = true;
        Ok(())
    }

    /// Takes what the decoder has, or the next of the source.
    async fn get_more(&mut self) -> Result<(), BodyError> {
        match self.decoder.as_mut().map(|decoder| decoder.pull(PULL)).transpose() {
            Ok(Some(Some(data))) => {
                self.take(data);
                return Ok(());
            }
            Ok(Some(None) | None) => {}
            Err(error) => return Err(self.reader.cut_for(undecodable(&error)).await),
        }
        let trailers = match self.source.frame().await.transpose()?.map(Frame::into_data) {
            Some(Ok(data)) => {
                match &mut self.decoder {
                    Some(decoder) => decoder.push(data),
                    None => self.take(data),
                }
                return Ok(());
            }
            Some(Err(frame)) => frame.into_trailers().unwrap_or_default(),
            None => HeaderMap::new(),
        };
        if let Some(Err(error)) = self.decoder.as_mut().map(Decoder::finish) {
            return Err(self.reader.cut_for(undecodable(&error)).await);
        }
        self.ended = Some(trailers);
        Ok(())
    }

    fn take(&mut self, data: Bytes) {
        match &mut self.framer {
            Some(framer) if self.sees => framer.push(data),
            _ => self.emit(data),
        }
    }

    fn emit(&mut self, data: Bytes) {
        if !data.is_empty() {
            self.ready.push_back(Frame::data(data));
        }
    }

    /// The rest goes past the plugin.
    async fn leave(&mut self) -> Result<(), BodyError> {
        self.sees = false;
        if let Some(mut framer) = self.framer.take() {
            framer.rest().for_each(|bytes| self.emit(bytes));
        }
        self.reader.over().await;
        Ok(())
    }

    /// The body ends with what is ready.
    async fn finish(&mut self) {
        self.over = true;
        self.source = Body::empty();
        self.reader.over().await;
    }
}
