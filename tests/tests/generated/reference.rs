//! `shared/src/config/reference.toml` as data: sections and keys in their order, with what is said about them.

use anyhow::{Context, Result, ensure};
use tidegate_shared::config::REFERENCE;

#[derive(Debug)]
pub(crate) struct Section {
    /// Dotted.
    pub(crate) path: String,
    /// `[[path]]`
    pub(crate) repeated: bool,
    /// Not there unless somebody writes it.
    pub(crate) absent: bool,
    pub(crate) about: String,
    pub(crate) settings: Vec<Setting>,
}

#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) name: String,
    /// As TOML.
    pub(crate) value: String,
    /// The value is an example.
    pub(crate) absent: bool,
    pub(crate) about: String,
}

pub(crate) fn sections() -> Result<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    let mut about = String::new();
    for line in REFERENCE.lines() {
        if let Some(prose) = line.strip_prefix("# ") {
            if !about.is_empty() {
                about.push(' ');
            }
            about.push_str(prose);
            continue;
        }
        let (absent, line) = line.strip_prefix('#').map_or((false, line), |line| (true, line));
        let said = std::mem::take(&mut about);
        if let Some(header) = line.strip_prefix('[') {
            let path = header.trim_matches(['[', ']']).to_owned();
            sections.push(Section {
                path,
                repeated: header.starts_with('['),
                absent,
                about: said,
                settings: Vec::new(),
            });
        } else if let Some((name, value)) = line.split_once(" = ") {
            let section = sections.last_mut().context("a key before the first section")?;
            section.settings.push(Setting {
                name: name.to_owned(),
                value: value.to_owned(),
                absent,
                about: said,
            });
        } else {
            ensure!(line.is_empty(), "reference.toml: what is `{line}`?");
        }
    }
    Ok(sections)
}
