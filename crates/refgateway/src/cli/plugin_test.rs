//! `refgateway plugin test`.

use std::{
    fmt::Display,
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use wasm_host::{Limits, PluginEngine};

use super::{Failure, output};
use crate::{Error, telemetry::logs};

/// How long the call may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Call a plugin once with an input, and print what it makes of it.
#[derive(Debug, clap::Args)]
pub(super) struct Test {
    /// The `.wasm` file.
    file: PathBuf,
    /// The input, as JSON.
    input: PathBuf,
    /// The plugin's config, as JSON.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Test {
    /// The call is part of no exchange, and the plugin may call nobody.
    pub(super) fn run(self) -> Result<(), Failure> {
        logs::install(None);
        let (input, _) = read_json(&self.input)?;
        let config = self.config.as_deref().map(read_json).transpose()?;
        let config = config.map_or(Value::Null, |(_, config)| config);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Worker)?;
        let made = runtime.block_on(async {
            let made = call(&self.file, config, &input).await;
            // A guest cleans up on a task of its own.
            while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            made
        })?;
        output::print(|stdout| writeln!(stdout, "{}", String::from_utf8_lossy(&made).trim_end()))
    }
}

async fn call(file: &Path, config: Value, input: &[u8]) -> Result<Vec<u8>, Failure> {
    let failed = |error: &dyn Display| Failure::Config(format!("{}: {error}", file.display()));
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let engine = PluginEngine::builder().max_instances(1).build().map_err(|error| failed(&error))?;
    let limits = Limits { cpu: TIMEOUT, wall: TIMEOUT, ..Limits::default() };
    let builder = wasm_host::Plugin::builder(name).file(file).config(config).limits(limits);
    let plugin = builder.load(&engine).await.map_err(|error| failed(&error))?;
    plugin.test_input(input).await.map_err(|failure| failed(&failure))
}

/// A file as it is, and what it says.
fn read_json(file: &Path) -> Result<(Vec<u8>, Value), Failure> {
    let failed = |error: &dyn Display| Failure::Config(format!("{}: {error}", file.display()));
    let text = fs::read(file).map_err(|error| failed(&error))?;
    let value = serde_json::from_slice(&text).map_err(|error| failed(&format_args!("not valid JSON: {error}")))?;
    Ok((text, value))
}
