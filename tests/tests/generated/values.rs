//! The key `config` of the chart's values: the annotated configuration file as YAML.

use std::fmt::Write as _;

use anyhow::{Context, Result};

use crate::reference::{Section, sections};
use crate::{keep, read};

const FILE: &str = "helm/tidegate/values.yaml";
const BEGIN: &str = "# >>> generated from shared/src/config/reference.toml by `cargo xtask generate`\n";
const END: &str = "# <<< generated\n";
/// Comments are wrapped here.
const WIDTH: usize = 116;

/// They come from the Secret that the chart is told of.
pub(crate) const SECRETS: [(&str, &str); 2] = [("auth.jwt", "secret"), ("worker.webhook", "secret")];

#[test]
fn the_charts_values_mirror_the_configuration_file() -> Result<()> {
    let text = read(FILE)?;
    let (before, rest) = text
        .split_once(BEGIN)
        .with_context(|| format!("{FILE} lacks the line `{BEGIN}`"))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("{FILE} lacks the line `{END}`"))?;
    let config = config(&sections()?)?;
    keep(FILE, &format!("{before}{BEGIN}{config}{END}{after}"))
}

fn config(sections: &[Section]) -> Result<String> {
    let mut text = String::from(
        "# The configuration file, as docs/configuration.md says it. Nulls and empty lists mean the default.\nconfig:\n",
    );
    for section in sections.iter().filter(|one| !one.path.contains('.')) {
        write(&mut text, section, sections, 1)?;
    }
    Ok(text)
}

fn write(text: &mut String, section: &Section, all: &[Section], depth: usize) -> Result<()> {
    let indent = "  ".repeat(depth);
    let name = section.path.rsplit('.').next().unwrap_or_default();
    let own: Vec<&str> = section
        .settings
        .iter()
        .map(|setting| &*setting.name)
        .filter(|name| !SECRETS.contains(&(&section.path, name)))
        .collect();
    let mut about = section.about.clone();
    if section.repeated || section.absent {
        write!(about, " Keys: {}.", own.join(", "))?;
    }
    comment(text, &indent, about.trim());
    if section.repeated {
        writeln!(text, "{indent}{name}: []")?;
        return Ok(());
    }
    if section.absent {
        writeln!(text, "{indent}{name}: null")?;
        return Ok(());
    }
    writeln!(text, "{indent}{name}:")?;
    for setting in section.settings.iter().filter(|one| own.contains(&&*one.name)) {
        comment(text, &format!("{indent}  "), &setting.about);
        let value = if setting.absent { "null" } else { &setting.value };
        writeln!(text, "{indent}  {}: {value}", setting.name)?;
    }
    let inside = |one: &&Section| {
        one.path
            .rsplit_once('.')
            .is_some_and(|(parent, _)| parent == section.path)
    };
    for inner in all.iter().filter(inside) {
        write(text, inner, all, depth + 1)?;
    }
    Ok(())
}

fn comment(text: &mut String, indent: &str, about: &str) {
    let mut line = String::new();
    for word in about.split_whitespace() {
        if !line.is_empty() && indent.len() + 2 + line.len() + word.len() > WIDTH {
            let _ = writeln!(text, "{indent}#{line}");
            line.clear();
        }
        line.push(' ');
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(text, "{indent}#{line}");
    }
}
