//! What is wrong with a configuration, as data, and how people read it: one line for each mistake, with
//! the place, the key, what is wrong and what would be right. Never holds a secret's value.

use std::fmt;

use thiserror::Error;

/// Most mistakes that are shown; the rest is counted.
const SHOWN: usize = 50;
/// Longest piece of a bad value that is repeated, in characters.
const ECHO: usize = 60;

/// All that is wrong with a configuration, in the order of the file. Whoever gets it ends with exit
/// code 2.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct ConfigErrors(Vec<Mistake>);

impl ConfigErrors {
    pub const EXIT_CODE: u8 = 2;

    pub(super) fn of(mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by(|a, b| a.place.cmp(&b.place));
        // The parser says some things twice.
        mistakes.dedup();
        Self(mistakes)
    }

    pub fn mistakes(&self) -> &[Mistake] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().take(SHOWN).enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            fmt::Display::fmt(mistake, f)?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub place: Place,
    /// Dotted, as `limits.ping`; empty if the mistake is not about one key.
    pub key: String,
    pub what: String,
    /// What would be right.
    pub help: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)?;
        if !self.help.is_empty() {
            write!(f, "; {}", self.help)?;
        }
        Ok(())
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The line counts from 1; it is absent if the mistake is about the file as a whole.
    File { file: String, line: Option<usize> },
    /// An environment variable.
    Environment(&'static str),
    /// A command line flag, as `--listen`.
    Flag(&'static str),
    /// Nowhere in particular: what was configured does not fit together.
    Whole,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File {
                file,
                line: Some(line),
            } => write!(f, "{file}:{line}"),
            Self::File { file, line: None } => f.write_str(file),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
            Self::Whole => f.write_str("configuration"),
        }
    }
}

/// Why a value is not acceptable, before it is known where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) help: String,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            help: help.into(),
        }
    }
}

/// A bad value as it is shown: on one line, not too long, between back quotes.
pub(super) fn echo(text: &str) -> String {
    let mut shown: String = text.chars().take(ECHO).flat_map(char::escape_debug).collect();
    if text.chars().nth(ECHO).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}
