//! A gateway, an upstream and a client for tests.

mod body_channel;
mod client;
mod gateway;
mod plugins;
mod process;
mod upstream;

pub(crate) use self::{
    body_channel::{channel, fed_upstream},
    client::{Answer, client, get, h2_client, post, raw, raw_lines, send},
    gateway::Gateway,
    plugins::{Plugged, until},
    process::{Running, file, output, refgateway},
    upstream::{Upstream, closed_port, echo},
};
pub(crate) use refgateway::body::{self, Body};
