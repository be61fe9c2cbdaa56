//! Callsigns as the ITU makes them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One or two letters, one or two digits and one to four letters (`KC1ABC`), or digit, letter, digit and one to
/// three letters (`9A1AA`); in capitals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Callsign(String);

impl Callsign {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_uppercase();
        is_callsign(&text).then_some(Self(text))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Callsign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_callsign(text: &str) -> bool {
    let mut rest = text.as_bytes();
    let mut run = |wanted: fn(&u8) -> bool| {
        let length = rest.iter().take_while(|byte| wanted(byte)).count();
        rest = &rest[length..];
        length
    };
    let letters = u8::is_ascii_uppercase;
    let digits = u8::is_ascii_digit;
    let runs = [run(letters), run(digits), run(letters), run(digits), run(letters)];
    let known = matches!(runs, [1..=2, 1..=2, 1..=4, 0, 0] | [0, 1, 1, 1, 1..=3]);
    known && rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callsigns_are_those_of_the_itu() {
        for text in ["W1AW", " kc1abc ", "K9A", "AB12CDEF", "9A1AA", "2E0ABC", "G4XYZ"] {
            assert!(Callsign::parse(text).is_some(), "{text}");
        }
        for text in [
            "", "TEST123", "W1", "ABC1AB", "W123AB", "W1ABCDE", "9A1", "9A1ABCD", "99A1AA", "W1AW/P",
            "W1 AW", "Ä1AW",
        ] {
            assert!(Callsign::parse(text).is_none(), "{text}");
        }
    }
}
