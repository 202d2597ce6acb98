//! `refgateway schema`.

use super::Failure;
use crate::config::Config;

/// Prints the JSON Schema of the config file.
#[allow(clippy::print_stdout, reason = "the command's result")]
pub(super) fn run() -> Result<(), Failure> {
    let schema = schemars::schema_for!(Config);
    let text = serde_json::to_string_pretty(&schema).map_err(|error| Failure::Config(error.to_string()))?;
    println!("{text}");
    Ok(())
}
