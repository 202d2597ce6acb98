//! `refgateway plugin`.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use wasm_host::{Error, PluginEngine};

use super::{Failure, output, plugin_exec, plugin_test};

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
    Exec(plugin_exec::Exec),
    /// Call a plugin once with an input, and print what it makes of it: for plugins of Odin, whose inputs and outputs are JSON.
    Test(plugin_test::Test),
}

impl Plugin {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (file, wit, schema) = match self {
            Self::Inspect { file, wit, schema } => (file, wit, schema),
            Self::Exec(exec) => return exec.run(),
            Self::Test(test) => return test.run(),
        };
        let failed = |error: &dyn std::fmt::Display| Failure::Config(format!("{}: {error}", file.display()));
        let engine = PluginEngine::builder().max_instances(1).build().map_err(|error| failed(&error))?;
        let inspection = engine.inspect_file(&file).map_err(|error| match error {
            Error::File { source, .. } => failed(&source),
            error => failed(&error),
        })?;
        output::print(|stdout| {
            print(stdout, &file, &inspection, wit)?;
            match (schema, &inspection.config_schema) {
                (true, Some(text)) => writeln!(stdout, "\n{}", text.trim_end()),
                _ => Ok(()),
            }
        })?;
        match inspection.problems.as_slice() {
            [] => Ok(()),
            problems => Err(Failure::Config(problems.join("\n"))),
        }
    }
}

fn print(
    out: &mut impl Write,
    file: &std::path::Path,
    inspection: &wasm_host::Inspection,
    wit: bool,
) -> io::Result<()> {
    writeln!(out, "file      {}", file.display())?;
    writeln!(out, "digest    {}", inspection.digest)?;
    writeln!(out, "size      {} bytes", inspection.size)?;
    let made = if inspection.componentized { ", made a component when it is loaded" } else { "" };
    writeln!(out, "kind      {}{made}", inspection.kind)?;
    writeln!(out, "abi       {}", inspection.abi.unwrap_or("none"))?;
    if let Some(text) = &inspection.config_schema {
        writeln!(out, "schema    {} bytes", text.len())?;
    }
    for export in &inspection.exports {
        writeln!(out, "exports   {export}")?;
    }
    for import in &inspection.imports {
        writeln!(out, "imports   {import}")?;
    }
    if let (true, Some(text)) = (wit, &inspection.wit) {
        writeln!(out, "\n{text}")?;
    }
    Ok(())
}
