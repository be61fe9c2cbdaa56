//! What is published: JSON of a given length, which says when it was due and its number.

use std::fmt::Write;

const NAMES: [&str; 8] = [
    "barley", "oats", "rye", "maize", "wheat", "millet", "rice", "sorghum",
];
const STATES: [&str; 4] = ["open", "filled", "withdrawn", "partly filled"];

/// `text`: with rows as applications send them, the same keys again and again and values that differ, instead of one
/// character. So that what is compressed is neither nothing nor all.
pub(super) fn data(due: u64, number: u64, bytes: usize, text: bool) -> Vec<u8> {
    let mut data = format!("{{\"due\":{due},\"n\":{number},");
    if text {
        rows(&mut data, number, bytes);
    }
    data.push_str("\"pad\":\"");
    let pad = bytes.saturating_sub(data.len() + 2);
    let mut data = data.into_bytes();
    data.resize(data.len() + pad, b'x');
    data.extend_from_slice(b"\"}");
    data
}

/// As many as leave room for what comes after them.
fn rows(data: &mut String, number: u64, bytes: usize) {
    const REST: usize = "],\"pad\":\"\"}".len();
    let mut noise = number;
    data.push_str("\"rows\":[");
    for count in 0.. {
        let full = data.len();
        let separator = if count == 0 { "" } else { "," };
        // Writing into a String does not fail.
        let _ = write!(
            data,
            "{separator}{{\"id\":\"{:08x}\",\"name\":\"{}\",\"price\":{}.{:02},\"amount\":{},\"state\":\"{}\"}}",
            next(&mut noise) % (1 << 32),
            pick(&NAMES, next(&mut noise)),
            100 + next(&mut noise) % 400,
            next(&mut noise) % 100,
            1 + next(&mut noise) % 5_000,
            pick(&STATES, next(&mut noise)),
        );
        if data.len() + REST > bytes {
            data.truncate(full);
            break;
        }
    }
    data.push_str("],");
}

fn pick<'t>(all: &[&'t str], noise: u64) -> &'t str {
    let at = usize::try_from(noise % all.len() as u64).unwrap_or_default();
    all[at]
}

/// Steele, Lea and Flood's `SplitMix`: the same for each run.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inflate::deflated;

    #[test]
    fn data_is_as_long_as_it_is_to_be() {
        for text in [false, true] {
            assert_eq!(data(12_345_678_901, 17, 128, text).len(), 128);
            assert_eq!(data(1, 1, 1024, text).len(), 1024);
        }
    }

    #[test]
    fn text_is_json_that_gets_smaller_by_a_half_to_three_quarters_and_differs() {
        let all = [1, 2, 3].map(|number| data(1, number, 1024, true));
        for one in &all {
            let json: serde_json::Value = serde_json::from_slice(one).expect("JSON");
            assert!(json["rows"].as_array().expect("rows").len() > 8);
            let length = deflated(one).len();
            assert!((256..=512).contains(&length), "{length} bytes");
        }
        assert_ne!(all[0][40..], all[1][40..]);
    }
}
