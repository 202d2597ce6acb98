//! Real servers for tests, on 127.0.0.1 and on ports that the system picks. Each ends when its value is dropped.
//!
//! A server whose program is missing fails the test, with a word on what to install.
#![allow(clippy::panic, reason = "a test fails by panicking")]

mod redis;

pub use redis::RedisServer;
