//! What one client must be told: numbers that grow by one. They are the server's offsets, or where it has none the
//! numbers that the publisher put into its messages.

/// Where a client is in its topic: what it names when it comes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: Box<str>,
    pub(crate) offset: u64,
    pub(crate) tag: Box<str>,
}

/// Where a client is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Audit {
    last: Option<u64>,
}

impl Audit {
    /// The place that a subscription began at.
    pub(crate) fn start(&mut self, offset: u64) {
        self.last = Some(offset);
    }

    /// Whatever comes next is right.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }

    /// How many are missing before it. One that comes again counts as one that is wrong.
    pub(crate) fn message(&mut self, number: u64) -> u64 {
        let missing = match self.last {
            Some(last) if number > last => number - last - 1,
            Some(_) => 1,
            None => 0,
        };
        self.last = Some(number);
        missing
    }
}

/// Within the first bytes, where a server puts what is not `data`.
pub(crate) fn contains(text: &[u8], what: &[u8]) -> bool {
    text[..text.len().min(96)]
        .windows(what.len())
        .any(|window| window == what)
}

/// The number after a key.
pub(crate) fn number(text: &[u8], key: &[u8]) -> Option<u64> {
    let at = text.windows(key.len()).position(|window| window == key)? + key.len();
    digits(&text[at..])
}

/// The number after the last such key.
pub(crate) fn last_number(text: &[u8], key: &[u8]) -> Option<u64> {
    let at = text.windows(key.len()).rposition(|window| window == key)? + key.len();
    digits(&text[at..])
}

/// The text after the last such key, up to the quote.
pub(crate) fn field<'t>(text: &'t [u8], key: &[u8]) -> Option<&'t str> {
    let at = text.windows(key.len()).rposition(|window| window == key)? + key.len();
    let end = text[at..].iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&text[at..at + end]).ok()
}

fn digits(text: &[u8]) -> Option<u64> {
    let mut number: u64 = 0;
    let mut any = false;
    for digit in text.iter().take_while(|byte| byte.is_ascii_digit()) {
        number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        any = true;
    }
    any.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_counted_and_what_comes_twice_is_wrong() {
        let mut audit = Audit::default();
        audit.start(4);
        let missing: Vec<_> = [5, 8, 8].map(|offset| audit.message(offset)).into();
        assert_eq!(missing, [0, 2, 1]);
        audit.forget();
        assert_eq!(audit.message(12), 0, "what was told to be missing is no fault");
    }

    #[test]
    fn fields_are_found_from_the_end() {
        let text = br#"{"offset":1,"tag":"a","offset":23,"tag":"b"}"#;
        assert_eq!(number(text, b"\"offset\":"), Some(1));
        assert_eq!(last_number(text, b"\"offset\":"), Some(23));
        assert_eq!(field(text, b"\"tag\":\""), Some("b"));
    }
}
