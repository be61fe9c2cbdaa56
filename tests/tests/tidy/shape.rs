//! How files look: length, head, name; and the heads of scripts.

use std::path::Path;

use anyhow::Result;

use crate::source::{self, has_word};
use crate::{Findings, ensure_none};

const LONGEST: usize = 400;
/// Names that say nothing about what is in the file.
const NAMELESS: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "manager"];

#[test]
fn no_file_is_longer_than_400_lines() -> Result<()> {
    let sources = source::all()?;
    let code = sources
        .iter()
        .filter(|source| ["rs", "lua"].contains(&source.extension().as_str()));
    let long = code.filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > LONGEST).then(|| {
            format!(
                "{}: {lines} lines, {LONGEST} at most. Find the second noun in it and give it a file",
                source.path
            )
        })
    });
    ensure_none(long.collect())
}

#[test]
fn every_file_begins_with_what_it_is_for() -> Result<()> {
    let sources = source::rust()?;
    let silent = sources
        .iter()
        .filter(|source| !says_what_it_is_for(&source.text) && !is_root_of_tests(&source.path));
    let findings = silent.map(|source| {
        format!(
            "{}:1: begin with `//!`: what it is for, what it relies on, what it never does; or, where the \
             file is one thing, with `///` before that",
            source.path
        )
    });
    ensure_none(findings.collect())
}

/// `mod tests`, whose name says it all.
fn is_root_of_tests(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.ends_with("/tests/mod.rs")
}

/// A comment for the module, or for its first item.
fn says_what_it_is_for(text: &str) -> bool {
    let items = [
        "fn ",
        "struct ",
        "enum ",
        "trait ",
        "impl ",
        "impl<",
        "type ",
        "macro_rules!",
    ];
    text.lines()
        .take_while(|line| {
            let plain = line
                .trim_start_matches("pub")
                .trim_start_matches("(crate)")
                .trim_start_matches("(super)");
            let plain = plain.trim_start().trim_start_matches("async ");
            !items.iter().any(|item| plain.starts_with(item))
        })
        .any(|line| line.starts_with("//! ") || line.starts_with("/// "))
}

#[test]
fn no_file_is_named_after_nothing() -> Result<()> {
    let sources = source::all()?;
    let nameless = sources.iter().filter(|source| {
        let parts = Path::new(&source.path)
            .iter()
            .map(|part| part.to_string_lossy().into_owned());
        parts
            .map(|part| part.split('.').next().unwrap_or_default().to_owned())
            .any(|part| NAMELESS.contains(&&*part))
    });
    ensure_none(
        nameless
            .map(|source| format!("{}: name it after the noun that is in it", source.path))
            .collect(),
    )
}

#[test]
fn every_script_says_what_it_does_its_keys_its_arguments_and_its_answer() -> Result<()> {
    let mut findings = Findings::new();
    for source in source::all()?.iter().filter(|source| source.extension() == "lua") {
        let (head, body): (Vec<&str>, Vec<&str>) =
            source.text.lines().partition(|line| line.starts_with("--"));
        let (head, body) = (head.join("\n"), body.join("\n"));
        if !source.text.starts_with("-- ") {
            findings.push(format!(
                "{}:1: begin with a comment: what the script does",
                source.path
            ));
        }
        // A part that is put before others uses neither, and returns nothing itself.
        let answers = body.starts_with("return") || body.contains("\nreturn");
        let parts = [
            ("KEYS", has_word(&body, "KEYS")),
            ("ARGV", has_word(&body, "ARGV")),
            ("Returns", answers),
        ];
        for (part, used) in parts {
            if used && !has_word(&head, part) {
                findings.push(format!(
                    "{}:1: the comment at the top does not say {part}",
                    source.path
                ));
            }
        }
    }
    ensure_none(findings)
}

#[test]
fn links_between_documents_lead_somewhere() -> Result<()> {
    let root = source::root()?;
    let mut findings = Findings::new();
    for source in source::all()?.iter().filter(|source| source.extension() == "md") {
        let folder = root
            .join(&source.path)
            .parent()
            .map(Path::to_path_buf)
            .unwrap_or_default();
        for (number, line) in source.text.lines().enumerate() {
            for target in line
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split([')', '#']).next())
            {
                let local = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
                if local && !folder.join(target).exists() {
                    findings.push(format!(
                        "{}:{}: the link to {target} leads nowhere",
                        source.path,
                        number + 1
                    ));
                }
            }
        }
    }
    ensure_none(findings)
}
