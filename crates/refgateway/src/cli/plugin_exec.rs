//! `refgateway plugin exec`.

use std::{
    io::{Read, Write},
    path::PathBuf,
};

use wasm_host::{Command, CommandLimits, PluginEngine};

use super::{Failure, output};
use crate::config::{Size, Time};

/// Run a WASI command once: stdin is its input, stdout its output.
#[derive(Debug, clap::Args)]
pub(super) struct Exec {
    /// The `.wasm` file: a core module with `_start`, or a component with `wasi:cli/run`.
    file: PathBuf,
    /// How long it may run.
    #[arg(long, value_name = "TIME", default_value = "5s")]
    timeout: Time,
    /// How much memory it may have.
    #[arg(long, value_name = "SIZE", default_value = "128MiB")]
    memory: Size,
    /// Take an output that is not UTF-8 text, too.
    #[arg(long)]
    binary: bool,
}

impl Exec {
    pub(super) fn run(self) -> Result<(), Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::Config(format!("{}: {error}", self.file.display()));
        let limits = CommandLimits { time: self.timeout.0, memory: self.memory.0, ..CommandLimits::default() };
        let input = read_input(&limits).map_err(|error| Failure::Config(format!("cannot read stdin: {error}")))?;
        let engine = PluginEngine::builder().max_instances(1).build().map_err(|error| failed(&error))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
        let ran = runtime.block_on(async {
            let command = Command::builder().file(&self.file).limits(limits).load(&engine).await;
            let command = command.map_err(|error| failed(&error))?;
            command.run(input).await.map_err(|error| failed(&error))
        })?;
        // Nobody may be there to read it.
        let _ = std::io::stderr().write_all(ran.stderr.as_bytes());
        let bytes = match self.binary {
            true => ran.stdout,
            false => {
                let text = ran.text().map_err(|error| failed(&format_args!("{error}, by `--binary`")))?;
                text.into()
            }
        };
        output::print(|stdout| stdout.write_all(&bytes))
    }
}

/// All of stdin, or so much of it that it is known to be too large.
fn read_input(limits: &CommandLimits) -> std::io::Result<Vec<u8>> {
    let mut input = Vec::new();
    std::io::stdin().lock().take((limits.input as u64).saturating_add(1)).read_to_end(&mut input)?;
    Ok(input)
}
