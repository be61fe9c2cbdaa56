//! A JSON object as its fields: in the order they were written, their values as they were spelled. For
//! dialects that pass on what they do not know.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tidegate_shared::json::RawJson;

use super::json::Object;

#[derive(Debug)]
pub(super) struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// `None` if it is no JSON, or no object.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    pub(super) fn of(value: &'a RawValue) -> Option<Self> {
        Self::parse(value.get().as_bytes())
    }

    /// Of two of the same name the last one counts.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().rev().find(|(one, _)| one == name);
        found.map(|(_, value)| *value)
    }

    /// A field that is a string.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).and_then(text)
    }

    pub(super) fn has_only(&self, names: &[&str]) -> bool {
        self.0.iter().all(|(name, _)| names.contains(&name.as_str()))
    }

    /// In the order they were written.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// Writes all but the fields of this name, in their order.
    pub(super) fn write_without(&self, name: &str, object: &mut Object<'_>) {
        for (one, value) in self.0.iter().filter(|(one, _)| one != name) {
            object
                .foreign_field(one)
                .extend_from_slice(value.get().as_bytes());
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        from.deserialize_map(Object)
    }
}

/// A value that is a string.
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let borrowed: Result<&str, _> = serde_json::from_str(value.get());
    match borrowed {
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) => serde_json::from_str(value.get()).ok().map(Cow::Owned),
    }
}

/// A value that is a number that a program can hold.
pub(super) fn number(value: &RawValue) -> Option<f64> {
    serde_json::from_str(value.get()).ok()
}

/// The value as it was spelled. It shares the message's bytes if it is a part of them.
pub(super) fn raw(message: &Bytes, value: &RawValue) -> RawJson {
    let bytes = value.get().as_bytes();
    let inside = message.as_ptr_range().contains(&bytes.as_ptr());
    RawJson::trusted(if inside {
        message.slice_ref(bytes)
    } else {
        Bytes::copy_from_slice(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_their_spelling() {
        let fields = Fields::parse(br#"{"b": 1.50, "a":[ 1 ], "id":2}"#).expect("an object");
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        fields.write_without("id", &mut object);
        object.end();
        assert_eq!(String::from_utf8_lossy(&out), r#"{"b":1.50,"a":[ 1 ]}"#);
        assert!(fields.has_only(&["a", "b", "id"]) && !fields.has_only(&["a"]));
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        for text in ["", "[]", "1", "{\"a\":}", "{\"a\":1", "null"] {
            assert!(Fields::parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_number_is_one_that_can_be_held() {
        let value = |text: &str| serde_json::from_str::<Box<RawValue>>(text).expect("JSON");
        assert_eq!(number(&value("1.5")), Some(1.5));
        assert_eq!(number(&value("1e999")), None);
        assert_eq!(number(&value("\"1\"")), None);
        assert_eq!(text(&value(r#""a\n""#)).as_deref(), Some("a\n"));
    }
}
