//! What the hostcalls of every ABI do alike: the call, and a word to the operator when it is not granted.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;

use super::HostState;
use crate::{
    HttpCallError, LogLevel,
    capability::{CacheProblem, WholeCall, env_variable},
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
        if let Err(error) = &sent
            && let Some((key, what)) = error.denial()
        {
            self.denied("http", key, &what);
        }
        sent
    }

    /// A variable of the process's environment, within the plugin's grants; none where it is not set.
    pub(crate) fn env(&mut self, name: &str) -> Option<String> {
        let found = env_variable(&self.plugin.grants.env, name);
        if found.is_err() {
            self.denied("env", "grants.env", &format!("the variable `{name}`"));
        }
        found.ok().flatten()
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
