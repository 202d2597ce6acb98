//! `refgateway schema`.

use std::io::Write;

use super::{Failure, output};
use crate::config::Config;

/// Prints the JSON Schema of the config file.
pub(super) fn run() -> Result<(), Failure> {
    let schema = schemars::schema_for!(Config);
    let text = serde_json::to_string_pretty(&schema).map_err(|error| Failure::Config(error.to_string()))?;
    output::print(|stdout| writeln!(stdout, "{text}"))
}
