//! What operators of other gateways have besides their plugins' files: it becomes plugins of this one's own model.

mod modules;
mod plugin_dir;

pub(crate) use self::{
    modules::{Descriptor, module_plugin},
    plugin_dir::{EnvironmentError, PluginDir, log_filter},
};
