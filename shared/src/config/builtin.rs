//! What the built-in jobs `webhook` and `command` may do: `[worker.webhook]` and `[[worker.command]]`.
//! Nothing is allowed that is not written there.

use std::fmt;
use std::path::PathBuf;

use regex_lite::Regex;

use super::mistake::{Wrong, echo};
use super::section::Section;
use super::value;
use crate::name::JobType;

/// Most programs one worker offers.
const COMMANDS: usize = 256;
/// Most arguments of one program.
const ARGUMENTS: usize = 64;
/// Longest pattern, in bytes.
const PATTERN_LIMIT: usize = 1024;
/// Bytes that a signature's key has at least, and at most.
const SECRET: std::ops::RangeInclusive<usize> = 8..=1024;

/// For the job `webhook`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Webhook {
    /// Key of the signature that goes with each request. None: requests are not signed. Never logged.
    pub secret: Option<String>,
    /// Whether addresses that are not public may be called.
    pub allow_private: bool,
}

/// Without the secret.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("signed", &self.secret.is_some())
            .field("allow_private", &self.allow_private)
            .finish()
    }
}

/// A program that the job `command` may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What jobs call it.
    pub name: String,
    pub path: PathBuf,
    /// One for each argument, in order: as many are given, no more and no less.
    pub arguments: Vec<Pattern>,
    /// Where it is run. None: where the worker was started.
    pub directory: Option<PathBuf>,
}

/// A regular expression for the whole of one argument. Matching takes time proportional to the argument.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    whole: Regex,
}

impl Pattern {
    /// `text` alone must be an expression, and it is then matched from the first byte to the last.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > PATTERN_LIMIT {
            return Err(format!(
                "it has {} bytes, at most {PATTERN_LIMIT} are allowed",
                text.len()
            ));
        }
        // First without anything around it: a stray parenthesis could close what anchors it.
        Regex::new(text).map_err(|error| error.to_string())?;
        let whole = Regex::new(&format!(r"\A(?:{text})\z")).map_err(|error| error.to_string())?;
        Ok(Self {
            text: text.to_owned(),
            whole,
        })
    }

    pub fn matches(&self, argument: &str) -> bool {
        self.whole.is_match(argument)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

pub(super) fn webhook(section: &mut Section<'_, '_, '_>, webhook: &mut Webhook) {
    if let Some(secret) = section.text("secret", secret) {
        webhook.secret = Some(secret);
    }
    if let Some(allow) = section.flag("allow_private") {
        webhook.allow_private = allow;
    }
}

/// Never repeats the text.
pub(super) fn secret(text: &str) -> Result<String, Wrong> {
    if SECRET.contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("the key of the signature has {} bytes", text.len()),
        format!(
            "write {} to {} bytes, as `openssl rand -hex 32` prints them, or remove it to sign nothing",
            SECRET.start(),
            SECRET.end()
        ),
    ))
}

/// One `[[worker.command]]`.
pub(super) fn command(section: &mut Section<'_, '_, '_>, commands: &mut Vec<Command>) {
    let name = section.required("name", name);
    let path = section.required("path", value::directory);
    let directory = section.text("directory", value::directory);
    let arguments = section.sequence("arguments", |text, before: &[Pattern]| {
        if before.len() == ARGUMENTS {
            let help = format!("at most {ARGUMENTS} arguments are allowed");
            return Err(Wrong::new("there are too many patterns", help));
        }
        Pattern::parse(text).map_err(|error| {
            Wrong::new(
                format!("{} is not a regular expression: {error}", echo(text)),
                "write one that matches the whole argument, as \"[a-z]+\\\\.png\"",
            )
        })
    });
    let (Some(name), Some(path)) = (name, path) else {
        return;
    };
    if commands.iter().any(|other| other.name == name) {
        let wrong = Wrong::new(
            format!("the name {} belongs to another command already", echo(&name)),
            "give each command a name of its own",
        );
        section.wrong("name", section.place_of("name"), wrong);
        return;
    }
    if commands.len() == COMMANDS {
        let help = format!("at most {COMMANDS} are allowed");
        section.wrong(
            "name",
            section.place_of("name"),
            Wrong::new("there are too many commands", help),
        );
        return;
    }
    commands.push(Command {
        name,
        path,
        arguments: arguments.unwrap_or_default(),
        directory,
    });
}

/// As a job's type is written.
fn name(text: &str) -> Result<String, Wrong> {
    match JobType::parse(text) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(_) => Err(Wrong::new(
            format!("{} is not a name for a command", echo(text)),
            "write letters, digits, `.`, `_` and `-`, as \"convert\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_for_the_whole_argument() {
        let png = Pattern::parse("[a-z]+\\.png").expect("a pattern");
        assert!(png.matches("cat.png"));
        for text in [
            "",
            "cat.png\n",
            "\ncat.png",
            "x cat.png",
            "cat.png.sh",
            "cat-png",
            "cat.PNG",
        ] {
            assert!(!png.matches(text), "{text:?}");
        }
        let either = Pattern::parse("a|ab").expect("a pattern");
        assert!(either.matches("a") && either.matches("ab") && !either.matches("abc"));
    }

    #[test]
    fn a_pattern_cannot_undo_its_anchors() {
        for text in [
            "a)|(?:.*",
            "(?m)a",
            "(?x)a # note",
            "a\\",
            "(",
            "[",
            "a{9999999}",
            &"a".repeat(2_000),
        ] {
            if let Ok(pattern) = Pattern::parse(text) {
                assert!(!pattern.matches("a\nb") && !pattern.matches("ba"), "{text}");
            }
        }
        assert!(Pattern::parse("a)|(?:.*").is_err());
    }

    #[test]
    fn a_debug_print_does_not_show_the_secret() {
        let webhook = Webhook {
            secret: Some("hunter2hunter2".into()),
            allow_private: false,
        };
        assert!(!format!("{webhook:?}").contains("hunter2"));
    }
}
