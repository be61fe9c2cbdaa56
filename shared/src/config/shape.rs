//! What the values of a TOML document look like, and how a mismatch is worded. Values are not repeated:
//! a password written without quotes is a number.

use std::time::Duration;

use serde_json::Value;
use toml::de::DeValue;

use super::mistake::Wrong;
use super::quantity;

pub(super) fn number(value: &DeValue<'_>) -> Result<u64, Wrong> {
    let DeValue::Integer(integer) = value else {
        return Err(Wrong::new(is_a(value), "write a whole number, without quotes"));
    };
    u64::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| {
        Wrong::new(
            "this number is out of range",
            "write a whole number that is not negative",
        )
    })
}

pub(super) fn time(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    match value {
        DeValue::String(text) => quantity::duration(text),
        other => Err(Wrong::new(
            is_a(other),
            "write a duration with its unit between quotes, as \"25s\" or \"500ms\"",
        )),
    }
}

/// What a value is, in words.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

pub(super) fn is_a(value: &DeValue<'_>) -> String {
    format!("this is {}", kind(value))
}

/// Any value, as JSON has it.
pub(super) fn json(value: &DeValue<'_>) -> Result<Value, Wrong> {
    let out_of_range = || Wrong::new("a number in it is out of range", "write a smaller one");
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map(Value::from)
            .map_err(|_| out_of_range())?,
        DeValue::Float(float) => {
            let float: f64 = float.as_str().parse().map_err(|_| out_of_range())?;
            serde_json::Number::from_f64(float)
                .map(Value::Number)
                .ok_or_else(out_of_range)?
        }
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(array) => {
            let all: Result<Vec<Value>, Wrong> = array.iter().map(|one| json(one.get_ref())).collect();
            Value::Array(all?)
        }
        DeValue::Table(table) => {
            let mut map = serde_json::Map::new();
            for (key, value) in table {
                map.insert(key.get_ref().to_string(), json(value.get_ref())?);
            }
            Value::Object(map)
        }
    })
}
