//! Binary values between Socket.IO and topics, whose data is JSON: what a client sends as an attachment
//! is `{"$binary": "<base64>"}` in the data, and such an object is an attachment again on its way out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};
use tidegate_shared::json::RawJson;

use super::engine::Malformed;
use super::packet::ATTACHMENTS;

const BINARY: &str = "$binary";
const PLACEHOLDER: &str = "_placeholder";

/// Puts attachments where their placeholders are.
pub(super) fn fill_in(data: &RawJson, attachments: &[Bytes]) -> Result<RawJson, Malformed> {
    const WRONG: Malformed = Malformed("a binary packet whose placeholders name no attachment");
    let mut value: Value = serde_json::from_str(data.as_str()).map_err(|_| WRONG)?;
    // An attachment may be named many times: what comes of it is bounded all the same.
    let mut left = 2 * attachments.len();
    if !fill(&mut value, attachments, &mut left) {
        return Err(WRONG);
    }
    RawJson::of(&value).map_err(|_| WRONG)
}

fn fill(value: &mut Value, attachments: &[Bytes], left: &mut usize) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().all(|item| fill(item, attachments, left)),
        Value::Object(map) if map.get(PLACEHOLDER) == Some(&Value::Bool(true)) => {
            let number = map.get("num").and_then(Value::as_u64);
            let number = number.and_then(|number| usize::try_from(number).ok());
            let Some(bytes) = number.and_then(|number| attachments.get(number)) else {
                return false;
            };
            if *left == 0 {
                return false;
            }
            *left -= 1;
            let mut binary = Map::new();
            binary.insert(BINARY.to_owned(), STANDARD.encode(bytes).into());
            *value = Value::Object(binary);
            true
        }
        Value::Object(map) => map.values_mut().all(|item| fill(item, attachments, left)),
        _ => true,
    }
}

/// JSON with placeholders, and the attachments that they stand for. `None` if there is nothing binary.
pub(super) fn take_out(json: &[u8]) -> Option<(Vec<u8>, Vec<Bytes>)> {
    let name = BINARY.as_bytes();
    if !json.windows(name.len()).any(|window| window == name) {
        return None;
    }
    let mut value: Value = serde_json::from_slice(json).ok()?;
    let mut attachments = Vec::new();
    take(&mut value, &mut attachments);
    if attachments.is_empty() {
        return None;
    }
    Some((serde_json::to_vec(&value).ok()?, attachments))
}

fn take(value: &mut Value, attachments: &mut Vec<Bytes>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| take(item, attachments)),
        Value::Object(map) => {
            let text = (map.len() == 1).then(|| map.get(BINARY)).flatten();
            let bytes = text
                .and_then(Value::as_str)
                .and_then(|text| STANDARD.decode(text).ok());
            match bytes {
                Some(bytes) if attachments.len() < ATTACHMENTS => {
                    let mut placeholder = Map::new();
                    placeholder.insert(PLACEHOLDER.to_owned(), true.into());
                    placeholder.insert("num".to_owned(), attachments.len().into());
                    attachments.push(bytes.into());
                    *value = Value::Object(placeholder);
                }
                _ => map.values_mut().for_each(|item| take(item, attachments)),
            }
        }
        _ => {}
    }
}
