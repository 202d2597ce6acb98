//! Answers with what it is told of time, of chance and of the client's connection.

use std::{
    collections::HashMap,
    time::{Instant, SystemTime},
};

use wasm_host_guest::{Action, Config, LocalResponse, OnRequest, Plugin, Request, Result, exchange, export};

struct TellFacts {
    started: Instant,
}

impl Plugin for TellFacts {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self { started: Instant::now() })
    }
}

impl OnRequest for TellFacts {
    fn on_request(&mut self, _: &Request<'_>) -> Result<Action> {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        // The standard library's maps are seeded by the host.
        let mut numbers = HashMap::new();
        numbers.extend((0..32).map(|number| (number, ())));
        let order: Vec<_> = numbers.keys().map(u8::to_string).collect();
        let text = format!(
            "wall {:?}, up {:?}, elapsed {:?}, tls {:?}, random {}",
            wall,
            self.started.elapsed(),
            exchange::elapsed(),
            exchange::tls().map(|tls| (tls.version, tls.cipher_suite, tls.server_name, tls.alpn)),
            order.join(" ")
        );
        Ok(LocalResponse::new(200)?.body(text)?.into())
    }
}

export!(TellFacts: request);
