use std::{path::PathBuf, sync::Arc, time::SystemTime};

use serde::{Deserialize, Serialize};

use super::OdinKind;

/// Who put a plugin into the config, which says what its settings are called there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The key `plugins`, or the admin API in its words.
    #[default]
    Plugins,
    /// The key `wasm`, in the words of Odin, or `POST /api/plugins/load`; with the type that was given.
    Odin(Option<OdinKind>),
    /// The directory that the environment variable `PLUGIN_DIR` names.
    PluginDir,
    /// `POST /wasm`.
    Deployed(Arc<DeployedModule>),
}

/// What `POST /wasm` was told of a module, and what was found then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployedModule {
    /// Made when it was deployed.
    pub uuid: String,
    /// The file as it was named.
    pub file_path: PathBuf,
    /// The file's size.
    pub size_bytes: u64,
    /// When it was deployed.
    pub created_at: SystemTime,
    /// When it is called.
    pub attach_points: Vec<AttachPoint>,
}

/// A moment in which a module is called, as `POST /wasm` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttachPoint {
    /// Around requests and responses.
    Middleware(MiddlewarePoint),
}

/// A moment of a request's way through the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MiddlewarePoint {
    /// Before the request goes to the upstream.
    OnRequest,
    /// When the response is there.
    OnResponse,
    /// When there will be no response of the upstream.
    OnError,
}

impl Origin {
    /// Whether a plugin of it that does not load keeps nothing else from being loaded.
    pub(crate) fn is_lenient(&self) -> bool {
        matches!(self, Self::PluginDir)
    }

    /// Whether its plugins may be for services that there are not. One that keeps others out may not: it would never be
    /// called.
    pub(super) fn knows_other_services(&self) -> bool {
        matches!(self, Self::Odin(kind) if !matches!(kind, Some(OdinKind::Auth | OdinKind::RateLimit)))
    }

    /// What a key of `match` is called there, if it is not called so.
    pub(super) fn scope_key(&self, key: &str) -> Option<&'static str> {
        match (self, key) {
            (Self::Odin(_), "path_regexes") => Some("allowedUrls"),
            (Self::Odin(_), "services") => Some("services"),
            _ => None,
        }
    }

    /// What the limit of memory is called there, if it is not called `limits.memory`.
    pub(crate) fn memory_setting(&self) -> Option<&'static str> {
        match self {
            Self::Plugins => None,
            Self::Odin(_) => Some("`wasm.maxMemoryPages` (pages of 65536 bytes)"),
            Self::PluginDir => Some("PLUGIN_MEMORY_LIMIT (bytes)"),
            Self::Deployed(_) => Some("`wasm_runtime.max_memory_pages` (pages of 65536 bytes)"),
        }
    }
}
