use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use wasm_host_guest::{Error, Result};

use crate::{MAX_VIOLATIONS, Violation};

/// A compiled schema, and its source, which says what texts are to be read as.
pub(crate) struct Schema {
    part: &'static str,
    source: Value,
    validator: Validator,
}

/// The types of JSON that a schema asks for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) array: bool,
    pub(crate) number: bool,
    pub(crate) boolean: bool,
}

impl Schema {
    /// Compiles the schema of a part of the request. Patterns run in linear time: they have no look-around and no
    /// back-references.
    pub(crate) fn compile(part: &'static str, source: Value) -> Result<Self> {
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex())
            .build(&source)
            .map_err(|error| Error::new(format!("`{part}` is not a valid schema: {error}")))?;
        Ok(Self { part, source, validator })
    }

    /// What is wrong with an instance: as much as a client is told.
    pub(crate) fn violations(&self, instance: Value) -> Vec<Violation> {
        let violation = |error: jsonschema::ValidationError<'_>| Violation {
            r#in: self.part,
            pointer: error.instance_path().to_string(),
            message: error.masked().to_string(),
        };
        self.validator.iter_errors(&instance).take(MAX_VIOLATIONS).map(violation).collect()
    }

    /// What `properties` says of the type of this one.
    pub(crate) fn wanted(&self, property: &str) -> Wanted {
        Wanted::by(self.property(property))
    }

    /// What `properties` says of the type of this one's items.
    pub(crate) fn wanted_items(&self, property: &str) -> Wanted {
        Wanted::by(self.property(property).and_then(|schema| schema.get("items")))
    }

    /// A name among `properties` or `required` that is not in lower case.
    pub(crate) fn name_in_upper_case(&self) -> Option<&str> {
        let properties = self.source.get("properties").and_then(Value::as_object);
        let required = self.source.get("required").and_then(Value::as_array);
        let properties = properties.into_iter().flat_map(|map| map.keys().map(String::as_str));
        let required = required.into_iter().flatten().filter_map(Value::as_str);
        properties.chain(required).find(|name| name.bytes().any(|byte| byte.is_ascii_uppercase()))
    }

    fn property(&self, name: &str) -> Option<&Value> {
        self.source.get("properties")?.get(name)
    }
}

impl Wanted {
    fn by(schema: Option<&Value>) -> Self {
        let mut wanted = Self::default();
        let kinds = match schema.and_then(|schema| schema.get("type")) {
            Some(Value::Array(kinds)) => kinds.as_slice(),
            Some(kind) => std::slice::from_ref(kind),
            None => &[],
        };
        for kind in kinds.iter().filter_map(Value::as_str) {
            match kind {
                "array" => wanted.array = true,
                "number" | "integer" => wanted.number = true,
                "boolean" => wanted.boolean = true,
                _ => {}
            }
        }
        wanted
    }
}
