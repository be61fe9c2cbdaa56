//! Times as older systems write them: ISO 8601, in UTC, of milliseconds since 1970.

use jiff::Timestamp;

/// `2024-01-15T10:30:00.000Z`
pub fn time(ms: u64) -> String {
    plain(ms) + "Z"
}

/// `2024-01-15T10:30:00.000000`, which says nothing of its zone; it is UTC.
pub fn local(ms: u64) -> String {
    plain(ms) + "000"
}

/// `2024-01-15T10:30:00.000000+00:00`
pub fn utc(ms: u64) -> String {
    plain(ms) + "000+00:00"
}

/// What no calendar has is the last it has.
fn plain(ms: u64) -> String {
    let last = Timestamp::MAX;
    let time = i64::try_from(ms).map_or(last, |ms| Timestamp::from_millisecond(ms).unwrap_or(last));
    time.strftime("%Y-%m-%dT%H:%M:%S.%3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_iso_8601_says() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_705_314_600_123, "2024-01-15T10:30:00.123Z"),
            (1_735_689_599_999, "2024-12-31T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (u64::MAX, "9999-12-30T22:00:00.999Z"),
        ] {
            assert_eq!(time(ms), text);
        }
        assert_eq!(local(0), "1970-01-01T00:00:00.000000");
        assert_eq!(utc(0), "1970-01-01T00:00:00.000000+00:00");
    }
}
