//! When a schedule's ticks are. Plain functions of the time.

use std::str::FromStr;
use std::time::Duration;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Shortest and longest interval.
const EVERY: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(366 * 24 * 3600);
/// Longest cron expression, in bytes.
const CRON_LIMIT: usize = 255;

/// Times are milliseconds since 1970.
#[derive(Debug, Clone)]
pub enum Timing {
    /// At the multiples of this since 1970, so that all nodes agree on them.
    Every(Duration),
    /// By the wall clocks of a place.
    Cron(Box<Clockwork>),
}

#[derive(Debug, Clone)]
pub struct Clockwork {
    text: String,
    cron: Cron,
    zone: TimeZone,
    place: String,
}

impl Timing {
    pub fn every(interval: Duration) -> Result<Self, String> {
        if EVERY.contains(&interval) {
            Ok(Self::Every(interval))
        } else {
            Err(format!(
                "an interval of {interval:?} is not possible: 100 ms to 366 days are"
            ))
        }
    }

    /// Five fields — minute, hour, day of the month, month, day of the week —, or six with seconds before
    /// them; the time zone as in the IANA database, or `UTC` if it is absent. A time that a clock put forward
    /// leaves out comes right after the change; one that a clock put back shows twice comes once, if the hour is
    /// given, and else goes on.
    pub fn cron(text: &str, place: Option<&str>) -> Result<Self, String> {
        if text.len() > CRON_LIMIT {
            return Err(format!("a cron expression has at most {CRON_LIMIT} bytes"));
        }
        let place = place.unwrap_or("UTC");
        let zone = if place == "UTC" {
            TimeZone::UTC
        } else {
            TimeZone::get(place).map_err(|_| {
                format!("`{place}` is no time zone: write one as \"Europe/Berlin\", or \"UTC\"")
            })?
        };
        let cron = Cron::from_str(text).map_err(|error| {
            format!(
                "`{text}` is no cron expression ({error}): write minute, hour, day, month and day of the \
                 week, as \"30 3 * * MON-FRI\""
            )
        })?;
        Ok(Self::Cron(Box::new(Clockwork {
            text: text.to_owned(),
            cron,
            zone,
            place: place.to_owned(),
        })))
    }

    /// The first tick after a time; `None` if there is none any more.
    pub fn next_after(&self, time: u64) -> Option<u64> {
        match self {
            Self::Every(every) => {
                let every = interval(*every);
                (time / every).checked_add(1)?.checked_mul(every)
            }
            Self::Cron(clock) => millis(&clock.cron.find_next_occurrence(&clock.at(time)?, false).ok()?),
        }
    }

    /// The last tick at a time or before.
    pub fn last_until(&self, time: u64) -> Option<u64> {
        match self {
            Self::Every(every) => {
                let every = interval(*every);
                Some(time / every * every)
            }
            Self::Cron(clock) => {
                let found = clock.cron.find_previous_occurrence(&clock.at(time)?, true);
                millis(&found.ok()?)
            }
        }
    }

    pub fn interval(&self) -> Option<Duration> {
        match self {
            Self::Every(every) => Some(*every),
            Self::Cron(_) => None,
        }
    }

    /// Expression and time zone.
    pub fn clock(&self) -> Option<(&str, &str)> {
        match self {
            Self::Every(_) => None,
            Self::Cron(clock) => Some((&clock.text, &clock.place)),
        }
    }

    /// What differs whenever the ticks do; without line ends.
    pub fn canonical(&self) -> String {
        match self {
            Self::Every(every) => format!("every {}", every.as_millis()),
            Self::Cron(clock) => {
                let fields: Vec<&str> = clock.text.split_whitespace().collect();
                format!("cron {} {}", fields.join(" "), clock.place)
            }
        }
    }
}

impl PartialEq for Timing {
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

impl Clockwork {
    fn at(&self, time: u64) -> Option<Zoned> {
        let time = Timestamp::from_millisecond(i64::try_from(time).ok()?).ok()?;
        Some(time.to_zoned(self.zone.clone()))
    }
}

fn millis(time: &Zoned) -> Option<u64> {
    u64::try_from(time.timestamp().as_millisecond()).ok()
}

fn interval(every: Duration) -> u64 {
    u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> u64 {
        let time: Timestamp = text.parse().expect("a time");
        u64::try_from(time.as_millisecond()).expect("after 1970")
    }

    /// The ticks after a time.
    fn ticks(timing: &Timing, from: &str, number: usize) -> Vec<String> {
        let mut at = ms(from);
        (0..number)
            .map(|_| {
                at = timing.next_after(at).expect("there is another");
                assert_eq!(timing.last_until(at), Some(at), "{at} is a tick from both sides");
                let time = i64::try_from(at).expect("small");
                Timestamp::from_millisecond(time).expect("valid").to_string()
            })
            .collect()
    }

    #[test]
    fn an_interval_ticks_at_its_multiples() {
        let timing = Timing::every(Duration::from_secs(90)).expect("valid");
        assert_eq!(
            ticks(&timing, "2026-03-01T00:00:01Z", 2),
            ["2026-03-01T00:01:30Z", "2026-03-01T00:03:00Z"]
        );
        assert_eq!(
            timing.last_until(ms("2026-03-01T00:01:29.999Z")),
            Some(ms("2026-03-01T00:00:00Z"))
        );
        for bad in [
            Duration::ZERO,
            Duration::from_millis(99),
            Duration::from_secs(400 * 86_400),
        ] {
            assert!(Timing::every(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_daily_time_is_kept_by_the_clocks_of_its_place() {
        let timing = Timing::cron("30 8 * * *", Some("Europe/Berlin")).expect("valid");
        // Clocks go forward on 29 March and back on 25 October.
        assert_eq!(
            ticks(&timing, "2026-03-28T00:00:00Z", 2),
            ["2026-03-28T07:30:00Z", "2026-03-29T06:30:00Z"]
        );
        assert_eq!(
            ticks(&timing, "2026-10-24T00:00:00Z", 2),
            ["2026-10-24T06:30:00Z", "2026-10-25T07:30:00Z"]
        );
    }

    #[test]
    fn a_time_that_a_change_leaves_out_or_repeats_comes_once_that_day() {
        let timing = Timing::cron("30 2 * * *", Some("Europe/Berlin")).expect("valid");
        let day = |from: &str| {
            let (first, last) = (ms(from), ms(from) + 86_400_000);
            let mut at = first;
            let mut number = 0;
            while let Some(next) = timing.next_after(at).filter(|next| *next < last) {
                (at, number) = (next, number + 1);
            }
            number
        };
        assert_eq!(day("2026-03-28T23:00:00Z"), 1, "02:30 does not exist on 29 March");
        assert_eq!(day("2026-10-24T22:00:00Z"), 1, "02:30 comes twice on 25 October");
    }

    #[test]
    fn what_is_no_timing_is_refused_with_an_example() {
        for (text, place) in [
            ("", None),
            ("* * * *", None),
            ("61 * * * *", None),
            ("@sometimes", None),
            ("* * * * *", Some("Europe/Atlantis")),
            (&"1,".repeat(200), None),
        ] {
            assert!(Timing::cron(text, place).is_err(), "{text}");
        }
        assert!(
            Timing::cron("*/10 * * * * *", None).is_ok(),
            "seconds may come first"
        );
    }
}
