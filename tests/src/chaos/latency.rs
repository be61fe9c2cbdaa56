//! How long things took, counted by classes that are 3 % wide.

use std::time::Duration;

/// Classes for each doubling, from a microsecond on.
const STEPS: u32 = 24;
const CLASSES: usize = 24 * 32;

#[derive(Debug, Clone)]
pub struct Latencies {
    counts: Vec<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            counts: vec![0; CLASSES],
        }
    }
}

impl Latencies {
    pub fn add(&mut self, length: Duration) {
        let microseconds = length.as_secs_f64() * 1e6;
        let class = (microseconds.max(1.0).log2() * f64::from(STEPS)).floor();
        // Both are small; what is longer than any class is in the last.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 2^32"
        )]
        let class = (class as usize).min(CLASSES - 1);
        self.counts[class] += 1;
    }

    pub fn merge(&mut self, other: &Self) {
        for (here, there) in self.counts.iter_mut().zip(&other.counts) {
            *here += there;
        }
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// So long or less took this part of them, from 0 to 1; nothing if there are none.
    pub fn quantile(&self, part: f64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let wanted = self.count() as f64 * part;
        let mut sum = 0.0;
        for (class, count) in self.counts.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "as above")]
            let count = *count as f64;
            sum += count;
            if sum >= wanted && sum > 0.0 {
                #[expect(clippy::cast_precision_loss, reason = "there are few classes")]
                let upper = (class + 1) as f64 / f64::from(STEPS);
                return Duration::from_secs_f64(upper.exp2() / 1e6);
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_the_width_of_a_class() {
        let mut latencies = Latencies::default();
        for milliseconds in 1..=1_000 {
            latencies.add(Duration::from_millis(milliseconds));
        }
        let mut twice = latencies.clone();
        twice.merge(&latencies);
        assert_eq!(twice.count(), 2_000);
        for (part, milliseconds) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let found = twice.quantile(part).as_secs_f64() * 1e3;
            assert!((found / milliseconds - 1.0).abs() < 0.035, "{part}: {found} ms");
        }
        assert_eq!(Latencies::default().quantile(0.5), Duration::ZERO);
    }
}
