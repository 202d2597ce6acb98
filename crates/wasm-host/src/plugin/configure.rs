//! From the configuration that the operator wrote to the one that the guest gets.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    ConfigProblem, Error, Names, Result, SchemaOrigin, SecretSource,
    abi::ShippedSchema,
    capability::{ConfigSchema, PluginConfig, ResolvedConfig},
};

/// What decides about a plugin's configuration.
pub(super) struct Configuring {
    pub(super) plugin: String,
    pub(super) config: Value,
    /// The operator's schema. It holds besides the one that the plugin ships.
    pub(super) schema: Option<Value>,
    pub(super) granted: Names,
    pub(super) secrets: Arc<dyn SecretSource>,
}

impl Configuring {
    /// Puts the secrets in, and checks the result against the schemas. May read files.
    pub(super) fn configure(self, shipped: Option<&ShippedSchema>) -> Result<PluginConfig> {
        let Self { plugin, config, schema, granted, secrets } = self;
        let schemas = [
            shipped.map(|shipped| (SchemaOrigin::Plugin, read_schema(shipped))),
            schema.map(|schema| (SchemaOrigin::Operator, ConfigSchema::new(schema))),
        ];
        let resolved = match ResolvedConfig::resolve(config, &granted, &*secrets) {
            Ok(resolved) => resolved,
            Err(problems) => return Err(Error::Secrets { plugin, problems }),
        };
        let mut problems: Vec<ConfigProblem> = Vec::new();
        for (origin, schema) in schemas.into_iter().flatten() {
            match schema.and_then(|schema| schema.check(&resolved.value)) {
                Ok(found) => problems.extend(found),
                Err(reason) => return Err(Error::SchemaUnusable { plugin, origin, reason }),
            }
        }
        if problems.is_empty() {
            Ok(PluginConfig::new(resolved))
        } else {
            Err(Error::ConfigMisfit { plugin, problems })
        }
    }
}

/// The schema that a plugin's file has.
pub(crate) fn read_schema(shipped: &ShippedSchema) -> Result<ConfigSchema, String> {
    shipped.as_ref().map_err(Clone::clone).and_then(|text| ConfigSchema::parse(text))
}
