//! `docs/http.md`: the HTTP API, from the OpenAPI document that a gateway serves.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::markdown::{cell, head, row};
use crate::{keep, read};

const OPENAPI: &str = "gateway/src/transport/http/api/openapi.json";
const INTRODUCTION: &str = include_str!("http.part");

#[test]
fn the_http_reference_is_what_openapi_says() -> Result<()> {
    let document: Value = serde_json::from_str(&read(OPENAPI)?).context(OPENAPI)?;
    let mut text = INTRODUCTION.to_owned();
    let paths = document["paths"].as_object().context("no paths")?;
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().context("no methods")? {
            if operation.get("responses").is_some() {
                tell(&mut text, &document, method, path, operation)?;
            }
        }
    }
    keep("docs/http.md", &text)
}

fn tell(text: &mut String, document: &Value, method: &str, path: &str, operation: &Value) -> Result<()> {
    write!(text, "\n## `{} {path}`\n\n", method.to_uppercase())?;
    for part in ["summary", "description"] {
        if let Some(said) = operation[part].as_str() {
            write!(text, "{}\n\n", said.trim())?;
        }
    }
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    let body = resolved(document, &operation["requestBody"]);
    let schema = resolved(document, &body["content"]["application/json"]["schema"]);
    let fields = schema["properties"].as_object();
    if !parameters.is_empty() || fields.is_some() {
        text.push_str(&head(&["Field", "In", "Type", "For"]));
    }
    for parameter in parameters {
        let parameter = resolved(document, parameter);
        let place = parameter["in"].as_str().unwrap_or_default();
        let needed = parameter["required"].as_bool().unwrap_or_default();
        let schema = resolved(document, &parameter["schema"]);
        field(
            text,
            &parameter["name"],
            place,
            needed,
            schema,
            &parameter["description"],
        );
    }
    for (name, schema) in fields.into_iter().flatten() {
        let schema = resolved(document, schema);
        let needed = schema_requires(
            resolved(document, &body["content"]["application/json"]["schema"]),
            name,
        );
        field(
            text,
            &Value::from(name.as_str()),
            "body",
            needed,
            schema,
            &schema["description"],
        );
    }
    let responses = operation["responses"].as_object().context("no responses")?;
    text.push('\n');
    text.push_str(&head(&["Status", "When"]));
    for (status, response) in responses {
        let response = resolved(document, response);
        text.push_str(&row(&[
            status,
            &cell(response["description"].as_str().unwrap_or_default()),
        ]));
    }
    Ok(())
}

fn field(text: &mut String, name: &Value, place: &str, needed: bool, schema: &Value, about: &Value) {
    let name = format!("`{}`", name.as_str().unwrap_or_default());
    let place = if needed {
        format!("{place}, required")
    } else {
        place.to_owned()
    };
    text.push_str(&row(&[
        &name,
        &place,
        &cell(&kind(schema)),
        &cell(about.as_str().unwrap_or_default()),
    ]));
}

fn kind(schema: &Value) -> String {
    if let Some(names) = schema["enum"].as_array() {
        let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        return format!("`{}`", names.join("`, `"));
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("array of {}", kind(&schema["items"])),
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join(" or ")
        }
        _ => "any JSON".to_owned(),
    }
}

fn schema_requires(schema: &Value, name: &str) -> bool {
    let required = schema["required"].as_array();
    required.is_some_and(|required| required.iter().any(|one| one == name))
}

/// What a `$ref` of the same document means.
fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let target = value["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
    target
        .and_then(|target| document.pointer(target))
        .unwrap_or(value)
}
