//! Ids as keys of a state topic: what may not stand in a key is written as `%` and two digits.

use std::fmt::Write;

use tidegate_shared::name::StateKey;

/// `None` if it is empty or too long.
pub(super) fn of_id(id: &str) -> Option<StateKey> {
    if id.len() > StateKey::LIMIT {
        return None;
    }
    let mut key = String::with_capacity(id.len());
    for c in id.chars() {
        if matches!(c, '{' | '}' | '%') || c.is_whitespace() || c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(key, "%{byte:02X}");
            }
        } else {
            key.push(c);
        }
    }
    StateKey::parse(&key).ok()
}

/// A key that no id was made into is taken as it is.
pub(super) fn to_id(key: &StateKey) -> String {
    let text = key.as_str();
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let byte = after
            .get(..2)
            .filter(|_| first == b'%')
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_survives_being_a_key() {
        for id in [
            "1_2026-01-01T12:00:00",
            "1_2026-01-01 12:00",
            "100%",
            "{ä}\n",
            "%41",
        ] {
            let key = of_id(id).expect("a key");
            assert_eq!(to_id(&key), id, "{key}");
        }
        assert!(of_id("").is_none() && of_id(&"x".repeat(256)).is_none());
    }

    #[test]
    fn a_key_of_somebody_else_is_an_id_as_it_is() {
        for key in ["50%", "a%zz", "%FF"] {
            assert_eq!(to_id(&StateKey::parse(key).expect("valid")), key);
        }
    }
}
