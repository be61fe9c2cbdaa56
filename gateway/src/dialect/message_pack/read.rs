//! MessagePack to JSON.

use thiserror::Error;

/// Deepest nesting of maps and lists, the same as what JSON readers commonly take.
pub(super) const DEPTH: usize = 128;

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum NotJson {
    #[error("the message is empty")]
    Empty,
    #[error("it ends in the middle")]
    Cut,
    #[error("{0} bytes are left after its end")]
    TooLong(usize),
    #[error("maps and lists are nested more than {DEPTH} deep")]
    TooDeep,
    #[error("a text is not UTF-8")]
    NotUtf8,
    #[error("a key of a map is not a text")]
    Key,
    #[error("JSON has no bytes: send them as text, in base64")]
    Bytes,
    #[error("JSON has no extension types")]
    Extension,
    #[error("JSON has no such number: not a number, or infinite")]
    Number,
    #[error("0xc1 is never used")]
    Unused,
}

/// A map or list that has begun.
struct Open {
    /// Keys and values, or elements, that are still to come.
    remaining: u64,
    is_map: bool,
}

/// One value as JSON. What it takes is bounded by the size of the input, whatever that announces: a byte
/// gives six at most.
pub(in crate::dialect) fn to_json(input: &[u8]) -> Result<Vec<u8>, NotJson> {
    if input.is_empty() {
        return Err(NotJson::Empty);
    }
    let mut json = Vec::with_capacity(input.len() + input.len() / 4);
    let mut input = Input(input);
    let mut open: Vec<Open> = Vec::new();
    loop {
        let mut begun = None;
        let is_key = open
            .last()
            .is_some_and(|one| one.is_map && one.remaining % 2 == 0);
        value(&mut input, &mut json, is_key, &mut begun)?;
        if let Some(one) = begun {
            if open.len() == DEPTH {
                return Err(NotJson::TooDeep);
            }
            // Each of them takes a byte at least.
            if one.remaining > input.0.len() as u64 {
                return Err(NotJson::Cut);
            }
            open.push(one);
        } else if let Some(one) = open.last_mut() {
            one.remaining -= 1;
        }
        while let Some(one) = open.last_mut() {
            if one.remaining > 0 {
                break;
            }
            json.push(if one.is_map { b'}' } else { b']' });
            open.pop();
            if let Some(outer) = open.last_mut() {
                outer.remaining -= 1;
            }
        }
        let Some(one) = open.last() else { break };
        match json.last() {
            Some(b'{' | b'[') => {}
            _ if one.is_map && one.remaining % 2 == 1 => json.push(b':'),
            _ => json.push(b','),
        }
    }
    if input.0.is_empty() {
        Ok(json)
    } else {
        Err(NotJson::TooLong(input.0.len()))
    }
}

/// Appends one value, of a map or list only its beginning.
fn value(
    input: &mut Input<'_>,
    json: &mut Vec<u8>,
    is_key: bool,
    begun: &mut Option<Open>,
) -> Result<(), NotJson> {
    let first = u8::from_be_bytes(input.array()?);
    let length = match first {
        0xa0..=0xbf => Some(u32::from(first & 0x1f)),
        0xd9 => Some(u8::from_be_bytes(input.array()?).into()),
        0xda => Some(u16::from_be_bytes(input.array()?).into()),
        0xdb => Some(u32::from_be_bytes(input.array()?)),
        _ => None,
    };
    if let Some(length) = length {
        return text(input.take(length)?, json);
    }
    if is_key {
        return Err(NotJson::Key);
    }
    let mut open = |size: u32, is_map: bool, json: &mut Vec<u8>| {
        json.push(if is_map { b'{' } else { b'[' });
        *begun = Some(Open {
            remaining: u64::from(size) * if is_map { 2 } else { 1 },
            is_map,
        });
    };
    match first {
        0x00..=0x7f => integer(first, json),
        0xe0..=0xff => integer(i8::from_be_bytes([first]), json),
        0x80..=0x8f => open(u32::from(first & 0x0f), true, json),
        0x90..=0x9f => open(u32::from(first & 0x0f), false, json),
        0xc0 => json.extend_from_slice(b"null"),
        0xc2 => json.extend_from_slice(b"false"),
        0xc3 => json.extend_from_slice(b"true"),
        0xca => float(f32::from_be_bytes(input.array()?).into(), json)?,
        0xcb => float(f64::from_be_bytes(input.array()?), json)?,
        0xcc => integer(u8::from_be_bytes(input.array()?), json),
        0xcd => integer(u16::from_be_bytes(input.array()?), json),
        0xce => integer(u32::from_be_bytes(input.array()?), json),
        0xcf => integer(u64::from_be_bytes(input.array()?), json),
        0xd0 => integer(i8::from_be_bytes(input.array()?), json),
        0xd1 => integer(i16::from_be_bytes(input.array()?), json),
        0xd2 => integer(i32::from_be_bytes(input.array()?), json),
        0xd3 => integer(i64::from_be_bytes(input.array()?), json),
        0xdc => open(u16::from_be_bytes(input.array()?).into(), false, json),
        0xdd => open(u32::from_be_bytes(input.array()?), false, json),
        0xde => open(u16::from_be_bytes(input.array()?).into(), true, json),
        0xdf => open(u32::from_be_bytes(input.array()?), true, json),
        0xc4..=0xc6 => return Err(NotJson::Bytes),
        0xc7..=0xc9 | 0xd4..=0xd8 => return Err(NotJson::Extension),
        // The texts were taken above.
        _ => return Err(NotJson::Unused),
    }
    Ok(())
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], NotJson> {
        let (array, rest) = self.0.split_first_chunk().ok_or(NotJson::Cut)?;
        self.0 = rest;
        Ok(*array)
    }

    fn take(&mut self, length: u32) -> Result<&'a [u8], NotJson> {
        let length = usize::try_from(length).map_err(|_| NotJson::Cut)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(NotJson::Cut)?;
        self.0 = rest;
        Ok(taken)
    }
}

fn text(bytes: &[u8], json: &mut Vec<u8>) -> Result<(), NotJson> {
    let text = std::str::from_utf8(bytes).map_err(|_| NotJson::NotUtf8)?;
    // Writing a text to memory does not fail.
    serde_json::to_writer(json, text).map_err(|_| NotJson::NotUtf8)
}

fn integer(number: impl Into<i128>, json: &mut Vec<u8>) {
    json.extend_from_slice(number.into().to_string().as_bytes());
}

fn float(number: f64, json: &mut Vec<u8>) -> Result<(), NotJson> {
    if !number.is_finite() {
        return Err(NotJson::Number);
    }
    serde_json::to_writer(json, &number).map_err(|_| NotJson::Number)
}
