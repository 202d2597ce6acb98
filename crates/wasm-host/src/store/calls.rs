//! What the hostcalls of every ABI do alike: the call, and a word to the operator when it is not granted.

use std::{future::poll_fn, sync::Arc, task::Poll};

use bytes::Bytes;
use http::Response;

use super::HostState;
use crate::{
    HttpCallError, LogLevel,
    capability::{CacheProblem, WholeCall},
};

impl HostState {
    /// Makes a call over HTTP, within the plugin's grants and limits, as part of the exchange that is under way.
    pub(crate) async fn send(&mut self, call: WholeCall) -> Result<Response<Bytes>, HttpCallError> {
        let trace = self.trace();
        let http = Arc::clone(&self.plugin.http);
        let sent = match http.admit(call, trace, self.http_calls()) {
            Ok(call) => http.send(call).await,
            Err(error) => Err(error),
        };
        self.report_denial(&sent);
        sent
    }

    /// Makes several calls at once. The answers come in the order of the calls.
    pub(crate) async fn send_all(&mut self, calls: Vec<WholeCall>) -> Vec<Result<Response<Bytes>, HttpCallError>> {
        let trace = self.trace();
        let http = Arc::clone(&self.plugin.http);
        let made = self.http_calls();
        let under_way = calls.into_iter().map(|call| {
            let admitted = http.admit(call, trace.clone(), made);
            async { http.send(admitted?).await }
        });
        let sent = all(under_way).await;
        sent.iter().for_each(|sent| self.report_denial(sent));
        sent
    }

    fn report_denial<T>(&mut self, sent: &Result<T, HttpCallError>) {
        if let Err(error) = sent
            && let Some((key, what)) = error.denial()
        {
            self.denied("http", key, &what);
        }
    }

    /// Tells the operator why the cache did nothing, where the guest is not at fault.
    pub(crate) fn report_cache_problem(&mut self, problem: &CacheProblem) {
        match problem {
            CacheProblem::Denied => self.denied("cache", "grants.cache", "the use of it"),
            CacheProblem::Unavailable(reason) => {
                self.log(LogLevel::Warn, "host", &format!("cache: does not answer: {reason}"));
            }
            CacheProblem::InvalidKey | CacheProblem::TooLarge => {}
        }
    }
}

/// What all of some futures come to, in their order.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut under_way: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        let mut is_ready = true;
        for (future, output) in under_way.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(done) => *output = Some(done),
                Poll::Pending => is_ready = false,
            }
        }
        if is_ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    under_way.into_iter().filter_map(|(_, output)| output).collect()
}
