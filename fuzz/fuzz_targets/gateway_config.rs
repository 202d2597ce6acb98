//! Any text as a gateway's config, in both languages: an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refgateway::config::Config;

fuzz_target!(|text: &str| {
    let environment = |name: &str| (name.len() % 2 == 0).then(|| name.to_owned());
    drop(Config::from_yaml(text, &environment));
    drop(Config::from_toml(text, &environment));
});
