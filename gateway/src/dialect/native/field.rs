//! Fields of a command, each read as what it must be. What is wrong is told with the field's name.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::NameError;

/// What is wrong with a message whose id is known.
pub(super) enum Wrong {
    Rubbish(String),
}

pub(super) type Checked<T> = Result<T, Wrong>;

pub(super) fn data(message: &Bytes, field: &str, raw: Option<&RawValue>) -> Checked<RawJson> {
    let raw = raw.ok_or_else(|| missing(field))?;
    Ok(RawJson::trusted(message.slice_ref(raw.get().as_bytes())))
}

pub(super) fn name<T>(field: &str, raw: &RawValue, parse: fn(&str) -> Result<T, NameError>) -> Checked<T> {
    parse(&text(field, raw)?).map_err(|error| Wrong::Rubbish(format!("field `{field}`: {error}")))
}

pub(super) fn text<'a>(field: &str, raw: &'a RawValue) -> Checked<Cow<'a, str>> {
    unquote(raw).ok_or_else(|| wrong_type(field, "a string", raw))
}

pub(super) fn unquote(raw: &RawValue) -> Option<Cow<'_, str>> {
    match serde_json::from_str::<&str>(raw.get()) {
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) => serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned),
    }
}

pub(super) fn number(field: &str, raw: &RawValue) -> Checked<u64> {
    serde_json::from_str(raw.get()).map_err(|_| wrong_type(field, "a whole number from 0 up", raw))
}

pub(super) fn boolean(field: &str, raw: &RawValue) -> Checked<bool> {
    serde_json::from_str(raw.get()).map_err(|_| wrong_type(field, "true or false", raw))
}

pub(super) fn missing(field: &str) -> Wrong {
    Wrong::Rubbish(format!("field `{field}` is missing"))
}

pub(super) fn wrong_type(field: &str, expected: &str, raw: &RawValue) -> Wrong {
    Wrong::Rubbish(format!("field `{field}` must be {expected}, not {}", kind(raw)))
}

pub(super) fn kind(raw: &RawValue) -> &'static str {
    match raw.get().as_bytes().first() {
        Some(b'"') => "this string",
        Some(b'{') => "this object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "this number",
    }
}
