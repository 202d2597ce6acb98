//! A plugin reads the body of a message: ahead of its headers, or as it flows.

use std::{sync::Arc, time::Duration};

use futures_util::lock::MutexGuard;
use http::{HeaderMap, header};

use super::{
    core::{Closed, Core, PhaseCall, Ran, Shared},
    stage::Stage,
};
use crate::{
    Body, BodyError, BodyMode, BodyReading, Failure, FailureClass, Phase, Plugin,
    abi::{BoxFuture, Guest, GuestError, GuestResult, HostStore},
    body::{DecodeError, Decoder, Held, HoldError},
    message::{BodyAction, BodyPiece, ExchangeState, LocalResponse, forget_coding, set_replaced},
};

/// Which body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

impl Direction {
    pub(crate) fn phase(self) -> Phase {
        match self {
            Self::Request => Phase::RequestBody,
            Self::Response => Phase::ResponseBody,
        }
    }

    fn headers(self, state: &mut ExchangeState) -> &mut HeaderMap {
        match self {
            Self::Request => &mut state.request.headers,
            Self::Response => &mut state.response.headers,
        }
    }
}

/// One plugin's part in one body.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    pub(crate) direction: Direction,
}

/// What reading came to, before the headers are sent.
pub(crate) enum Read {
    /// The message goes on with this body.
    On(Body),
    /// The message goes on with this body, past the plugins that would see it next.
    Last(Body),
    /// The message goes on with this body, of which the plugin sees each piece.
    Flows(Body),
    /// The plugin answers.
    Respond(Box<LocalResponse>),
    /// The plugin failed, and its policy answers.
    Closed(Box<Closed>),
    /// The sender broke the body off.
    Broken(BodyError),
}

impl Reader {
    pub(super) fn new(shared: &Arc<Shared>, index: usize, direction: Direction) -> Self {
        Self { shared: Arc::clone(shared), index, direction }
    }

    /// Lets the plugin read as it wants to. Boxed: most exchanges have no use for the room that it takes.
    pub(crate) fn read(self, reading: BodyReading, body: Body) -> BoxFuture<'static, Read> {
        Box::pin(async move {
            match reading.mode {
                BodyMode::None => Read::On(body),
                BodyMode::Peek(bytes) => self.peek(reading, body, bytes as usize).await,
                BodyMode::Buffer(bytes) => self.buffer(reading, body, bytes as usize).await,
                BodyMode::Trailers | BodyMode::Stream(_) => self.stream(reading, body).await,
            }
        })
    }

    async fn peek(self, reading: BodyReading, body: Body, bytes: usize) -> Read {
        // One byte more tells whether the body ends there; a body that is not decoded shows that without it.
        let ahead = if reading.decode { bytes.saturating_add(1) } else { bytes };
        let mut held = match self.hold(reading, body, ahead).await {
            Ok(held) => held,
            Err(read) => return read,
        };
        let (start, complete) = held.start(bytes);
        self.decide(held, BodyPiece::Start { bytes: start, complete }).await
    }

    async fn buffer(self, reading: BodyReading, body: Body, bytes: usize) -> Read {
        let announced = http_body::Body::size_hint(&body).lower();
        let is_too_large = announced > bytes as u64 && !reading.decode;
        let mut held = if is_too_large {
            Held::new(body, None)
        } else {
            match self.hold(reading, body, bytes.saturating_add(1)).await {
                Ok(held) => held,
                Err(read) => return read,
            }
        };
        if is_too_large || held.len() > bytes {
            return self.failed(too_large(bytes), held).await;
        }
        let whole = held.whole();
        self.decide(held, BodyPiece::Whole(whole)).await
    }

    /// Reads ahead.
    async fn hold(&self, reading: BodyReading, body: Body, bytes: usize) -> Result<Held, Read> {
        let decoder = match self.decoder(reading).await {
            Ok(decoder) => decoder,
            Err(error) => return Err(self.clone().failed(undecodable(&error), Held::new(body, None)).await),
        };
        let mut held = Held::new(body, decoder);
        let wait = self.plugin().map_or(Duration::ZERO, |plugin| plugin.limits().body_wait);
        let Ok(filled) = tokio::time::timeout(wait, held.fill(bytes)).await else {
            return Err(Read::Broken(BodyLate { wait }.into()));
        };
        match filled {
            Ok(()) => Ok(held),
            Err(HoldError::Body(error)) => Err(Read::Broken(error)),
            Err(HoldError::TooLarge) => Err(self.clone().failed(too_large(bytes), held).await),
            Err(HoldError::Decode(error)) => Err(self.clone().failed(undecodable(&error), held).await),
        }
    }

    /// Asks the plugin about what was read ahead.
    async fn decide(self, mut held: Held, piece: BodyPiece) -> Read {
        let mut core = self.core().await;
        core.state(&self.shared).trailers = held.trailers().clone();
        let ran = self.ask(&mut core, &piece, true).await;
        let state = core.state(&self.shared);
        if let Some(trailers) = state.trailers.take() {
            *held.trailers() = Some(trailers);
        }
        if let Ran::Done(BodyAction::Replace(bytes) | BodyAction::Finish(bytes)) = &ran {
            let headers = self.direction.headers(state);
            if held.is_decoded() {
                forget_coding(headers);
            }
            set_replaced(headers, bytes);
        }
        core.over(&self.shared, self.index, self.direction.phase());
        drop(core);
        match ran {
            Ran::Done(BodyAction::Pass | BodyAction::Leave) | Ran::Skipped | Ran::Bypassed => {
                Read::On(held.into_body())
            }
            Ran::Done(BodyAction::Replace(bytes) | BodyAction::Finish(bytes)) => Read::On(held.into_replaced(bytes)),
            Ran::Done(BodyAction::Stop) => Read::Last(held.into_body()),
            Ran::Done(BodyAction::Reset) => Read::On(Body::failed(self.cut_error())),
            Ran::Done(BodyAction::Respond(response)) => Read::Respond(response),
            Ran::Closed(closed) => Read::Closed(closed),
        }
    }

    /// The plugin will see the body as it flows. The end of one without a byte is seen at once, and what the plugin
    /// appends to it is its body.
    async fn stream(self, reading: BodyReading, body: Body) -> Read {
        if http_body::Body::is_end_stream(&body) {
            let mut held = Held::new(body, None);
            *held.trailers() = Some(HeaderMap::new());
            return self.decide(held, BodyPiece::End).await;
        }
        let decoder = match self.decoder(reading).await {
            Ok(decoder) => decoder,
            Err(error) => return self.failed(undecodable(&error), Held::new(body, None)).await,
        };
        let mut core = self.core().await;
        match core.check_out_ahead::<BodyAction>(&self.shared, self.index, self.direction.phase()).await {
            Some(Ran::Closed(closed)) => return Read::Closed(closed),
            Some(_) => return Read::On(body),
            None => {}
        }
        let headers = self.direction.headers(core.state(&self.shared));
        // What is added at the end makes it longer, and trailers need a body that states no length.
        headers.remove(header::CONTENT_LENGTH);
        if decoder.is_some() {
            forget_coding(headers);
        }
        drop(core);
        Read::Flows(Stage::open(self, reading.mode, decoder, body))
    }

    /// The plugin failed because of what the body is.
    async fn failed(self, failure: Failure, held: Held) -> Read {
        let phase = self.direction.phase();
        let mut core = self.core().await;
        let ran = core.fail_uncalled::<BodyAction>(&self.shared, self.index, phase, failure);
        core.over(&self.shared, self.index, phase);
        drop(core);
        match ran {
            Ran::Closed(closed) => Read::Closed(closed),
            _ => Read::On(held.into_body()),
        }
    }

    async fn decoder(&self, reading: BodyReading) -> Result<Option<Decoder>, DecodeError> {
        if !reading.decode || reading.mode == BodyMode::Trailers {
            return Ok(None);
        }
        let mut core = self.core().await;
        Decoder::for_headers(self.direction.headers(core.state(&self.shared)))
    }

    /// Calls the plugin with one piece.
    pub(crate) async fn ask(&self, core: &mut Core, piece: &BodyPiece, headers_open: bool) -> Ran<BodyAction> {
        let direction = self.direction;
        let how = PhaseCall { phase: direction.phase(), headers_open };
        let piece = piece.clone();
        core.run(&self.shared, self.index, how, move |guest, store| on_body(guest, store, direction, piece)).await
    }

    /// Calls the plugin with one piece of a body that flows.
    pub(crate) async fn ask_alone(&self, piece: &BodyPiece) -> Ran<BodyAction> {
        let mut core = self.core().await;
        self.ask(&mut core, piece, false).await
    }

    /// A failure in no call of the plugin, while the body flows. The answer, when its policy closes.
    pub(crate) async fn fail(&self, failure: Failure) -> Option<Box<Closed>> {
        let mut core = self.core().await;
        match core.fail_uncalled::<BodyAction>(&self.shared, self.index, self.direction.phase(), failure) {
            Ran::Closed(closed) => Some(closed),
            _ => None,
        }
    }

    /// What flowed so far cannot go on as it came: whatever the policy, the body breaks off.
    pub(crate) async fn cut_for(&self, failure: Failure) -> BodyError {
        match self.fail(failure).await {
            Some(cut) => self.cut(cut).await,
            None => self.cut_error().into(),
        }
    }

    /// Breaks the body off. What was not sent yet can still be answered.
    pub(crate) async fn cut(&self, cut: Box<Closed>) -> BodyError {
        self.core().await.cut = Some(cut);
        self.cut_error().into()
    }

    pub(crate) async fn core(&self) -> MutexGuard<'_, Core> {
        self.shared.core().await
    }

    /// The plugin is done with this body.
    pub(crate) async fn over(&self) {
        self.core().await.over(&self.shared, self.index, self.direction.phase());
    }

    pub(crate) fn plugin(&self) -> Option<&Plugin> {
        self.shared.chain().plugins().get(self.index)
    }

    pub(crate) fn cut_error(&self) -> CutByPlugin {
        CutByPlugin { plugin: self.plugin().map(|plugin| Arc::clone(plugin.shared_name())) }
    }
}

/// A plugin broke a body off, or failed in the middle of it and its policy closes.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the body was cut by the plugin `{}`", plugin.as_deref().unwrap_or_default())]
pub struct CutByPlugin {
    plugin: Option<Arc<str>>,
}

/// A body that a plugin reads ahead did not arrive in time. The error of
/// [`RequestOutcome::BodyFailed`](crate::RequestOutcome::BodyFailed), which is then to be answered with 408.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body did not arrive within `limits.body_wait`, {wait:?}")]
pub struct BodyLate {
    wait: Duration,
}

fn on_body<'a>(
    guest: &'a mut dyn Guest,
    store: &'a mut HostStore,
    direction: Direction,
    piece: BodyPiece,
) -> BoxFuture<'a, GuestResult<BodyAction>> {
    Box::pin(async move {
        let (is_start, is_held) =
            (matches!(piece, BodyPiece::Start { .. }), matches!(piece, BodyPiece::Start { .. } | BodyPiece::Whole(_)));
        let action = match direction {
            Direction::Request => guest.on_request_body(store, piece).await?,
            Direction::Response => guest.on_response_body(store, piece).await?,
        };
        match action {
            BodyAction::Respond(_) if !is_held => Err(invalid("answered with `respond` after the headers were sent")),
            BodyAction::Stop if !is_held => Err(invalid("stopped the chain after the headers were sent")),
            BodyAction::Replace(_) | BodyAction::Finish(_) | BodyAction::Reset if is_start => {
                Err(invalid("answered a `start` with more than `pass`, `leave` or `respond`"))
            }
            action => Ok(action),
        }
    })
}

fn invalid(message: &str) -> GuestError {
    GuestError::Invalid(message.to_owned())
}

fn too_large(bytes: usize) -> Failure {
    Failure::new(FailureClass::BodyTooLarge, format!("the body has more than {bytes} bytes"))
}

pub(crate) fn undecodable(error: &DecodeError) -> Failure {
    Failure::new(FailureClass::BodyEncoding, error.to_string())
}
