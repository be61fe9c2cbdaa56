//! The end of a text of any length.

/// Keeps the last lines of what it is given, up to a number of bytes: UTF-8 whatever came, and without
/// control characters, which would do things to a terminal.
#[derive(Debug)]
pub(crate) struct Tail {
    text: String,
    limit: usize,
    cut: bool,
}

impl Tail {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            text: String::new(),
            limit,
            cut: false,
        }
    }

    pub(crate) fn push(&mut self, line: &[u8]) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&readable(line));
        // Seldom, as each time everything is moved.
        if self.text.len() > self.limit.saturating_mul(2) {
            self.trim();
        }
    }

    /// The text, and whether it is only the end of what came.
    pub(crate) fn finish(mut self) -> (String, bool) {
        self.trim();
        (self.text, self.cut)
    }

    fn trim(&mut self) {
        if self.text.len() > self.limit {
            let from = self.text.len() - self.limit;
            let at = (from..self.text.len()).find(|at| self.text.is_char_boundary(*at));
            let at = at.unwrap_or(self.text.len());
            self.text.drain(..at);
            self.cut = true;
        }
    }
}

/// UTF-8 whatever it was, and without control characters.
pub(crate) fn readable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.chars().filter(|c| *c == '\t' || !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_control_characters_are_not() {
        let mut tail = Tail::new(6);
        for line in [&b"first"[..], b"\x1b[1ms\xff", "ü\0".as_bytes()] {
            tail.push(line);
        }
        // The boundary would lie inside of the replacement character.
        assert_eq!(tail.finish(), ("\u{fffd}\nü".into(), true));
        let mut tail = Tail::new(6);
        tail.push(b"all\t\x07");
        assert_eq!(tail.finish(), ("all\t".into(), false));
    }
}
