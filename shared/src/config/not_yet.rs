//! Keys and values that are part of the product but not of this version. They stop the start instead of
//! being ignored, except with the value that means what this version does anyway.
//!
//! Whoever builds a feature takes its line out of [`KEYS`] or [`VALUES`] and reads
//! the key in `file.rs`.

use super::shape::{Off, Shape};

#[derive(Debug)]
pub(super) struct Key {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) off: Off,
}

const fn key(section: &'static str, name: &'static str, shape: Shape, off: Off) -> Key {
    Key {
        section,
        name,
        shape,
        off,
    }
}

/// Single keys of sections that exist.
pub(super) const KEYS: &[Key] = &[
    key("auth.jwt", "jwks_url", Shape::Text, Off::Nothing),
    key("telemetry", "otlp_endpoint", Shape::Text, Off::Nothing),
];

/// Values of keys that exist: the path of the key and its valid texts that this version does not know.
pub(super) const VALUES: &[(&str, &[&str])] = &[
    ("redis.url", &["rediss"]),
    ("endpoint.dialect", &["rpc", "centrifuge"]),
];

/// The texts of `VALUES` for one key.
pub(super) fn values(path: &str) -> &'static [&'static str] {
    VALUES
        .iter()
        .find(|(key, _)| *key == path)
        .map_or(&[], |(_, values)| values)
}
