//! Values that are part of the product but not of this version. They stop the start instead of being ignored.
//!
//! Whoever builds what a value stands for takes it out of [`VALUES`].

/// Values of keys that exist: the path of the key and its valid texts that this version does not know.
pub(super) const VALUES: &[(&str, &[&str])] = &[("endpoint.dialect", &["centrifuge"])];

/// The texts of `VALUES` for one key.
pub(super) fn values(path: &str) -> &'static [&'static str] {
    VALUES
        .iter()
        .find(|(key, _)| *key == path)
        .map_or(&[], |(_, values)| values)
}
