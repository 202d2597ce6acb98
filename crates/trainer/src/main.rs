//! Gives a gateway work of many kinds: `trainer PROGRAM`. A program that counts what it runs leaves its counts behind when
//! it ends, and a build that knows them arranges the code by what matters. `cargo xtask pgo` makes such a build.
//!
//! What is not among this work is built to be small, and not to be fast.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what cannot train fails by panicking")]

mod client;
mod gateway;
mod upstream;
mod work;

use std::{env, path::PathBuf, time::Duration};

use tokio::{runtime, task::LocalSet};

use self::{gateway::Gateway, work::WORK};

/// For each kind of work, protocol and gateway.
const TIME: Duration = Duration::from_millis(500);

fn main() {
    let program = PathBuf::from(env::args_os().nth(1).expect("the gateway's program"));
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let upstream = upstream::start().await;
        for access_log in [false, true] {
            let gateway = Gateway::start(&program, upstream, access_log).await;
            for work in &WORK {
                client::over_http1(gateway.address, work, TIME).await;
                client::over_http2(gateway.address, work, TIME).await;
            }
            gateway.end().await;
        }
    });
}
