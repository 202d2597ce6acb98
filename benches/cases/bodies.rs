//! Bodies of a response that a plugin reads, through the public API: an exchange is opened, the response passes it, and
//! its body is read to the end.

use std::{
    cell::RefCell,
    convert::Infallible,
    hint::black_box,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wasm_host::{Body, ExchangeFacts, Limits, Outcome, Phase, PluginChain, RequestOutcome};

use super::{Case, Load, Run, chain_of, measured, message, reused};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const FRAME: usize = 64 * KIB;
/// About what a language model sends for a token.
const TOKEN: usize = 256;
/// Bytes between two looks at the clock, where a body is smaller.
const BATCH_BYTES: usize = MIB;
const NO_PLUGIN: &str = "no plugin";

/// A body: the same frame, over and over.
#[derive(Clone)]
struct Shape {
    group: &'static str,
    bytes: usize,
    frame: Bytes,
}

pub(super) fn cases() -> Vec<Case> {
    let unread = || Some(json!({}));
    let chunks = || Some(json!({ "response": { "mode": "chunks" } }));
    let events = || Some(json!({ "response": { "mode": "sse" } }));
    let buffer = || Some(json!({ "response": { "mode": "buffer", "bytes": 32 << 20 } }));
    let sink: Sink = Rc::new(RefCell::new(vec![0; FRAME]));

    let mut cases = Vec::new();
    let mut add = |name, config: ReadAs, shape: &Shape, calls| {
        cases.push(case(name, config, shape.clone(), calls, &sink));
    };
    for (group, bytes) in [("64 KiB", 64 * KIB), ("1 MiB", MIB), ("16 MiB", 16 * MIB)] {
        let shape = |events_per_frame| Shape { group, bytes, frame: frame(FRAME, events_per_frame) };
        let frames = bytes / FRAME;
        add(NO_PLUGIN, || None, &shape(1), 0);
        add("headers only", unread, &shape(1), 0);
        add("chunks", chunks, &shape(1), frames + 1);
        add("sse, 1 event a frame", events, &shape(1), frames + 1);
        add("sse, 10 events a frame", events, &shape(10), 10 * frames + 1);
        add("sse, 100 events a frame", events, &shape(100), 100 * frames + 1);
        add("buffer", buffer, &shape(1), 1);
    }
    for (group, per_frame) in [("events, 1 a frame", 1), ("events, 10 a frame", 10), ("events, 100 a frame", 100)] {
        let bytes = 1000 * TOKEN;
        let shape = Shape { group, bytes, frame: frame(per_frame * TOKEN, per_frame) };
        add(NO_PLUGIN, || None, &shape, 0);
        add("chunks", chunks, &shape, 1000 / per_frame + 1);
        add("sse", events, &shape, 1001);
    }
    cases
}

/// The plugin's config; none: no plugin.
type ReadAs = fn() -> Option<Value>;

fn load(runtime: &Runtime, config: Option<Value>) -> PluginChain {
    let Some(config) = config else { return PluginChain::new([]).unwrap() };
    let limits = Limits { memory: 128 << 20, body_bytes: 32 << 20, cpu: Duration::from_secs(1), ..Limits::default() };
    chain_of(runtime, reused(test_guests::NATIVE_BODIES).config(config).limits(limits))
}

/// So many bytes that are so many events, all of about one size.
fn frame(bytes: usize, events: usize) -> Bytes {
    const AROUND: usize = "data: \n\n".len();
    let each = bytes / events;
    let last = bytes - (events - 1) * each;
    let event = |bytes: usize| format!("data: {}\n\n", "x".repeat(bytes - AROUND));
    let mut frame = event(each).repeat(events - 1);
    frame.push_str(&event(last));
    frame.into()
}

type Sink = Rc<RefCell<Vec<u8>>>;

fn case(name: &'static str, config: ReadAs, shape: Shape, calls: usize, sink: &Sink) -> Case {
    let (group, bytes) = (shape.group, shape.bytes);
    let pieces = calls.saturating_sub(1).max(bytes / shape.frame.len()) as u64;
    let batch = (BATCH_BYTES / bytes).max(1) as u64;
    let sink = Rc::clone(sink);
    let mut chain = None;
    let run: Run = Box::new(move |runtime, work| {
        let chain = chain.get_or_insert_with(|| {
            let chain = load(runtime, config());
            check(runtime, &chain, &shape, &sink, calls as u64);
            chain
        });
        let prepare = async || (ExchangeFacts::default(), message::request(), shape.response());
        let routine = async |(facts, request, response)| {
            let mut exchange = chain.exchange(facts);
            let read = through(&mut exchange, request, response, &sink).await;
            assert_eq!(read, bytes);
            exchange.finish();
        };
        runtime.block_on(measured(work, batch, prepare, routine))
    });
    let against = (name != NO_PLUGIN).then_some(NO_PLUGIN);
    Case { group, name, against, load: Some(Load { bytes: bytes as u64, pieces, batch }), run }
}

/// Bytes of the response that have come out.
async fn through(
    exchange: &mut wasm_host::Exchange,
    request: Request<Body>,
    response: Response<Body>,
    sink: &Sink,
) -> usize {
    let RequestOutcome::Continue(_request) = exchange.on_request(request).await else { panic!("answered") };
    let mut body = exchange.on_response(response).await.into_body();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        // What a connection does with a frame: it copies it on.
        let data = frame.unwrap().into_data().unwrap();
        for part in data.chunks(FRAME) {
            black_box(&mut *sink.borrow_mut()).get_mut(..part.len()).unwrap().copy_from_slice(part);
        }
        read += data.len();
    }
    read
}

/// The plugin is called as often as the case says, and lets everything pass.
fn check(runtime: &Runtime, chain: &PluginChain, shape: &Shape, sink: &Sink, calls: u64) {
    let mut exchange = chain.exchange(ExchangeFacts::default());
    let read = runtime.block_on(through(&mut exchange, message::request(), shape.response(), sink));
    assert_eq!(read, shape.bytes, "{:?}", exchange.failures());
    let decisions = exchange.decisions();
    let bodies = decisions.iter().find(|decision| decision.phase == Phase::ResponseBody);
    assert_eq!(bodies.map_or(0, |bodies| bodies.calls), calls);
    assert!(decisions.iter().all(|decision| decision.outcome == Outcome::Continue), "{decisions:?}");
    exchange.finish();
}

impl Shape {
    fn response(&self) -> Response<Body> {
        let frames = Frames { frame: self.frame.clone(), left: self.bytes / self.frame.len() };
        message::response().map(|_| Body::new(frames))
    }
}

/// A body that is there at once.
struct Frames {
    frame: Bytes,
    left: usize,
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
        self.left = left;
        Poll::Ready(Some(Ok(Frame::data(self.frame.clone()))))
    }
}
