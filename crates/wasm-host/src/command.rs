//! WASI commands: programs that turn an input into an output, run by themselves and not in a chain.

mod builder;
mod error;
mod limits;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

pub use self::{
    builder::CommandBuilder,
    error::{CommandError, CommandLimit},
    limits::CommandLimits,
};
use crate::{
    Digest, PluginEngine,
    abi::CommandPre,
    compile::CompiledCode,
    store::{PluginContext, run_command},
};

/// A WASI command that is ready to run: a core module for WASI preview 1 that exports `_start`, or a component that
/// exports `wasi:cli/run`.
///
/// It reads its input from stdin and writes its output to stdout. It has no environment, no arguments but its name, no
/// files and no network. Cloning is cheap and gives the same command.
///
/// ```no_run
/// # async fn example(engine: &wasm_host::PluginEngine) -> Result<(), Box<dyn std::error::Error>> {
/// use wasm_host::Command;
///
/// let command = Command::builder().file("upper.wasm").load(engine).await?;
/// let output = command.run("some text").await?.text()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Command(Arc<Inner>);

struct Inner {
    engine: PluginEngine,
    compiled: Arc<CompiledCode>,
    pre: CommandPre,
    context: Arc<PluginContext>,
    limits: CommandLimits,
    program: Arc<str>,
    digest: Digest,
}

/// What a run is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandInput {
    /// All of its stdin.
    pub stdin: Bytes,
}

impl<T: Into<Bytes>> From<T> for CommandInput {
    fn from(stdin: T) -> Self {
        Self { stdin: stdin.into() }
    }
}

/// What came of a run that succeeded: the command returned, or exited with code 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandOutput {
    /// What it wrote to stdout, as it wrote it.
    pub stdout: Bytes,
    /// The end of what it wrote to stderr, up to [`CommandLimits::stderr`]. What is not UTF-8 is replaced.
    pub stderr: String,
    /// How long it ran.
    pub duration: Duration,
}

impl CommandOutput {
    /// The output as text. An error when it is not UTF-8.
    pub fn text(self) -> Result<String, CommandError> {
        String::from_utf8(self.stdout.into())
            .map_err(|error| CommandError::NotUtf8 { at: error.utf8_error().valid_up_to(), stderr: self.stderr })
    }
}

impl Command {
    /// Starts describing a command.
    pub fn builder() -> CommandBuilder {
        CommandBuilder::default()
    }

    /// The digest of its file.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// What a run of it may use.
    pub fn limits(&self) -> &CommandLimits {
        &self.0.limits
    }

    /// Runs it once, on an instance of its own. Runs may overlap.
    ///
    /// Dropping the future stops the guest. A guest that computes gives the thread back every millisecond.
    pub async fn run(&self, input: impl Into<CommandInput>) -> Result<CommandOutput, CommandError> {
        let Inner { engine, compiled, pre, context, limits, program, .. } = &*self.0;
        let CommandInput { stdin } = input.into();
        if stdin.len() > limits.input {
            let reason = format!("was given {} bytes, and {} are allowed", stdin.len(), limits.input);
            return Err(CommandError::Limit { limit: CommandLimit::Input, reason, stderr: String::new() });
        }
        loop {
            match run_command(compiled.engine(), context, pre, program, stdin.clone(), limits.output).await {
                Err(CommandError::Saturated { .. }) if engine.0.evict_idle() => {}
                ended => return ended,
            }
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("digest", &self.0.digest)
            .field("limits", &self.0.limits)
            .field("program", &self.0.program)
            .finish_non_exhaustive()
    }
}
