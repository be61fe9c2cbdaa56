//! The part of the chart's schema that is about `config`: made from the keys that the code reads.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use tidegate_shared::config::{Key, Kind, keys};

use crate::values::SECRETS;
use crate::{keep, read};

const FILE: &str = "helm/tidegate/values.schema.json";

#[test]
fn the_schema_of_the_charts_values_knows_the_keys_of_the_configuration_file() -> Result<()> {
    let mut schema: Value = serde_json::from_str(&read(FILE)?).context(FILE)?;
    let slot = schema
        .pointer_mut("/properties/config")
        .context("the schema has no property `config`")?;
    *slot = section("", &keys());
    keep(FILE, &(serde_json::to_string_pretty(&schema)? + "\n"))
}

fn section(path: &str, keys: &[Key]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in keys.iter().filter(|key| key.section == path) {
        if SECRETS.contains(&(key.section, key.name)) {
            continue;
        }
        let inner = if path.is_empty() {
            key.name.to_owned()
        } else {
            format!("{path}.{}", key.name)
        };
        properties.insert(key.name.to_owned(), value(&key.kind, &inner, keys));
        if key.required {
            required.push(key.name);
        }
    }
    let mut schema = json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": properties,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// Null is as if the key was not there.
fn value(kind: &Kind, inner: &str, keys: &[Key]) -> Value {
    match kind {
        Kind::Text => json!({ "type": ["string", "null"] }),
        Kind::Flag => json!({ "type": ["boolean", "null"] }),
        Kind::Number(range) => {
            json!({ "type": ["integer", "null"], "minimum": range.start(), "maximum": range.end() })
        }
        Kind::Size(_) => json!({
            "type": ["integer", "string", "null"],
            "minimum": 0,
            "pattern": "^[0-9]+ *(B|KiB|MiB|GiB)?$",
        }),
        Kind::Time(_) => json!({ "type": ["string", "null"], "pattern": "^[0-9]+ *(ms|s|m|h|d)$" }),
        Kind::Any => json!({}),
        Kind::Texts => json!({ "type": ["array", "null"], "items": { "type": "string" } }),
        Kind::Choice(names) => {
            let names = names.iter().map(|name| json!(name));
            json!({ "enum": names.chain([Value::Null]).collect::<Vec<_>>() })
        }
        Kind::Section => section(inner, keys),
        Kind::Sections => json!({ "type": ["array", "null"], "items": section(inner, keys) }),
    }
}
