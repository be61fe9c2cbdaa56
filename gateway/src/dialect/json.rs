//! Writes JSON objects straight into a buffer, in the order the fields are named.

use std::io::Write;

use serde::Serialize;
use tidegate_shared::json::RawJson;

/// An object under construction. [`Object::end`] must be called.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Begins an object with the field that says what it is.
    pub(super) fn typed(out: &'a mut Vec<u8>, kind: &str) -> Self {
        let mut object = Self::begin(out);
        object.text("type", kind);
        object
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    /// Writes the name; the caller writes the value. `name` needs no escaping.
    pub(super) fn field(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// The same with a name that came from somebody else.
    pub(super) fn foreign_field(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        string(name, self.out);
        self.out.push(b':');
        self.out
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        string(value, self.field(name));
    }

    pub(super) fn number(&mut self, name: &str, value: u64) {
        let out = self.field(name);
        number(value, out);
    }

    pub(super) fn boolean(&mut self, name: &str, value: bool) {
        let text: &[u8] = if value { b"true" } else { b"false" };
        self.field(name).extend_from_slice(text);
    }

    pub(super) fn raw(&mut self, name: &str, value: &RawJson) {
        self.field(name).extend_from_slice(value.as_bytes());
    }

    pub(super) fn value(&mut self, name: &str, value: &impl Serialize) {
        serialize(value, self.field(name));
    }
}

fn number(value: u64, out: &mut Vec<u8>) {
    // Writing into a vector cannot fail.
    let _ = write!(out, "{value}");
}

/// Text as a JSON string.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    let plain = |b: u8| b >= 0x20 && b != b'"' && b != b'\\';
    if text.bytes().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serialize(text, out);
    }
}

fn serialize(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        // Only a value that is no JSON (a map with keys that are no strings) gets here; Tidegate has none.
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}
