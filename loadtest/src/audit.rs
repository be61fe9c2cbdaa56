//! What one client must be told: offsets that grow by one. Looks for its fields as bytes, which is cheap, and right for
//! frames whose `data` is ours.

/// Where a client is in its topic.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Audit {
    last: Option<u64>,
}

/// What a message was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A publication, which was due so many nanoseconds after the start of the run; with what was missing before it.
    Message {
        due: u64,
        missing: u64,
    },
    /// The server says that something will not come.
    Told,
    Other,
}

impl Audit {
    /// The position that a subscription began at.
    pub(crate) fn start(&mut self, offset: u64) {
        self.last = Some(offset);
    }

    pub(crate) fn message(&mut self, text: &[u8]) -> Seen {
        if contains(text, b"\"type\":\"message\"") {
            let due = number(text, b"\"due\":").unwrap_or_default();
            let missing = match (number(text, b"\"offset\":"), self.last) {
                (Some(offset), Some(last)) => {
                    self.last = Some(offset);
                    // An offset that comes again counts as one that is wrong.
                    if offset > last { offset - last - 1 } else { 1 }
                }
                (Some(offset), None) => {
                    self.last = Some(offset);
                    0
                }
                (None, _) => 0,
            };
            return Seen::Message { due, missing };
        }
        if contains(text, b"\"type\":\"lagged\"") || contains(text, b"\"type\":\"reset\"") {
            self.last = None;
            return Seen::Told;
        }
        Seen::Other
    }
}

/// Within the first bytes, where the server puts what is not `data`.
fn contains(text: &[u8], what: &[u8]) -> bool {
    text[..text.len().min(64)]
        .windows(what.len())
        .any(|window| window == what)
}

/// The number after a key.
pub(crate) fn number(text: &[u8], key: &[u8]) -> Option<u64> {
    let at = text.windows(key.len()).position(|window| window == key)? + key.len();
    let digits = text[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let mut number: u64 = 0;
    let mut any = false;
    for digit in digits {
        number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        any = true;
    }
    any.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(offset: u64) -> Vec<u8> {
        format!("{{\"type\":\"message\",\"topic\":\"t\",\"data\":{{\"due\":7}},\"offset\":{offset}}}")
            .into_bytes()
    }

    #[test]
    fn what_is_missing_is_counted_and_what_comes_twice_is_wrong() {
        let mut audit = Audit::default();
        audit.start(4);
        let seen = |missing| Seen::Message { due: 7, missing };
        assert_eq!(audit.message(&message(5)), seen(0));
        assert_eq!(audit.message(&message(8)), seen(2));
        assert_eq!(audit.message(&message(8)), seen(1));
        assert_eq!(
            audit.message(b"{\"type\":\"lagged\",\"from\":9,\"to\":11}"),
            Seen::Told
        );
        assert_eq!(audit.message(&message(12)), seen(0));
        assert_eq!(audit.message(b"{\"type\":\"pong\"}"), Seen::Other);
    }
}
