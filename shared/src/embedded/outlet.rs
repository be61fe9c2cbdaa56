use std::sync::Arc;

use tokio::sync::mpsc;

use crate::broker::BrokerEvent;
use crate::publication::Publication;

/// The sending end of one broker's events. Never waits: what finds no room is dropped, and the last
/// place is kept for saying so.
#[derive(Debug)]
pub(super) struct Outlet {
    sender: mpsc::Sender<BrokerEvent>,
    /// The newest event that was sent is a gap.
    gap_is_last: bool,
}

impl Outlet {
    pub(super) fn new(sender: mpsc::Sender<BrokerEvent>) -> Self {
        Self {
            sender,
            gap_is_last: false,
        }
    }

    pub(super) fn send(&mut self, publication: &Arc<Publication>) {
        self.event(BrokerEvent::Publication(Arc::clone(publication)));
    }

    /// Only one thread sends at a time, so room that was seen is still there. An event is dropped only
    /// while a gap stands behind everything that was sent: whoever receives the gap afterwards and reads
    /// the log misses no publication.
    pub(super) fn event(&mut self, event: BrokerEvent) {
        if self.sender.capacity() > 1 {
            self.gap_is_last = false;
            // Fails only when the receiver is gone; then nobody misses it.
            let _ = self.sender.try_send(event);
        } else if !self.gap_is_last {
            self.gap_is_last = self.sender.try_send(BrokerEvent::Gap { topic: None }).is_ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::RawJson;
    use crate::publication::Body;
    use crate::topic::Topic;

    fn publication(time_ms: u64) -> Arc<Publication> {
        Arc::new(Publication {
            topic: Topic::parse("t").expect("valid"),
            place: None,
            time_ms,
            body: Body::Message {
                data: RawJson::null(),
                event: None,
            },
            exclude: None,
            trace: None,
        })
    }

    /// What is waiting: the number of a publication, or `None` for a gap.
    fn receive(receiver: &mut mpsc::Receiver<BrokerEvent>, limit: usize) -> Vec<Option<u64>> {
        let mut got = Vec::new();
        while got.len() < limit {
            match receiver.try_recv() {
                Ok(BrokerEvent::Publication(publication)) => got.push(Some(publication.time_ms)),
                Ok(BrokerEvent::Gap { topic: None }) => got.push(None),
                Ok(other) => panic!("{other:?}"),
                Err(_) => break,
            }
        }
        got
    }

    #[test]
    fn a_full_outlet_drops_and_says_so_behind_what_it_sent() {
        let (sender, mut receiver) = mpsc::channel(4);
        let mut outlet = Outlet::new(sender);
        for number in 1..=9 {
            outlet.send(&publication(number));
        }
        assert_eq!(receive(&mut receiver, 9), [Some(1), Some(2), Some(3), None]);
        outlet.send(&publication(10));
        assert_eq!(receive(&mut receiver, 9), [Some(10)]);
    }

    #[test]
    fn whatever_is_dropped_is_followed_by_a_gap() {
        let (sender, mut receiver) = mpsc::channel(4);
        let mut outlet = Outlet::new(sender);
        let mut got = Vec::new();
        for number in 1..=200_u64 {
            outlet.send(&publication(number));
            // Reads slower than it is sent to, in uneven gulps.
            if number % 5 == 0 {
                got.extend(receive(
                    &mut receiver,
                    1 + usize::try_from(number % 3).expect("small"),
                ));
            }
        }
        got.extend(receive(&mut receiver, 9));
        let (mut expected, mut gap) = (1, false);
        for event in got {
            match event {
                None => gap = true,
                Some(number) => {
                    assert!(
                        number == expected || (gap && number > expected),
                        "{number} after {expected}"
                    );
                    (expected, gap) = (number + 1, false);
                }
            }
        }
        assert!(expected == 201 || gap, "the end was lost in silence");
    }
}
