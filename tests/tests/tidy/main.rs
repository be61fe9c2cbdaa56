//! Guards what the compiler does not: who may import whom, how files look, which words stay out.
//!
//! Every finding names the place and says what to do. Reads the tree only.

mod edges;
mod shape;
mod source;
mod words;

use std::fmt::Write as _;

use anyhow::{Result, bail};

/// What is wrong, and what to do: `path:line: text`.
type Findings = Vec<String>;

fn ensure_none(findings: Findings) -> Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let mut text = format!("{} found:\n", findings.len());
    for finding in findings {
        writeln!(text, "  {finding}")?;
    }
    bail!(text)
}
