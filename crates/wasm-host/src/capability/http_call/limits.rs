use std::time::Duration;

/// Bounds on the calls of one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Calls in one exchange, all its phases together; outside of one, in one call of the guest. A redirect that is
    /// followed is part of its call.
    pub calls: u32,
    /// Calls under way at once, in all instances. One more waits for its turn, within its time.
    pub concurrency: u32,
    /// Bytes of a request, headers and body.
    pub request_bytes: u64,
    /// Bytes of a response, headers and body.
    pub response_bytes: u64,
    /// Until a connection stands. A guest may ask for less.
    pub connect: Duration,
    /// Until a response has been read, its redirects included. A guest may ask for less. `limits.wall` bounds the guest's
    /// own call: keep it longer than this, or the guest never sees the timeout.
    pub timeout: Duration,
    /// Redirects that one call follows. A guest may ask for fewer.
    pub redirects: u32,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            calls: 16,
            concurrency: 64,
            request_bytes: 1 << 20,
            response_bytes: 1 << 20,
            connect: Duration::from_millis(500),
            timeout: Duration::from_millis(900),
            redirects: 5,
        }
    }
}
