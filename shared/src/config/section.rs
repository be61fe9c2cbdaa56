//! One table of the configuration file: gives values of the type asked for, reports what is wrong with
//! them where they stand, and treats what nobody asked for as unknown; so no list of keys is kept beside
//! the code that reads them.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::keys::Kind;
use super::mistake::{Wrong, echo};
use super::not_yet;
use super::quantity;
use super::reader::{Form, Known, Reader, Unknown, join};
use super::shape::{is_a, json, kind, number, time};
use crate::json::RawJson;

#[derive(Debug)]
pub(super) struct Section<'r, 's, 'd> {
    reader: &'r mut Reader<'s>,
    path: &'static str,
    table: &'d DeTable<'d>,
    /// Where it begins, for mistakes about what is missing.
    at: usize,
    asked: Vec<&'static str>,
}

impl<'r, 's, 'd> Section<'r, 's, 'd> {
    pub(super) fn new(
        reader: &'r mut Reader<'s>,
        path: &'static str,
        table: &'d DeTable<'d>,
        at: usize,
    ) -> Self {
        Self {
            reader,
            path,
            table,
            at,
            asked: Vec::new(),
        }
    }

    /// The sub-section `[path]`, named from the root as in its header. If it is absent, `read` sees an
    /// empty one.
    pub(super) fn table(&mut self, path: &'static str, read: impl FnOnce(&mut Section<'_, 's, '_>)) {
        let key = last(path);
        self.learn(key, Kind::Section);
        match self.ask(key, Form::Section) {
            Some((DeValue::Table(table), at)) => self.reader.section(path, table, at, read),
            Some((other, at)) => {
                let wrong = Wrong::new(is_a(other), format!("write it as a section `[{path}]`"));
                self.wrong(key, at, wrong);
                self.absent(path, read);
            }
            None => self.absent(path, read),
        }
    }

    /// The sub-sections `[[path]]`. Gives how many there are. `read` sees each, or an empty one if there
    /// is none.
    pub(super) fn each(
        &mut self,
        path: &'static str,
        mut read: impl FnMut(&mut Section<'_, 's, '_>),
    ) -> usize {
        let key = last(path);
        self.learn(key, Kind::Sections);
        let tables = match self.ask(key, Form::Sections) {
            Some((DeValue::Array(array), at)) => self.tables(key, array, at),
            Some((other, at)) => {
                let wrong = Wrong::new(is_a(other), format!("write it as a section `[[{path}]]`"));
                self.wrong(key, at, wrong);
                Vec::new()
            }
            None => Vec::new(),
        };
        if tables.is_empty() {
            self.absent(path, read);
            return 0;
        }
        for (table, at) in &tables {
            self.reader.section(path, table, *at, &mut read);
        }
        tables.len()
    }

    /// As [`Section::each`], but without reporting anything: for a first look.
    pub(super) fn quietly(&mut self, key: &'static str, read: impl FnMut(&mut Section<'_, 's, '_>)) {
        let before = std::mem::replace(&mut self.reader.silent, true);
        let unknown = self.reader.unknown.len();
        self.each(key, read);
        self.reader.unknown.truncate(unknown);
        self.reader.silent = before;
    }

    fn tables(&mut self, key: &str, array: &'d DeArray<'d>, at: usize) -> Vec<(&'d DeTable<'d>, usize)> {
        let mut tables = Vec::new();
        for one in array {
            if let DeValue::Table(table) = one.get_ref() {
                tables.push((table, one.span().start));
            } else {
                let wrong = Wrong::new(
                    format!("{} stands among the sections", kind(one.get_ref())),
                    format!("write each as a section `[[{}]]`", join(self.path, key)),
                );
                self.wrong(key, at, wrong);
            }
        }
        tables
    }

    /// Reads an empty section, only to learn its keys.
    fn absent(&mut self, path: &'static str, read: impl FnOnce(&mut Section<'_, 's, '_>)) {
        let before = std::mem::replace(&mut self.reader.silent, true);
        let empty = DeTable::new();
        self.reader.section(path, &empty, 0, read);
        self.reader.silent = before;
    }

    /// A text that `parse` understands.
    pub(super) fn text<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.learn(key, Kind::Text);
        let (value, at) = self.ask(key, Form::Value)?;
        let result = match value {
            DeValue::String(text) => parse(text),
            other => Err(Wrong::new(is_a(other), "write a text between quotes")),
        };
        self.accept(key, at, result)
    }

    /// A text that must be there.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        if !self.table.contains_key(key) {
            let what = format!("`{}` is missing", join(self.path, key));
            let help = format!("add `{key} = \"…\"` to this section");
            self.reader.report(self.at, join(self.path, key), what, help);
        }
        self.reader.required.insert((self.path, key));
        self.text(key, parse)
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.learn(key, Kind::Flag);
        let (value, at) = self.ask(key, Form::Value)?;
        let result = match value {
            DeValue::Boolean(flag) => Ok(*flag),
            other => Err(Wrong::new(is_a(other), "write true or false, without quotes")),
        };
        self.accept(key, at, result)
    }

    pub(super) fn number<T: TryFrom<u64>>(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<u64>,
    ) -> Option<T> {
        self.learn(key, Kind::Number(range.clone()));
        let (value, at) = self.ask(key, Form::Value)?;
        let result = number(value).and_then(|number| quantity::within(number, range, |n| n.to_string()));
        let number = self.accept(key, at, result)?;
        T::try_from(number).ok()
    }

    /// Anything, as JSON. A date becomes a text.
    pub(super) fn json(&mut self, key: &'static str) -> Option<RawJson> {
        self.learn(key, Kind::Any);
        let (value, at) = self.ask(key, Form::Value)?;
        let result = json(value).and_then(|value| {
            RawJson::of(&value)
                .map_err(|_| Wrong::new("this cannot be written as JSON", "write something else"))
        });
        self.accept(key, at, result)
    }

    /// In bytes.
    pub(super) fn size(&mut self, key: &'static str, range: &RangeInclusive<u64>) -> Option<usize> {
        self.learn(key, Kind::Size(range.clone()));
        let (value, at) = self.ask(key, Form::Value)?;
        let bytes = match value {
            DeValue::String(text) => quantity::size(text),
            DeValue::Integer(_) => number(value),
            other => Err(Wrong::new(
                is_a(other),
                "write bytes or a text with a unit, as 4096 or \"64KiB\"",
            )),
        };
        let result = bytes.and_then(|bytes| quantity::within(bytes, range, quantity::show_size));
        let bytes = self.accept(key, at, result)?;
        usize::try_from(bytes).ok()
    }

    pub(super) fn time(&mut self, key: &'static str, range: &RangeInclusive<Duration>) -> Option<Duration> {
        self.learn(key, Kind::Time(range.clone()));
        let (value, at) = self.ask(key, Form::Value)?;
        let result = time(value).and_then(|time| quantity::within(time, range, quantity::show_duration));
        self.accept(key, at, result)
    }

    /// A list of different texts, each of which `parse` understands.
    pub(super) fn list<T: PartialEq>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        self.sequence(key, |text, before: &[T]| {
            let value = parse(text)?;
            if before.contains(&value) {
                Err(Wrong::new("this entry comes twice", "remove one"))
            } else {
                Ok(value)
            }
        })
    }

    /// A list of texts, each of which `parse` understands; it is also given what came before.
    pub(super) fn sequence<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str, &[T]) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        const HELP: &str = "write a list of texts, as [\"a\", \"b\"]";
        self.learn(key, Kind::Texts);
        let (value, at) = self.ask(key, Form::Value)?;
        let DeValue::Array(array) = value else {
            self.wrong(key, at, Wrong::new(is_a(value), HELP));
            return None;
        };
        let mut list = Vec::new();
        for one in array {
            let result = match one.get_ref() {
                DeValue::String(text) => parse(text, &list),
                other => Err(Wrong::new(format!("{} stands in the list", kind(other)), HELP)),
            };
            list.extend(self.accept(key, one.span().start, result));
        }
        Some(list)
    }

    /// One of some texts.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let path = join(self.path, key);
        let names = choices.iter().map(|(name, _)| (*name).to_owned()).collect();
        let found = self.text(key, |text| {
            let choice = choices.iter().find(|(name, _)| *name == text);
            choice.map(|(_, value)| *value).ok_or_else(|| {
                let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
                let help = match names.as_slice() {
                    [only] => format!("this version knows {only} only"),
                    names => format!("valid are {}", names.join(", ")),
                };
                if not_yet::values(&path).contains(&text) {
                    Wrong::new(format!("{} is not available in this version", echo(text)), help)
                } else {
                    Wrong::new(format!("{} is not valid", echo(text)), help)
                }
            })
        });
        self.learn(key, Kind::Choice(names));
        found
    }

    /// Notes what a key's value looks like.
    fn learn(&mut self, key: &'static str, kind: Kind) {
        self.reader.kinds.insert((self.path, key), kind);
    }

    /// Reports a mistake in the value of a key, or in the section if it has no such key.
    pub(super) fn wrong(&mut self, key: &str, at: usize, wrong: Wrong) {
        let path = join(self.path, key);
        let what = format!("`{path}`: {}", wrong.what);
        self.reader.report(at, path, what, wrong.help);
    }

    /// Where a key's value stands, or the section if it has no such key.
    pub(super) fn place_of(&self, key: &str) -> usize {
        self.table.get(key).map_or(self.at, |value| value.span().start)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn ask(&mut self, key: &'static str, form: Form) -> Option<(&'d DeValue<'d>, usize)> {
        self.asked.push(key);
        self.reader.known.insert(Known {
            section: self.path,
            key,
            form,
        });
        let value: &'d Spanned<DeValue<'d>> = self.table.get(key)?;
        Some((value.get_ref(), value.span().start))
    }

    fn accept<T>(&mut self, key: &str, at: usize, result: Result<T, Wrong>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.wrong(key, at, wrong);
                None
            }
        }
    }

    /// Deals with the keys that nobody asked for.
    pub(super) fn finish(self) {
        for (key, value) in self.table {
            if !self.asked.contains(&key.get_ref().as_ref()) {
                let form = match value.get_ref() {
                    DeValue::Table(_) => Form::Section,
                    DeValue::Array(array)
                        if matches!(array.first().map(Spanned::get_ref), Some(DeValue::Table(_))) =>
                    {
                        Form::Sections
                    }
                    _ => Form::Value,
                };
                self.reader.unknown.push(Unknown {
                    section: self.path,
                    key: key.get_ref().to_string(),
                    form,
                    at: key.span().start,
                });
            }
        }
    }
}

/// The key of a section in the one that it is part of.
fn last(path: &'static str) -> &'static str {
    path.rsplit_once('.').map_or(path, |(_, key)| key)
}
