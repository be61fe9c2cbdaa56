//! Files that are made from others and kept equal to them: the references in `docs/`, the chart's `config` values,
//! their schema, the chart's README. `cargo xtask generate` writes them; without `WRITE_GENERATED` they are compared.

mod codes;
mod configuration;
mod http;
mod markdown;
mod plain;
mod readme;
mod reference;
mod schema;
mod values;
mod walk;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

fn path(name: &str) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("tests/ lies in the workspace")?;
    Ok(root.join(name))
}

fn read(name: &str) -> Result<String> {
    fs::read_to_string(path(name)?).with_context(|| name.to_owned())
}

/// The file is what was made, or becomes it.
fn keep(name: &str, made: &str) -> Result<()> {
    let path = path(name)?;
    let there = fs::read_to_string(&path).unwrap_or_default();
    if there == made {
        return Ok(());
    }
    if std::env::var_os("WRITE_GENERATED").is_some() {
        return fs::write(&path, made).with_context(|| name.to_owned());
    }
    let differ = there
        .lines()
        .zip(made.lines())
        .position(|(one, other)| one != other);
    let line = differ.unwrap_or_else(|| there.lines().count().min(made.lines().count()));
    ensure!(
        there == made,
        "{name}:{}: should be\n  {}\nRun `cargo xtask generate`, and look at what it changed.",
        line + 1,
        made.lines().nth(line).unwrap_or("(the end)")
    );
    Ok(())
}
