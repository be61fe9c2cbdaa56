//! What the values of a TOML document look like, and how a mismatch is worded. Values are not repeated:
//! a password written without quotes is a number.

use std::time::Duration;

use toml::de::DeValue;

use super::mistake::{Wrong, echo};
use super::quantity;

/// What a value that is not used yet must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Number,
    Time,
    /// An array of texts.
    List,
    Table,
    OneOf(&'static [&'static str]),
}

/// The value that means what this version does anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Off {
    /// There is none.
    Never,
    /// 0, `0s`, an empty text or list.
    Nothing,
    Text(&'static str),
}

impl Shape {
    pub(super) fn check(self, value: &DeValue<'_>) -> Result<(), Wrong> {
        let is = |fine: bool, help: &str| {
            if fine {
                Ok(())
            } else {
                Err(Wrong::new(is_a(value), help))
            }
        };
        match self {
            Self::Text => is(matches!(value, DeValue::String(_)), "write a text between quotes"),
            Self::Table => is(matches!(value, DeValue::Table(_)), "write a table, as { a = 1 }"),
            Self::List => {
                let texts = matches!(value, DeValue::Array(array)
                    if array.iter().all(|one| matches!(one.get_ref(), DeValue::String(_))));
                is(texts, "write a list of texts, as [\"a\", \"b\"]")
            }
            Self::Number => number(value).map(drop),
            Self::Time => time(value).map(drop),
            Self::OneOf(names) => match value {
                DeValue::String(text) if names.contains(&text.as_ref()) => Ok(()),
                DeValue::String(text) => Err(Wrong::new(
                    format!("{} is not valid", echo(text)),
                    format!("valid are \"{}\"", names.join("\", \"")),
                )),
                other => Err(Wrong::new(is_a(other), "write a text between quotes")),
            },
        }
    }
}

impl Off {
    pub(super) fn is(self, shape: Shape, value: &DeValue<'_>) -> bool {
        match self {
            Self::Never => false,
            Self::Text(off) => matches!(value, DeValue::String(text) if *text == *off),
            Self::Nothing => match value {
                DeValue::String(text) if shape == Shape::Time => {
                    quantity::duration(text) == Ok(Duration::ZERO)
                }
                DeValue::String(text) => text.is_empty(),
                DeValue::Array(array) => array.is_empty(),
                other => number(other) == Ok(0),
            },
        }
    }
}

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
