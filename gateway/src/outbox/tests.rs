//! What an outbox promises to those who fill it and to the one who empties it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use tidegate_shared::code::CloseCode;
use tidegate_shared::name::SessionId;

use super::{Ending, Frames, Outbox, Put, Taken};
use crate::dialect::Format;

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn outbox(limit: usize) -> Outbox {
    Outbox::new(SessionId::new(), Format::NativeJson, limit)
}

fn frames(size: usize) -> Frames {
    Frames::control(Bytes::from(vec![b'x'; size]))
}

fn taken(outbox: &Outbox) -> Option<usize> {
    match outbox.poll_take(&Context::from_waker(Waker::noop())) {
        Poll::Ready(Taken::Frames(frames)) => Some(frames.size()),
        Poll::Ready(Taken::End(ending)) => panic!("{ending:?}"),
        Poll::Pending => None,
    }
}

#[test]
fn frames_come_out_in_the_order_they_went_in_and_an_empty_outbox_holds_no_memory() {
    let outbox = outbox(100);
    for size in [1, 2, 3] {
        outbox.put(frames(size));
    }
    assert_eq!(
        [taken(&outbox), taken(&outbox), taken(&outbox)],
        [Some(1), Some(2), Some(3)]
    );
    assert_eq!(taken(&outbox), None);
    assert_eq!(outbox.queue.lock().waiting.capacity(), 0);
}

#[test]
fn one_wake_is_enough_for_everything_that_is_put_before_the_task_looks() {
    let outbox = outbox(100);
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(counter.clone());
    assert!(outbox.poll_take(&Context::from_waker(&waker)).is_pending());
    assert_eq!(outbox.put(frames(1)), Put::Queued { wake: true });
    assert_eq!(outbox.put(frames(1)), Put::Queued { wake: false });
    outbox.wake();
    outbox.wake();
    assert_eq!(counter.0.load(Ordering::Relaxed), 1);
    assert_eq!(
        (taken(&outbox), taken(&outbox), taken(&outbox)),
        (Some(1), Some(1), None)
    );
    assert_eq!(outbox.put(frames(1)), Put::Queued { wake: true });
}

#[test]
fn an_overflow_drops_what_waits_and_ends_the_connection() {
    let outbox = outbox(10);
    outbox.put(frames(10));
    assert_eq!(
        outbox.put(frames(1)),
        Put::Overflowed {
            messages: 0,
            bytes: 10
        }
    );
    assert_eq!(outbox.put(frames(1)), Put::Ending);
    let cx = Context::from_waker(Waker::noop());
    assert!(outbox.poll_slow(&cx).is_ready());
    assert!(matches!(
        outbox.poll_take(&cx),
        Poll::Ready(Taken::End(Ending::Slow))
    ));
    assert_eq!(outbox.close(), 0);
}

#[test]
fn a_single_item_may_be_larger_than_the_limit() {
    let outbox = outbox(10);
    assert_eq!(outbox.put(frames(11)), Put::Queued { wake: true });
    assert!(matches!(outbox.put(frames(1)), Put::Overflowed { .. }));
}

#[test]
fn a_task_that_cannot_write_is_woken_only_by_the_end() {
    let outbox = outbox(10);
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(counter.clone());
    assert!(outbox.poll_slow(&Context::from_waker(&waker)).is_pending());
    assert_eq!(outbox.put(frames(10)), Put::Queued { wake: false });
    assert!(matches!(outbox.put(frames(1)), Put::Overflowed { .. }));
    outbox.wake();
    assert_eq!(counter.0.load(Ordering::Relaxed), 1);
}

#[test]
fn an_orderly_end_comes_after_what_waits_and_the_first_one_counts() {
    let outbox = outbox(10);
    outbox.put(frames(1));
    let aged = Ending::Orderly {
        code: CloseCode::ConnectionAged,
        goodbye: None,
    };
    outbox.end(aged);
    outbox.end(Ending::Slow);
    assert_eq!(outbox.put(frames(1)), Put::Ending);
    assert_eq!(taken(&outbox), Some(1));
    let end = outbox.poll_take(&Context::from_waker(Waker::noop()));
    assert!(matches!(end, Poll::Ready(Taken::End(ending)) if ending == aged));
}
