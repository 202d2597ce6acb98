//! How each program is started: one file for each.

pub(crate) mod envoy;
pub(crate) mod gateway;
pub(crate) mod haproxy;
pub(crate) mod hyper;
pub(crate) mod nginx;
pub(crate) mod pingora;
pub(crate) mod wasmtime;
