use serde_json::Value;

/// Schemas that may be applied for one configuration, each time counted.
const STEPS: u32 = 200_000;
/// Schemas and values within each other.
const DEPTH: u32 = 100;

/// Whether applying a schema to a configuration ends soon, and within the stack. A schema can refer to itself without end,
/// and to others twice each, so that a short text is a long work.
///
/// Counts every schema that may have to be applied, also where the first that fails would do.
pub(super) fn bounded(schema: &Value, config: &Value) -> Result<(), String> {
    Walk { root: schema, steps_left: STEPS, depth: 0 }.apply(schema, config)
}

struct Walk<'a> {
    root: &'a Value,
    steps_left: u32,
    depth: u32,
}

impl<'a> Walk<'a> {
    fn apply(&mut self, schema: &'a Value, config: &Value) -> Result<(), String> {
        let Value::Object(keywords) = schema else { return self.step(1) };
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("it refers to itself without end, or is deeper than {DEPTH} schemas"));
        }
        // To know what has not been evaluated, all the rest is applied once more.
        let times = if keywords.keys().any(|key| key.starts_with("unevaluated")) { 2 } else { 1 };
        for (keyword, value) in keywords.iter().cycle().take(keywords.len() * times) {
            self.step(1 + value.as_array().map_or(0, Vec::len))?;
            self.keyword(keyword, value, schema, config)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn keyword(&mut self, keyword: &str, value: &'a Value, schema: &'a Value, config: &Value) -> Result<(), String> {
        match keyword {
            "$ref" => self.apply(self.target(value)?, config),
            "$dynamicRef" | "$recursiveRef" => Err(format!("`{keyword}` is not supported")),
            "$id" if value.is_string() && !std::ptr::eq(schema, self.root) => Err(nested_id()),
            "not" | "if" | "then" | "else" => self.apply(value, config),
            "allOf" | "anyOf" | "oneOf" => self.apply_each(list(value), config),
            "dependentSchemas" | "dependencies" => self.apply_each(map(value).map(|(_, schema)| schema), config),
            "properties" => {
                for (name, schema) in map(value) {
                    if let Some(child) = config.get(name) {
                        self.apply(schema, child)?;
                    }
                }
                Ok(())
            }
            "patternProperties" => {
                for (_, schema) in map(value) {
                    self.apply_to_properties(schema, config)?;
                }
                Ok(())
            }
            "additionalProperties" | "unevaluatedProperties" => self.apply_to_properties(value, config),
            "propertyNames" => map(config).try_for_each(|(name, _)| self.apply(value, &Value::from(name.as_str()))),
            "items" | "prefixItems" if value.is_array() => {
                list(value).zip(list(config)).try_for_each(|(schema, item)| self.apply(schema, item))
            }
            "items" | "additionalItems" | "unevaluatedItems" | "contains" => {
                list(config).try_for_each(|item| self.apply(value, item))
            }
            _ => Ok(()),
        }
    }

    fn apply_each(&mut self, mut schemas: impl Iterator<Item = &'a Value>, config: &Value) -> Result<(), String> {
        schemas.try_for_each(|schema| self.apply(schema, config))
    }

    fn apply_to_properties(&mut self, schema: &'a Value, config: &Value) -> Result<(), String> {
        map(config).try_for_each(|(_, child)| self.apply(schema, child))
    }

    fn step(&mut self, steps: usize) -> Result<(), String> {
        let left = u32::try_from(steps).ok().and_then(|steps| self.steps_left.checked_sub(steps));
        self.steps_left = left.ok_or_else(|| format!("it takes more than {STEPS} steps to check this config"))?;
        Ok(())
    }

    /// What a reference names: a place in the same schema, by its pointer.
    fn target(&self, reference: &Value) -> Result<&'a Value, String> {
        let text = reference.as_str().unwrap_or_default();
        let foreign = || format!("the reference {reference} is none within the schema itself, such as `#/$defs/name`");
        let pointer = text.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        let pointer = pointer.filter(|pointer| !pointer.contains('%')).ok_or_else(foreign)?;
        let mut place = self.root;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let next = match place {
                Value::Array(values) => step.parse::<usize>().ok().and_then(|index| values.get(index)),
                other => other.get(step.as_str()),
            };
            place = next.ok_or_else(|| format!("the reference {reference} leads nowhere"))?;
            if place.get("$id").is_some_and(Value::is_string) {
                return Err(nested_id());
            }
        }
        Ok(place)
    }
}

fn nested_id() -> String {
    "it has an `$id` within: only the whole schema may have one".to_owned()
}

fn list(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn map(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::ConfigSchema, *};

    /// What comes of a schema that has been built, or not.
    fn check(schema: Value, config: Value) -> Result<usize, String> {
        ConfigSchema::new(schema).and_then(|schema| schema.check(&config)).map(|problems| problems.len())
    }

    #[test]
    fn references_within_the_schema_are_followed() {
        let tree = json!({
            "$id": "https://example.com/tree",
            "$ref": "#/$defs/a~1b",
            "$defs": { "a/b": { "type": "object", "additionalProperties": { "$ref": "#/$defs/a~1b" } } },
        });
        assert_eq!(check(tree.clone(), json!({ "a": { "b": { "c": {} } } })), Ok(0));
        assert_eq!(check(tree, json!({ "a": { "b": { "c": 1 } } })), Ok(1));
    }

    #[test]
    fn a_schema_without_end_is_refused() {
        let endless = "it refers to itself without end, or is deeper than 100 schemas";
        for schema in [
            json!({ "$ref": "#" }),
            json!({ "allOf": [{ "$ref": "#" }] }),
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "not": { "$ref": "#/$defs/b" } }, "b": { "$ref": "#/$defs/a" } } }),
        ] {
            assert_eq!(check(schema.clone(), json!({})), Err(endless.to_owned()), "{schema}");
        }
    }

    #[test]
    fn a_schema_that_doubles_is_refused() {
        let mut definitions = json!({ "a0": {} });
        for number in 1..30 {
            let before = json!({ "$ref": format!("#/$defs/a{}", number - 1) });
            definitions[format!("a{number}")] =
                json!({ "anyOf": [before, before, { "unevaluatedProperties": false }] });
        }
        let schema = json!({ "$ref": "#/$defs/a29", "$defs": definitions });
        assert_eq!(check(schema, json!({})), Err("it takes more than 200000 steps to check this config".to_owned()));
    }

    #[test]
    fn what_the_walk_cannot_follow_is_refused() {
        let inner = json!({ "$id": "https://example.com/inner", "$defs": { "b": {} } });
        for schema in [
            json!({ "$dynamicRef": "#node", "$dynamicAnchor": "node" }),
            json!({ "$ref": "#anchor", "$defs": { "a": { "$anchor": "anchor" } } }),
            json!({ "$ref": "#/$defs/a/$defs/b", "$defs": { "a": inner } }),
            json!({ "allOf": [inner] }),
        ] {
            assert!(check(schema.clone(), json!({})).is_err(), "{schema}");
        }
    }

    #[test]
    fn every_keyword_with_a_schema_is_counted() {
        for (schema, config) in [
            (json!({ "properties": { "a": { "$ref": "#x" } } }), json!({ "a": 1 })),
            (json!({ "patternProperties": { "a": { "$ref": "#x" } } }), json!({ "b": 1 })),
            (json!({ "additionalProperties": { "$ref": "#x" } }), json!({ "a": 1 })),
            (json!({ "unevaluatedProperties": { "$ref": "#x" } }), json!({ "a": 1 })),
            (json!({ "propertyNames": { "$ref": "#x" } }), json!({ "a": 1 })),
            (json!({ "items": { "$ref": "#x" } }), json!([1])),
            (json!({ "prefixItems": [{ "$ref": "#x" }] }), json!([1])),
            (json!({ "contains": { "$ref": "#x" } }), json!([1])),
            (json!({ "unevaluatedItems": { "$ref": "#x" } }), json!([1])),
            (json!({ "dependentSchemas": { "a": { "$ref": "#x" } } }), json!({})),
            (json!({ "if": { "$ref": "#x" } }), json!(1)),
            (json!({ "then": { "$ref": "#x" } }), json!(1)),
            (json!({ "else": { "$ref": "#x" } }), json!(1)),
            (json!({ "oneOf": [{ "$ref": "#x" }] }), json!(1)),
            (json!({ "not": { "$ref": "#x" } }), json!(1)),
        ] {
            assert!(bounded(&schema, &config).is_err(), "{schema}");
        }
    }
}
