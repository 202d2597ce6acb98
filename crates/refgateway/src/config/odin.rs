//! Plugins as a config of Odin describes them.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Config, Grants, OnFailure, Origin, Plugin, PluginLimits, PluginMatch, Pool, PoolMode, Size, Time};

/// Bytes of a page of WebAssembly memory.
pub(super) const PAGE: u64 = 64 << 10;
/// The most pages that a memory of 32 bits has.
pub(super) const MOST_PAGES: u32 = 1 << 16;

/// Plugins in the words of Odin. They join the chain of every route.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct OdinWasm {
    /// Off: none of them runs, and no file is read.
    pub enabled: bool,
    /// Where files are that are named by a relative path. Default: the working directory.
    pub plugin_dir: PathBuf,
    /// Memory of one instance, in pages of 64 KiB.
    pub max_memory_pages: NonZeroU32,
    /// Exchanges that run one plugin at once. Default: 256.
    pub max_instances: Option<NonZeroU32>,
    /// Compiled code is kept between runs where `compile_cache` says; this changes nothing.
    pub cache_enabled: bool,
    /// For plugins that say nothing themselves: how long one call may take, computing and waiting.
    pub timeout: Time,
    /// For plugins that say nothing themselves: what bodies are in what they read and write.
    pub body_encoding: Option<OdinBodyEncoding>,
    /// The plugins.
    pub plugins: Vec<OdinPlugin>,
}

/// A plugin in the words of Odin.
#[derive(Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OdinPlugin {
    /// Unique among all plugins.
    pub name: String,
    /// The `.wasm` file, absolute or in `pluginDir`.
    pub path: PathBuf,
    /// What it is for, which says when it is called. As a file of its ABI is used where nothing is said.
    #[serde(default, rename = "type")]
    pub kind: Option<OdinKind>,
    /// Off: it does not run.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// Lower runs first.
    #[serde(default)]
    pub priority: i32,
    /// How long one call may take, computing and waiting.
    #[serde(default)]
    pub timeout: Option<Time>,
    /// Regular expressions for any part of the path; one of them must fit. Any path when empty.
    #[serde(default)]
    pub allowed_urls: Vec<String>,
    /// The route leads to one of these services, any when empty. For an aggregation: whose responses it gets.
    #[serde(default)]
    pub services: Vec<String>,
    /// Handed to the plugin.
    #[serde(default)]
    pub config: Value,
    /// What bodies are in what it reads and writes.
    #[serde(default)]
    pub body_encoding: Option<OdinBodyEncoding>,
    /// What it may ask for; nothing by default. The same as `plugins[].grants`.
    #[serde(default)]
    pub grants: Grants,
    /// What its chain does when it fails. The same as `plugins[].on_failure`.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// What a plugin of Odin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OdinKind {
    /// It changes requests.
    Request,
    /// It changes responses.
    Response,
    /// It decides who may pass.
    Auth,
    /// It decides how many may pass.
    RateLimit,
    /// It sees requests and responses.
    Middleware,
    /// It makes one response of several.
    Aggregation,
}

/// What bodies are in the JSON that a plugin of Odin reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OdinBodyEncoding {
    /// Base64, for any body.
    Base64,
    /// Text, for bodies of UTF-8.
    Text,
}

impl Config {
    /// Makes plugins of the gateway's own model of those in the words of Odin, and puts them into the chain of every
    /// route. What is said for all of them stays, for plugins that are loaded later.
    pub(crate) fn join_odin(&mut self) {
        let Some(section) = &mut self.wasm else { return };
        let given = std::mem::take(&mut section.plugins);
        let plugins: Vec<_> = given.into_iter().map(|given| section.plugin(given)).collect();
        for plugin in plugins {
            self.warn_of_services(&plugin);
            self.chain.push(plugin.name.clone());
            self.plugins.push(plugin);
        }
    }

    /// Says which of the services that a plugin is for there are not, if they may be missing.
    pub(crate) fn warn_of_services(&self, plugin: &Plugin) {
        if !plugin.origin.knows_other_services() {
            return;
        }
        for service in plugin.matches.services.iter().filter(|name| !self.services.iter().any(|s| s.name == **name)) {
            let plugin = &plugin.name;
            tracing::warn!(plugin, service, "no service is called so: the plugin is for none of its requests");
        }
    }
}

impl OdinWasm {
    /// What is wrong with what is said for all of them: the key, and why.
    pub(super) fn problems(&self) -> impl Iterator<Item = (&'static str, String)> {
        let pages = (self.max_memory_pages.get() > MOST_PAGES).then(|| ("maxMemoryPages", too_many_pages()));
        let timeout = self.timeout.0.is_zero().then(|| ("timeout", "must be more than 0".to_owned()));
        pages.into_iter().chain(timeout)
    }

    /// The plugin in the gateway's own words.
    pub(crate) fn plugin(&self, given: OdinPlugin) -> Plugin {
        let timeout = given.timeout.unwrap_or(self.timeout);
        let mut grants = given.grants;
        let mut abi = abi_options(given.kind, given.body_encoding.or(self.body_encoding));
        let mut matches = PluginMatch { path_regexes: given.allowed_urls, ..PluginMatch::default() };
        if given.kind == Some(OdinKind::Aggregation) {
            abi.insert("services".to_owned(), given.services.as_slice().into());
            grants.http.services.splice(0..0, given.services);
        } else {
            matches.services = given.services;
        }
        Plugin {
            config: given.config,
            abi: if abi.is_empty() { Value::Null } else { Value::Object(abi) },
            matches,
            priority: given.priority,
            enabled: self.enabled && given.enabled,
            limits: PluginLimits {
                memory: Some(Size(u64::from(self.max_memory_pages.get()) * PAGE)),
                cpu: Some(timeout),
                wall: Some(timeout),
                concurrency: self.max_instances,
                ..PluginLimits::default()
            },
            // One that counts could not with an instance for each request.
            pool: Pool {
                mode: PoolMode::Reuse,
                max_idle: self.max_instances.and_then(|most| NonZeroUsize::try_from(most).ok()).map(NonZeroUsize::get),
                ..Pool::default()
            },
            grants,
            on_failure: given.on_failure,
            origin: Origin::Odin(given.kind),
            ..Plugin::from_file(given.name, self.plugin_dir.join(given.path))
        }
    }
}

/// What is said, in the words of the ABI.
fn abi_options(kind: Option<OdinKind>, body_encoding: Option<OdinBodyEncoding>) -> Map<String, Value> {
    let kind = kind.map(|kind| ("type", kind.as_str()));
    let encoding = body_encoding.map(|encoding| ("body_encoding", encoding.as_str()));
    kind.into_iter().chain(encoding).map(|(key, word)| (key.to_owned(), word.into())).collect()
}

impl OdinKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Auth => "auth",
            Self::RateLimit => "ratelimit",
            Self::Middleware => "middleware",
            Self::Aggregation => "aggregation",
        }
    }
}

impl OdinBodyEncoding {
    fn as_str(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Text => "text",
        }
    }
}

impl Default for OdinWasm {
    fn default() -> Self {
        Self {
            enabled: true,
            plugin_dir: PathBuf::new(),
            max_memory_pages: const { NonZeroU32::new(100).unwrap() },
            max_instances: None,
            cache_enabled: true,
            timeout: Time::seconds(5),
            body_encoding: None,
            plugins: Vec::new(),
        }
    }
}

impl std::fmt::Debug for OdinPlugin {
    /// Everything but the config, which may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OdinPlugin").field("name", &self.name).field("path", &self.path).finish_non_exhaustive()
    }
}

pub(super) fn too_many_pages() -> String {
    format!("a memory has at most {MOST_PAGES} pages, which are 4 GiB")
}

fn enabled() -> bool {
    true
}
