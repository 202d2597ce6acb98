//! Plugins read, replace, drop, end and refuse bodies, and what they do not ask for goes past them.

mod choosing;
mod failing;
mod flowing;
mod holding;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http_body_util::StreamBody;
use serde_json::{Value, json};
use test_guests as guest;
use wasm_host::{Body, Plugin, PluginBuilder};

use crate::common::{engine, plugin};

pub(super) fn bodies(config: Value) -> PluginBuilder {
    plugin(guest::NATIVE_BODIES).config(config)
}

pub(super) async fn on_request(config: Value) -> Plugin {
    bodies(json!({ "request": config })).load(engine()).await.unwrap()
}

pub(super) async fn on_response(config: Value) -> Plugin {
    bodies(json!({ "response": config })).load(engine()).await.unwrap()
}

/// A body that says how many of its frames were taken.
pub(super) fn counted(frames: &'static [&'static str]) -> (Body, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let frames = frames.iter().map(move |frame| {
        counter.fetch_add(1, SeqCst);
        Ok::<_, Infallible>(http_body::Frame::data(Bytes::from_static(frame.as_bytes())))
    });
    (Body::new(StreamBody::new(Iter(frames))), taken)
}

pub(super) struct Iter<I>(pub(super) I);

impl<I: Iterator + Unpin> tokio_stream::Stream for Iter<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}

pub(super) fn broken() -> Body {
    let frames = [Ok(http_body::Frame::data(Bytes::from("some"))), Err(std::io::Error::other("cable cut"))];
    Body::new(StreamBody::new(Iter(frames.into_iter())))
}
