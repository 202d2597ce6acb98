use std::num::{NonZeroU32, NonZeroU64};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Plugin, PluginLimits, Pool, Size, Time,
    odin::{MOST_PAGES, PAGE, too_many_pages},
};

/// What modules may use up that `POST /wasm` deploys, in the words of sgl-model-gateway.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WasmRuntime {
    /// Memory of one instance, in pages of 64 KiB.
    pub max_memory_pages: NonZeroU32,
    /// How long one call may take, computing and waiting.
    pub max_execution_time_ms: NonZeroU64,
    /// Bytes of stack of one call, of plugins of every kind.
    pub max_stack_size: Size,
    /// Exchanges that run one module at once. Default: 256.
    pub thread_pool_size: Option<NonZeroU32>,
    /// Accepted and not used: all instances of a module share its code.
    pub module_cache_size: NonZeroU32,
    /// Bytes of one body that are held for a module.
    pub max_body_size: Size,
    /// Whether instances are used again: a module that counts needs `mode: reuse`.
    pub pool: Pool,
}

const HEADERS: Size = Size::mib(1);

impl WasmRuntime {
    /// What is wrong with it: the key, and why.
    pub(super) fn problems(&self) -> impl Iterator<Item = (&'static str, String)> {
        const SMALLEST_STACK: Size = Size::kib(64);
        const LARGEST_STACK: Size = Size::mib(64);
        let pages = (self.max_memory_pages.get() > MOST_PAGES).then(|| ("max_memory_pages", too_many_pages()));
        let stack = !(SMALLEST_STACK..=LARGEST_STACK).contains(&self.max_stack_size);
        let stack = stack.then(|| ("max_stack_size", "must be 64KiB to 64MiB".to_owned()));
        let body = (self.max_body_size.0 == 0).then(|| ("max_body_size", "must be more than 0".to_owned()));
        pages.into_iter().chain(stack).chain(body)
    }

    /// Bounds a plugin by it.
    pub(crate) fn bound(&self, plugin: Plugin) -> Plugin {
        let time = Time(std::time::Duration::from_millis(self.max_execution_time_ms.get()));
        let limits = PluginLimits {
            memory: Some(Size(u64::from(self.max_memory_pages.get()) * PAGE)),
            cpu: Some(time),
            wall: Some(time),
            body_bytes: Some(self.max_body_size),
            // What a module returns is a body and headers.
            hostcall_bytes: Some(Size(self.max_body_size.0.saturating_add(HEADERS.0))),
            concurrency: self.thread_pool_size,
            ..PluginLimits::default()
        };
        Plugin { limits, pool: self.pool.clone(), ..plugin }
    }
}

impl Default for WasmRuntime {
    fn default() -> Self {
        Self {
            max_memory_pages: const { NonZeroU32::new(1024).unwrap() },
            max_execution_time_ms: const { NonZeroU64::new(1000).unwrap() },
            max_stack_size: Size::mib(1),
            thread_pool_size: None,
            module_cache_size: const { NonZeroU32::new(10).unwrap() },
            max_body_size: Size::mib(10),
            pool: Pool::default(),
        }
    }
}
