//! Modules of sgl-model-gateway, as `POST /wasm` names them.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::config::{AttachPoint, Config, DeployedModule, Origin, Plugin};

/// A module to be deployed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Descriptor {
    pub(crate) name: String,
    file_path: PathBuf,
    module_type: ModuleType,
    attach_points: Vec<AttachPoint>,
}

/// The kinds of modules that there are.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
enum ModuleType {
    Middleware,
}

/// Why a module is not deployed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("`name` is empty")]
    NoName,
    #[error("`file_path` is empty")]
    NoPath,
    #[error("`attach_points` is empty: name one of OnRequest, OnResponse and OnError")]
    NoAttachPoint,
    #[error(
        "this gateway deploys modules from no directory: name one in `wasm_roots` of its config, or by `--wasm-root`"
    )]
    NoRoots,
    #[error("`file_path` is not an absolute path")]
    Relative,
    #[error("`file_path` has a `..`")]
    Parent,
    #[error("`file_path` does not end in `.wasm`")]
    OtherName,
    #[error("there is no such file in a directory of `wasm_roots`")]
    NotThere,
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("the file is empty")]
    Empty,
    #[error("the file is not a WebAssembly file")]
    NotWasm,
    #[error("the file is a core module, and a component is needed: `wasm-tools component new` makes one of it")]
    CoreModule,
}

/// The plugin that a module is to be, if it may be one.
pub(crate) fn module_plugin(config: &Config, module: &Descriptor) -> Result<Plugin, Refused> {
    if module.name.trim().is_empty() {
        return Err(Refused::NoName);
    }
    if module.attach_points.is_empty() {
        return Err(Refused::NoAttachPoint);
    }
    let file = find(&config.wasm_roots, &module.file_path)?;
    let size_bytes = component_size(&file)?;
    let deployed = DeployedModule {
        uuid: Uuid::new_v4().to_string(),
        file_path: module.file_path.clone(),
        size_bytes,
        created_at: SystemTime::now(),
        attach_points: module.attach_points.clone(),
    };
    let points: Vec<_> = module.attach_points.iter().map(|AttachPoint::Middleware(point)| point).collect();
    let plugin = Plugin {
        abi: json!({ "attach_points": points }),
        origin: Origin::Deployed(Arc::new(deployed)),
        // What was looked at, wherever a link leads later.
        ..Plugin::from_file(module.name.clone(), file)
    };
    Ok(config.wasm_runtime.bound(plugin))
}

/// The file itself, which is in one of the directories. What is elsewhere is as if it was not there.
fn find(roots: &[PathBuf], path: &Path) -> Result<PathBuf, Refused> {
    if path.as_os_str().is_empty() {
        return Err(Refused::NoPath);
    }
    if !path.is_absolute() {
        return Err(Refused::Relative);
    }
    if path.components().any(|component| component == Component::ParentDir) {
        return Err(Refused::Parent);
    }
    if path.extension().is_none_or(|extension| extension != "wasm") {
        return Err(Refused::OtherName);
    }
    if roots.is_empty() {
        return Err(Refused::NoRoots);
    }
    let file = fs::canonicalize(path).map_err(|_| Refused::NotThere)?;
    let is_within = |root: &PathBuf| fs::canonicalize(root).is_ok_and(|root| file.starts_with(root));
    if roots.iter().any(is_within) && file.is_file() { Ok(file) } else { Err(Refused::NotThere) }
}

/// The size of a file that begins like a component.
fn component_size(path: &Path) -> Result<u64, Refused> {
    const MODULE: &[u8] = b"\0asm\x01\0\0\0";
    let mut start = Vec::new();
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    file.take(MODULE.len() as u64).read_to_end(&mut start)?;
    match start.as_slice() {
        [] => Err(Refused::Empty),
        MODULE => Err(Refused::CoreModule),
        start if start.starts_with(b"\0asm") => Ok(size),
        _ => Err(Refused::NotWasm),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use std::os::unix::fs::symlink;

    use super::*;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    fn descriptor(name: &str, path: &Path) -> Descriptor {
        let body = json!({
            "name": name,
            "file_path": path,
            "module_type": "Middleware",
            "attach_points": [{ "Middleware": "OnRequest" }],
        });
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn a_component_under_a_root_is_a_plugin() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let file = root.join("deep/er/m.wasm");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, COMPONENT).unwrap();
        let config = Config { wasm_roots: vec![root.clone()], ..Config::default() };
        let plugin = module_plugin(&config, &descriptor("m", &file)).unwrap();
        assert_eq!((plugin.name.as_str(), &plugin.file), ("m", &file));
        assert_eq!(plugin.abi, json!({ "attach_points": ["OnRequest"] }));
        assert_eq!(plugin.limits.memory.unwrap().0, 64 << 20);
        let Origin::Deployed(module) = plugin.origin else { panic!("{:?}", plugin.origin) };
        assert_eq!((module.size_bytes, module.uuid.len()), (8, 36));

        symlink(&file, root.join("link.wasm")).unwrap();
        let linked = module_plugin(&config, &descriptor("l", &root.join("link.wasm"))).unwrap();
        assert_eq!(linked.file, file);
    }

    #[test]
    fn what_is_elsewhere_is_as_if_it_was_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().canonicalize().unwrap();
        let (root, beside) = (base.join("root"), base.join("root-beside"));
        for folder in [&root, &beside] {
            fs::create_dir(folder).unwrap();
        }
        fs::write(beside.join("m.wasm"), COMPONENT).unwrap();
        fs::create_dir(root.join("folder.wasm")).unwrap();
        symlink(beside.join("m.wasm"), root.join("out.wasm")).unwrap();
        let config = Config { wasm_roots: vec![root.clone(), "/nowhere".into()], ..Config::default() };
        let outside = [beside.join("m.wasm"), root.join("out.wasm"), root.join("gone.wasm"), root.join("folder.wasm")];
        for path in outside {
            let refused = module_plugin(&config, &descriptor("m", &path)).unwrap_err();
            assert!(matches!(refused, Refused::NotThere), "{path:?}: {refused}");
        }
    }

    #[test]
    fn each_mistake_has_its_words() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::write(root.join("module.wasm"), b"\0asm\x01\0\0\0\0").unwrap();
        fs::write(root.join("text.wasm"), "text").unwrap();
        fs::write(root.join("empty.wasm"), "").unwrap();
        let config = Config { wasm_roots: vec![root.clone()], ..Config::default() };
        for (name, path, reason) in [
            (" ", root.join("m.wasm"), "`name` is empty"),
            ("m", PathBuf::new(), "`file_path` is empty"),
            ("m", "m.wasm".into(), "`file_path` is not an absolute path"),
            ("m", root.join("../m.wasm"), "`file_path` has a `..`"),
            ("m", root.join("m.wat"), "`file_path` does not end in `.wasm`"),
            ("m", root.join("empty.wasm"), "the file is empty"),
            ("m", root.join("text.wasm"), "the file is not a WebAssembly file"),
        ] {
            let refused = module_plugin(&config, &descriptor(name, &path)).unwrap_err();
            assert_eq!(refused.to_string(), reason, "{path:?}");
        }
        let refused = module_plugin(&config, &descriptor("m", &root.join("module.wasm"))).unwrap_err();
        assert!(refused.to_string().starts_with("the file is a core module"), "{refused}");
        let without = module_plugin(&Config::default(), &descriptor("m", &root.join("module.wasm"))).unwrap_err();
        assert!(without.to_string().contains("`wasm_roots`"), "{without}");
        let nowhere = Descriptor { attach_points: Vec::new(), ..descriptor("m", &root.join("module.wasm")) };
        assert!(matches!(module_plugin(&config, &nowhere), Err(Refused::NoAttachPoint)));
    }
}
