//! Lines that programs and servers write while they work: split, measured, and read as progress.
//! Nothing here trusts what it is given: lines may be endless, and no UTF-8.

mod progress;
mod tail;

use tidegate_shared::job::RESULT_LIMIT;

pub(crate) use progress::{json, plain};
pub(crate) use tail::{Tail, readable};

/// Longest line that can be progress or a result, in bytes. Of a longer one only so much is kept.
pub(crate) const LINE_LIMIT: usize = RESULT_LIMIT;

/// Cuts bytes, as they come, into lines. A carriage return ends a line as well: that is how programs
/// draw progress on one line of a terminal.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pending: Vec<u8>,
    /// The line is longer than what is kept of it.
    overlong: bool,
    /// The last line ended with a carriage return, so a line feed right after it ends nothing.
    returned: bool,
}

/// One line, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) bytes: &'a [u8],
    /// This is only the beginning of it.
    pub(crate) cut: bool,
}

impl Line<'_> {
    /// The text, if it is all there and UTF-8.
    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes).ok().filter(|_| !self.cut)
    }
}

impl Lines {
    pub(crate) fn push(&mut self, bytes: &[u8], mut take: impl FnMut(Line<'_>)) {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, end) = (&rest[..at], rest[at]);
            let second_half = self.returned && end == b'\n' && line.is_empty() && self.pending.is_empty();
            if !second_half {
                self.keep(line);
                self.give(&mut take);
            }
            self.returned = end == b'\r';
            rest = &rest[at + 1..];
        }
        if !rest.is_empty() {
            self.returned = false;
            self.keep(rest);
        }
    }

    /// What came after the last line's end.
    pub(crate) fn end(&mut self, mut take: impl FnMut(Line<'_>)) {
        if !self.pending.is_empty() {
            self.give(&mut take);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_LIMIT - self.pending.len();
        self.overlong |= bytes.len() > room;
        self.pending.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn give(&mut self, take: &mut impl FnMut(Line<'_>)) {
        take(Line {
            bytes: &self.pending,
            cut: self.overlong,
        });
        self.pending.clear();
        self.overlong = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        let mut take = |line: Line<'_>| found.push((line.bytes.to_vec(), line.cut));
        for chunk in chunks {
            lines.push(chunk, &mut take);
        }
        lines.end(&mut take);
        found
    }

    #[test]
    fn line_feeds_carriage_returns_and_both_together_end_a_line() {
        let lines = split(&[b"a\nb\r\nc\r", b"\nd\r10%\r20%\n\ne"]);
        let texts: Vec<&[u8]> = lines.iter().map(|(bytes, _)| bytes.as_slice()).collect();
        assert_eq!(texts, [&b"a"[..], b"b", b"c", b"d", b"10%", b"20%", b"", b"e"]);
    }

    #[test]
    fn of_an_endless_line_only_the_beginning_is_kept() {
        let long = vec![b'x'; LINE_LIMIT];
        let lines = split(&[&long, &long, b"\nshort\n", &long]);
        assert_eq!(
            lines,
            [(long.clone(), true), (b"short".to_vec(), false), (long, false)]
        );
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_are_cut(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            at in 0_usize..200,
        ) {
            let (first, second) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(split(&[&bytes]), split(&[first, second]));
        }
    }
}
