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
