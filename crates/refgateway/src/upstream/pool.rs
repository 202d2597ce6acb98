//! The connections one worker keeps to one upstream.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use hyper::client::conn::{http1, http2};
use parking_lot::Mutex;

use super::connect::Sender;
use crate::body::Body;

/// Idle HTTP/1.1 connections, last in first out, and the shared HTTP/2 connection.
///
/// Only its own worker uses a pool, so the locks are never waited for; they are there because futures move.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Vec<Idle>>,
    shared: Mutex<Option<http2::SendRequest<Body>>>,
    /// Held while an HTTP/2 connection is being made, so that a burst of requests makes one.
    pub(super) connecting: tokio::sync::Mutex<()>,
    speaks_http1: AtomicBool,
    max_idle: usize,
    idle_timeout: Duration,
}

#[derive(Debug)]
struct Idle {
    sender: http1::SendRequest<Body>,
    since: Instant,
}

impl Pool {
    pub(super) fn new(max_idle: usize, idle_timeout: Duration) -> Self {
        Self {
            idle: Mutex::new(Vec::new()),
            shared: Mutex::new(None),
            connecting: tokio::sync::Mutex::new(()),
            speaks_http1: AtomicBool::new(false),
            max_idle,
            idle_timeout,
        }
    }

    /// A connection that is ready now.
    pub(super) fn take(&self) -> Option<Sender> {
        if let Some(sender) = self.shared.lock().as_ref().filter(|sender| !sender.is_closed()) {
            return Some(Sender::Http2(sender.clone()));
        }
        self.take_http1().map(Sender::Http1)
    }

    /// A ready HTTP/1.1 connection.
    pub(super) fn take_http1(&self) -> Option<http1::SendRequest<Body>> {
        let mut idle = self.idle.lock();
        while let Some(Idle { sender, since }) = idle.pop() {
            if since.elapsed() > self.idle_timeout {
                // All below it are older.
                idle.clear();
            } else if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    /// Keeps an HTTP/1.1 connection whose response has been read to the end.
    pub(super) fn give_back(&self, sender: http1::SendRequest<Body>) {
        let now = Instant::now();
        let is_over = |entry: &Idle| now.duration_since(entry.since) > self.idle_timeout;
        let mut idle = self.idle.lock();
        if idle.first().is_some_and(is_over) {
            idle.retain(|entry| !is_over(entry) && !entry.sender.is_closed());
        }
        if idle.len() < self.max_idle && !sender.is_closed() {
            idle.push(Idle { sender, since: now });
        }
    }

    /// Notes what a new connection speaks and shares it if it can be shared.
    pub(super) fn learn(&self, sender: &Sender) {
        match sender {
            Sender::Http1(_) => self.speaks_http1.store(true, Ordering::Relaxed),
            Sender::Http2(sender) => {
                self.speaks_http1.store(false, Ordering::Relaxed);
                *self.shared.lock() = Some(sender.clone());
            }
        }
    }

    /// Whether the last connection was an HTTP/1.1 one.
    pub(super) fn speaks_http1(&self) -> bool {
        self.speaks_http1.load(Ordering::Relaxed)
    }
}
