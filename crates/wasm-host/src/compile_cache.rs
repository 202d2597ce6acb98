//! Compiled code on disk.
//!
//! Loading compiled code is running it: the directory is as trusted as the executable. What is checked here is that
//! nobody else may write to it, and that a file is whole and was made by this version for this machine. A file that
//! is not is compiled again and replaced.

#[cfg(target_os = "linux")]
mod copy;

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use wasmtime::{Engine, Module, Precompiled, component::Component};
use xxhash_rust::xxh3::Xxh3;

#[cfg(target_os = "linux")]
use self::copy::CodeCopy;
use crate::{
    Error, Result,
    compile::{Code, Digest, write_hex},
    error::one_line,
};

const MAGIC: &[u8; 8] = b"wasmhst2";
const SEAL_BYTES: usize = 16;

pub(crate) struct CompileCache {
    directory: PathBuf,
    engine: Engine,
    /// Code of another wasmtime, another configuration or another machine has another fingerprint.
    fingerprint: u64,
}

impl CompileCache {
    pub(crate) fn open(directory: PathBuf, engine: &Engine) -> Result<Self> {
        let refused = |reason: String| Error::Engine {
            reason: format!("the cache directory {} cannot be used: {reason}", directory.display()),
        };
        create_private(&directory).map_err(|error| refused(error.to_string()))?;
        check_private(&directory).map_err(refused)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        Ok(Self { directory, engine: engine.clone(), fingerprint: hasher.finish() })
    }

    /// The code of a file, when the directory has it whole.
    pub(crate) fn load(&self, digest: &Digest) -> Option<Code> {
        let path = self.path(digest);
        #[cfg(target_os = "linux")]
        match self.map(digest, &path) {
            Ok(code) => return Some(code),
            Err(reason) => tracing::debug!(path = %path.display(), %reason, "cached code is not mapped"),
        }
        let file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot read cached code; compiling again");
                return None;
            }
        };
        let Some(code) = self.unseal(digest, &file) else {
            tracing::warn!(path = %path.display(), "cached code is damaged or foreign; compiling again");
            return None;
        };
        // SAFETY: the seal shows that these are the bytes that `store` wrote for this engine, in a directory that
        // only this user, or root, may write to.
        #[expect(unsafe_code, reason = "wasmtime cannot check compiled code; the lines above say why it is ours")]
        let loaded = unsafe {
            match Engine::detect_precompiled(code) {
                Some(Precompiled::Component) => Component::deserialize(&self.engine, code).map(Code::Component),
                _ => Module::deserialize(&self.engine, code).map(Code::Module),
            }
        };
        match loaded {
            Ok(code) => Some(code),
            Err(error) => {
                tracing::warn!(path = %path.display(), error = one_line(&error), "cached code does not load; compiling again");
                None
            }
        }
    }

    /// The same, in less time, where it can be done.
    #[cfg(target_os = "linux")]
    fn map(&self, digest: &Digest, path: &Path) -> wasmtime::Result<Code> {
        let mut file = fs::File::open(path)?;
        let (mut magic, mut seal) = ([0; MAGIC.len()], [0; SEAL_BYTES]);
        file.read_exact(&mut magic)?;
        file.read_exact(&mut seal)?;
        wasmtime::ensure!(magic == *MAGIC, "it is foreign");
        let mut sealed = self.sealing(digest);
        let copy = CodeCopy::of(file, |piece| sealed.update(piece))?;
        wasmtime::ensure!(seal == sealed.digest128().to_le_bytes(), "it is damaged");
        let path = copy.path();
        // SAFETY: as in `load`. The seal was made of the bytes that were copied, and nobody can change the copy.
        #[expect(unsafe_code, reason = "wasmtime cannot check compiled code; the line above says why it is ours")]
        unsafe {
            match Engine::detect_precompiled_file(&path)? {
                Some(Precompiled::Component) => Component::deserialize_file(&self.engine, path).map(Code::Component),
                _ => Module::deserialize_file(&self.engine, path).map(Code::Module),
            }
        }
    }

    /// Keeps the code of a file. A failure costs the next start a compilation, nothing else.
    pub(crate) fn store(&self, digest: &Digest, code: &Code) {
        let path = self.path(digest);
        let serialized = match code {
            Code::Module(module) => module.serialize(),
            Code::Component(component) => component.serialize(),
        };
        let written = serialized.map_err(|error| one_line(&error)).and_then(|code| {
            let mut file = Vec::with_capacity(MAGIC.len() + SEAL_BYTES + code.len());
            file.extend_from_slice(MAGIC);
            file.extend_from_slice(&self.seal(digest, &code));
            file.extend_from_slice(&code);
            replace(&path, &file).map_err(|error| error.to_string())
        });
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), error, "cannot keep compiled code");
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let mut name = String::new();
        // Writing to a string does not fail.
        let _ = write_hex(&mut name, digest.as_bytes());
        self.directory.join(format!("{name}-{:016x}.bin", self.fingerprint))
    }

    /// It shows damage. Whoever may write to the directory could make one.
    fn seal(&self, digest: &Digest, code: &[u8]) -> [u8; SEAL_BYTES] {
        let mut seal = self.sealing(digest);
        seal.update(code);
        seal.digest128().to_le_bytes()
    }

    /// A seal that has not seen the code.
    fn sealing(&self, digest: &Digest) -> Xxh3 {
        let mut seal = Xxh3::new();
        seal.update(digest.as_bytes());
        seal.update(&self.fingerprint.to_le_bytes());
        seal
    }

    fn unseal<'a>(&self, digest: &Digest, file: &'a [u8]) -> Option<&'a [u8]> {
        let (seal, code) = file.strip_prefix(MAGIC)?.split_at_checked(SEAL_BYTES)?;
        (seal == self.seal(digest, code)).then_some(code)
    }
}

/// Writes beside the file and renames, so that a reader never sees half of it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension(unique("tmp"));
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// A name that no other thread and no other process gives.
fn unique(word: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{word}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(unix)]
fn create_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Whether the directory is this user's, or root's, and nobody else may write to it.
#[cfg(unix)]
fn check_private(directory: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;

    let metadata = fs::metadata(directory).map_err(|error| error.to_string())?;
    if metadata.mode() & 0o022 != 0 {
        return Err(format!("others may write to it (mode {:o}); `chmod 700` it", metadata.mode() & 0o7777));
    }
    let own = own_user(directory).map_err(|error| error.to_string())?;
    if metadata.uid() != own && metadata.uid() != 0 {
        return Err(format!("it belongs to another user (uid {})", metadata.uid()));
    }
    Ok(())
}

/// The user whose new files are: a file that was not there before is made, looked at and removed.
#[cfg(unix)]
fn own_user(directory: &Path) -> io::Result<u32> {
    use std::os::unix::fs::MetadataExt;

    let path = directory.join(unique("probe"));
    let file = fs::File::create_new(&path)?;
    let uid = file.metadata().map(|metadata| metadata.uid());
    fs::remove_file(&path)?;
    uid
}

#[cfg(not(unix))]
fn create_private(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<(), String> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_is_whole_is_mapped() {
        let (engine, directory) = (Engine::default(), tempfile::tempdir().unwrap());
        let cache = CompileCache::open(directory.path().join("cache"), &engine).unwrap();
        let (digest, other) = (Digest::of(b"a file"), Digest::of(b"another"));
        let path = cache.path(&digest);
        for code in [
            Code::Component(Component::new(&engine, b"\0asm\x0d\0\x01\0").unwrap()),
            Code::Module(Module::new(&engine, b"\0asm\x01\0\0\0").unwrap()),
        ] {
            cache.store(&digest, &code);
            assert_eq!(std::mem::discriminant(&cache.map(&digest, &path).unwrap()), std::mem::discriminant(&code));
        }
        assert!(cache.map(&other, &path).is_err(), "it is another file's");

        let whole = fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() - 1], &whole[..3], &[]] {
            fs::write(&path, damaged).unwrap();
            assert!(cache.map(&digest, &path).is_err());
        }
    }
}
