use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use refgateway::body::{self, Body};
use tokio::sync::mpsc;

/// A body fed from a channel: the test decides when what is sent.
pub(crate) fn channel() -> (mpsc::UnboundedSender<Frame<Bytes>>, Body) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let stream = futures_util::stream::poll_fn(move |cx| {
        receiver.poll_recv(cx).map(|frame| frame.map(Ok::<_, std::convert::Infallible>))
    });
    (sender, body::boxed(StreamBody::new(stream)))
}

/// An upstream whose one response the test feeds.
pub(crate) async fn fed_upstream() -> (mpsc::UnboundedSender<Frame<Bytes>>, super::Upstream) {
    let (sender, fed) = channel();
    let fed = std::sync::Arc::new(std::sync::Mutex::new(Some(fed)));
    let upstream = super::Upstream::start(move |_| {
        let fed = fed.lock().unwrap().take().unwrap();
        async move { http::Response::new(fed) }
    });
    (sender, upstream.await)
}
