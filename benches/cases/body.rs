//! A body of 1 MiB that no plugin reads, streamed through a layered echo service and read to its end.

use std::{
    cell::RefCell,
    convert::Infallible,
    hint::black_box,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::runtime::Runtime;
use tower::{Layer, ServiceExt, service_fn};
use wasm_host::{Body, PluginChain};
use wasm_host_hyper::PluginLayer;

use super::{BATCH, Case, Run, chain_of, measured, message, reused};

const GROUP: &str = "layer";
const NO_PLUGIN_NO_BODY: &str = "no body, no plugin";
const NO_PLUGIN: &str = "1 MiB, no plugin";
const BODY: usize = 1 << 20;
const FRAME: usize = 16 << 10;

pub(super) fn cases() -> Vec<Case> {
    // The same memory in every case: where it lies decides how fast it is copied.
    let body = Bytes::from(vec![b'x'; BODY]);
    let sink = Rc::new(RefCell::new(vec![0; FRAME]));
    let nothing: Chain = |_| PluginChain::new([]).unwrap();
    let filter: Chain = |runtime| chain_of(runtime, reused(test_guests::NATIVE_FILTER));
    let case = |name, against, chain, body: &Bytes| Case {
        group: GROUP,
        name,
        against,
        load: None,
        run: through_layer(chain, body.clone(), Rc::clone(&sink)),
    };
    vec![
        case(NO_PLUGIN_NO_BODY, None, nothing, &Bytes::new()),
        case("no body, filter", Some(NO_PLUGIN_NO_BODY), filter, &Bytes::new()),
        case(NO_PLUGIN, None, nothing, &body),
        case("1 MiB, filter", Some(NO_PLUGIN), filter, &body),
    ]
}

type Chain = fn(&Runtime) -> PluginChain;

fn through_layer(chain: Chain, body: Bytes, sink: Rc<RefCell<Vec<u8>>>) -> Run {
    let mut loaded = None;
    Box::new(move |runtime, work| {
        let chain = loaded.get_or_insert_with(|| chain(runtime));
        let echo = service_fn(async |request: Request<Body>| Ok::<_, Infallible>(Response::new(request.into_body())));
        let mut service = PluginLayer::new(chain.clone()).layer(echo);
        let prepare = async || message::request().map(|_| Frames(body.clone()));
        let routine = async |request: Request<Frames>| {
            let mut answer = (&mut service).oneshot(request).await.unwrap().into_body();
            let mut read = 0;
            while let Some(frame) = answer.frame().await {
                // What a connection does with a frame: it copies it on.
                let data = frame.unwrap().into_data().unwrap();
                black_box(&mut *sink.borrow_mut()).get_mut(..data.len()).unwrap().copy_from_slice(&data);
                read += data.len();
            }
            assert_eq!(read, body.len());
        };
        runtime.block_on(measured(work, BATCH, prepare, routine))
    })
}

/// Bytes that arrive in frames.
struct Frames(Bytes);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.0.len().min(FRAME);
        Poll::Ready(Some(Ok(Frame::data(self.0.split_to(length)))))
    }
}
