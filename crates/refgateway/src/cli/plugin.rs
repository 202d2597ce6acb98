//! `refgateway plugin`.

use std::{
    io::{Read, Write},
    path::PathBuf,
};

use wasm_host::{Command, CommandLimits, PluginEngine};

use super::Failure;
use crate::config::{Size, Time};

/// Look at plugins without serving, and run commands.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Plugin {
    /// Print what a plugin's file is: its ABI, what it imports and exports, and what is wrong with it.
    Inspect {
        /// The `.wasm` file.
        file: PathBuf,
        /// Print the component's world as WIT, too.
        #[arg(long)]
        wit: bool,
        /// Print the JSON Schema of its config, too, if it ships one.
        #[arg(long)]
        schema: bool,
    },
    /// Run a WASI command once: stdin is its input, stdout its output.
    Exec(Exec),
}

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

impl Plugin {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (file, wit, schema) = match self {
            Self::Inspect { file, wit, schema } => (file, wit, schema),
            Self::Exec(exec) => return exec.run(),
        };
        let failed = |error: &dyn std::fmt::Display| Failure::Config(format!("{}: {error}", file.display()));
        let bytes = std::fs::read(&file).map_err(|error| failed(&error))?;
        let engine = PluginEngine::builder().max_instances(1).build().map_err(|error| failed(&error))?;
        let inspection = engine.inspect(&bytes).map_err(|error| failed(&error))?;
        print(&file, &inspection, wit);
        if let (true, Some(text)) = (schema, &inspection.config_schema) {
            print_text(text);
        }
        match inspection.problems.as_slice() {
            [] => Ok(()),
            problems => Err(Failure::Config(problems.join("\n"))),
        }
    }
}

impl Exec {
    fn run(self) -> Result<(), Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::Config(format!("{}: {error}", self.file.display()));
        let limits = CommandLimits { time: self.timeout.0, memory: self.memory.0, ..CommandLimits::default() };
        let input = read_input(&limits).map_err(|error| Failure::Config(format!("cannot read stdin: {error}")))?;
        let engine = PluginEngine::builder().max_instances(1).build().map_err(|error| failed(&error))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
        let output = runtime.block_on(async {
            let command = Command::builder().file(&self.file).limits(limits).load(&engine).await;
            let command = command.map_err(|error| failed(&error))?;
            command.run(input).await.map_err(|error| failed(&error))
        })?;
        eprint!("{}", output.stderr);
        let bytes = match self.binary {
            true => output.stdout,
            false => {
                let text = output.text().map_err(|error| failed(&format_args!("{error}, by `--binary`")))?;
                text.into()
            }
        };
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(&bytes).and_then(|()| stdout.flush());
        written.map_err(|error| Failure::Config(format!("cannot write to stdout: {error}")))
    }
}

/// All of stdin, or so much of it that it is known to be too large.
fn read_input(limits: &CommandLimits) -> std::io::Result<Vec<u8>> {
    let mut input = Vec::new();
    std::io::stdin().lock().take((limits.input as u64).saturating_add(1)).read_to_end(&mut input)?;
    Ok(input)
}

#[allow(clippy::print_stdout, reason = "the command's result")]
fn print(file: &std::path::Path, inspection: &wasm_host::Inspection, wit: bool) {
    println!("file      {}", file.display());
    println!("digest    {}", inspection.digest);
    println!("size      {} bytes", inspection.size);
    let made = if inspection.componentized { ", made a component when it is loaded" } else { "" };
    println!("kind      {}{made}", inspection.kind);
    println!("abi       {}", inspection.abi.unwrap_or("none"));
    if let Some(text) = &inspection.config_schema {
        println!("schema    {} bytes", text.len());
    }
    for export in &inspection.exports {
        println!("exports   {export}");
    }
    for import in &inspection.imports {
        println!("imports   {import}");
    }
    if let (true, Some(text)) = (wit, &inspection.wit) {
        println!("\n{text}");
    }
}

#[allow(clippy::print_stdout, reason = "the command's result")]
fn print_text(text: &str) {
    println!("\n{}", text.trim_end());
}
