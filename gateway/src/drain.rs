//! Letting go of a node's clients at a pace that the other nodes can take.
//!
//! `run` decides when; here is how fast, and what each client is told.

use std::sync::Arc;
use std::time::Duration;

use tidegate_shared::code::CloseCode;
use tokio::time::Instant;

use crate::dialect::Goodbye;
use crate::outbox::{Ending, Outbox};

/// Within which all are let go, where the minimum rate is slower than that.
const WITHIN: Duration = Duration::from_secs(240);
/// Part of the time there is that may be used; the rest is for closing.
const PART: f64 = 0.9;
/// Clients are told to come back spread over this time for each client, so that they don't come at once.
const SPREAD: Duration = Duration::from_millis(20);
/// But never later than this.
const SPREAD_LIMIT: Duration = Duration::from_secs(30);
/// Where the pace alone spreads them, clients need not be away for long: only so that those who were let go together
/// do not come together.
const BRIEF: Duration = Duration::from_secs(2);

/// When to let go of each of so many clients.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pace {
    /// Clients per second.
    rate: f64,
}

impl Pace {
    /// `left`: the time after which those who remain are closed anyway.
    fn new(clients: usize, min_rate: u32, left: Duration) -> Self {
        let within = WITHIN.min(left.mul_f64(PART)).as_secs_f64();
        let clients = u32::try_from(clients).unwrap_or(u32::MAX);
        Self {
            rate: f64::from(min_rate).max(f64::from(clients) / within.max(0.001)),
        }
    }

    /// How long after the beginning the client with this number goes.
    fn due(self, number: u32) -> Duration {
        Duration::from_secs_f64(f64::from(number) / self.rate)
    }
}

/// Lets go of them one after the other, for at most the time that is `left`.
pub(crate) async fn send_away_slowly(connections: Vec<Arc<Outbox>>, min_rate: u32, left: Duration) {
    let pace = Pace::new(connections.len(), min_rate, left);
    let began = Instant::now();
    let whole = spread(connections.len());
    let takes = pace.due(u32::try_from(connections.len()).unwrap_or(u32::MAX));
    let spread = whole.saturating_sub(takes).max(BRIEF.min(whole));
    for (number, outbox) in (0..).zip(connections) {
        tokio::time::sleep_until(began + pace.due(number)).await;
        outbox.end(ending(spread));
    }
}

/// What one of so many clients is told that all go at once.
pub(crate) fn goodbye(clients: usize) -> Ending {
    ending(spread(clients))
}

/// The time over which so many clients can come to other nodes.
fn spread(clients: usize) -> Duration {
    let clients = u32::try_from(clients).unwrap_or(u32::MAX);
    SPREAD.saturating_mul(clients).min(SPREAD_LIMIT)
}

fn ending(spread: Duration) -> Ending {
    Ending::Orderly {
        code: CloseCode::ServiceRestart,
        goodbye: Some(Goodbye {
            reason: "shutdown",
            reconnect_after: spread.mul_f64(rand::random()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use tidegate_shared::name::SessionId;

    use super::*;
    use crate::dialect::Format;
    use crate::outbox::Taken;

    const AMPLE: Duration = Duration::from_secs(275);

    #[test]
    fn few_clients_go_at_the_minimum_rate_and_many_within_four_minutes() {
        assert_eq!(Pace::new(100, 50, AMPLE).due(100), Duration::from_secs(2));
        assert_eq!(Pace::new(12_000, 50, AMPLE).due(12_000), Duration::from_secs(240));
        let many = Pace::new(100_000, 50, AMPLE).due(100_000);
        assert!(
            many.abs_diff(Duration::from_secs(240)) < Duration::from_millis(1),
            "{many:?}"
        );
    }

    #[test]
    fn with_less_time_they_go_faster() {
        let all = Pace::new(100_000, 50, Duration::from_secs(10)).due(100_000);
        assert!(all <= Duration::from_secs(9), "{all:?}");
        let all = Pace::new(100_000, 50, Duration::ZERO).due(100_000);
        assert!(all <= Duration::from_millis(2), "{all:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn each_client_gets_its_own_time_and_its_own_delay() {
        let outboxes: Vec<Arc<Outbox>> = (0..200)
            .map(|_| Arc::new(Outbox::new(SessionId::new(), Format::NATIVE, 1_000)))
            .collect();
        let began = Instant::now();
        let sending = tokio::spawn(send_away_slowly(outboxes.clone(), 50, AMPLE));
        let mut delays = Vec::new();
        for (number, outbox) in (0..).zip(&outboxes) {
            let taken = std::future::poll_fn(|cx| outbox.poll_take(cx)).await;
            let Taken::End(Ending::Orderly { code, goodbye }) = taken else {
                panic!("{taken:?}");
            };
            assert_eq!(code, CloseCode::ServiceRestart);
            let due = Duration::from_millis(20) * number;
            assert!(
                began.elapsed().abs_diff(due) < Duration::from_millis(15),
                "the {number}th"
            );
            delays.push(goodbye.expect("it is told").reconnect_after);
        }
        sending.await.expect("no panic");
        delays.sort();
        delays.dedup();
        assert!(delays.len() > 190, "spread out");
        assert!(
            delays.iter().all(|delay| *delay <= BRIEF),
            "the pace spreads them"
        );
    }

    #[test]
    fn clients_that_go_at_once_are_told_to_come_back_one_by_one() {
        let longest = (0..1_000).map(|_| {
            let Ending::Orderly { goodbye, .. } = goodbye(1_000) else {
                panic!("orderly");
            };
            goodbye.expect("it is told").reconnect_after
        });
        let longest = longest.max().expect("some");
        let all = SPREAD * 1_000;
        assert!(longest <= all && longest > all / 2, "{longest:?}");
    }
}
