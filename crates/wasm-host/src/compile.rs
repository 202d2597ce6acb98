//! From a plugin's bytes to linked code. The same bytes are compiled once, whatever their configs.

use std::{
    collections::HashMap,
    fmt::{self, Write},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;
use rayon::{ThreadPool, ThreadPoolBuilder};
use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, Module, component::Component};

use crate::{
    Error, Result,
    abi::{AbiOptions, FileKind, FileShape, GuestAbi, GuestPre, componentize, detect},
    compile_cache::CompileCache,
    error::one_line,
    priority::give_way,
};

/// The SHA-256 of a plugin's file.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a file's bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of a regular file, as large as a plugin may be.
    ///
    /// # Errors
    /// The file cannot be read, is no regular one, or has more than 256 MiB.
    pub fn of_file(path: impl AsRef<Path>) -> io::Result<Self> {
        read_file(path.as_ref()).map(|bytes| Self::of(&bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

pub(crate) fn write_hex(to: &mut impl Write, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(to, "{byte:02x}"))
}

/// Reads a plugin's file. What is no regular file might never end, or never begin.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    const BYTES: u64 = 256 << 20;
    let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidInput, reason);
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(invalid("it is no regular file"));
    }
    if metadata.len() > BYTES {
        return Err(invalid("it has more than 256 MiB"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A plugin's bytes as they were given.
pub(crate) struct Source {
    pub(crate) bytes: Bytes,
    pub(crate) digest: Digest,
    /// Its code is not kept on disk.
    pub(crate) is_transient: bool,
}

impl Source {
    pub(crate) fn of_file(path: PathBuf) -> Result<Self> {
        read_file(&path).map(Self::new).map_err(|source| Error::File { path, source })
    }

    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { digest: Digest::of(&bytes), bytes, is_transient: false }
    }
}

/// Code that is ready to be linked.
pub(crate) struct CompiledCode {
    code: Code,
    counts_fuel: bool,
    shape: FileShape,
    abi: &'static dyn GuestAbi,
}

/// What the compiler made of a file.
#[derive(Clone)]
pub(crate) enum Code {
    Module(Module),
    Component(Component),
}

impl Code {
    fn kind(&self) -> FileKind {
        match self {
            Self::Module(_) => FileKind::CoreModule,
            Self::Component(_) => FileKind::Component,
        }
    }
}

impl CompiledCode {
    /// The component, for an ABI whose guests are components.
    pub(crate) fn component(&self) -> Result<&Component> {
        match &self.code {
            Code::Component(component) => Ok(component),
            Code::Module(_) => Err(self.other_kind("a component")),
        }
    }

    /// The module, for an ABI whose guests are core modules.
    pub(crate) fn module(&self) -> Result<&Module> {
        match &self.code {
            Code::Module(module) => Ok(module),
            Code::Component(_) => Err(self.other_kind("a core module")),
        }
    }

    /// Either, for an ABI whose guests are both.
    pub(crate) fn code(&self) -> &Code {
        &self.code
    }

    fn other_kind(&self, expected: &str) -> Error {
        let reason = format!("it is a {}, and a guest of this ABI is {expected}", self.shape.kind.as_str());
        Error::Link { abi: self.abi.id(), reason }
    }

    pub(crate) fn engine(&self) -> &Engine {
        match &self.code {
            Code::Module(module) => module.engine(),
            Code::Component(component) => component.engine(),
        }
    }

    /// Whether it counts its steps.
    pub(crate) fn counts_fuel(&self) -> bool {
        self.counts_fuel
    }

    pub(crate) fn shape(&self) -> &FileShape {
        &self.shape
    }

    pub(crate) fn abi(&self) -> &'static dyn GuestAbi {
        self.abi
    }

    /// Whether the code can be used in the way of its ABI.
    pub(crate) fn check(&self) -> Result<()> {
        self.abi.check(self)
    }

    /// Connects the code with the host's functions, as the operator wants it used.
    pub(crate) fn link(&self, options: &AbiOptions<'_>) -> Result<Box<dyn GuestPre>> {
        self.abi.link(self, options)
    }
}

pub(crate) struct Compiler {
    engine: Engine,
    counts_fuel: bool,
    disk: Option<CompileCache>,
    live: Mutex<HashMap<Digest, Weak<CompiledCode>>>,
    compiled: AtomicU64,
}

impl Compiler {
    pub(crate) fn new(engine: Engine, counts_fuel: bool, disk: Option<CompileCache>) -> Self {
        Self { engine, counts_fuel, disk, live: Mutex::default(), compiled: AtomicU64::new(0) }
    }

    /// Compiles a file, unless its code is at hand.
    pub(crate) fn compile(&self, source: &Source) -> Result<Arc<CompiledCode>> {
        if let Some(code) = self.live.lock().get(&source.digest).and_then(Weak::upgrade) {
            return Ok(code);
        }
        let code = match self.compiled_before(source) {
            Some(code) => code,
            None => self.compile_anew(source)?,
        };
        let code = Arc::new(code);
        let mut live = self.live.lock();
        live.retain(|_, code| code.strong_count() > 0);
        live.insert(source.digest, Arc::downgrade(&code));
        Ok(code)
    }

    /// How often code was compiled: it was in memory and on disk for nobody.
    pub(crate) fn compilations(&self) -> u64 {
        self.compiled.load(Relaxed)
    }

    /// The code of a file that this process or another one has kept on disk. The file was valid when it was compiled.
    fn compiled_before(&self, source: &Source) -> Option<CompiledCode> {
        let code = self.disk.as_ref()?.load(&source.digest)?;
        let shape = FileShape::read_valid(&source.bytes).ok()?;
        let shape = match (&code, shape.becomes_a_component()) {
            (Code::Component(component), true) => shape.of_what_it_became(component),
            (Code::Module(_), true) => return None,
            (_, false) => shape,
        };
        let abi = detect(&shape).ok()?;
        let fits = code.kind() == shape.kind;
        fits.then_some(CompiledCode { code, counts_fuel: self.counts_fuel, shape, abi })
    }

    fn compile_anew(&self, source: &Source) -> Result<CompiledCode> {
        let (bytes, shape) = loadable(&source.bytes)?;
        let abi = detect(&shape)?;
        self.compiled.fetch_add(1, Relaxed);
        let code = in_background(|| match shape.kind {
            FileKind::CoreModule => Module::new(&self.engine, &bytes).map(Code::Module),
            FileKind::Component => Component::new(&self.engine, &bytes).map(Code::Component),
        });
        let code = code.map_err(|error| Error::Compile { reason: one_line(&error) })?;
        if let Some(disk) = self.disk.as_ref().filter(|_| !source.is_transient) {
            disk.store(&source.digest, &code);
        }
        Ok(CompiledCode { code, counts_fuel: self.counts_fuel, shape, abi })
    }
}

/// Compiles on threads that leave the processor to requests first. The process has one set of them, as of those that
/// wasmtime would use otherwise.
fn in_background<T: Send>(compile: impl FnOnce() -> T + Send) -> T {
    /// One at a time, on all threads: one that waits for parts of its own would take up another one meanwhile, on its stack.
    static TURN: Mutex<()> = Mutex::new(());
    static THREADS: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
        let threads = ThreadPoolBuilder::new().thread_name(|number| format!("wasm-host-compile-{number}"));
        let threads = threads.start_handler(|_| give_way()).build();
        threads
            .inspect_err(|error| tracing::warn!(%error, "no threads to compile on: it is done where it is asked for"))
            .ok()
    });
    match &*THREADS {
        Some(threads) => {
            let _turn = TURN.lock();
            threads.install(compile)
        }
        None => compile(),
    }
}

/// What is compiled of a file, and its shape. A core module that carries its WIT world becomes a component.
pub(crate) fn loadable(bytes: &Bytes) -> Result<(Bytes, FileShape)> {
    let shape = FileShape::read(bytes)?;
    if shape.becomes_a_component() {
        let component = Bytes::from(componentize(bytes)?);
        let shape = FileShape { config_schema: shape.config_schema, ..FileShape::read(&component)? };
        return Ok((component, shape));
    }
    Ok((bytes.clone(), shape))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn compiles_on_threads_of_its_own() {
        let name = in_background(|| std::thread::current().name().map(str::to_owned)).unwrap();
        assert!(name.starts_with("wasm-host-compile-"), "{name}");
    }
}
