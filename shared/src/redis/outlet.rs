//! The sending end of the broker's events. Never waits: what does not fit is dropped, and a gap is told
//! as soon as there is room again.

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::metrics::{RedisMetrics, Trouble};
use crate::broker::BrokerEvent;

#[derive(Debug)]
pub(super) struct Outlet {
    sender: mpsc::Sender<BrokerEvent>,
    owed: Mutex<Owed>,
    metrics: RedisMetrics,
}

/// What could not be said when it happened.
#[derive(Debug, Default)]
struct Owed {
    /// The last `Down` or `Up`.
    state: Option<BrokerEvent>,
    gap: bool,
}

impl Outlet {
    pub(super) fn new(sender: mpsc::Sender<BrokerEvent>, metrics: RedisMetrics) -> Self {
        Self {
            sender,
            owed: Mutex::default(),
            metrics,
        }
    }

    pub(super) fn send(&self, event: BrokerEvent) {
        let mut owed = self.owed.lock();
        let refused = if self.settle(&mut owed) {
            match self.sender.try_send(event) {
                Err(TrySendError::Full(event)) => event,
                // Closed: nobody wants events any more.
                Ok(()) | Err(TrySendError::Closed(_)) => return,
            }
        } else {
            event
        };
        match refused {
            BrokerEvent::Down | BrokerEvent::Up => owed.state = Some(refused),
            BrokerEvent::Publication(_) | BrokerEvent::Control(_) | BrokerEvent::Gap { .. } => {
                if !owed.gap {
                    self.metrics.count(Trouble::Overflow);
                }
            }
        }
        owed.gap = true;
    }

    /// Says what is owed, if there is room.
    pub(super) fn flush(&self) {
        let mut owed = self.owed.lock();
        self.settle(&mut owed);
    }

    /// Whether nothing is owed any more.
    fn settle(&self, owed: &mut Owed) -> bool {
        if let Some(state) = owed.state.take()
            && let Err(TrySendError::Full(state)) = self.sender.try_send(state)
        {
            owed.state = Some(state);
            return false;
        }
        if owed.gap
            && matches!(
                self.sender.try_send(BrokerEvent::Gap { topic: None }),
                Err(TrySendError::Full(_))
            )
        {
            return false;
        }
        owed.gap = false;
        true
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    #[test]
    fn what_does_not_fit_is_told_as_a_gap_and_the_last_state_is_kept() {
        let (sender, mut receiver) = mpsc::channel(2);
        let metrics = RedisMetrics::register(&Registry::new()).expect("metrics");
        let outlet = Outlet::new(sender, metrics);
        for event in [
            BrokerEvent::Down,
            BrokerEvent::Up,
            BrokerEvent::Down,
            BrokerEvent::Up,
        ] {
            outlet.send(event);
        }
        assert!(matches!(receiver.try_recv(), Ok(BrokerEvent::Down)));
        assert!(matches!(receiver.try_recv(), Ok(BrokerEvent::Up)));
        outlet.flush();
        assert!(matches!(receiver.try_recv(), Ok(BrokerEvent::Up)));
        assert!(matches!(
            receiver.try_recv(),
            Ok(BrokerEvent::Gap { topic: None })
        ));
        assert!(receiver.try_recv().is_err());
    }
}
