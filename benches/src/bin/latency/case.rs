//! What is measured.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use benches::{PROXY_PROCESSOR, Server, free_address, hyper_alone};
use test_guests::{NATIVE_FILTER, NATIVE_MISBEHAVE};

use crate::{
    answers::Answers,
    disturb::{self, SPINNING},
    load::{Load, Pace},
};

/// A gateway, and what goes on beside the requests that are measured.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    proxy: Proxy,
    /// The pool of the filter, when there is one.
    pool: Option<&'static str>,
    beside: Beside,
    /// To be shown at full load as well.
    pub(crate) is_loaded_in_full: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proxy {
    Gateway,
    /// The library that the gateway is made of: what is late with it is the machine's.
    HyperAlone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// Another plugin on another route computes until its deadline, again and again.
    Spinner,
    /// The filter's file changes and the config is read again.
    Reloads,
}

/// The rate of all cases is half of what can be had with this one.
pub(crate) const FILTER: Case = case("filter, pool `reuse`", Some("reuse"), Beside::Nothing);
pub(crate) const CASES: [Case; 6] = [
    Case { proxy: Proxy::HyperAlone, ..case("hyper alone", None, Beside::Nothing) },
    case("no plugin", None, Beside::Nothing),
    FILTER,
    case("filter, pool `fresh`", Some("fresh"), Beside::Nothing),
    case("filter, pool `reuse`, beside a plugin that spins", Some("reuse"), Beside::Spinner),
    Case {
        is_loaded_in_full: true,
        ..case("filter, pool `reuse`, compiled anew and reloaded twice a second", Some("reuse"), Beside::Reloads)
    },
];

const fn case(name: &'static str, pool: Option<&'static str>, beside: Beside) -> Case {
    Case { name, proxy: Proxy::Gateway, pool, beside, is_loaded_in_full: false }
}

impl Case {
    /// Starts a gateway and asks it for so long.
    pub(crate) fn run(&self, load: &mut Load, pace: Pace, time: Duration) -> Answers {
        let directory = tempfile::tempdir().unwrap();
        let address = free_address();
        let filter = directory.path().join("filter.wasm");
        fs::copy(NATIVE_FILTER, &filter).unwrap();
        let command = match self.proxy {
            Proxy::Gateway => benches::gateway(directory.path(), address, load.upstream(), &self.config(&filter)),
            Proxy::HyperAlone => hyper_alone(address, load.upstream()),
        };
        let server = load.serve_during(|| Server::start(command, PROXY_PROCESSOR, address));
        load.connect(address);
        load.ask(Pace::AtOnce, Duration::from_secs(1));
        let (since, before) = (Instant::now(), server.processor_time());
        let mut answers = match self.beside {
            Beside::Nothing => load.ask(pace, time),
            Beside::Spinner => disturb::spinning(address, || load.ask(pace, time)),
            Beside::Reloads => disturb::reloading(&server, &filter, || load.ask(pace, time)),
        };
        answers.busy = (server.processor_time() - before).as_secs_f64() / since.elapsed().as_secs_f64();
        load.disconnect();
        answers
    }

    fn config(&self, filter: &Path) -> String {
        let (chain, pool) = if self.pool.is_some() { (r#""filter""#, self.pool) } else { ("", Some("reuse")) };
        let (filter, pool) = (filter.display(), pool.unwrap_or_default());
        format!(
            r#"
routes = [
  {{ name = "spin", match = {{ path_prefix = "{SPINNING}" }}, service = "upstream", chain = ["spinner"] }},
  {{ name = "all", service = "upstream", chain = [{chain}] }},
]
plugins = [
  {{ name = "filter", file = "{filter}", pool = {{ mode = "{pool}" }} }},
  {{ name = "spinner", file = "{NATIVE_MISBEHAVE}" }},
]
"#
        )
    }
}
