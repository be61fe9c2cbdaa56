//! JSON from the command line or standard input, checked before anything is sent.

use std::io::Read;

use serde_json::value::RawValue;

use crate::failure::Failure;

/// Most that is read from standard input, in bytes: more than any gateway accepts.
const LIMIT: u64 = 64 << 20;

/// `-` reads standard input.
pub(crate) fn json(argument: &str) -> Result<Box<RawValue>, Failure> {
    let mut text = String::new();
    if argument == "-" {
        std::io::stdin()
            .lock()
            .take(LIMIT)
            .read_to_string(&mut text)
            .map_err(|error| Failure::failed("standard input cannot be read", &error))?;
    } else {
        argument.clone_into(&mut text);
    }
    serde_json::from_str(&text).map_err(|error| {
        Failure::Usage(format!(
            "the data is not JSON: {error}\n  a text needs double quotes inside the shell's quotes: '\"hello\"'"
        ))
    })
}

/// A key that makes a command repeatable.
pub(crate) fn new_key() -> String {
    format!("cli-{:032x}", rand::random::<u128>())
}
