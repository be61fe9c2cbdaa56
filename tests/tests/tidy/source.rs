//! The files of the repository, and their code without comments, strings and tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

pub(crate) struct Source {
    /// From the root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("tests/ lies in the workspace")
}

/// Every text file that git knows or would take.
pub(crate) fn all() -> Result<Vec<Source>> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git")
        .args(list)
        .current_dir(root()?)
        .output()
        .context("git")?;
    ensure!(
        output.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let names = String::from_utf8(output.stdout)?;
    let mut sources = Vec::new();
    // What a fuzzer made up is data.
    for path in names.lines().filter(|path| !path.starts_with("fuzz/corpus/")) {
        // A file may be deleted and not yet forgotten by git, and a picture is no text.
        if let Ok(text) = fs::read_to_string(root()?.join(path)) {
            sources.push(Source {
                path: path.to_owned(),
                text,
            });
        }
    }
    ensure!(
        sources.len() > 20,
        "only {} files: is this the repository?",
        sources.len()
    );
    Ok(sources)
}

/// The Rust files among them.
pub(crate) fn rust() -> Result<Vec<Source>> {
    Ok(all()?
        .into_iter()
        .filter(|source| source.extension() == "rs")
        .collect())
}

impl Source {
    pub(crate) fn extension(&self) -> String {
        PathBuf::from(&self.path)
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// Part of a test, and not of the product or of a harness.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.starts_with("tests/") || self.path.ends_with("/tests.rs")
    }

    /// Code outside tests with its line numbers; comments and the content of strings are blank.
    pub(crate) fn code(&self) -> Vec<(usize, String)> {
        let blanked = blank(&self.text);
        let lines: Vec<&str> = blanked.lines().collect();
        let mut code = Vec::new();
        let mut number = 0;
        while let Some(line) = lines.get(number) {
            if line.trim() == "#[cfg(test)]" {
                match lines.get(number + 1) {
                    // `mod tests;`: the file is left out by its name.
                    Some(next) if next.trim_end().ends_with(';') => number += 2,
                    // Tests stand at the end.
                    _ => break,
                }
                continue;
            }
            code.push((number + 1, (*line).to_owned()));
            number += 1;
        }
        code
    }

    /// Where these words or paths stand in the code, as a whole: line and word.
    pub(crate) fn uses(&self, words: &[&'static str]) -> Vec<(usize, &'static str)> {
        let mut found = Vec::new();
        for (number, line) in self.code() {
            found.extend(
                words
                    .iter()
                    .filter(|word| has_word(&line, word))
                    .map(|word| (number, *word)),
            );
        }
        found
    }
}

/// Whether `word` stands in `line` and is no part of a longer name.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// Replaces comments and the content of strings by spaces; lines stay where they are.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, keep) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |at| at + 2), false)
        } else if let Some(length) = raw_string(rest, &out) {
            (length, false)
        } else if first == '"' {
            (string(rest), false)
        } else if let Some(length) = character(rest) {
            (length, false)
        } else {
            (first.len_utf8(), true)
        };
        let (taken, left) = rest.split_at(length);
        if keep {
            out.push_str(taken);
        } else {
            out.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = left;
    }
    out
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string(text: &str, before: &str) -> Option<usize> {
    let hashes = text
        .strip_prefix('r')?
        .bytes()
        .take_while(|byte| *byte == b'#')
        .count();
    let part_of_a_name = before.ends_with(|c: char| c.is_alphanumeric() && c != 'b' || c == '_');
    if part_of_a_name || !text[1 + hashes..].starts_with('"') {
        return None;
    }
    let start = hashes + 2;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(
        text[start..]
            .find(&end)
            .map_or(text.len(), |at| start + at + end.len()),
    )
}

/// A character literal, and not a lifetime.
fn character(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    if let Some(escape) = inner.strip_prefix('\\') {
        let first = escape.chars().next()?.len_utf8();
        return Some(2 + first + escape[first..].find('\'')? + 1);
    }
    let length = inner.chars().next()?.len_utf8();
    inner[length..].starts_with('\'').then_some(length + 2)
}

#[test]
fn comments_strings_and_tests_are_no_code() {
    let text = "use fred; // axum\nlet a = \"axum \\\" axum\"; let b = r#\"axum \" axum\"#; let c: &'a str = '\\'';\n\
                /* axum\naxum */ let d = '\"'; fredo();\n#[cfg(test)]\nmod tests;\nlet last = 1;\n\
                #[cfg(test)]\nmod tests {\n    use axum;\n}\n";
    let source = Source {
        path: "x.rs".into(),
        text: text.into(),
    };
    assert!(source.uses(&["axum"]).is_empty(), "{:?}", source.code());
    assert_eq!(source.uses(&["fred"]), [(1, "fred")]);
    assert_eq!(source.uses(&["last"]), [(7, "last")]);
}
