//! What the user reads: results on standard output, one line each, notices on standard error.

use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;

/// Whether results are for eyes, not for a program.
pub(crate) fn is_readable() -> bool {
    io::stdout().is_terminal()
}

pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::failed("standard output cannot be written", &error),
        })
}

pub(crate) fn notice(text: &str) {
    // Nobody may be there to read it; that is no reason to stop.
    let _ = writeln!(io::stderr().lock(), "tidegate: {text}");
}

/// A text of somebody else's, without what a terminal would take for a command.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || is_direction(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// Marks that turn the direction of what follows.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_command_the_terminal() {
        assert_eq!(
            plain("a\u{1b}[2Jb\u{9b}c\u{202e}d é"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d é"
        );
    }
}
