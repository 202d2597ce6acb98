//! What the gateway is given to do.

use test_guests::{AEGIS_FILTER, BLITZ_FILTER, NATIVE_BODIES, NATIVE_FILTER, ODIN_FILTER, SGL_FILTER};

/// A route, and what is asked of it.
#[derive(Debug)]
pub(crate) struct Work {
    /// Of the route, and of its plugin when it has one.
    pub(crate) name: &'static str,
    /// Its file and, in TOML, what else is to be said of it.
    pub(crate) plugin: Option<(&'static str, &'static str)>,
    /// Events to send, and to be sent back.
    pub(crate) has_body: bool,
    /// By the plugin, which is not told the secret.
    pub(crate) is_refused: bool,
}

pub(crate) const WORK: [Work; 13] = [
    Work { plugin: None, ..head("none", "", "") },
    Work { plugin: None, ..body("none-body", "", "") },
    head("reused", NATIVE_FILTER, ""),
    Work { is_refused: true, ..head("refused", NATIVE_FILTER, "") },
    head("fresh", NATIVE_FILTER, "pool = { mode = \"fresh\" }"),
    head("aegis", AEGIS_FILTER, ""),
    head("blitz", BLITZ_FILTER, ""),
    head("odin", ODIN_FILTER, "abi = { type = \"auth\" }"),
    head("sgl", SGL_FILTER, ""),
    body("reused-body", NATIVE_FILTER, ""),
    body("chunks", NATIVE_BODIES, "config = { request = { mode = \"chunks\" }, response = { mode = \"chunks\" } }"),
    body("events", NATIVE_BODIES, "config = { request = { mode = \"sse\" }, response = { mode = \"sse\" } }"),
    body("buffered", NATIVE_BODIES, BUFFERED),
];

const BUFFERED: &str = "config = { request = { mode = \"buffer\", bytes = 1048576 }, \
                        response = { mode = \"buffer\", bytes = 1048576 } }";

const fn head(name: &'static str, file: &'static str, settings: &'static str) -> Work {
    Work { name, plugin: Some((file, settings)), has_body: false, is_refused: false }
}

const fn body(name: &'static str, file: &'static str, settings: &'static str) -> Work {
    Work { has_body: true, ..head(name, file, settings) }
}
