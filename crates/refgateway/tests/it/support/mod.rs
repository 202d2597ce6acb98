//! A gateway, an upstream and a client for tests.

mod client;
mod gateway;
mod upstream;

pub(crate) use self::{
    client::{Answer, client, get, h2_client, post, raw, raw_lines, send},
    gateway::Gateway,
    upstream::{Upstream, closed_port, echo},
};
pub(crate) use refgateway::body::{self, Body};
