//! What the configuration file may hold, as data: for its reference and for the schema of the chart's values.
//! Learnt by reading an empty file with the code that reads a full one, so that there is no second list of keys.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeTable;

use super::quantity::{show_duration, show_size};
use super::reader::{Reader, join};
use super::{Config, file};

/// Every key of this version with its default and what it is for. A key or section without a default is there
/// behind a `#`, with an example.
pub const REFERENCE: &str = include_str!("reference.toml");

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Dotted; empty for the file itself.
    pub section: &'static str,
    pub name: &'static str,
    pub kind: Kind,
    /// A section without it is a mistake.
    pub required: bool,
}

/// What a value looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Text,
    Flag,
    /// Anything.
    Any,
    Number(RangeInclusive<u64>),
    /// In bytes, or as a text with a unit.
    Size(RangeInclusive<u64>),
    Time(RangeInclusive<Duration>),
    /// A list of texts.
    Texts,
    /// One of these texts.
    Choice(Vec<String>),
    /// `[name]`
    Section,
    /// `[[name]]`
    Sections,
}

/// All keys of this version, by section and name.
pub fn keys() -> Vec<Key> {
    let mut reader = Reader::new("", "");
    // What is missing is no mistake here.
    reader.silent = true;
    file::read(&mut reader, &DeTable::new(), &|_| None, &mut Config::default());
    let (kinds, required) = (reader.kinds, reader.required);
    // A section all of whose keys are of later versions is none of this one.
    let has_keys = |section: &str, name: &str| {
        let path = join(section, name);
        kinds.keys().any(|(section, _)| *section == path)
    };
    kinds
        .iter()
        .filter(|((section, name), kind)| **kind != Kind::Section || has_keys(section, name))
        .map(|((section, name), kind)| Key {
            section,
            name,
            kind: kind.clone(),
            required: required.contains(&(*section, *name)),
        })
        .collect()
}

impl Kind {
    /// For people.
    pub fn shown(&self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Any => "any value".into(),
            Self::Flag => "true or false".into(),
            Self::Number(range) => format!("number, {} to {}", range.start(), range.end()),
            Self::Size(range) => format!(
                "size, {} to {}",
                show_size(*range.start()),
                show_size(*range.end())
            ),
            Self::Time(range) => format!(
                "time, {} to {}",
                show_duration(*range.start()),
                show_duration(*range.end())
            ),
            Self::Texts => "list of texts".into(),
            Self::Choice(names) => format!("`\"{}\"`", names.join("\"`, `\"")),
            Self::Section => "section".into(),
            Self::Sections => "sections".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_says_what_counts_without_a_file() {
        let without = Config::parse("", "").expect("nothing is wrong");
        let reference = Config::parse("reference.toml", REFERENCE).expect("all of it is right");
        let plain = |config: &Config| {
            let text = format!("{config:?}");
            assert!(text.contains("drain"), "{text}");
            text
        };
        assert_eq!(plain(&reference), plain(&without));
    }

    #[test]
    fn the_reference_has_every_key_and_no_other() {
        // What has no default is read, too.
        let lines = REFERENCE.lines().map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => setting,
            _ => line,
        });
        let whole = lines.collect::<Vec<_>>().join("\n");
        // Some examples exclude each other, but all are known.
        if let Err(errors) = Config::parse("reference.toml", &whole) {
            let unknown = |text: &str| text.contains("unknown") || text.contains("not available");
            for mistake in errors.mistakes() {
                assert!(!unknown(&mistake.what), "{mistake}");
            }
        }
        let table: toml::Table = toml::from_str(&whole).expect("TOML");
        let missing: Vec<_> = keys()
            .into_iter()
            .filter(|key| !is_there(&table, key))
            .map(|key| format!("{}.{}", key.section, key.name))
            .collect();
        assert!(
            missing.is_empty(),
            "say in shared/src/config/reference.toml what these are for, then run `cargo xtask generate`: {missing:?}"
        );
    }

    fn is_there(table: &toml::Table, key: &Key) -> bool {
        let mut section = Some(table);
        for part in key.section.split('.').filter(|part| !part.is_empty()) {
            section = section
                .and_then(|section| section.get(part))
                .and_then(|value| match value {
                    toml::Value::Table(table) => Some(table),
                    toml::Value::Array(array) => array.first()?.as_table(),
                    _ => None,
                });
        }
        section.is_some_and(|section| section.contains_key(key.name))
    }
}
