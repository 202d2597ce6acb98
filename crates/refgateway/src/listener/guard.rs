//! The bytes of a client's connection, looked at on their way to hyper.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

use super::{activity::Activity, framing::Framing};

/// A stream that tells the connection's [`Activity`] what its bytes are.
#[derive(Debug)]
pub(super) struct Guard<S> {
    stream: S,
    /// Bytes that were read to find out which protocol it is.
    prefix: Bytes,
    /// For HTTP/1 only.
    framing: Option<Framing>,
    activity: Arc<Activity>,
    /// Until when a client that still sends may go on.
    lingering: Option<Pin<Box<Sleep>>>,
}

/// How long a client that was answered before its request had ended may go on sending.
const LINGERING: Duration = Duration::from_secs(1);

impl<S> Guard<S> {
    pub(super) fn new(stream: S, prefix: Bytes, is_h2: bool, activity: Arc<Activity>) -> Self {
        let framing = (!is_h2).then(Framing::default);
        Self { stream, prefix, framing, activity, lingering: None }
    }

    fn look_at(&mut self, bytes: &[u8]) {
        let Some(framing) = &mut self.framing else { return };
        if let Some(head) = framing.feed(bytes).conflict {
            self.activity.conflict(head);
        }
        self.activity.set_in_head(framing.is_in_head());
    }
}

impl<S: AsyncRead + Unpin> Guard<S> {
    /// Throws away what the client still sends. A socket closed with unread bytes resets the connection, and a client
    /// that is told so may never look at its answer (RFC 9112 9.6).
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.framing.as_ref().is_some_and(Framing::is_in_body) {
            return Poll::Ready(());
        }
        let lingering = self.lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGERING)));
        let mut thrown_away = [MaybeUninit::uninit(); 8192];
        while lingering.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::uninit(&mut thrown_away);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        if this.prefix.has_remaining() {
            let length = this.prefix.len().min(buf.remaining());
            buf.put_slice(&this.prefix.split_to(length));
        } else {
            ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        }
        this.look_at(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        self.poll_linger(cx).map(Ok)
    }
}
