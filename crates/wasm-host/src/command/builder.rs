use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{Command, CommandLimits, Inner};
use crate::{
    Error, Grants, PluginEngine, Result,
    abi::CommandPre,
    capability::PluginConfig,
    compile::{CompiledCode, Source},
    plugin::{ContextParts, context},
};

/// Its `argv[0]`, when it is given none.
const PROGRAM: &str = "wasm-wizard";

/// Describes a [`Command`].
#[must_use]
pub struct CommandBuilder {
    source: Option<Origin>,
    limits: CommandLimits,
    program: Arc<str>,
    is_transient: bool,
}

enum Origin {
    Bytes(Bytes),
    File(PathBuf),
}

impl Default for CommandBuilder {
    fn default() -> Self {
        Self { source: None, limits: CommandLimits::default(), program: PROGRAM.into(), is_transient: false }
    }
}

impl CommandBuilder {
    /// The command's code: a component or a core module in the binary format.
    pub fn bytes(mut self, bytes: impl Into<Bytes>) -> Self {
        self.source = Some(Origin::Bytes(bytes.into()));
        self
    }

    /// A file with the command's code, read when the command is loaded.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source = Some(Origin::File(path.into()));
        self
    }

    /// What it may use. The default is [`CommandLimits::default`].
    pub fn limits(mut self, limits: CommandLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Its `argv[0]`. The default is `wasm-wizard`.
    pub fn program(mut self, name: impl Into<Arc<str>>) -> Self {
        self.program = name.into();
        self
    }

    /// One of many files that come and go: its compiled code is not written to the engine's cache directory, where nothing
    /// is ever removed.
    pub fn transient(mut self) -> Self {
        self.is_transient = true;
        self
    }

    /// Reads, compiles and links the code. Nothing of the guest runs.
    ///
    /// Compiling runs on tokio's blocking threads. Dropping the future abandons the command; a compilation under way goes
    /// on to its end.
    pub async fn load(self, engine: &PluginEngine) -> Result<Command> {
        let Self { source, limits, program, is_transient } = self;
        let origin = source.ok_or(Error::NoCommand)?;
        let compile = {
            let (engine, bound) = (engine.clone(), limits.module);
            move || {
                let source = Source { is_transient, ..Source::new(origin.read(bound)?) };
                let compiled = engine.0.runtimes.compiler(false)?.compile(&source)?;
                let pre = CommandPre::link(&compiled)?;
                Ok((compiled, pre, source.digest))
            }
        };
        let compiled: Result<(Arc<CompiledCode>, _, _)> =
            tokio::task::spawn_blocking(compile).await.map_err(|error| Error::Compile { reason: error.to_string() })?;
        let (compiled, pre, digest) = compiled?;
        let parts = ContextParts {
            name: "command".into(),
            version: "".into(),
            config: PluginConfig::unused(),
            limits: limits.of_instance(),
            grants: Grants::default(),
        };
        let context = Arc::new(context(engine, parts));
        Ok(Command(Arc::new(Inner {
            engine: engine.clone(),
            compiled,
            pre,
            context,
            limits,
            program,
            digest,
        })))
    }
}

impl Origin {
    fn read(self, bound: usize) -> Result<Bytes> {
        let (bytes, size) = match self {
            Self::Bytes(bytes) => {
                let size = bytes.len() as u64;
                (bytes, size)
            }
            Self::File(path) => read_file(&path, bound).map_err(|source| Error::File { path, source })?,
        };
        if bytes.len() > bound {
            return Err(Error::CommandTooLarge { size, bound });
        }
        Ok(bytes)
    }
}

/// A file, or so much of it that it is known to be too large; and its size.
fn read_file(path: &Path, bound: usize) -> io::Result<(Bytes, u64)> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.take((bound as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    let size = size.max(bytes.len() as u64);
    Ok((bytes.into(), size))
}

impl fmt::Debug for CommandBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandBuilder")
            .field("limits", &self.limits)
            .field("program", &self.program)
            .field("is_transient", &self.is_transient)
            .finish_non_exhaustive()
    }
}
