//! A time as part of a file's name, and back.

/// `20251121T074100.123Z` for milliseconds since 1970: sorts by time, and no file system minds it.
pub(crate) fn stamp(ms: u64) -> String {
    let (days, of_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = date(days);
    format!(
        "{year:04}{month:02}{day:02}T{:02}{:02}{:02}.{:03}Z",
        of_day / 3_600_000,
        of_day / 60_000 % 60,
        of_day / 1_000 % 60,
        of_day % 1_000
    )
}

/// Whether [`stamp`] could have written this.
pub(crate) fn is_stamp(text: &[u8]) -> bool {
    let shape = b"00000000T000000.000Z";
    text.len() == shape.len()
        && text.iter().zip(shape).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        })
}

/// Days since 1970 in the Gregorian calendar, by counting in years that begin in March, so that the leap
/// day comes last, and in eras of 400 years, which all have the same length.
fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    // From 0000-03-01 to 1970-01-01.
    let days = days + 719_468;
    let (era, of_era) = (days / ERA, days % ERA);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_utc_dates() {
        // Checked against `date -u`.
        for (seconds, text) in [
            (0, "19700101T000000.000Z"),
            (951_782_400, "20000229T000000.000Z"),
            (1_763_710_860, "20251121T074100.000Z"),
            (4_107_542_399, "21000228T235959.000Z"),
            (4_107_542_400, "21000301T000000.000Z"),
        ] {
            assert_eq!(stamp(seconds * 1_000), text);
        }
        assert!(is_stamp(stamp(1_763_710_860_123).as_bytes()));
        assert!(!is_stamp(b"20251121T074100Z"));
    }
}
