use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use wasm_host::{Body, BodyError};

use crate::completion::Completion;

/// The body of a response that went through a chain. When it ends, or is dropped, the plugins' complete phase runs on a
/// task of its own: the client does not wait for it.
pub struct PluginBody {
    body: Body,
    completion: Option<Completion>,
}

impl PluginBody {
    pub(crate) fn new(body: Body, completion: Option<Completion>) -> Self {
        Self { body, completion }
    }

    fn complete(&mut self, finished: bool) {
        if let Some(completion) = self.completion.take() {
            completion.ended(finished);
        }
    }
}

impl http_body::Body for PluginBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(completion), Some(data)) = (&mut self.completion, frame.data_ref()) {
                    completion.passed(data.len());
                }
            }
            Some(Err(_)) => self.complete(false),
            None => self.complete(true),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for PluginBody {
    fn drop(&mut self) {
        // A reader that knows the end from `is_end_stream` does not poll for it.
        let finished = self.body.is_end_stream();
        self.complete(finished);
    }
}

impl fmt::Debug for PluginBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PluginBody").field(&self.body).finish()
    }
}
