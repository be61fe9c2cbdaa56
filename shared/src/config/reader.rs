//! Reads a parsed TOML document: knows which line every byte is on, collects mistakes instead of stopping
//! at the first, and finds what an unknown key was meant to be among all keys that were asked for.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeTable;

use super::keys::Kind;
use super::mistake::{Mistake, Place, echo};
use super::section::Section;

#[derive(Debug)]
pub(super) struct Reader<'s> {
    file: &'s str,
    /// Where each line of the text begins.
    lines: Vec<usize>,
    mistakes: Vec<Mistake>,
    pub(super) known: BTreeSet<Known>,
    pub(super) unknown: Vec<Unknown>,
    /// What the values of this version's keys look like, by section and key.
    pub(super) kinds: BTreeMap<(&'static str, &'static str), Kind>,
    pub(super) required: BTreeSet<(&'static str, &'static str)>,
    /// Set while a section that is absent is read for the sake of its keys.
    pub(super) silent: bool,
}

/// A key that may stand in a section. The section's path is empty for the file itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Known {
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    pub(super) form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    Value,
    /// `[key]`
    Section,
    /// `[[key]]`
    Sections,
}

impl Form {
    /// A section's header.
    pub(super) fn written(self, path: &str) -> String {
        match self {
            Self::Value => path.to_owned(),
            Self::Section => format!("[{path}]"),
            Self::Sections => format!("[[{path}]]"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Unknown {
    pub(super) section: &'static str,
    pub(super) key: String,
    pub(super) form: Form,
    /// The byte it begins at.
    pub(super) at: usize,
}

impl<'s> Reader<'s> {
    pub(super) fn new(file: &'s str, text: &str) -> Self {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            file,
            lines: std::iter::once(0).chain(starts.map(|(at, _)| at + 1)).collect(),
            mistakes: Vec::new(),
            known: BTreeSet::new(),
            unknown: Vec::new(),
            kinds: BTreeMap::new(),
            required: BTreeSet::new(),
            silent: false,
        }
    }

    /// Reads the whole document.
    pub(super) fn document<'d>(
        &mut self,
        table: &'d DeTable<'d>,
        read: impl FnOnce(&mut Section<'_, 's, 'd>),
    ) {
        self.section("", table, 0, read);
    }

    /// Reads one table; `at` is where it begins.
    pub(super) fn section<'d>(
        &mut self,
        path: &'static str,
        table: &'d DeTable<'d>,
        at: usize,
        read: impl FnOnce(&mut Section<'_, 's, 'd>),
    ) {
        let mut section = Section::new(self, path, table, at);
        read(&mut section);
        section.finish();
    }

    /// What a mistake about the byte `at` calls its place.
    fn place(&self, at: usize) -> Place {
        Place::File {
            file: self.file.to_owned(),
            line: Some(self.line(at)),
        }
    }

    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    pub(super) fn report(&mut self, at: usize, key: String, what: String, help: String) {
        if !self.silent {
            let place = self.place(at);
            self.mistakes.push(Mistake {
                place,
                key,
                what,
                help,
            });
        }
    }

    pub(super) fn syntax(&mut self, error: &toml::de::Error) {
        let at = error.span().map_or(0, |span| span.start);
        let what = format!("this is not TOML: {}", error.message());
        self.report(at, String::new(), what, String::new());
    }

    /// All mistakes, those about unknown keys with the key that may have been meant.
    pub(super) fn finish(mut self) -> Vec<Mistake> {
        for unknown in std::mem::take(&mut self.unknown) {
            let path = join(unknown.section, &unknown.key);
            let what = match unknown.form {
                Form::Value => format!("unknown key {}", echo(&path)),
                form => format!("unknown section {}", echo(&form.written(&path))),
            };
            let help = self.suggestion(&unknown);
            self.report(unknown.at, path, what, help);
        }
        self.mistakes
    }

    fn suggestion(&self, unknown: &Unknown) -> String {
        let here = |known: &&Known| known.section == unknown.section;
        let nearest_here = nearest(&unknown.key, self.known.iter().filter(here));
        let elsewhere = nearest(&unknown.key, self.known.iter().filter(|known| !here(known)));
        match (nearest_here, elsewhere) {
            // The very same key of another section is likelier meant than a similar one of this, but a section
            // is no key.
            (here, Some((0, known)))
                if known.form == Form::Value
                    && !(unknown.form != Form::Value
                        && here.is_some_and(|(_, known)| known.form != Form::Value)) =>
            {
                format!("`{}` belongs to `{}`", known.key, self.header(known.section))
            }
            (Some((_, known)), _) => {
                let path = if known.form == Form::Value {
                    known.key.to_owned()
                } else {
                    known.form.written(&join(known.section, known.key))
                };
                format!("did you mean `{path}`?")
            }
            (None, Some((_, known))) if known.form == Form::Value => {
                format!(
                    "did you mean `{}` of `{}`?",
                    known.key,
                    self.header(known.section)
                )
            }
            _ => {
                let keys: Vec<&str> = self.known.iter().filter(here).map(|known| known.key).collect();
                format!("valid here: {}", keys.join(", "))
            }
        }
    }

    fn header(&self, path: &str) -> String {
        let itself = self
            .known
            .iter()
            .find(|known| join(known.section, known.key) == path);
        itself.map_or(Form::Section, |known| known.form).written(path)
    }
}

/// The key that is nearest to `key`, if it is near enough to have been meant, and how far it is.
fn nearest<'k>(key: &str, among: impl Iterator<Item = &'k Known>) -> Option<(usize, &'k Known)> {
    // The comparison costs the product of both lengths, and no key is that long.
    if key.len() > 64 {
        return None;
    }
    let limit = 1 + key.chars().count().min(16) / 4;
    among
        .map(|known| (strsim::damerau_levenshtein(key, known.key), known))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
}

pub(super) fn join(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}
