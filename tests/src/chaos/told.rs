//! What a subscriber was told about a topic, read from a frame of the native dialect.

use serde_json::{Map, Value, json};

#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// `subscribed`. `recovered` is there if a position was sent.
    Subscribed {
        epoch: String,
        offset: u64,
        tag: String,
        recovered: Option<bool>,
        snapshot: Value,
    },
    /// `message`, `job`, `set` or `remove`.
    Entry {
        offset: u64,
        tag: String,
        /// As [`message`], [`set`] and [`removed`] write it.
        data: Value,
        skipped: u64,
    },
    Lagged {
        from: u64,
        to: u64,
    },
    Reset {
        epoch: String,
        offset: u64,
        tag: String,
        reason: String,
        snapshot: Value,
    },
}

/// How a set key is written down.
pub fn set(key: &str, value: &Value) -> Value {
    json!({ "set": key, "value": value })
}

/// How a removed key is written down.
pub fn removed(key: &str) -> Value {
    json!({ "removed": key })
}

/// What an entry does to the map of a state topic.
pub fn apply(data: &Value, map: &mut Map<String, Value>) {
    if let Some(key) = data["set"].as_str() {
        map.insert(key.to_owned(), data["value"].clone());
    } else if let Some(key) = data["removed"].as_str() {
        map.remove(key);
    }
}

/// The snapshot or the record of a job that has ended.
pub fn is_over(job: &Value) -> bool {
    matches!(job["state"].as_str(), Some("succeeded" | "failed" | "cancelled"))
}

/// `None` if it is none of these.
pub fn told(frame: &Value) -> Option<Told> {
    let text = |field: &str| frame[field].as_str().map(str::to_owned);
    let number = |field: &str| frame[field].as_u64();
    let entry = |data: Value| {
        Some(Told::Entry {
            offset: number("offset")?,
            tag: text("tag")?,
            data,
            skipped: number("skipped").unwrap_or_default(),
        })
    };
    match frame["type"].as_str()? {
        "subscribed" => Some(Told::Subscribed {
            epoch: text("epoch")?,
            offset: number("offset")?,
            tag: text("tag")?,
            recovered: frame["recovered"].as_bool(),
            snapshot: frame["snapshot"].clone(),
        }),
        "message" => entry(frame["data"].clone()),
        "job" => entry(frame["job"].clone()),
        "set" => entry(set(frame["key"].as_str()?, &frame["value"])),
        "remove" => entry(removed(frame["key"].as_str()?)),
        "lagged" => Some(Told::Lagged {
            from: number("from")?,
            to: number("to")?,
        }),
        "reset" => Some(Told::Reset {
            epoch: text("epoch")?,
            offset: number("offset")?,
            tag: text("tag")?,
            reason: text("reason")?,
            snapshot: frame["snapshot"].clone(),
        }),
        _ => None,
    }
}
