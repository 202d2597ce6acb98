//! Rounds of all peers, one after the other.

use std::{net::SocketAddr, path::Path};

use benches::{PROXY_PROCESSOR, Server, free_address};

use crate::{
    check::check,
    load::{PATH, load},
    peer::{Kind, Peer, Place},
};

const WARM_UP_SECONDS: u32 = 1;

#[derive(Debug)]
pub(crate) struct Bench<'b> {
    pub(crate) directory: &'b Path,
    pub(crate) upstream: SocketAddr,
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
}

/// What came out for one peer.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The name of the proxy that it is compared with.
    pub(crate) against: Option<String>,
    /// One a round; or why it was left out.
    pub(crate) samples: Result<Vec<Sample>, String>,
}

#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) per_second: f64,
    /// Of processor time, of each request.
    pub(crate) micros: f64,
}

impl Bench<'_> {
    /// Measures those that do what they should, and goes on without one that fails.
    pub(crate) fn run(&self, peers: &[Peer]) -> Vec<Measured> {
        let check = |peer: &Peer| self.start(peer).and_then(|(_server, address)| check(&peer.kind, address));
        let unmeasured = |peer: &Peer| Measured {
            name: peer.name.clone(),
            kind: peer.kind.clone(),
            against: peer.against.clone(),
            samples: check(peer).map(|()| Vec::new()),
        };
        let mut all: Vec<_> = peers.iter().map(unmeasured).collect();
        for round in 1..=self.rounds {
            for (peer, Measured { name, samples: result, .. }) in peers.iter().zip(&mut all) {
                let Ok(samples) = result else { continue };
                match self.sample(peer) {
                    Ok(sample) => {
                        eprintln!("round {round}: {name}: {:.0}/s, {:.2} µs", sample.per_second, sample.micros);
                        samples.push(sample);
                    }
                    Err(reason) => *result = Err(reason),
                }
            }
        }
        all
    }

    fn sample(&self, peer: &Peer) -> Result<Sample, String> {
        let (server, address) = self.start(peer)?;
        load(address, WARM_UP_SECONDS)?;
        let before = server.processor_time();
        let done = load(address, self.seconds)?;
        let micros = (server.processor_time() - before).as_secs_f64() * 1e6 / done.requests;
        Ok(Sample { per_second: done.per_second, micros })
    }

    fn start(&self, peer: &Peer) -> Result<(Server, SocketAddr), String> {
        let address = free_address();
        let place = Place { directory: self.directory, address, upstream: self.upstream, build: peer.build.as_deref() };
        let server = Server::try_start((peer.command)(&place), PROXY_PROCESSOR, address, PATH)?;
        Ok((server, address))
    }
}
