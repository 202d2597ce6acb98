//! What the gateway says about itself.

pub(crate) mod access_log;
pub mod logs;
pub(crate) mod metrics;
