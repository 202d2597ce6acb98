//! HTTP/1 or HTTP/2, told by the first bytes of a clear-text connection.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What every HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads until the bytes are, or can no longer be, the HTTP/2 preface. Returns what was read and whether it is.
pub(super) async fn is_h2(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(Bytes, bool)> {
    let mut read = BytesMut::with_capacity(1024);
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Ok((read.freeze(), false));
        }
        if read.starts_with(PREFACE) {
            return Ok((read.freeze(), true));
        }
        if !PREFACE.starts_with(&read) {
            return Ok((read.freeze(), false));
        }
    }
}
