//! A job's record as scripts keep and tell it: its JSON with what every record has said in one byte each. The bytes
//! are control characters, which occur nowhere in JSON, so that there is nothing to escape, and what was written
//! without shorthand reads as it stands. A record takes 120 bytes instead of 300, of which each costs Redis time
//! whenever a script touches it, and memory in two logs.
//!
//! Relies on: the scripts write the parts in the order of [`JobRecord`](crate::job::JobRecord)'s JSON.

use bytes::{BufMut, Bytes, BytesMut};

/// What each byte stands for; empty: nothing. 9, 10 and 13 may be in JSON.
const LONG: [Option<&str>; 32] = {
    let mut long = [None; 32];
    long[1] = Some("{\"id\":\"");
    long[2] = Some("\",\"type\":");
    long[3] = Some(",\"queue\":");
    long[4] = Some(",\"state\":\"");
    long[5] = Some("\",\"attempt\":");
    long[6] = Some(",\"percent\":");
    long[7] = Some(",\"message\":");
    long[8] = Some(",\"progress\":");
    long[11] = Some(",\"result\":");
    long[12] = Some(",\"error\":");
    long[14] = Some(",\"max_attempts\":");
    long[15] = Some(",\"user\":");
    long[16] = Some(",\"created_at\":");
    long[17] = Some(",\"started_at\":");
    long[18] = Some(",\"finished_at\":");
    long[19] = Some("null");
    long[20] = Some(",\"timeout_ms\":");
    long[21] = Some(",\"concurrency\":");
    long[22] = Some(",\"traceparent\":");
    long[23] = Some(",\"run_at\":");
    long[24] = Some(",\"cancelling\":true");
    long[25] = Some(",\"dead_letter\":true");
    // Marks for scripts: the job has an idempotency key, or another priority than most.
    long[26] = Some("");
    long[27] = Some("");
    long
};

/// The whole JSON; `None` if there is a byte that stands for nothing.
pub(super) fn expand(short: &Bytes) -> Option<Bytes> {
    let is_short = |byte: &u8| *byte < 32 && !matches!(byte, b'\t' | b'\n' | b'\r');
    let mut rest = &short[..];
    let Some(mut at) = rest.iter().position(is_short) else {
        return Some(short.clone());
    };
    let mut whole = BytesMut::with_capacity(3 * short.len());
    loop {
        whole.put_slice(&rest[..at]);
        let Some((&byte, behind)) = rest[at..].split_first() else {
            return Some(whole.freeze());
        };
        whole.put_slice(LONG[usize::from(byte)]?.as_bytes());
        rest = behind;
        at = rest.iter().position(is_short).unwrap_or(rest.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_in_shorthand_is_the_json_that_it_stands_for() {
        let short = b"\x01q-0-1\x02\"test\"\x03\"q\"\x04running\x051\x0650.5\x07\"a b\"\x0b\x13\x0c\x13\x0e5\x0f\x13\x1a\x1b\
            \x101\x112\x12\x13\x18}";
        let whole = "{\"id\":\"q-0-1\",\"type\":\"test\",\"queue\":\"q\",\"state\":\"running\",\"attempt\":1,\
            \"percent\":50.5,\"message\":\"a b\",\"result\":null,\"error\":null,\"max_attempts\":5,\"user\":null,\
            \"created_at\":1,\"started_at\":2,\"finished_at\":null,\"cancelling\":true}";
        assert_eq!(
            expand(&Bytes::from_static(short)).as_deref(),
            Some(whole.as_bytes())
        );
    }

    #[test]
    fn json_stands_for_itself_and_other_bytes_for_nothing() {
        for same in ["{\"a\":\n\t\"\\u0001\"\r}", "", "äöü"] {
            assert_eq!(
                expand(&Bytes::from_static(same.as_bytes())).as_deref(),
                Some(same.as_bytes())
            );
        }
        for rubbish in ["\0", "{\u{1c}}", "\u{1}\u{1f}"] {
            assert_eq!(
                expand(&Bytes::from_static(rubbish.as_bytes())),
                None,
                "{rubbish:?}"
            );
        }
    }
}
