//! The command line.

mod check;
mod demo;
mod environment;
mod output;
mod plugin;
mod plugin_exec;
mod plugin_test;
mod run;
mod schema;
mod signals;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// A reverse proxy whose routes carry WebAssembly plugins.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve, from a config file or straight to one upstream.
    Run(run::Run),
    /// Check a config file and report every problem.
    Check(check::Check),
    /// Print the JSON Schema of the config file.
    Schema,
    /// Serve a built-in upstream that echoes requests, with curl lines to try.
    Demo(demo::Demo),
    /// Look at plugins without serving, and run commands.
    #[command(subcommand)]
    Plugin(plugin::Plugin),
}

/// Why a command failed, which is its exit code.
#[derive(Debug)]
enum Failure {
    /// 1: the config, a file it names or an address.
    Config(String),
}

/// Runs the command line: 0 ok, 1 a config that cannot be used, 2 wrong usage.
pub fn main() -> ExitCode {
    // clap itself exits with 2.
    let result = match Cli::parse().command {
        Command::Run(run) => run.run(),
        Command::Check(check) => check.run(),
        Command::Schema => schema::run(),
        Command::Demo(demo) => demo.run(),
        Command::Plugin(plugin) => plugin.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Config(message)) => {
            // Nobody may be there to read it.
            let _ = writeln!(io::stderr(), "{message}");
            ExitCode::from(1)
        }
    }
}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        Self::Config(error.to_string())
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::Config(error.to_string())
    }
}

/// `--config FILE`.
#[derive(Clone, Debug, clap::Args)]
struct ConfigFile {
    /// The config file, YAML or TOML by its extension.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}
