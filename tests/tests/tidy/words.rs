//! Words that stay out of the code: escapes, promises, and numbers that have a name.

use anyhow::Result;

use crate::source::{self, has_word};
use crate::{Findings, ensure_none};

/// Spelled in halves, so that this file does not find itself.
const PROMISES: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
    concat!("for", " now"),
    concat!("..", "/shared"),
];

/// What ends a process or steps around its types.
const ESCAPES: &[&str] = &[
    "panic!",
    "todo!",
    "unimplemented!",
    "unreachable!",
    "unwrap_unchecked",
    "unsafe",
    "process::abort",
];

/// Where every code of the wire has its name.
const CODES: &str = "shared/src/code.rs";
const NUMBERS: &[&str] = &[
    "1001", "1002", "1007", "1008", "1009", "1012", "3000", "3001", "3002", "3003", "3008", "3500", "3501",
    "3502", "3503", "3504", "3505", "101", "102", "103", "104", "105", "106", "107", "108", "109", "110",
    "111", "112", "113", "114",
];

#[test]
fn no_promises_in_tracked_files() -> Result<()> {
    let mut findings = Findings::new();
    // A workspace beside the others names them by their folders.
    for source in source::all()?
        .iter()
        .filter(|source| source.path != "fuzz/Cargo.toml")
    {
        for (number, line) in source.text.lines().enumerate() {
            for word in PROMISES.iter().filter(|word| has_word(line, word)) {
                findings.push(format!(
                    "{}:{}: `{word}`: do it, or leave it out",
                    source.path,
                    number + 1
                ));
            }
        }
    }
    ensure_none(findings)
}

#[test]
fn no_escapes_outside_tests() -> Result<()> {
    let mut findings = Findings::new();
    for source in source::rust()?.iter().filter(|source| !source.is_test()) {
        for (line, word) in source.uses(ESCAPES) {
            findings.push(format!(
                "{}:{line}: `{word}`: make the case impossible by a type, or give back an error",
                source.path
            ));
        }
    }
    ensure_none(findings)
}

#[test]
fn every_lint_that_is_switched_off_says_why() -> Result<()> {
    let mut findings = Findings::new();
    for source in source::rust()? {
        let lines: Vec<&str> = source.text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let line = line.trim();
            let opens = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];
            if opens.iter().any(|open| line.starts_with(open)) {
                // An attribute may be spread over lines.
                let end = lines
                    .iter()
                    .skip(number)
                    .position(|line| line.trim_end().ends_with(']'))
                    .unwrap_or(0);
                let whole = lines[number..=number + end].concat();
                if !whole.contains("reason = ") {
                    findings.push(format!(
                        "{}:{}: say why, by `reason = \"…\"`",
                        source.path,
                        number + 1
                    ));
                }
                if ["unwrap_used", "expect_used"]
                    .iter()
                    .any(|lint| whole.contains(lint))
                    && !source.is_test()
                {
                    findings.push(format!(
                        "{}:{}: give back an error instead",
                        source.path,
                        number + 1
                    ));
                }
            }
        }
    }
    ensure_none(findings)
}

#[test]
fn codes_of_the_wire_have_their_numbers_in_one_file() -> Result<()> {
    let mut findings = Findings::new();
    for source in source::rust()?
        .iter()
        .filter(|source| !source.is_test() && source.path != CODES)
    {
        let product = ["shared/src/", "gateway/src/", "worker/src/", "cli/src/"];
        if !product.iter().any(|folder| source.path.starts_with(folder)) {
            continue;
        }
        for (line, number) in source.uses(NUMBERS) {
            // A range of codes that a peer may send is no code of ours.
            let range = source
                .text
                .lines()
                .nth(line - 1)
                .is_some_and(|code| code.contains("..="));
            if !range {
                findings.push(format!(
                    "{}:{line}: {number} looks like a code of the wire: use its name from {CODES}",
                    source.path
                ));
            }
        }
    }
    ensure_none(findings)
}
