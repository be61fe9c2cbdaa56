//! Durations, sizes and numbers as they are written in the configuration, and their bounds.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::mistake::{Wrong, echo};

/// A whole number and its unit: `500ms`, `25s`, `5m`, `1h`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, Wrong> {
    let wrong = || {
        Wrong::new(
            format!("{} is not a duration", echo(text)),
            "write a whole number and its unit, as \"500ms\", \"25s\", \"5m\", \"1h\" or \"7d\"",
        )
    };
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    let millis_per_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let millis = number.checked_mul(millis_per_unit).ok_or_else(wrong)?;
    Ok(Duration::from_millis(millis))
}

/// As it is written in the file: the largest unit that divides it.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if millis >= unit && millis.is_multiple_of(unit) {
            return format!("{}{name}", millis / unit);
        }
    }
    if millis == 0 {
        "0s".into()
    } else {
        format!("{millis}ms")
    }
}

/// `4096`, `512B`, `64KiB`, `1MiB`, `1GiB`.
pub(super) fn size(text: &str) -> Result<u64, Wrong> {
    let wrong = || {
        Wrong::new(
            format!("{} is not a size", echo(text)),
            "write bytes or a text with a unit, as 4096, \"64KiB\", \"1MiB\" or \"1GiB\"",
        )
    };
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    let bytes_per_unit: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(bytes_per_unit).ok_or_else(wrong)
}

pub(super) fn show_size(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    bytes.to_string()
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start_matches(' ')))
}

pub(super) fn number(text: &str) -> Result<u64, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(
            format!("{} is not a whole number", echo(text)),
            "write one, as 16",
        )
    })
}

/// Whether `value` is inside `range`, whose ends are shown as `show` does.
pub(super) fn within<T: PartialOrd + Copy>(
    value: T,
    range: &RangeInclusive<T>,
    show: impl Fn(T) -> String,
) -> Result<T, Wrong> {
    if range.contains(&value) {
        return Ok(value);
    }
    let size = if value < *range.start() { "small" } else { "large" };
    Err(Wrong::new(
        format!("{} is too {size}", show(value)),
        format!(
            "from {} to {} is allowed",
            show(*range.start()),
            show(*range.end())
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_with_their_units_and_shown_the_same_way() {
        for text in ["0s", "500ms", "25s", "5m", "1h", "7d"] {
            assert_eq!(duration(text).map(show_duration).as_deref(), Ok(text));
        }
        for text in [
            "",
            "25",
            "s",
            "-1s",
            "1.5s",
            "1h30m",
            "25S",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["0", "4095", "64KiB", "1MiB", "3GiB"] {
            assert_eq!(size(text).map(show_size).as_deref(), Ok(text));
        }
        assert_eq!(size("64 KiB"), Ok(65_536));
        for text in [
            "",
            "KiB",
            "64KB",
            "64k",
            "-1",
            "1.5MiB",
            "18446744073709551615GiB",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
