//! JSON to MessagePack.

use std::borrow::Cow;

/// Appends the MessagePack form of `json`, which is valid JSON.
///
/// A `\u` escape that is half a character becomes U+FFFD, and a number too large for a double infinity,
/// as JavaScript has it.
pub(crate) fn from_json(json: &[u8], out: &mut Vec<u8>) {
    let mut sizes = sizes(json).into_iter();
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        let rest = &json[at..];
        at += match byte {
            b'"' => {
                let length = text_length(rest);
                text(&unescape(&rest[..length]), out);
                length
            }
            b'{' => {
                header(sizes.next().unwrap_or(0), 0x80, 0xde, out);
                1
            }
            b'[' => {
                header(sizes.next().unwrap_or(0), 0x90, 0xdc, out);
                1
            }
            b't' => {
                out.push(0xc3);
                4
            }
            b'f' => {
                out.push(0xc2);
                5
            }
            b'n' => {
                out.push(0xc0);
                4
            }
            b'-' | b'0'..=b'9' => {
                let length = number_length(rest);
                number(&rest[..length], out);
                length
            }
            _ => 1,
        };
    }
}

/// How many elements each map and list has, in the order in which they begin: MessagePack says it
/// before the first of them.
fn sizes(json: &[u8]) -> Vec<u32> {
    let mut sizes = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut is_empty = false;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        at += 1;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b':' => continue,
            b',' => {
                if let Some(&index) = open.last() {
                    sizes[index] += 1;
                }
                continue;
            }
            b'}' | b']' => {
                if let Some(index) = open.pop()
                    && !is_empty
                {
                    sizes[index] += 1;
                }
            }
            b'{' | b'[' => {
                open.push(sizes.len());
                sizes.push(0);
                is_empty = true;
                continue;
            }
            b'"' => at += text_length(&json[at - 1..]) - 1,
            _ => {}
        }
        is_empty = false;
    }
    sizes
}

/// Of a text with its quotes, which is the first thing in `json`.
fn text_length(json: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

fn number_length(json: &[u8]) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    json.iter().position(|byte| !is_part(byte)).unwrap_or(json.len())
}

/// What a text in its quotes says.
fn unescape(quoted: &[u8]) -> Cow<'_, [u8]> {
    let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    let Some(first) = inner.iter().position(|byte| *byte == b'\\') else {
        return Cow::Borrowed(inner);
    };
    let mut text = inner[..first].to_vec();
    let mut rest = &inner[first..];
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        let Some((&escape, after)) = rest.split_first() else {
            break;
        };
        rest = after;
        text.push(match escape {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (character, taken) = character(rest);
                rest = rest.get(taken..).unwrap_or_default();
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            itself => itself,
        });
    }
    Cow::Owned(text)
}

/// The character of a `\u` escape, or of two that belong together, and how much of `rest`, which is
/// what comes after the first `\u`, it took.
fn character(rest: &[u8]) -> (char, usize) {
    let unit = |from: usize| -> Option<u16> {
        let digits = std::str::from_utf8(rest.get(from..from + 4)?).ok()?;
        u16::from_str_radix(digits, 16).ok()
    };
    let Some(first) = unit(0) else {
        return (char::REPLACEMENT_CHARACTER, 4);
    };
    let second = if rest.get(4..6) == Some(b"\\u") {
        unit(6)
    } else {
        None
    };
    let units = [first, second.unwrap_or_default()];
    match char::decode_utf16(units).next() {
        Some(Ok(character)) => (character, if character.len_utf16() == 2 { 10 } else { 4 }),
        _ => (char::REPLACEMENT_CHARACTER, 4),
    }
}

/// Of a map or a list: up to 15 elements beside `short`, more behind `long`, 2^16 and more behind the
/// byte after that.
fn header(size: u32, short: u8, long: u8, out: &mut Vec<u8>) {
    if let Ok(size) = u8::try_from(size)
        && size < 16
    {
        out.push(short | size);
    } else if let Ok(size) = u16::try_from(size) {
        out.push(long);
        out.extend_from_slice(&size.to_be_bytes());
    } else {
        out.push(long + 1);
        out.extend_from_slice(&size.to_be_bytes());
    }
}

fn text(text: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..32), _) => out.push(0xa0 | length),
        (Ok(length), _) => out.extend_from_slice(&[0xd9, length]),
        (_, Ok(length)) => {
            out.push(0xda);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(0xdb);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(text);
}

fn number(spelling: &[u8], out: &mut Vec<u8>) {
    let spelling = std::str::from_utf8(spelling).unwrap_or_default();
    if let Ok(number) = spelling.parse::<u64>() {
        unsigned(number, out);
    } else if let Ok(number) = spelling.parse::<i64>()
        && number < 0
    {
        negative(number, out);
    } else {
        // Also `-0`, which is no integer.
        out.push(0xcb);
        let number: f64 = spelling.parse().unwrap_or_default();
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn unsigned(number: u64, out: &mut Vec<u8>) {
    if let Ok(number) = u8::try_from(number) {
        if number >= 0x80 {
            out.push(0xcc);
        }
        out.push(number);
    } else if let Ok(number) = u16::try_from(number) {
        out.push(0xcd);
        out.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = u32::try_from(number) {
        out.push(0xce);
        out.extend_from_slice(&number.to_be_bytes());
    } else {
        out.push(0xcf);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn negative(number: i64, out: &mut Vec<u8>) {
    if let Ok(number) = i8::try_from(number) {
        if number < -32 {
            out.push(0xd0);
        }
        out.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = i16::try_from(number) {
        out.push(0xd1);
        out.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        out.push(0xd2);
        out.extend_from_slice(&number.to_be_bytes());
    } else {
        out.push(0xd3);
        out.extend_from_slice(&number.to_be_bytes());
    }
}
