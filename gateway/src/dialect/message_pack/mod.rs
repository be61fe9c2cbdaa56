//! MessagePack as another spelling of JSON: the same maps, lists, texts, numbers, booleans and `null`.
//!
//! Conversion is from bytes to bytes, without a tree in between and without recursion. Integers of up
//! to 64 bits stay exact; other numbers are doubles, as they are in JavaScript. What JSON has no word
//! for is an error: bytes (send them as base64 text), extensions, NaN and the infinities, maps with
//! keys that are no text.

mod read;
mod write;

pub(super) use read::to_json;
pub(crate) use write::from_json;

#[cfg(test)]
mod tests;
