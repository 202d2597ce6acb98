//! What the admin API can change about a plugin.

use http::StatusCode;
use serde::Deserialize;

use super::plugins::PATH;
use crate::config::{Config, Plugin};

/// A change of the config that is about one plugin.
#[derive(Debug)]
pub(super) enum Change {
    Load(Box<Addition>),
    Replace(Box<Plugin>),
    Enable,
    Disable,
    Unload,
}

/// A plugin to be loaded, and the routes whose chains it joins.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Addition {
    pub(super) plugin: Plugin,
    /// Names of routes, or `*` for the chain that every route carries. Absent: the plugin is in no chain yet.
    #[serde(default)]
    routes: Vec<String>,
}

impl Addition {
    /// A plugin that every request meets.
    pub(super) fn on_every_route(plugin: Plugin) -> Self {
        Self { plugin, routes: vec!["*".to_owned()] }
    }
}

/// Why a change is refused before anything is built.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("there is no plugin `{0}`")]
    Unknown(String),
    #[error("there is a plugin `{0}`; replace it with PUT {PATH}/{0}")]
    Taken(String),
    #[error("there is no route `{0}`")]
    UnknownRoute(String),
    #[error("the plugin in the body is called `{body}`, the one in the path `{path}`")]
    OtherName { body: String, path: String },
}

impl Refused {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Unknown(_) => StatusCode::NOT_FOUND,
            Self::Taken(_) => StatusCode::CONFLICT,
            Self::UnknownRoute(_) | Self::OtherName { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl Change {
    /// The status of success.
    pub(super) fn done(&self) -> StatusCode {
        match self {
            Self::Load(_) => StatusCode::CREATED,
            _ => StatusCode::OK,
        }
    }

    /// Makes the change, about the plugin of this name.
    pub(super) fn apply(self, name: &str, config: &mut Config) -> Result<(), Refused> {
        match self {
            Self::Load(addition) => load(*addition, config),
            Self::Replace(plugin) if plugin.name != name => {
                Err(Refused::OtherName { body: plugin.name, path: name.to_owned() })
            }
            Self::Replace(plugin) => {
                *find(config, name)? = *plugin;
                Ok(())
            }
            Self::Enable => {
                find(config, name)?.enabled = true;
                Ok(())
            }
            Self::Disable => {
                find(config, name)?.enabled = false;
                Ok(())
            }
            Self::Unload => unload(name, config),
        }
    }
}

fn load(Addition { plugin, routes }: Addition, config: &mut Config) -> Result<(), Refused> {
    if config.plugins.iter().any(|known| known.name == plugin.name) {
        return Err(Refused::Taken(plugin.name));
    }
    for route in routes {
        let chain = match config.routes.iter_mut().find(|known| known.name == route) {
            Some(route) => &mut route.chain,
            None if route == "*" => &mut config.chain,
            None => return Err(Refused::UnknownRoute(route)),
        };
        chain.push(plugin.name.clone());
    }
    config.plugins.push(plugin);
    Ok(())
}

fn unload(name: &str, config: &mut Config) -> Result<(), Refused> {
    find(config, name)?;
    config.plugins.retain(|plugin| plugin.name != name);
    let chains = std::iter::once(&mut config.chain)
        .chain(config.services.iter_mut().map(|service| &mut service.chain))
        .chain(config.routes.iter_mut().map(|route| &mut route.chain));
    chains.for_each(|chain| chain.retain(|plugin| plugin != name));
    Ok(())
}

fn find<'a>(config: &'a mut Config, name: &str) -> Result<&'a mut Plugin, Refused> {
    let plugin = config.plugins.iter_mut().find(|plugin| plugin.name == name);
    plugin.ok_or_else(|| Refused::Unknown(name.to_owned()))
}
