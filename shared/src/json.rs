//! JSON that is passed on as it came.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// One valid JSON value in its original spelling. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct RawJson(Bytes);

impl RawJson {
    /// `null`.
    pub fn null() -> Self {
        Self(Bytes::from_static(b"null"))
    }

    /// Checks the syntax without building a value. Surrounding white space is kept out.
    pub fn parse(bytes: &Bytes) -> Result<Self, serde_json::Error> {
        let raw: &RawValue = serde_json::from_slice(bytes)?;
        Ok(Self(bytes.slice_ref(raw.get().as_bytes())))
    }

    /// Takes bytes that Tidegate itself wrote after [`RawJson::parse`], without looking again. What
    /// is not UTF-8 becomes `null`, so that [`RawJson::as_str`] cannot fail.
    pub fn trusted(bytes: Bytes) -> Self {
        if std::str::from_utf8(&bytes).is_ok() {
            Self(bytes)
        } else {
            Self::null()
        }
    }

    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_vec(value).map(|bytes| Self(bytes.into()))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("null")
    }

    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Length in bytes.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// How many lists and objects are within each other.
    pub fn depth(&self) -> usize {
        depth(&self.0)
    }

    pub fn is_null(&self) -> bool {
        &*self.0 == b"null"
    }
}

/// How many lists and objects of a JSON text are within each other, counted without recursion. Of what is no JSON it
/// gives some number.
pub fn depth(json: &[u8]) -> usize {
    let (mut deepest, mut now) = (0_usize, 0_usize);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' => now = now.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => drop(bytes.next()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

impl From<Box<RawValue>> for RawJson {
    fn from(raw: Box<RawValue>) -> Self {
        Self(Bytes::from(String::from(Box::<str>::from(raw))))
    }
}

/// Shows the size only: payloads do not belong in logs.
impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawJson({} bytes)", self.size())
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.as_str()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_its_spelling_and_loses_outer_white_space() {
        let raw = RawJson::parse(&Bytes::from_static(b" {\"a\": 1.50} \n")).expect("valid");
        assert_eq!(raw.as_str(), "{\"a\": 1.50}");
        assert!(RawJson::parse(&Bytes::from_static(b"{} {}")).is_err());
        assert!(RawJson::parse(&Bytes::from_static(b"\"\xff\"")).is_err());
    }

    #[test]
    fn depth_is_counted_outside_of_texts() {
        for (text, expected) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[{}],"b":[]}"#, 3),
            (r#"["[[[", "\"[[["]"#, 1),
            ("[[[[", 4),
            (r#""\"#, 0),
        ] {
            assert_eq!(depth(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(depth("[".repeat(1_000_000).as_bytes()), 1_000_000);
    }

    #[test]
    fn a_debug_print_does_not_show_the_payload() {
        let raw = RawJson::of("secret").expect("valid");
        assert_eq!(format!("{raw:?}"), "RawJson(8 bytes)");
    }
}
